"""The commands. Each builds its settings and calls the module that does the work."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from asyncload.cli.arguments import read_arguments
from asyncload.cli.command import Command
from asyncload.cli.default_volume import MOUNTED, default_volume
from asyncload.cli.ending import Ending
from asyncload.cli.imports import enable_garbage_collection, import_s3
from asyncload.cli.output import warn
from asyncload.cli.parameters import parameters_of
from asyncload.cli.variables import unknown_variables
from asyncload.errors import UsageError
from asyncload.model.version import VERSION
from asyncload.settings.arguments import Arguments
from asyncload.settings.objects import LOG_FORMATS, choose
from asyncload.settings.parsing import as_seconds
from asyncload.settings.run import NO_BUCKET, Settings

_EPILOG = (
    "Exit codes: 0 success, 1 internal error, 2 usage error, 3 some files failed, "
    "4 nothing to load, 5 refused, 6 store unavailable, 129/130/143/152 interrupted."
)


def _show_version(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        print(f"asyncload {VERSION}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
    ] = False,
) -> None:
    pass


def run(
    arguments: Arguments, *, dry_run: bool, quiet: bool, json: bool, tree: bool, **others: Any
) -> int:
    """Upload every CSV of a volume, complete and unchanged, under its dated key."""
    with Ending("run", bucket=arguments.bucket, json=json) as ending:
        _attach_outlets("run", arguments, ending, dry_run=dry_run, quiet=quiet, **others)
        if dry_run:
            of_plan = {name: others[name] for name in ("offline", "files", "price")}
            ending.exit_code = _plan(arguments, ending, quiet=quiet, **of_plan)
            return ending.exit_code
        for name in ("offline", "files", "price"):
            # A price may be set for all plans, in a variable or a settings file.
            if arguments.origins[name].source == "flag":
                raise UsageError(
                    f"--{name} has no effect without --dry-run",
                    hint="omit it, or use asyncload plan",
                )
        settings = _settings(arguments)
        ending.bucket = settings.bucket
        import_s3()
        from asyncload.cli.run import run as do

        enable_garbage_collection()
        ending.exit_code = do(settings, ending, quiet=quiet, tree=tree)
    return ending.exit_code


def _attach_outlets(
    command: str, arguments: Arguments, ending: Ending, *, dry_run: bool, **options: Any
) -> None:
    """Let the end of a command write the outputs for machines that the options ask for.

    A dry run has none.

    Raises:
        UsageError: an option is invalid; the outputs before it are written.
    """
    choose("--log-format", options["log_format"], LOG_FORMATS)
    if dry_run:
        return
    asked = any(options[name] is not None for name in ("metrics_file", "lineage"))
    if not asked and options["log_format"] == "text" and not arguments.values.get("traces"):
        return
    # Late: most runs have none.
    from asyncload.cli.outlets import make_outlets

    for outlet in make_outlets(command, arguments, options):
        ending.outlets.append(outlet)


def _settings(arguments: Arguments) -> Settings:
    """Return the settings of a call that may be one of several shards."""
    shard = arguments.values.get("shard")
    if shard is not None:
        # Late: most runs are not divided.
        from asyncload.cli.shards import resolve_shard

        values = {**arguments.values, "shard": resolve_shard(shard, os.environ)}
        arguments = arguments._replace(values=values)
    return arguments.settings(volume=arguments.volume or default_volume())


def plan(arguments: Arguments, *, quiet: bool, json: bool, **of_plan: Any) -> int:
    """Show what a run would do: list the bucket and compare, but send nothing."""
    with Ending("plan", bucket=arguments.bucket, json=json) as ending:
        ending.exit_code = _plan(arguments, ending, quiet=quiet, **of_plan)
    return ending.exit_code


def _plan(
    arguments: Arguments,
    ending: Ending,
    *,
    quiet: bool,
    offline: bool,
    files: bool,
    price: object,
) -> int:
    if offline and arguments.origins["price"].source == "flag":
        raise UsageError(
            "--price has no effect with --offline: the number of requests depends on the bucket",
            hint="omit one of them",
        )
    settings = _settings(arguments)
    ending.bucket = settings.bucket
    if not offline:
        import_s3()
    from asyncload.cli.plan import plan as do

    enable_garbage_collection()
    return do(settings, ending, quiet=quiet, offline=offline, files=files, price=price)


def verify(
    arguments: Arguments, *, manifest_run: str | None, mark: bool, quiet: bool, json: bool
) -> int:
    """Compare the raw zone with a volume, or with the manifest of a past run, by checksum."""
    with Ending("verify", bucket=arguments.bucket, json=json) as ending:
        named = "--run" if arguments.values.get("run") else "--manifest" * bool(manifest_run)
        if named and arguments.origins["volume"].source == "flag":
            raise UsageError(
                f"a volume and {named} can't be combined: {named} compares the bucket with "
                "the record of a run",
                hint=f"omit the volume, or omit {named} to compare with the volume",
            )
        settings = arguments.settings(volume=arguments.volume or default_volume())
        import_s3()
        from asyncload.cli.verify import verify as do

        enable_garbage_collection()
        ending.exit_code = do(settings, ending, manifest=manifest_run, mark=mark, quiet=quiet)
    return ending.exit_code


def watch(
    arguments: Arguments,
    *,
    settle: str | int,
    poll: bool,
    manifest_every: str | int | None,
    health_file: Path | None,
    grace: str | int,
    quiet: bool,
    json: bool,
    **others: Any,
) -> int:
    """Load volumes, and then each CSV that appears in them, until a signal ends the program."""
    with Ending("watch", bucket=arguments.bucket, json=json) as ending:
        _attach_outlets("watch", arguments, ending, dry_run=False, quiet=quiet, **others)
        settings = arguments.settings(volume=arguments.volume or default_volume())
        ending.bucket = settings.bucket
        every = manifest_every
        import_s3()
        from asyncload.cli.watch import make_options
        from asyncload.cli.watch import watch as do

        options = make_options(
            settle=as_seconds("--settle", settle),
            poll=poll,
            manifest_every=None if every is None else as_seconds("--manifest-every", every),
            health_file=health_file,
            grace=as_seconds("--grace", grace),
        )
        enable_garbage_collection()
        ending.exit_code = do(settings, options, ending, quiet=quiet)
    return ending.exit_code


def clean(arguments: Arguments, *, older_than: str | int, yes: bool, json: bool) -> int:
    """List multipart uploads left open below the layout's prefix; abort them with --yes."""
    with Ending("clean", bucket=arguments.bucket, json=json) as ending:
        # The volume is not read.
        settings = arguments.settings(volume=MOUNTED, manifest=False)
        seconds = as_seconds("--older-than", older_than)
        import_s3()
        from asyncload.cli.clean import clean as do

        enable_garbage_collection()
        ending.exit_code = do(settings, ending, older_than=seconds, yes=yes)
    return ending.exit_code


