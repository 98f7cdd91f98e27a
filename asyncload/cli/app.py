"""The commands. Each builds settings, calls, and leaves the rest to modules of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asyncload.cli import object_options as obj
from asyncload.cli import options as opt
from asyncload.cli.default_volume import MOUNTED, default_volume
from asyncload.cli.ending import Ending
from asyncload.cli.imports import look_for_garbage, trust_unread
from asyncload.cli.words import Command
from asyncload.object_settings import parse_duration, parse_pairs
from asyncload.settings import (
    AUTO,
    AUTO_CONCURRENCY,
    Settings,
    parse_dataset_rule,
    parse_rate,
    parse_size,
)
from asyncload.version import VERSION

_EPILOG = (
    "Exit codes: 0 all files are in the raw zone, 1 internal error, 2 usage, 3 some files "
    "failed, 4 nothing to load, 5 refused, 6 the store stayed unavailable, 129/130/143 interrupted."
)

app = typer.Typer(
    name="asyncload",
    help="Load a volume of CSV files into the raw zone of an S3 data lake.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"asyncload {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
    ] = False,
) -> None:
    pass


@app.command(cls=Command, epilog=_EPILOG)
def run(
    bucket: opt.Bucket,
    volume: opt.VolumeArgument = None,
    include: opt.Include = None,
    exclude: opt.Exclude = None,
    date: opt.Date = "today",
    timezone: opt.Timezone = "UTC",
    layer: opt.Layer = "Raw",
    origin: opt.Origin = "Local",
    format: opt.Format = "CSV",
    dataset: opt.Dataset = None,
    layout: opt.Layout = "default",
    min_age: opt.MinAge = "0",
    allow_empty: opt.AllowEmpty = False,
    follow_symlinks: opt.FollowSymlinks = False,
    trust: opt.Trust = "size,mtime,ctime,inode",
    overwrite: opt.Overwrite = False,
    skip_existing: opt.SkipExisting = False,
    checksum: opt.ChecksumOption = "auto",
    manifest: obj.ManifestOption = True,
    manifest_prefix: obj.ManifestPrefix = "_asyncload",
    success_marker: obj.SuccessMarker = False,
    require_create_only: obj.RequireCreateOnly = False,
    storage_class: obj.StorageClass = None,
    sse: obj.Sse = None,
    sse_kms_key_id: obj.SseKmsKeyId = None,
    tag: obj.Tag = None,
    metadata: obj.Metadata = None,
    acl: obj.Acl = None,
    expected_bucket_owner: opt.ExpectedBucketOwner = None,
    endpoint_url: opt.EndpointUrl = None,
    addressing_style: opt.AddressingStyle = "auto",
    allow_http: opt.AllowHttp = False,
    ca_bundle: opt.CaBundle = None,
    region: opt.Region = None,
    profile: opt.Profile = None,
    concurrency: opt.Concurrency = AUTO_CONCURRENCY,
    limit_rate: opt.LimitRate = None,
    memory: opt.Memory = None,
    unsigned_payload: opt.UnsignedPayload = False,
    fast_lane: opt.FastLane = True,
    dry_run: opt.DryRun = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Upload every CSV of a volume, whole and unchanged, under its dated key."""
    with Ending("run", bucket=bucket, json=json) as ending:
        settings = Settings(
            volume=volume or default_volume(),
            bucket=bucket,
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
            date=date,
            timezone=timezone,
            layer=layer,
            origin=origin,
            format=format,
            datasets=tuple(map(parse_dataset_rule, dataset or ())),
            layout=layout,
            min_age=parse_duration("--min-age", min_age),
            allow_empty=allow_empty,
            follow_symlinks=follow_symlinks,
            trust=tuple(trust.split(",")),
            overwrite=overwrite,
            skip_existing=skip_existing,
            checksum=checksum,
            manifest=manifest,
            manifest_prefix=manifest_prefix,
            success_marker=success_marker,
            require_create_only=require_create_only,
            storage_class=storage_class or None,
            sse=sse or None,
            sse_kms_key_id=sse_kms_key_id or None,
            tags=parse_pairs("--tag", tag or ()),
            metadata=parse_pairs("--metadata", metadata or ()),
            acl=acl or None,
            expected_bucket_owner=expected_bucket_owner or None,
            endpoint_url=endpoint_url or None,
            addressing_style=addressing_style or "auto",
            allow_http=allow_http,
            ca_bundle=ca_bundle,
            region=region or None,
            profile=profile or None,
            concurrency=concurrency,
            limit_rate=parse_rate(limit_rate) if limit_rate is not None else None,
            memory=parse_size(memory) if memory is not None else AUTO,
            unsigned_payload=unsigned_payload,
            fast_lane=fast_lane,
        )
        ending.bucket = settings.bucket
        if dry_run:
            from asyncload.cli.dry_run import dry_run as do
        else:
            with trust_unread():
                from asyncload.cli.run import run as do
        look_for_garbage()
        ending.exit_code = do(settings, ending, quiet=quiet)
    raise typer.Exit(ending.exit_code)


