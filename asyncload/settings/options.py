"""The option table, from which flags, variables, settings file, `--help` and documents are made.

To add an option, add a row here, a field of `Settings` with its type and default, and the code that
uses it. Then run `python -m tests.support.options_table --write` to render the documents.
"""

from __future__ import annotations

from typing import NamedTuple

from asyncload.planning.keys import LAYOUTS
from asyncload.settings.objects import (
    ACLS,
    ADDRESSING_STYLES,
    CHECKSUMS,
    LOG_FORMATS,
    SSE,
    STORAGE_CLASSES,
)
from asyncload.settings.option_kinds import (
    CONCURRENCY,
    COUNT,
    DAY,
    DURATION,
    FLAG,
    LIST_OF_FILES,
    MOMENT,
    OPTIONAL_DURATION,
    OPTIONAL_PAIRS,
    OPTIONAL_PATH,
    OPTIONAL_TEXT,
    PAIRS,
    PATHS,
    PATTERNS,
    PROCESSES,
    RATE,
    REQUEST_RATE,
    RULES,
    SCHEDULER,
    SHARD,
    SIZE,
    TEXT,
    TEXTS,
    THEN,
    TRUSTED,
    UNTIL,
    WEEKDAYS,
    ZONE,
    Kind,
)
from asyncload.settings.parsing import ACTIONS, AUTO_NUMBER
from asyncload.source.archives.rules import ENCODINGS
from asyncload.source.file_state import TRUST

WHERE = "Target"
WHAT = "File selection"
STORE = "Store"
RECORD = "Manifests and markers"
OBJECTS = "Stored objects"
HOW = "Execution"
QUERY = "Queries"
API = "API"
MACHINES = "Monitoring"

RUN = ("run", "plan")
VERIFY = ("verify",)
CLEAN = ("clean",)
COLLECT = ("collect",)
WATCH = ("watch",)
REPORT = ("report",)
CHECK = ("check",)
DDL = ("ddl",)
EXAMINING = CHECK + DDL
RUN_VERIFY = RUN + VERIFY
RUN_WATCH = RUN + WATCH
RUN_VERIFY_WATCH = RUN_VERIFY + WATCH
RUN_VERIFY_EXAMINING = RUN_VERIFY + EXAMINING
READING = RUN_VERIFY_WATCH + EXAMINING
LOADING = RUN_WATCH + COLLECT
LOADING_VERIFY = RUN_VERIFY_WATCH + COLLECT
SENDING = ("run", *WATCH, *COLLECT)
ALL = LOADING_VERIFY + CLEAN + REPORT
RUNS = ("runs",)
WHERE_IS = ("where",)
HISTORY = RUNS + WHERE_IS
RECORDED = LOADING_VERIFY + REPORT + HISTORY
EVERYWHERE = ALL + HISTORY

PER_CALL = ("flag",)
NOT_IN_FILES = ("flag", "variable")
ANYWHERE = ("flag", "variable", "file")