def runs(
    arguments: Arguments,
    *,
    since: str | None,
    calendar: bool,
    weekdays: str | None,
    prune: str | int | None,
    yes: bool,
    json: bool,
) -> int:
    """List past runs from their records; exit with 3 if a day of a dataset is missing."""
    with Ending("runs", bucket=arguments.bucket, json=json) as ending:
        if prune is not None:
            given = {"calendar": calendar, "since": since is not None}
            given["weekdays"] = weekdays is not None
            for name in filter(given.__getitem__, given):
                raise UsageError(f"--prune and --{name} can't be combined", hint="omit one of them")
        if yes and prune is None:
            raise UsageError("--yes has no effect without --prune", hint="omit it")
        older_than = None if prune is None else as_seconds("--prune", prune)
        settings = _of_history(arguments, ending)
        if older_than is not None:
            from asyncload.cli.prune import prune as do_prune

            enable_garbage_collection()
            ending.exit_code = do_prune(settings, ending, older_than=older_than, yes=yes)
            return ending.exit_code
        from asyncload.cli.runs import runs as do

        enable_garbage_collection()
        ending.exit_code = do(
            settings, ending, since=since or "30d", calendar=calendar, weekdays=weekdays
        )
    return ending.exit_code


def where(arguments: Arguments, *, file: str | None, since: str | None, json: bool) -> int:
    """Find a file in the records of past runs: its keys, checksums, and the runs that put it."""
    with Ending("where", bucket=arguments.bucket, json=json) as ending:
        if file is None:
            raise UsageError(
                "the name of a file is missing",
                hint="give its path in the volume, its name, or its object key",
            )
        settings = _of_history(arguments, ending)
        from asyncload.cli.where import where as do

        enable_garbage_collection()
        ending.exit_code = do(settings, ending, file=file, since=since)
    return ending.exit_code


