"""The options of `asyncload run`, each with its environment variable and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asyncload.cli.output import require_report

_WHAT = "What is loaded"
_WHERE = "Where it goes"
_STORE = "The store"
_HOW = "How"

VolumeArgument = Annotated[
    Path | None,
    typer.Argument(
        envvar="ASYNCLOAD_VOLUME",
        help="Folder with the CSVs; without it /data if that exists, else ./data.",
        show_default=False,
        # It is looked at later, by threads that may get stuck, and with better words.
        readable=False,
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        envvar="ASYNCLOAD_INCLUDE",
        metavar="GLOB",
        rich_help_panel=_WHAT,
        help="Load only CSVs that match; may be given several times. A pattern without '/' is "
        "matched against the name, one with '/' against the path; '**' crosses folders.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        envvar="ASYNCLOAD_EXCLUDE",
        metavar="GLOB",
        rich_help_panel=_WHAT,
        help="Leave out CSVs that match; may be given several times.",
    ),
]
Bucket = Annotated[
    str,
    typer.Option(envvar="ASYNCLOAD_BUCKET", rich_help_panel=_WHERE, help="Bucket to load into."),
]
Date = Annotated[
    str,
    typer.Option(
        envvar="ASYNCLOAD_DATE",
        metavar="DATE",
        rich_help_panel=_WHERE,
        help="Date partition: YYYY-MM-DD, today or yesterday.",
    ),
]
Timezone = Annotated[
    str,
    typer.Option(
        envvar="ASYNCLOAD_TIMEZONE",
        metavar="ZONE",
        rich_help_panel=_WHERE,
        help="Time zone of today and yesterday.",
    ),
]
Layer = Annotated[
    str,
    typer.Option(envvar="ASYNCLOAD_LAYER", rich_help_panel=_WHERE, help="First key segment."),
]
Origin = Annotated[
    str,
    typer.Option(envvar="ASYNCLOAD_ORIGIN", rich_help_panel=_WHERE, help="Second key segment."),
]
Format = Annotated[
    str,
    typer.Option(envvar="ASYNCLOAD_FORMAT", rich_help_panel=_WHERE, help="Third key segment."),
]
Dataset = Annotated[
    list[str] | None,
    typer.Option(
        envvar="ASYNCLOAD_DATASET",
        metavar="PATTERN=NAME",
        rich_help_panel=_WHERE,
        help="Dataset of the files that match the pattern, instead of their folder's or file's "
        "name; may be given several times, the first match counts.",
    ),
]
Layout = Annotated[
    str,
    typer.Option(
        envvar="ASYNCLOAD_LAYOUT",
        metavar="LAYOUT",
        rich_help_panel=_WHERE,
        help="Key layout: default, hive, or a template with the fields {layer} {origin} {format} "
        "{dataset} {date:%Y/%m/%d} {path}.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        envvar="ASYNCLOAD_OVERWRITE",
        rich_help_panel=_WHERE,
        help="Replace objects that are there with other bytes, instead of failing their files.",
    ),
]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        envvar="ASYNCLOAD_SKIP_EXISTING",
        rich_help_panel=_WHERE,
        help="Leave objects that are there with other bytes as they are, and say so.",
    ),
]
MinAge = Annotated[
    str,
    typer.Option(
        envvar="ASYNCLOAD_MIN_AGE",
        metavar="TIME",
        rich_help_panel=_WHAT,
        help="Leave out CSVs that were modified more recently: 90s, 15m, 24h, 7d.",
    ),
]
AllowEmpty = Annotated[
    bool,
    typer.Option(
        "--allow-empty",
        envvar="ASYNCLOAD_ALLOW_EMPTY",
        rich_help_panel=_WHAT,
        help="End with 0, not 4, where there is no CSV to load.",
    ),
]
FollowSymlinks = Annotated[
    bool,
    typer.Option(
        "--follow-symlinks",
        envvar="ASYNCLOAD_FOLLOW_SYMLINKS",
        rich_help_panel=_WHAT,
        help="Follow symbolic links that lead to what is in the volume.",
    ),
]
Trust = Annotated[
    str,
    typer.Option(
        envvar="ASYNCLOAD_TRUST",
        metavar="NAMES",
        rich_help_panel=_WHAT,
        help="What must stay the same for a file to be unchanged: size, mtime, ctime, inode, or "
        "fewer of them where the file system changes the others by itself.",
    ),
]
ChecksumOption = Annotated[
    str,
    typer.Option(
        "--checksum",
        envvar="ASYNCLOAD_CHECKSUM",
        metavar="NAME",
        rich_help_panel=_STORE,
        help="What must come back as proof: crc64nvme, crc32, md5; auto takes an MD5 from a store "
        "that returns no CRC64NVME.",
    ),
]
ExpectedBucketOwner = Annotated[
    str | None,
    typer.Option(
        envvar="ASYNCLOAD_EXPECTED_BUCKET_OWNER",
        metavar="ACCOUNT",
        rich_help_panel=_STORE,
        help="Refuse to run where the bucket is not of this AWS account.",
    ),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        envvar="ASYNCLOAD_ENDPOINT_URL",
        metavar="URL",
        rich_help_panel=_STORE,
        help="Address of an S3-compatible store; AWS without it.",
    ),
]
AddressingStyle = Annotated[
    str,
    typer.Option(
        "--addressing-style",
        envvar="ASYNCLOAD_ADDRESSING_STYLE",
        metavar="STYLE",
        rich_help_panel=_STORE,
        help="Where an address has the bucket: path, virtual (in the host's name), or auto, which "
        "is virtual for AWS and path for an --endpoint-url.",
    ),
]
AllowHttp = Annotated[
    bool,
    typer.Option(
        "--allow-http",
        envvar="ASYNCLOAD_ALLOW_HTTP",
        rich_help_panel=_STORE,
        help="Allow plain HTTP to a store on another machine; HTTPS only without it.",
    ),
]
CaBundle = Annotated[
    Path | None,
    typer.Option(
        envvar="ASYNCLOAD_CA_BUNDLE",
        metavar="PATH",
        rich_help_panel=_STORE,
        help="File of the certificates (PEM) to trust; from the AWS configuration without it.",
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        envvar=["ASYNCLOAD_REGION", "AWS_REGION"],
        rich_help_panel=_STORE,
        help="Region of the bucket; from the AWS configuration without it.",
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        envvar="ASYNCLOAD_PROFILE",
        rich_help_panel=_STORE,
        help="Profile of the AWS configuration. Credentials come from the standard AWS chain.",
    ),
]
Concurrency = Annotated[
    str,
    typer.Option(
        envvar="ASYNCLOAD_CONCURRENCY",
        metavar="N",
        rich_help_panel=_HOW,
        help="Requests in flight at once; auto: as many as bring throughput, up to 256.",
    ),
]
LimitRate = Annotated[
    str | None,
    typer.Option(
        envvar="ASYNCLOAD_LIMIT_RATE",
        metavar="SIZE",
        rich_help_panel=_HOW,
        help="Send at most so many bytes of files a second, over all requests: 50MiB.",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        envvar="ASYNCLOAD_MEMORY",
        metavar="SIZE",
        rich_help_panel=_HOW,
        help="Memory for file bytes on their way: 256MiB, or what a container's limit leaves.",
    ),
]
UnsignedPayload = Annotated[
    bool,
    typer.Option(
        "--unsigned-payload",
        envvar="ASYNCLOAD_UNSIGNED_PAYLOAD",
        rich_help_panel=_HOW,
        help="On plain HTTP, leave the body's SHA-256 out of signatures, as on HTTPS; the "
        "CRC64NVME stays.",
    ),
]
FastLane = Annotated[
    bool,
    typer.Option(
        "--fast-lane/--no-fast-lane",
        envvar="ASYNCLOAD_FAST_LANE",
        rich_help_panel=_HOW,
        help="Send puts and parts past the generic S3 client; off, all goes through it.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        envvar="ASYNCLOAD_DRY_RUN",
        rich_help_panel=_HOW,
        help="Say what would be uploaded where, and send nothing.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        envvar="ASYNCLOAD_QUIET",
        rich_help_panel=_HOW,
        help="Print failures only.",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        envvar="ASYNCLOAD_JSON",
        callback=require_report,
        rich_help_panel=_HOW,
        help="Print the report as JSON on standard output: a line for each file, then a summary.",
    ),
]
VerifiedManifest = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="RUN",
        rich_help_panel=_WHAT,
        help="Check what a past run recorded, without the volume: its run id, or the manifest's "
        "key or s3:// address.",
    ),
]
OlderThan = Annotated[
    str,
    typer.Option(
        envvar="ASYNCLOAD_OLDER_THAN",
        metavar="TIME",
        rich_help_panel=_WHAT,
        help="Only uploads that had no new part for so long: 90s, 15m, 24h, 7d.",
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        rich_help_panel=_HOW,
        help="Abort them, whoever began them, instead of only listing them.",
    ),
]
