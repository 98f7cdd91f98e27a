"""The one table of options: flags, variables, settings file, `--help` and README come from it.

To add an option: a row here, a field of `Settings` with its type and default, and the code that
uses it. Then `python -m tests.support.options_table --write` renders the README's table.
"""

from __future__ import annotations

from typing import NamedTuple

from asyncload.settings.option_kinds import (
    CONCURRENCY,
    DAY,
    DURATION,
    FLAG,
    OPTIONAL_PATH,
    OPTIONAL_TEXT,
    PAIRS,
    PATH,
    PATTERNS,
    RATE,
    RULES,
    SIZE,
    TEXT,
    TRUSTED,
    ZONE,
    Kind,
)

WHERE = "Where it goes"
WHAT = "What is loaded"
STORE = "The store"
RECORD = "What is recorded"
OBJECTS = "How objects are stored"
HOW = "How"

RUN = ("run",)
VERIFY = ("verify",)
CLEAN = ("clean",)
RUN_VERIFY = RUN + VERIFY
ALL = RUN_VERIFY + CLEAN

PER_CALL = ("flag",)
NOT_IN_FILES = ("flag", "variable")
ANYWHERE = ("flag", "variable", "file")


class Option(NamedTuple):
    """One option of the commands.

    Args:
        name: the flag, without its dashes and in snake case.
        kind: what values it takes.
        panel: its group in `--help`.
        commands: those that take it. `asyncload config` takes each that a file may hold.
        help: what it does, in `--help` and in the README. Words between backticks are code.
        notes: what the README adds to that.
        metavar: stands for the value in `--help`.
        unset: in the README, what holds without the option, where no value does.
        field: its name in `Settings`, if that is another one; "" if `Settings` does not know it.
        short: a flag of one letter.
        default: of an option that `Settings` does not know.
        more_variables: besides `ASYNCLOAD_NAME`.
        sources: where it may come from.
        positional: whether it is an argument, without a flag.
        spelling: the flag, if another option has the name that it goes by.
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

    @property
    def key(self) -> str:
        """Its key in a settings file."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """What it is called on the command line and in messages."""
        return self.key if self.positional else self.spelling or f"--{self.key}"

    @property
    def variables(self) -> tuple[str, ...]:
        """Its environment variables; the first that is set counts."""
        if "variable" not in self.sources:
            return ()
        return (f"ASYNCLOAD_{self.name.upper()}", *self.more_variables)

    @property
    def in_file(self) -> bool:
        """Whether a settings file may hold it."""
        return "file" in self.sources

    @property
    def setting(self) -> str:
        """The field of `Settings` that it fills, "" if it fills none."""
        return self.name if self.field is None else self.field


OPTIONS = (
    Option(
        "volume",
        PATH,
        WHAT,
        RUN_VERIFY,
        "Folder with the CSVs; without it `/data` if that exists, else `./data`.",
        positional=True,
    ),
    # Where it goes
    Option("bucket", TEXT, WHERE, ALL, "Bucket to load into.", unset="required"),
    Option(
        "date",
        DAY,
        WHERE,
        RUN_VERIFY,
        "Date partition: `YYYY-MM-DD`, `today` or `yesterday`.",
        metavar="DATE",
    ),
    Option(
        "timezone",
        ZONE,
        WHERE,
        RUN_VERIFY,
        "Time zone of `today` and `yesterday`.",
        metavar="ZONE",
    ),
    Option("layer", TEXT, WHERE, ALL, "First key segment."),
    Option("origin", TEXT, WHERE, ALL, "Second key segment."),
    Option("format", TEXT, WHERE, ALL, "Third key segment."),
    Option(
        "dataset",
        RULES,
        WHERE,
        RUN_VERIFY,
        "Dataset of the files that match the pattern, instead of their folder's or file's name; "
        "may be given several times, the first match counts.",
        metavar="PATTERN=NAME",
        field="datasets",
        unset="none",
    ),
    Option(
        "layout",
        TEXT,
        WHERE,
        ALL,
        "Key layout: `default`, `hive`, or a template with the fields `{layer}` `{origin}` "
        "`{format}` `{dataset}` `{date:%Y/%m/%d}` `{path}`.",
        metavar="LAYOUT",
    ),
    Option(
        "overwrite",
        FLAG,
        WHERE,
        RUN,
        "Replace objects that are there with other bytes, instead of failing their files.",
    ),
    Option(
        "skip_existing",
        FLAG,
        WHERE,
        RUN,
        "Skip objects that are there with other bytes, report them, and exit with 0.",
    ),
    # What is loaded
    Option(
        "manifest_run",
        OPTIONAL_TEXT,
        WHAT,
        VERIFY,
        "Check what a past run recorded, without the volume: its run id, or the manifest's key or "
        "`s3://` address.",
        metavar="RUN",
        unset="none",
        field="",
        sources=PER_CALL,
        spelling="--manifest",
    ),
    Option(
        "older_than",
        DURATION,
        WHAT,
        CLEAN,
        "Only uploads that had no new part for so long: `90s`, `15m`, `24h`, `7d`.",
        metavar="TIME",
        field="",
        default="24h",
    ),
    Option(
        "include",
        PATTERNS,
        WHAT,
        RUN_VERIFY,
        "Load only CSVs that match; may be given several times. A pattern without `'/'` is matched "
        "against the name, one with `'/'` against the path; `'**'` crosses folders.",
        metavar="GLOB",
        unset="all",
    ),
    Option(
        "exclude",
        PATTERNS,
        WHAT,
        RUN_VERIFY,
        "Leave out CSVs that match; may be given several times.",
        metavar="GLOB",
        unset="none",
    ),
    Option(
        "min_age",
        DURATION,
        WHAT,
        RUN_VERIFY,
        "Leave out CSVs that were modified more recently: `90s`, `15m`, `24h`, `7d`.",
        metavar="TIME",
    ),
    Option(
        "allow_empty",
        FLAG,
        WHAT,
        RUN,
        "End with 0, not 4, where there is no CSV to load.",
    ),
    Option(
        "follow_symlinks",
        FLAG,
        WHAT,
        RUN_VERIFY,
        "Follow symbolic links that lead to what is in the volume.",
    ),
    Option(
        "trust",
        TRUSTED,
        WHAT,
        RUN_VERIFY,
        "What must stay the same for a file to be unchanged: `size`, `mtime`, `ctime`, `inode`, or "
        "fewer of them where the file system changes the others by itself.",
        metavar="NAMES",
    ),
    # The store
    Option(
        "checksum",
        TEXT,
        STORE,
        RUN,
        "What must come back as proof: `crc64nvme`, `crc32`, `md5`; `auto` takes an MD5 from a "
        "store that returns no CRC64NVME.",
        metavar="NAME",
    ),
    Option(
        "expected_bucket_owner",
        OPTIONAL_TEXT,
        STORE,
        ALL,
        "Refuse to run where the bucket is not of this AWS account.",
        metavar="ACCOUNT",
        unset="none",
    ),
    Option(
        "endpoint_url",
        OPTIONAL_TEXT,
        STORE,
        ALL,
        "Address of an S3-compatible store; AWS without it.",
        metavar="URL",
        unset="AWS",
    ),
    Option(
        "addressing_style",
        TEXT,
        STORE,
        ALL,
        "Where an address has the bucket: `path`, `virtual` (in the host's name), or `auto`, which "
        "is virtual for AWS and path for an `--endpoint-url`.",
        "The AWS configuration may say otherwise than `auto`.",
        metavar="STYLE",
    ),
    Option(
        "allow_http",
        FLAG,
        STORE,
        ALL,
        "Allow plain HTTP to a store on another machine; HTTPS only without it.",
    ),
    Option(
        "ca_bundle",
        OPTIONAL_PATH,
        STORE,
        ALL,
        "File of the certificates (PEM) to trust; from the AWS configuration without it.",
        metavar="PATH",
        unset="AWS configuration",
    ),
    Option(
        "region",
        OPTIONAL_TEXT,
        STORE,
        ALL,
        "Region of the bucket; from the AWS configuration without it.",
        unset="AWS configuration",
        more_variables=("AWS_REGION",),
    ),
    Option(
        "profile",
        OPTIONAL_TEXT,
        STORE,
        ALL,
        "Profile of the AWS configuration. Credentials come from the standard AWS chain.",
        unset="AWS configuration",
    ),
    # What is recorded
    Option(
        "manifest",
        FLAG,
        RECORD,
        RUN,
        "Write a record of the run into the bucket, beside the data.",
    ),
    Option(
        "manifest_prefix",
        TEXT,
        RECORD,
        RUN_VERIFY,
        "Where manifests go.",
        "So does what is found out of the store.",
        metavar="PREFIX",
    ),
    Option(
        "success_marker",
        FLAG,
        RECORD,
        RUN,
        "Write `_SUCCESS` into each partition at the end, if all of its files landed.",
        "One of an earlier run is removed before its partition changes.",
    ),
    Option(
        "require_create_only",
        FLAG,
        RECORD,
        RUN,
        "Refuse a store that ignores `If-None-Match`, so that objects could be replaced.",
    ),
    # How objects are stored
    Option(
        "storage_class",
        OPTIONAL_TEXT,
        OBJECTS,
        RUN,
        "Storage class of the CSVs, such as `STANDARD_IA`.",
        metavar="CLASS",
        unset="the bucket's",
    ),
    Option(
        "sse",
        OPTIONAL_TEXT,
        OBJECTS,
        RUN,
        "Server-side encryption: `AES256`, `aws:kms` or `aws:kms:dsse`.",
        metavar="NAME",
        unset="the bucket's",
    ),
    Option(
        "sse_kms_key_id",
        OPTIONAL_TEXT,
        OBJECTS,
        RUN,
        "KMS key to encrypt with; means `--sse aws:kms`.",
        metavar="ID",
        unset="the bucket's",
    ),
    Option(
        "tag",
        PAIRS,
        OBJECTS,
        RUN,
        "Tag of each CSV's object; may be given several times.",
        "Ten at the most.",
        metavar="KEY=VALUE",
        field="tags",
        unset="none",
    ),
    Option(
        "metadata",
        PAIRS,
        OBJECTS,
        RUN,
        "Metadata of each CSV's object; may be given several times.",
        "768 bytes at the most.",
        metavar="KEY=VALUE",
        unset="none",
    ),
    Option(
        "acl",
        OPTIONAL_TEXT,
        OBJECTS,
        RUN,
        "Canned ACL of the objects, such as `bucket-owner-full-control`.",
        metavar="NAME",
        unset="the bucket's",
    ),
    # How
    Option(
        "concurrency",
        CONCURRENCY,
        HOW,
        RUN_VERIFY,
        "Requests in flight at once; `auto`: as many as bring throughput, up to 256.",
        "`auto` begins with 32 and grows while that brings throughput, up to what `--memory` and "
        "open files allow; a number from 1 to 1024 is what it begins with and never exceeds. Fewer "
        "where the limit of open files (`ulimit -n`) has no room for so many: for 32 it must be "
        "84, for 256 532.",
        metavar="N",
    ),
    Option(
        "limit_rate",
        RATE,
        HOW,
        RUN,
        "Send at most so many bytes of files a second, over all requests: `50MiB`.",
        "Retries count; the least is `64KiB`.",
        metavar="SIZE",
        unset="no limit",
    ),
    Option(
        "memory",
        SIZE,
        HOW,
        RUN_VERIFY,
        "Memory for file bytes on their way: 256MiB, or what a container's limit leaves.",
        "For the process itself 110 MiB are left; more than the rest is refused.",
        metavar="SIZE",
        unset="up to 256MiB",
    ),
    Option(
        "unsigned_payload",
        FLAG,
        HOW,
        RUN,
        "On plain HTTP, leave the body's SHA-256 out of signatures, as on HTTPS; the CRC64NVME "
        "stays.",
        "It overrules `payload_signing_enabled` of the AWS configuration.",
    ),
    Option(
        "fast_lane",
        FLAG,
        HOW,
        RUN,
        "Upload over a faster code path than the generic S3 client.",
        "It is not used behind a proxy and for directory buckets.",
    ),
    Option(
        "dry_run",
        FLAG,
        HOW,
        RUN,
        "Say what would be uploaded where, and send nothing.",
        field="",
        default=False,
    ),
    Option(
        "yes",
        FLAG,
        HOW,
        CLEAN,
        "Abort them, whoever began them, instead of only listing them.",
        field="",
        default=False,
        sources=PER_CALL,
    ),
    Option(
        "quiet",
        FLAG,
        HOW,
        RUN_VERIFY,
        "Print failures only.",
        field="",
        short="-q",
        default=False,
    ),
    Option(
        "json",
        FLAG,
        HOW,
        ALL,
        "Print the report as JSON on standard output: a line for each file, then a summary.",
        field="",
        default=False,
    ),
    Option(
        "config",
        OPTIONAL_TEXT,
        HOW,
        ALL,
        "Settings file to read, instead of `asyncload.toml` or `pyproject.toml` in the working "
        "directory; `/dev/null` for none.",
        metavar="FILE",
        unset="looked up",
        field="",
        sources=NOT_IN_FILES,
    ),
)

BY_NAME = {option.name: option for option in OPTIONS}
SETTINGS = {option.setting: option for option in OPTIONS if option.setting}
"""The options that are fields of `Settings`, by the field."""
COMMANDS = (*ALL, "config")


def options_of(command: str) -> list[Option]:
    """Return the options that a command takes, in the order of its help."""
    if command == "config":
        return [option for option in OPTIONS if option.in_file or option.name == "config"]
    return [option for option in OPTIONS if command in option.commands]