def _of_history(arguments: Arguments, ending: Ending) -> Settings:
    """Return the settings of a command that reads records, which has no volume."""
    settings = arguments.settings(volume=MOUNTED)
    ending.bucket = settings.bucket
    import_s3()
    return settings


def collect(arguments: Arguments, *, dry_run: bool, quiet: bool, json: bool, **others: Any) -> int:
    """Collect answers of a web API, such as TMDB's films and series, byte for byte."""
    with Ending("collect", bucket=arguments.bucket, json=json) as ending:
        _attach_outlets("collect", arguments, ending, dry_run=dry_run, quiet=quiet, **others)
        settings = arguments.collect_settings()
        ending.bucket = settings.target.bucket
        if dry_run:
            from asyncload.cli.collect_dry_run import collect_dry_run as do
        else:
            import_s3()
            from asyncload.cli.collect import collect as do
        enable_garbage_collection()
        ending.exit_code = do(settings, ending, quiet=quiet)
    return ending.exit_code


def _bucket_of(address: str | None) -> str | None:
    """Return the bucket of an `s3://` address; None if it is something else."""
    if address is None or not address.startswith("s3://"):
        return None
    return address.removeprefix("s3://").partition("/")[0] or None


def report(
    arguments: Arguments,
    *,
    record: str | None,
    html: Path | None,
    mark: bool,
    quiet: bool,
    json: bool,
) -> int:
    """Show what a past run did, from its record in the bucket or in a file."""
    with Ending("report", bucket=arguments.bucket, json=json) as ending:
        run = arguments.values.get("run")
        if record is not None and run is not None:
            raise UsageError(f"{record!r} and --run {run!r} can't be combined", hint="name one run")
        if record is not None and Path(record).exists():
            from asyncload.cli.report_file import report_file

            ending.exit_code = report_file(Path(record), ending, quiet=quiet, html=html)
            return ending.exit_code
        named = record if run is None else run
        bucket = arguments.bucket or _bucket_of(named)
        if bucket is None:
            raise UsageError(
                "--bucket is missing",
                hint="the record of a run is in its bucket"
                if named is None
                else f"{named!r} is not a file, so it is looked for in the bucket",
            )
        # The volume is not read.
        settings = arguments.settings(volume=MOUNTED, bucket=bucket, run=named)
        ending.bucket = settings.bucket
        import_s3()
        from asyncload.cli.report import report as do

        enable_garbage_collection()
        ending.exit_code = do(settings, ending, mark=mark, quiet=quiet, html=html)
    return ending.exit_code


def check(
    arguments: Arguments, *, headers: Path | None, strict: bool, quiet: bool, json: bool
) -> int:
    """Say what the CSVs of a volume contain: columns, types, rows, and what is wrong with them."""
    with Ending("check", bucket=None, json=json) as ending:
        settings = arguments.settings(volume=arguments.volume or default_volume(), bucket=NO_BUCKET)
        from asyncload.cli.check import check as do

        enable_garbage_collection()
        ending.exit_code = do(settings, ending, headers=headers, strict=strict, quiet=quiet)
    return ending.exit_code


def ddl(
    arguments: Arguments,
    *,
    engine: str,
    database: str | None,
    first_date: str | None,
    as_text: bool,
) -> int:
    """Define tables of Athena, AWS Glue or DuckDB for the CSVs of a volume once they are loaded."""
    settings = arguments.settings(volume=arguments.volume or default_volume())
    from asyncload.cli.ddl import ddl as do

    enable_garbage_collection()
    return do(settings, engine=engine, database=database, first_date=first_date, as_text=as_text)