@app.command(cls=Command)
def verify(
    bucket: opt.Bucket,
    volume: opt.VolumeArgument = None,
    manifest: opt.VerifiedManifest = None,
    include: opt.Include = None,
    exclude: opt.Exclude = None,
    min_age: opt.MinAge = "0",
    follow_symlinks: opt.FollowSymlinks = False,
    trust: opt.Trust = "size,mtime,ctime,inode",
    date: opt.Date = "today",
    timezone: opt.Timezone = "UTC",
    layer: opt.Layer = "Raw",
    origin: opt.Origin = "Local",
    format: opt.Format = "CSV",
    dataset: opt.Dataset = None,
    layout: opt.Layout = "default",
    manifest_prefix: obj.ManifestPrefix = "_asyncload",
    endpoint_url: opt.EndpointUrl = None,
    addressing_style: opt.AddressingStyle = "auto",
    allow_http: opt.AllowHttp = False,
    ca_bundle: opt.CaBundle = None,
    region: opt.Region = None,
    profile: opt.Profile = None,
    expected_bucket_owner: opt.ExpectedBucketOwner = None,
    concurrency: opt.Concurrency = AUTO_CONCURRENCY,
    memory: opt.Memory = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Compare the raw zone with a volume, or a past run's manifest, by checksum."""
    with Ending("verify", bucket=bucket, json=json) as ending:
        settings = Settings(
            volume=volume or default_volume(),
            bucket=bucket,
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
            min_age=parse_duration("--min-age", min_age),
            follow_symlinks=follow_symlinks,
            trust=tuple(trust.split(",")),
            date=date,
            timezone=timezone,
            layer=layer,
            origin=origin,
            format=format,
            datasets=tuple(map(parse_dataset_rule, dataset or ())),
            layout=layout,
            manifest_prefix=manifest_prefix,
            endpoint_url=endpoint_url or None,
            addressing_style=addressing_style or "auto",
            allow_http=allow_http,
            ca_bundle=ca_bundle,
            region=region or None,
            profile=profile or None,
            expected_bucket_owner=expected_bucket_owner or None,
            concurrency=concurrency,
            memory=parse_size(memory) if memory is not None else AUTO,
        )
        with trust_unread():
            from asyncload.cli.verify import verify as do
        look_for_garbage()
        ending.exit_code = do(settings, ending, manifest=manifest, quiet=quiet)
    raise typer.Exit(ending.exit_code)


@app.command(cls=Command)
def clean(
    bucket: opt.Bucket,
    older_than: opt.OlderThan = "24h",
    layer: opt.Layer = "Raw",
    origin: opt.Origin = "Local",
    format: opt.Format = "CSV",
    layout: opt.Layout = "default",
    endpoint_url: opt.EndpointUrl = None,
    addressing_style: opt.AddressingStyle = "auto",
    allow_http: opt.AllowHttp = False,
    ca_bundle: opt.CaBundle = None,
    region: opt.Region = None,
    profile: opt.Profile = None,
    expected_bucket_owner: opt.ExpectedBucketOwner = None,
    yes: opt.Yes = False,
    json: opt.Json = False,
) -> None:
    """List multipart uploads left open below the layout's prefix, and abort them with --yes."""
    with Ending("clean", bucket=bucket, json=json) as ending:
        settings = Settings(
            # Not looked at.
            volume=MOUNTED,
            bucket=bucket,
            layer=layer,
            origin=origin,
            format=format,
            layout=layout,
            manifest=False,
            endpoint_url=endpoint_url or None,
            addressing_style=addressing_style or "auto",
            allow_http=allow_http,
            ca_bundle=ca_bundle,
            region=region or None,
            profile=profile or None,
            expected_bucket_owner=expected_bucket_owner or None,
        )
        seconds = parse_duration("--older-than", older_than)
        with trust_unread():
            from asyncload.cli.clean import clean as do
        look_for_garbage()
        ending.exit_code = do(settings, ending, older_than=seconds, yes=yes)
    raise typer.Exit(ending.exit_code)


@app.command(cls=Command)
def demo(
    volume: Annotated[
        Path | None,
        typer.Argument(help="Folder with the CSVs; without it a small sample.", show_default=False),
    ] = None,
) -> None:
    """Start a local S3 store, load a volume into it, and show the lake."""
    with trust_unread():
        from asyncload.cli.demo import demo as do
    look_for_garbage()
    raise typer.Exit(do(volume))