class Option(NamedTuple):
    """One option of the commands.

    Args:
        name: the flag, without its dashes and in snake case.
        kind: the values that it accepts.
        panel: its group in `--help`.
        commands: the commands that have it. `asyncload config` has each option that may be in a
            settings file.
        help: the description in `--help` and in the documents. Words in backticks are code.
        notes: additional text for docs/reference/options.md, whose links are relative to it.
        metavar: the placeholder for the value in `--help`.
        unset: in the documents, the effect of omitting an option without a default value.
        field: its name in `Settings`, if different; "" if it is not a field of `Settings`.
        short: a one-letter flag.
        default: the default of an option that is not a field of `Settings`.
        more_variables: environment variables besides `ASYNCLOAD_NAME`.
        sources: the places a value may come from.
        positional: whether it is an argument without a flag.
        spelling: the flag, if it differs from the name.
        choices: values, or the beginnings of values, that a shell completes.
        first: whether `--help` shows it before all others, as one of those that most users need.
    """

    name: str
    kind: Kind
    panel: str
    commands: tuple[str, ...]
    help: str
    notes: str = ""
    metavar: str | None = None
    unset: str = ""
    field: str | None = None
    short: str = ""
    default: object = None
    more_variables: tuple[str, ...] = ()
    sources: tuple[str, ...] = ANYWHERE
    positional: bool = False
    spelling: str = ""
    choices: tuple[str, ...] = ()
    first: bool = False

    @property
    def key(self) -> str:
        """Its key in a settings file."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """Its name on the command line and in messages."""
        return self.key if self.positional else self.spelling or f"--{self.key}"

    @property
    def variables(self) -> tuple[str, ...]:
        """Its environment variables; the first one that is set is used."""
        if "variable" not in self.sources:
            return ()
        return (f"ASYNCLOAD_{self.name.upper()}", *self.more_variables)

    @property
    def in_file(self) -> bool:
        """Whether a settings file may contain it."""
        return "file" in self.sources

    @property
    def setting(self) -> str:
        """The field of `Settings` that it sets, "" if none."""
        return self.name if self.field is None else self.field


OPTIONS = (
    Option(
        "volume",
        PATHS,
        WHAT,
        READING,
        "Folders with the CSVs, or single CSVs. Default: `/data` if it exists, else `./data`.",
        positional=True,
    ),
    # Target
    Option(
        "bucket",
        TEXT,
        WHERE,
        EVERYWHERE + DDL,
        "Name of the bucket; `s3://BUCKET/PREFIX` puts a prefix before all keys.",
        unset="required",
        first=True,
    ),
    Option(
        "date",
        DAY,
        WHERE,
        LOADING_VERIFY + DDL,
        "Date of the partition: `YYYY-MM-DD`, `today`, `yesterday`, or `mtime` for the day of each "
        "file's last modification.",
        metavar="DATE",
        choices=("today", "yesterday", "mtime"),
        first=True,
    ),
    Option(
        "date_from",
        OPTIONAL_TEXT,
        WHERE,
        RUN_VERIFY_WATCH + DDL,
        "Pattern that finds the date of each file in its path, such as `{date:%Y-%m-%d}`.",
        "See [One run, many dates](../how-to/dates.md).",
        metavar="PATTERN",
        unset="none",
    ),
    Option(
        "timezone",
        ZONE,
        WHERE,
        LOADING_VERIFY + HISTORY + EXAMINING,
        "Time zone of dates and times.",
        metavar="ZONE",
    ),
    Option("layer", TEXT, WHERE, ALL + DDL, "First key segment."),
    Option(
        "origin",
        TEXT,
        WHERE,
        ALL + DDL,
        "Second key segment. For `collect` the default is the name of the source, such as `TMDB`.",
    ),
    Option(
        "format",
        TEXT,
        WHERE,
        ALL + DDL,
        "Third key segment. For `collect` the default is `JSON`.",
    ),
    Option(
        "dataset",
        RULES,
        WHERE,
        READING,
        "Dataset name for files that match the pattern, instead of the folder or file name. May be "
        "given several times; the first match is used.",
        metavar="PATTERN=NAME",
        field="datasets",
        unset="none",
    ),
    Option(
        "layout",
        TEXT,
        WHERE,
        ALL + DDL,
        "Key layout: `default`, `hive`, or a template with the fields `{layer}` `{origin}` "
        "`{format}` `{dataset}` `{date:%Y/%m/%d}` `{path}`.",
        metavar="LAYOUT",
        choices=tuple(LAYOUTS),
        first=True,
    ),
    Option(
        "overwrite",
        FLAG,
        WHERE,
        RUN_WATCH,
        "Replace existing objects whose content differs. Without it such a file fails.",
        first=True,
    ),
    Option(
        "skip_existing",
        FLAG,
        WHERE,
        RUN_WATCH,
        "Skip files whose object exists with different content, report them, and exit with 0.",
    ),
    # File selection
    Option(
        "manifest_run",
        OPTIONAL_TEXT,
        WHAT,
        VERIFY,
        "Compare with the manifest of a past run instead of the volume: its run id, or the "
        "manifest's key or `s3://` address.",
        metavar="RUN",
        unset="none",
        field="",
        sources=PER_CALL,
        spelling="--manifest",
        first=True,
    ),
    Option(
        "record",
        OPTIONAL_TEXT,
        WHAT,
        REPORT,
        "The run: its id, its manifest's key or `s3://` address, or a file with the lines of "
        "`--json` or a manifest.",
        metavar="RUN|FILE",
        unset="required",
        field="",
        sources=PER_CALL,
        positional=True,
    ),
    Option(
        "html",
        OPTIONAL_PATH,
        WHAT,
        REPORT,
        "Write the report to this file, too, as an HTML page that needs nothing else.",
        metavar="FILE",
        unset="none",
        field="",
        sources=PER_CALL,
        first=True,
    ),
    Option(
        "file",
        OPTIONAL_TEXT,
        WHAT,
        WHERE_IS,
        "A file: its path in the volume, its name, its object key, or its `s3://` address.",
        unset="required",
        field="",
        sources=PER_CALL,
        positional=True,
    ),
    Option(
        "since",
        MOMENT,
        WHAT,
        HISTORY,
        "Read the records of runs since this time: a date, a date with a time, or a duration "
        "before now, such as `90d`.",
        metavar="TIME",
        unset="`30d` for `runs`, all records for `where`",
        field="",
        sources=PER_CALL,
        choices=("today", "yesterday"),
        first=True,
    ),
    Option(
        "calendar",
        FLAG,
        WHAT,
        RUNS,
        "Show the days of each dataset instead of the runs.",
        field="",
        default=False,
        sources=PER_CALL,
        first=True,
    ),
    Option(
        "weekdays",
        WEEKDAYS,
        WHAT,
        RUNS,
        "Expect datasets only on these days of the week, such as `mon-fri` or `mon,wed,sat`: other "
        "days without a load are not gaps.",
        metavar="DAYS",
        unset="all days",
        field="",
        sources=PER_CALL,
        first=True,
    ),
    Option(
        "prune",
        OPTIONAL_DURATION,
        WHAT,
        RUNS,
        "List the records of runs that started longer ago than this, such as `90d`, instead of the "
        "runs; with `--yes` delete them.",
        metavar="TIME",
        unset="none",
        field="",
        sources=PER_CALL,
        first=True,
    ),
    Option(
        "older_than",
        DURATION,
        WHAT,
        CLEAN,
        "Select uploads that have received no part for this long: `90s`, `15m`, `24h`, `7d`.",
        metavar="TIME",
        field="",
        default="24h",
        first=True,
    ),
    Option(
        "include",
        PATTERNS,
        WHAT,
        READING,
        "Load only CSVs that match. May be given several times. A pattern without `'/'` matches "
        "the file name, one with `'/'` the path; `'**'` matches any number of folders.",
        metavar="GLOB",
        unset="all",
        first=True,
    ),
    Option(
        "exclude",
        PATTERNS,
        WHAT,
        READING,
        "Exclude CSVs that match. May be given several times.",
        metavar="GLOB",
        unset="none",
        first=True,
    ),
    Option(
        "files_from",
        LIST_OF_FILES,
        WHAT,
        RUN_VERIFY_EXAMINING,
        "Load the files named in this file, one path a line, relative to the volume; `-` is "
        "standard input.",
        "See [A list of files](../how-to/file-list.md).",
        metavar="FILE",
        unset="all CSVs",
    ),
    Option(
        "null",
        FLAG,
        WHAT,
        RUN_VERIFY_EXAMINING,
        "The names in `--files-from` end in NUL bytes, as `find -print0` writes them.",
        field="null_separated",
        short="-0",
    ),
    Option(
        "modified_since",
        MOMENT,
        WHAT,
        RUN_VERIFY_EXAMINING,
        "Exclude CSVs modified before this time: a date, a date with a time, `today`, `yesterday`, "
        "or a duration such as `24h` before the start of the run.",
        "Without an offset such as `Z` or `+02:00` it is in `--timezone`.",
        metavar="TIME",
        unset="none",
        choices=("today", "yesterday"),
    ),
    Option(
        "max_age",
        OPTIONAL_DURATION,
        WHAT,
        RUN_VERIFY_EXAMINING,
        "Exclude CSVs modified longer ago than this: `90s`, `15m`, `24h`, `7d`.",
        metavar="TIME",
        unset="none",
    ),
    Option(
        "min_age",
        DURATION,
        WHAT,
        RUN_VERIFY_EXAMINING,
        "Exclude CSVs modified within this time: `90s`, `15m`, `24h`, `7d`.",
        metavar="TIME",
    ),
    Option(
        "allow_empty",
        FLAG,
        WHAT,
        RUN + EXAMINING,
        "Exit with 0 instead of 4 if there is no CSV to load.",
    ),
    Option(
        "follow_symlinks",
        FLAG,
        WHAT,
        RUN_VERIFY_EXAMINING,
        "Follow symbolic links whose target is inside the volume.",
    ),
    Option(
        "compressed",
        FLAG,
        WHAT,
        READING,
        "Load compressed CSVs (`.csv.gz`, `.csv.zst`, `.csv.bz2`) as they are.",
    ),
    Option(
        "then",
        THEN,
        WHAT,
        RUN_WATCH,
        "Delete each file once its object is verified (`delete`), or move it to a folder outside "
        "of the volume (`move FOLDER`).",
        "See [Clear the volume](../how-to/clear.md).",
        metavar="ACTION",
        unset="keep",
        choices=ACTIONS,
    ),
    Option(
        "archives",
        FLAG,
        WHAT,
        READING,
        "Load the CSVs in ZIP archives, as if each archive were its contents.",
    ),
    Option(
        "zip_names",
        OPTIONAL_TEXT,
        WHAT,
        READING,
        "Encoding of names in archives that are not marked as UTF-8, such as `cp850` or `utf-8`.",
        metavar="ENCODING",
        unset="ASCII only",
        choices=ENCODINGS,
    ),
    Option(
        "archive_limit",
        SIZE,
        WHAT,
        READING,
        "Maximum size of the unpacked CSVs of one archive.",
        metavar="SIZE",
    ),
    Option(
        "trust",
        TRUSTED,
        WHAT,
        READING,
        "File attributes that detect a change while the file is read: `size`, `mtime`, `ctime`, "
        "`inode`. Use fewer if the file system changes some of them by itself.",
        metavar="NAMES",
        choices=TRUST,
    ),
    # Queries
    Option(
        "source",
        OPTIONAL_TEXT,
        QUERY,
        COLLECT,
        "API to collect from: `tmdb`, or one that a settings file describes under `[source]`.",
        field="",
        unset="the settings file's",
        sources=NOT_IN_FILES,
        positional=True,
        choices=("tmdb",),
    ),
    Option(
        "title",
        TEXTS,
        QUERY,
        COLLECT,
        "Films or series with this title. May be given several times.",
        metavar="TEXT",
        unset="none",
        field="",
        first=True,
    ),
    Option(
        "genre",
        TEXTS,
        QUERY,
        COLLECT,
        "Films or series of this genre, by name or number; `28,12` means both, `28|12` either. May "
        "be given several times.",
        metavar="TEXT",
        unset="none",
        field="",
        first=True,
    ),
    Option(
        "actor",
        TEXTS,
        QUERY,
        COLLECT,
        "Films or series with this actor or actress, by name or number. May be given several "
        "times.",
        metavar="TEXT",
        unset="none",
        field="",
    ),
    Option(
        "character",
        TEXTS,
        QUERY,
        COLLECT,
        "With `--actor`: films and series in which they play this character. With `--title` or "
        "`--genre`: the actors who play it. May be given several times.",
        metavar="TEXT",
        unset="none",
        field="",
    ),
    Option(
        "changes",
        FLAG,
        QUERY,
        COLLECT,
        "Films or series that changed since the last complete collection of changes.",
        "The first collection takes those of the last 24 hours.",
        field="",
        default=False,
        first=True,
    ),
    Option(
        "kind",
        TEXT,
        QUERY,
        COLLECT,
        "Films, series or both: `movie`, `tv`, or `movie,tv`.",
        metavar="KINDS",
        field="",
        default="movie",
        choices=("movie", "tv"),
    ),
    Option(
        "language",
        OPTIONAL_TEXT,
        QUERY,
        COLLECT,
        "Language of texts in the answers, such as `pt-BR`.",
        metavar="LANGUAGE",
        unset="the API's",
        field="",
    ),
    Option(
        "detail",
        TEXTS,
        QUERY,
        COLLECT,
        "Details to request for each film or series, such as `{kind}/{id}/credits`. May be given "
        "several times.",
        metavar="PATH",
        unset="none",
        field="",
    ),
    Option(
        "refresh",
        FLAG,
        QUERY,
        COLLECT,
        "Request answers again that are there for the date, and replace them.",
        field="",
        default=False,
    ),
    # API
    Option(
        "token",
        OPTIONAL_TEXT,
        API,
        COLLECT,
        "Place of the token: `env:NAME`, `file:PATH`, `ssm:/name` (Parameter Store) or "
        "`secretsmanager:ARN`.",
        metavar="PLACE",
        unset="`env:TMDB_TOKEN` for TMDB",
        field="",
    ),
    Option(
        "api_url",
        OPTIONAL_TEXT,
        API,
        COLLECT,
        "Base address of the API, for a proxy or a test. HTTPS, or HTTP on this machine.",
        metavar="URL",
        unset="the source's",
        field="",
    ),
    Option(
        "rate",
        REQUEST_RATE,
        API,
        COLLECT,
        "Maximum number of requests per second to the API.",
        metavar="N",
        unset="40 for TMDB, else 10",
        field="",
    ),
    Option(
        "max_requests",
        COUNT,
        API,
        COLLECT,
        "Maximum number of requests to the API in this run. If some are left, the exit code is 3.",
        metavar="N",
        unset="no limit",
        field="",
    ),
    Option(
        "max_results",
        COUNT,
        API,
        COLLECT,
        "Maximum number of results of each query, rounded up to a page.",
        metavar="N",
        unset="no limit",
        field="",
    ),
    Option(
        "max_answer",
        SIZE,
        API,
        COLLECT,
        "Maximum size of an answer of the API.",
        metavar="SIZE",
        field="",
        default="8MiB",
    ),
    # Store
    Option(
        "checksum",
        TEXT,
        STORE,
        LOADING,
        "Checksum that verifies uploads: `crc64nvme`, `crc32`, `md5`, or `auto`, which uses MD5 if "
        "the store does not return CRC64NVME.",
        metavar="NAME",
        choices=CHECKSUMS,
    ),
    Option(
        "expected_bucket_owner",
        OPTIONAL_TEXT,
        STORE,
        EVERYWHERE,
        "Exit if the bucket does not belong to this AWS account.",
        metavar="ACCOUNT",
        unset="none",
    ),
    Option(
        "request_payer",
        FLAG,
        STORE,
        EVERYWHERE,
        "Pay for the requests, as a bucket demands whose requester pays.",
    ),
    Option(
        "endpoint_url",
        OPTIONAL_TEXT,
        STORE,
        EVERYWHERE,
        "URL of an S3-compatible store. Default: AWS.",
        metavar="URL",
        unset="AWS",
        first=True,
    ),
    Option(
        "endpoint_accelerate",
        FLAG,
        STORE,
        EVERYWHERE,
        "Send requests to the endpoint of S3 Transfer Acceleration, which the bucket must have "
        "enabled.",
    ),
    Option(
        "addressing_style",
        TEXT,
        STORE,
        EVERYWHERE,
        "Position of the bucket in URLs: `path`, `virtual` (in the host name), or `auto`, which is "
        "virtual for AWS and path for an `--endpoint-url`.",
        "The AWS configuration can change the meaning of `auto`.",
        metavar="STYLE",
        choices=ADDRESSING_STYLES,
    ),
    Option(
        "allow_http",
        FLAG,
        STORE,
        EVERYWHERE,
        "Allow plain HTTP to a store on another machine. Default: HTTPS only.",
    ),
    Option(
        "ca_bundle",
        OPTIONAL_PATH,
        STORE,
        EVERYWHERE,
        "File with the CA certificates (PEM) to trust. Default: the AWS configuration.",
        metavar="PATH",
        unset="AWS configuration",
    ),
    Option(
        "region",
        OPTIONAL_TEXT,
        STORE,
        EVERYWHERE,
        "Region of the bucket. Default: the AWS configuration.",
        unset="AWS configuration",
        more_variables=("AWS_REGION",),
    ),
    Option(
        "profile",
        OPTIONAL_TEXT,
        STORE,
        EVERYWHERE,
        "Profile of the AWS configuration. Credentials come from the standard AWS chain.",
        unset="AWS configuration",
        first=True,
    ),
    # Manifests and markers
    Option(
        "manifest",
        FLAG,
        RECORD,
        LOADING,
        "Write a manifest of the run to the bucket.",
    ),
    Option(
        "manifest_prefix",
        TEXT,
        RECORD,
        RECORDED,
        "Key prefix for manifests.",
        "The results of probing the store are stored there too.",
        metavar="PREFIX",
    ),
    Option(
        "success_marker",
        FLAG,
        RECORD,
        RUN,
        "Write `_SUCCESS` into each partition whose files are all in the raw zone.",
        "A marker of an earlier run is removed before its partition changes.",
    ),
    Option(
        "mark",
        FLAG,
        RECORD,
        VERIFY + REPORT,
        "With the `--run` of shards that are all complete: write `_SUCCESS` into each partition, "
        "and one manifest of all shards.",
        field="",
        default=False,
        sources=PER_CALL,
    ),
    Option(
        "require_create_only",
        FLAG,
        RECORD,
        LOADING,
        "Exit if the store ignores `If-None-Match`, so that objects could be replaced by mistake.",
    ),
    # Stored objects
    Option(
        "storage_class",
        OPTIONAL_TEXT,
        OBJECTS,
        LOADING,
        "Storage class of the objects, such as `STANDARD_IA`.",
        metavar="CLASS",
        unset="the bucket's",
        choices=STORAGE_CLASSES,
    ),
    Option(
        "sse",
        OPTIONAL_TEXT,
        OBJECTS,
        LOADING,
        "Server-side encryption: `AES256`, `aws:kms` or `aws:kms:dsse`.",
        metavar="NAME",
        unset="the bucket's",
        choices=SSE,
    ),
    Option(
        "sse_kms_key_id",
        OPTIONAL_TEXT,
        OBJECTS,
        LOADING,
        "KMS key for encryption; implies `--sse aws:kms`.",
        metavar="ID",
        unset="the bucket's",
    ),
    Option(
        "tag",
        PAIRS,
        OBJECTS,
        LOADING,
        "Tag for each object. May be given several times.",
        "At most ten tags.",
        metavar="KEY=VALUE",
        field="tags",
        unset="none",
    ),
    Option(
        "metadata",
        PAIRS,
        OBJECTS,
        LOADING,
        "Metadata for each object. May be given several times.",
        "At most 768 bytes.",
        metavar="KEY=VALUE",
        unset="none",
    ),
    Option(
        "acl",
        OPTIONAL_TEXT,
        OBJECTS,
        LOADING,
        "Canned ACL of the objects, such as `bucket-owner-full-control`.",
        metavar="NAME",
        unset="the bucket's",
        choices=ACLS,
    ),
    Option(
        "lock_mode",
        OPTIONAL_TEXT,
        OBJECTS,
        LOADING_VERIFY,
        "Lock each object with S3 Object Lock until `--lock-until`: `governance`, or `compliance`, "
        "which nobody can undo. `verify` compares the locks of objects with it.",
        "See [Objects that nobody can delete](../how-to/lock.md).",
        metavar="MODE",
        unset="the bucket's",
        choices=("governance", "compliance"),
    ),
    Option(
        "lock_until",
        UNTIL,
        OBJECTS,
        LOADING_VERIFY,
        "Time until which `--lock-mode` locks objects: a date, a date with a time, or days, weeks "
        "or years from the start of the run, such as `90d` or `7y`.",
        metavar="TIME",
        unset="none",
    ),
    # Execution
    Option(
        "concurrency",
        CONCURRENCY,
        HOW,
        LOADING_VERIFY,
        "Maximum number of concurrent requests: 1 to 1024, or `auto`, which adapts it to the "
        "throughput, up to 768.",
        "`auto` starts with 64 and grows while throughput increases, within `--memory` and the "
        "hard limit on open files (`ulimit -Hn`): 64 requests need 148, 768 need 1556.",
        metavar="N",
        choices=(AUTO_NUMBER,),
    ),
    Option(
        "processes",
        PROCESSES,
        HOW,
        RUN,
        "Number of processes that upload: 1 to 64, or `auto`, one for each core if there is enough "
        "to upload.",
        "They share `--concurrency`, `--memory` and `--limit-rate`. Each further process needs "
        "another 80 MiB; `auto` starts it only if the container has that left.",
        metavar="N",
        choices=(AUTO_NUMBER,),
    ),
    Option(
        "dask",
        SCHEDULER,
        HOW,
        RUN,
        "Upload with the workers of a Dask cluster, too: the address of its scheduler, such as "
        "`tcp://host:8786`.",
        "See [Run on a Dask cluster](../how-to/dask.md).",
        metavar="ADDRESS",
        unset="none",
    ),
    Option(
        "limit_rate",
        RATE,
        HOW,
        LOADING,
        "Maximum bytes per second of file data over all requests, such as `50MiB`.",
        "Includes retries. The minimum is `64KiB`. `MB` means 1,000,000 bytes, `MiB` and `M` mean "
        "1,048,576.",
        metavar="SIZE",
        unset="no limit",
    ),
    Option(
        "memory",
        SIZE,
        HOW,
        LOADING_VERIFY,
        "Memory for file data. Default: 256MiB, or what a container's limit leaves.",
        "The process itself needs another 110 MiB. A value above what the container leaves is "
        "rejected.",
        metavar="SIZE",
        unset="up to 256MiB",
    ),
    Option(
        "deadline",
        OPTIONAL_DURATION,
        HOW,
        RUN + COLLECT,
        "Stop in time to end within this duration, such as `15m`: no file is started in the last "
        "30 seconds. If files are left, the exit code is 3.",
        "A large file that is not finished keeps its parts, which the next run resumes. The "
        "minimum is `31s`.",
        metavar="TIME",
        unset="no limit",
    ),
    Option(
        "shard",
        SHARD,
        HOW,
        RUN,
        "Load one of N parts of the volume: `K/N` with K from 1 to N, or `auto`, which takes both "
        "from the variables of Kubernetes, AWS Batch or Slurm; `auto/N` takes only K from them.",
        "See [Divide a volume among machines](../how-to/shards.md).",
        metavar="K/N",
        unset="all",
        sources=NOT_IN_FILES,
        choices=(AUTO_NUMBER,),
    ),
    Option(
        "run",
        OPTIONAL_TEXT,
        HOW,
        RUN_VERIFY + REPORT,
        "Name of a run of several shards. With `report` and `verify` also another run: its id, or "
        "its manifest's key or `s3://` address.",
        "Without it, the name of shards is made of date, number of shards and settings.",
        metavar="RUN",
        unset="by date and settings",
        sources=NOT_IN_FILES,
    ),
    Option(
        "unsigned_payload",
        FLAG,
        HOW,
        LOADING,
        "On plain HTTP, don't sign the body's SHA-256, as on HTTPS. The CRC64NVME is still sent.",
        "Overrides `payload_signing_enabled` of the AWS configuration.",
    ),
    Option(
        "fast_lane",
        FLAG,
        HOW,
        LOADING,
        "Upload over a faster code path than the generic S3 client.",
        "Not used behind a proxy or for directory buckets.",
    ),
    Option(
        "dry_run",
        FLAG,
        HOW,
        ("run", *COLLECT),
        "Print what would be uploaded, and send nothing. For `run` the same as `asyncload plan`.",
        field="",
        default=False,
        first=True,
    ),
    Option(
        "settle",
        DURATION,
        HOW,
        WATCH,
        "Load a file once nothing about it has changed for this long.",
        metavar="TIME",
        field="",
        default="5s",
        first=True,
    ),
    Option(
        "poll",
        FLAG,
        HOW,
        WATCH,
        "Scan the volume again and again, instead of waiting for events of the file system.",
        "Chosen automatically for network file systems.",
        field="",
        default=False,
    ),
    Option(
        "manifest_every",
        OPTIONAL_DURATION,
        RECORD,
        WATCH,
        "Write a manifest after this time.",
        metavar="TIME",
        field="",
        unset="one a day",
    ),
    Option(
        "health_file",
        OPTIONAL_PATH,
        HOW,
        WATCH,
        "File to write every few seconds, for the health check of a container.",
        metavar="PATH",
        field="",
        unset="none",
    ),
    Option(
        "grace",
        DURATION,
        HOW,
        WATCH,
        "After a signal, complete the files in work within this time.",
        metavar="TIME",
        field="",
        default="5s",
    ),
    Option(
        "offline",
        FLAG,
        HOW,
        RUN,
        "Plan without asking the bucket: all files count as new. With `plan` or `--dry-run` only.",
        field="",
        default=False,
        sources=PER_CALL,
    ),
    Option(
        "files",
        FLAG,
        HOW,
        RUN,
        "List each file of the plan, and each excluded entry. With `plan` or `--dry-run` only.",
        field="",
        default=False,
        sources=PER_CALL,
    ),
    Option(
        "price",
        OPTIONAL_PAIRS,
        HOW,
        RUN,
        "Price of 1,000 requests in US dollars, for the plan: `put=0.005`, `list=0.005` or "
        "`get=0.0004`. May be given several times.",
        metavar="KIND=USD",
        unset="S3 Standard in us-east-1",
        field="",
        choices=("put=", "list=", "get="),
    ),
    Option(
        "engine",
        TEXT,
        HOW,
        DDL,
        "Program to define tables for: `athena`, `glue` (JSON for `aws glue create-table`) or "
        "`duckdb`.",
        metavar="NAME",
        field="",
        default="athena",
        choices=("athena", "glue", "duckdb"),
        first=True,
    ),
    Option(
        "database",
        OPTIONAL_TEXT,
        HOW,
        DDL,
        "Database of the tables, for Athena and Glue.",
        metavar="NAME",
        unset="`default`",
        field="",
        first=True,
    ),
    Option(
        "first_date",
        OPTIONAL_TEXT,
        HOW,
        DDL,
        "First date of the partitions, `YYYY-MM-DD`.",
        metavar="DATE",
        unset="`--date`",
        field="",
        sources=PER_CALL,
        first=True,
    ),
    Option(
        "as_text",
        FLAG,
        HOW,
        DDL,
        "Define all columns as texts.",
        field="",
        default=False,
    ),
    Option(
        "headers",
        OPTIONAL_PATH,
        HOW,
        CHECK,
        "File with the headers of each dataset at its last check: report those that changed, and "
        "replace them.",
        metavar="FILE",
        unset="none",
        field="",
        first=True,
    ),
    Option(
        "strict",
        FLAG,
        HOW,
        CHECK,
        "Exit with 3 if there is any finding.",
        field="",
        default=False,
        first=True,
    ),
    Option(
        "yes",
        FLAG,
        HOW,
        CLEAN + RUNS,
        "Do what is otherwise only listed: `clean` aborts the uploads, including those of other "
        "programs, and `runs --prune` deletes the records.",
        field="",
        default=False,
        sources=PER_CALL,
        first=True,
    ),
    Option(
        "quiet",
        FLAG,
        HOW,
        LOADING_VERIFY + REPORT + CHECK,
        "Print failures only.",
        field="",
        short="-q",
        default=False,
        first=True,
    ),
    Option(
        "tree",
        FLAG,
        HOW,
        ("run",),
        "Print the objects of the run at its end, as a tree of their keys.",
        "Not with `--quiet` or `--json`.",
        field="",
        default=False,
    ),
    Option(
        "json",
        FLAG,
        HOW,
        EVERYWHERE + CHECK,
        "Print a JSON line for each file on standard output, then a summary.",
        field="",
        default=False,
    ),
    Option(
        "log_format",
        TEXT,
        MACHINES,
        SENDING,
        "Format of the log on standard error: `text`, or `json` for lines of JSON.",
        "See [Monitoring and alerts](../how-to/monitoring.md).",
        metavar="FORMAT",
        field="",
        default="text",
        choices=LOG_FORMATS,
    ),
    Option(
        "metrics_file",
        OPTIONAL_PATH,
        MACHINES,
        SENDING,
        "File to write with the metrics of the run, in the text format of Prometheus.",
        "See [Monitoring and alerts](../how-to/monitoring.md).",
        metavar="FILE",
        unset="none",
        field="",
    ),
    Option(
        "lineage",
        OPTIONAL_TEXT,
        MACHINES,
        SENDING,
        "Server (`https://HOST`) for OpenLineage events, or file to append them to.",
        "See [Monitoring and alerts](../how-to/monitoring.md).",
        metavar="URL",
        unset="none",
        field="",
        more_variables=("OPENLINEAGE_URL",),
    ),
    Option(
        "traces",
        FLAG,
        MACHINES,
        SENDING,
        "Send traces of the run, its files and requests by OpenTelemetry.",
        "See [Monitoring and alerts](../how-to/monitoring.md).",
    ),
    Option(
        "config",
        OPTIONAL_TEXT,
        HOW,
        EVERYWHERE + EXAMINING,
        "Settings file. Default: `asyncload.toml` or `pyproject.toml` in the working directory; "
        "`/dev/null` for none.",
        metavar="FILE",
        unset="working directory",
        field="",
        sources=NOT_IN_FILES,
    ),
)

BY_NAME = {option.name: option for option in OPTIONS}
SETTINGS = {option.setting: option for option in OPTIONS if option.setting}
"""The options that are fields of `Settings`, by the field."""
LIKE_RUN = ("doctor",)
"""Commands with the settings of `run`: replace its name in a command line by theirs."""
_OF_OUTPUT = ("quiet", "json", "log_format", "metrics_file", "lineage", "config")
COMMANDS = (*EVERYWHERE, *EXAMINING, *LIKE_RUN, "config")


def options_of(command: str) -> list[Option]:
    """Return the options of a command, in the order of its help."""
    if command == "config":
        return [option for option in OPTIONS if option.in_file or option.name == "config"]
    if command in LIKE_RUN:
        return [o for o in options_of("run") if o.setting or o.name in _OF_OUTPUT]
    return [option for option in OPTIONS if command in option.commands]