def doctor(arguments: Arguments, *, log_format: str, quiet: bool, json: bool, **_: object) -> int:
    """Check all that a run with the same options needs, and say what prevents it."""
    with Ending("doctor", bucket=arguments.bucket, json=json) as ending:
        choose("--log-format", log_format, LOG_FORMATS)
        settings = _settings(arguments)
        ending.bucket = settings.bucket
        import_s3()
        from asyncload.cli.doctor import doctor as do

        enable_garbage_collection()
        ending.exit_code = do(settings, ending, quiet=quiet)
    return ending.exit_code


def config(arguments: Arguments, *, json: bool, **_: object) -> int:
    """Print each setting and its origin: flag, variable, settings file or default."""
    with Ending("config", bucket=arguments.bucket, json=json) as ending:
        from asyncload.cli.config import config as do

        do(arguments, ending)
    return ending.exit_code


def demo(
    volume: Annotated[
        Path | None,
        typer.Argument(help="Folder with the CSVs. Default: a small sample.", show_default=False),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Keep the store until Ctrl-C, with its address and credentials printed."
        ),
    ] = False,
) -> Callable[[], int]:
    """Start a local S3 store, load a volume into it, and show the lake."""
    return partial(_demo, volume, keep=keep)


def _demo(volume: Path | None, *, keep: bool) -> int:
    import_s3()
    from asyncload.cli.demo import demo as do

    enable_garbage_collection()
    return do(volume, keep=keep)


def _schema_names() -> Iterable[str]:
    # Late: only a shell that completes a name asks for all.
    from asyncload.reporting.schemas import schema_names

    return schema_names()


def schema(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Its name. Default: list all names.",
            show_default=False,
            autocompletion=_schema_names,
        ),
    ] = None,
) -> Callable[[], int]:
    """Print a JSON Schema of the records of --json, of manifests or of logs."""
    return partial(_schema, name)


def _schema(name: str | None) -> int:
    from asyncload.cli.schema import schema as do

    return do(name)


_WITH_OPTIONS: tuple[Callable[..., int], ...] = (
    run,
    plan,
    watch,
    collect,
    verify,
    clean,
    report,
    check,
    ddl,
    doctor,
    runs,
    where,
    config,
)
_LAST = "Other commands"
_PANELS = {
    "Commands that load": ("run", "plan", "watch", "collect"),
    "Commands that show what is loaded": ("verify", "report", "runs", "where"),
    _LAST: ("check", "ddl", "doctor", "clean", "config"),
}
# Their few parameters are their own.
_OTHERS: tuple[Callable[..., Callable[[], int]], ...] = (demo, schema)
_NAMES = tuple(function.__name__ for function in (*_WITH_OPTIONS, *_OTHERS))


def make_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the program with the command that the arguments begin with, or with all commands.

    Typer builds the parameters of every registered command: 140, where `run` alone has 50.

    Called outside of standalone mode, the program returns a function that runs the command and
    returns the exit code; after `--help` and `--version` it returns 0.
    """
    app = typer.Typer(
        name="asyncload",
        help="Load a volume of CSV files into the raw zone of an S3 data lake.",
        epilog="asyncload COMMAND --help shows examples. asyncload demo needs no bucket.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    wanted = arguments[:1] if {*arguments[:1]} & {*_NAMES} else _NAMES
    for function in _WITH_OPTIONS:
        if function.__name__ in wanted:
            _add_command(app, function)
    for other in _OTHERS:
        if other.__name__ in wanted:
            app.command(cls=Command, rich_help_panel=_LAST)(other)
    return app


def _add_command(app: typer.Typer, function: Callable[..., int]) -> None:
    """Register a command under its function's name, with its options from the option table.

    The function receives the given options, and those that are not settings also as arguments.
    It returns the exit code.
    """
    name = function.__name__

    def call(context: typer.Context, **values: Any) -> Callable[[], int]:
        for warning in unknown_variables(os.environ):
            warn(warning)
        arguments = read_arguments(name, context, values)
        return partial(function, arguments, **arguments.command_options())

    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # Typer reads it
        [context, *parameters_of(name)]
    )
    epilog = _EPILOG if function is run else None
    panel = next((panel for panel, names in _PANELS.items() if name in names), None)
    app.command(name, cls=Command, epilog=epilog, help=function.__doc__, rich_help_panel=panel)(
        call
    )
