"""A settings file: what it says counts after flags and variables, and never half."""

from __future__ import annotations

import codecs
import os
import re
import threading

import pytest

from asyncload.settings.option_kinds import CONCURRENCY, PAIRS, PATTERNS, SIZE
from tests.support.documents import all_blocks
from tests.support.loads import write_files
from tests.support.vocabulary import check_lines


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a volume of one file."""
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "data", {"a.csv": b"1"})
    return tmp_path


@pytest.fixture
def planned(asyncload, folder):
    """What a dry run with some options would upload, and that it says nothing else."""

    def plan(*options):
        ended = asyncload("run", "--dry-run", "--offline", "--json", *options)
        assert (ended.code, ended.err) == (0, "")
        return [r["key"] for r in check_lines(ended.out) if r["type"] == "file"]

    return plan


@pytest.mark.parametrize("block", all_blocks("toml"), ids=lambda block: block.page)
def test_the_files_in_the_documents_are_valid(asyncload, folder, block):
    """With all the settings and the source that they describe."""
    write_files(folder, {"documents.toml": block.text.encode()})
    ended = asyncload("config", "--config", "documents.toml")
    assert (ended.code, ended.err) == (0, "")
    bucket = re.search(r'^bucket = "(.*)"$', block.text, re.MULTILINE)[1]
    assert f'bucket = "{bucket}"  # documents.toml, line' in ended.out


BASE = 'bucket = "lake"\ndate = 2022-05-02\nlayer = "File"\n'


def test_options_are_taken_from_the_working_directory(folder, planned):
    """From `asyncload.toml`; the bucket, which is required, too."""
    (folder / "asyncload.toml").write_text(BASE)
    assert planned() == ["File/Local/CSV/A/2022/05/02/a.csv"]


def test_a_flag_counts_before_a_variable_and_that_before_the_file(folder, planned, monkeypatch):
    """The file counts before the default."""
    (folder / "asyncload.toml").write_text(BASE + 'origin = "File"\nformat = "File"\n')
    monkeypatch.setenv("ASYNCLOAD_ORIGIN", "Variable")
    monkeypatch.setenv("ASYNCLOAD_FORMAT", "Variable")
    assert planned("--format", "Flag") == ["File/Variable/Flag/A/2022/05/02/a.csv"]


def test_an_empty_variable_does_not_hide_the_file(folder, planned, monkeypatch):
    """It counts as not set."""
    (folder / "asyncload.toml").write_text(BASE)
    monkeypatch.setenv("ASYNCLOAD_LAYER", "")
    assert planned()[0].startswith("File/")


@pytest.mark.parametrize(
    "table",
    [
        "[tool.asyncload]\n{}",
        '[project]\nname = "x"\n[ tool . "asyncload" ] # ours\n{}',
        "[tool.other]\na = 1\n[tool.asyncload]\n{}[tool.more]\nb = 2\n",
    ],
)
def test_pyproject_may_hold_them(folder, planned, table):
    """In its table of tools."""
    (folder / "pyproject.toml").write_text(table.format(BASE))
    assert planned() == ["File/Local/CSV/A/2022/05/02/a.csv"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[project]\nname = "x"\n',
        "[tool.ruff]\nline-length = 100\n",
        "[tool]\nasynclod.layer = 'No'\n",
        "this is no TOML, and nothing of ours",
    ],
)
def test_a_pyproject_without_our_table_is_not_ours(folder, planned, text):
    """Any other content is ignored."""
    (folder / "pyproject.toml").write_text(text)
    assert planned("--bucket", "lake", "--date", "2022-05-02")[0].startswith("Raw/")


def test_asyncload_toml_counts_before_pyproject(folder, planned):
    """The two are not mixed."""
    (folder / "asyncload.toml").write_text(BASE)
    (folder / "pyproject.toml").write_text('[tool.asyncload]\nlayer = "Other"\norigin = "Other"\n')
    assert planned() == ["File/Local/CSV/A/2022/05/02/a.csv"]


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_another_file_can_be_named(folder, planned, monkeypatch, by):
    """By flag or variable; the one in the working directory is not read. Its paths are its own."""
    write_files(folder / "etc" / "there", {"b.csv": b"1"})
    (folder / "asyncload.toml").write_text("no TOML")
    (folder / "etc" / "nightly.toml").write_text(BASE + 'volume = "there"\n')
    if by == "variable":
        monkeypatch.setenv("ASYNCLOAD_CONFIG", "etc/nightly.toml")
    options = ["--config", "etc/nightly.toml"] if by == "flag" else []
    assert planned(*options) == ["File/Local/CSV/B/2022/05/02/b.csv"]


def test_dev_null_disables_the_settings_file(folder, planned):
    """Nor is the one in the working directory read then."""
    (folder / "asyncload.toml").write_text("no TOML")
    options = ("--config", os.devnull, "--bucket", "lake", "--date", "2022-05-02")
    assert planned(*options)[0].startswith("Raw/")


def test_a_file_may_come_from_a_pipe(folder, planned):
    """As from `--config <(...)` of a shell."""
    reader, writer = os.pipe()
    thread = threading.Thread(target=lambda: (os.write(writer, BASE.encode()), os.close(writer)))
    thread.start()
    try:
        assert planned("--config", f"/dev/fd/{reader}") == ["File/Local/CSV/A/2022/05/02/a.csv"]
    finally:
        thread.join()
        os.close(reader)


def test_lists_and_tables_fill_options_that_repeat(folder, planned):
    """Patterns as arrays, dataset rules as a table: its keys may hold what a flag can't part."""
    write_files(folder / "data", {"b.csv": b"1", "c.csv": b"1", "x=1.csv": b"1"})
    (folder / "asyncload.toml").write_text(
        BASE + 'include = ["?.csv", "x=*"]\nexclude = "c.csv"\n[dataset]\n"x=*" = "X=Y"\n'
    )
    assert sorted(planned()) == [
        "File/Local/CSV/A/2022/05/02/a.csv",
        "File/Local/CSV/B/2022/05/02/b.csv",
        "File/Local/CSV/X=Y/2022/05/02/x=1.csv",
    ]


def test_values_of_a_flag_take_the_place_of_those_of_the_file(folder, planned):
    """Of an option that repeats, all come from one place."""
    write_files(folder / "data", {"b.csv": b"1"})
    (folder / "asyncload.toml").write_text(BASE + 'include = ["a.csv"]\n')
    assert planned("--include", "b.csv") == ["File/Local/CSV/B/2022/05/02/b.csv"]


def test_names_are_utf_8_in_any_locale(folder, spawn):
    """The command line is read by the locale, a settings file is not."""
    write_files(folder / "data", {"é.csv": b"1"})
    (folder / "asyncload.toml").write_text(BASE + 'include = ["é.csv"]\n[dataset]\n"é.csv" = "É"\n')
    locale = ["LC_ALL=C", "PYTHONCOERCECLOCALE=0", "PYTHONUTF8=0"]
    process = spawn("run", "--dry-run", "--offline", "--json", prefix=["env", *locale])
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    keys = [record["key"] for record in check_lines(out) if record["type"] == "file"]
    assert keys == ["File/Local/CSV/É/2022/05/02/é.csv"]


@pytest.mark.parametrize("text", ["", " \n\n", "# nothing yet\n"])
def test_a_file_without_settings_sets_nothing(folder, planned, text):
    """An empty file is valid TOML."""
    (folder / "asyncload.toml").write_text(text)
    assert len(planned("--bucket", "lake")) == 1


def test_one_file_serves_all_commands(folder, asyncload):
    """`clean` takes neither concurrency nor patterns, and says nothing of them."""
    text = BASE + 'concurrency = 4\ninclude = ["*"]\nolder-than = "2d"\ntag = { a = "b" }\n'
    (folder / "asyncload.toml").write_text(text + 'endpoint-url = "http://127.0.0.1:9"\n')
    for command in ("verify", "clean"):
        ended = asyncload(command, "--bucket", "not a bucket")
        assert (ended.code, ended.err.partition("\n")[0]) == (
            2,
            "error: --bucket: 'not a bucket' is not a valid bucket name",
        )
    assert asyncload("run", "--dry-run", "--offline").code == 0


NO_EQUALS = "Expected '=' after a key in a key/value pair"
TOML_HINT = 'write settings in TOML (https://toml.io), for example bucket = "my-lake"'
LIST_HINT = "asyncload config lists all settings, by the names of their flags"
SECRET_HINT = "credentials come from the AWS chain: environment, profile, SSO or role"
WRONG = {
    "mark": (
        codecs.BOM_UTF8 + b"quiet = true",
        "asyncload.toml begins with a byte order mark (BOM)",
        "save it as UTF-8 without BOM",
    ),
    "UTF-16": (
        "quiet = true".encode("utf-16"),
        "asyncload.toml begins with a byte order mark (BOM)",
        "save it as UTF-8 without BOM",
    ),
    "Latin-1": (
        b'quiet = true\nlayer = "\xe9"\n',
        "asyncload.toml is not UTF-8: line 2",
        "save it as UTF-8",
    ),
    "no TOML": (
        b"quiet = true\nbucket: lake\n",
        f"asyncload.toml: invalid TOML, line 2, column 7: {NO_EQUALS}",
        TOML_HINT,
    ),
    "not ended": (
        b'bucket = "lake',
        "asyncload.toml: invalid TOML, at its end: Unterminated string",
        TOML_HINT,
    ),
    "twice": (
        b"quiet = true\nquiet = false\n",
        "asyncload.toml: invalid TOML, line 2, column 14: Cannot overwrite a value",
        TOML_HINT,
    ),
    "deep": (
        b"a = " + b"[" * 100_000,
        "asyncload.toml: invalid TOML: values are nested too deeply",
        "",
    ),
    "huge integer": (
        b"concurrency = " + b"9" * 5_000,
        "asyncload.toml: a value is too large",
        TOML_HINT,
    ),
    "large": (
        b"#" * (1024 * 1024 + 1),
        "asyncload.toml is too large for a settings file",
        "the maximum is 1024 KiB",
    ),
    "unknown": (
        b'\nbuket = "lake"',
        "asyncload.toml, line 2: unknown setting 'buket'",
        f"did you mean bucket? {LIST_HINT}",
    ),
    "far": (b"colour = 1", "asyncload.toml, line 1: unknown setting 'colour'", LIST_HINT),
    "snake case": (
        b'endpoint_url = "x"',
        "asyncload.toml, line 1: unknown setting 'endpoint_url'",
        "settings have the names of their flags: endpoint-url",
    ),
    "plural": (
        b'[datasets]\na = "b"',
        "asyncload.toml, line 1: unknown setting 'datasets'",
        f"did you mean dataset? {LIST_HINT}",
    ),
    "the table of pyproject": (
        b'[tool.asyncload]\nbucket = "lake"',
        "asyncload.toml, line 1: unknown setting 'tool'",
        "put settings at the top level of the file; [tool.asyncload] is for pyproject.toml",
    ),
    "secret": (
        b'aws_secret_access_key = "CANARY"',
        "asyncload.toml, line 1: aws_secret_access_key: a settings file must not hold secrets",
        SECRET_HINT,
    ),
    "token": (
        b'Session-Token = "CANARY"',
        "asyncload.toml, line 1: Session-Token: a settings file must not hold secrets",
        SECRET_HINT,
    ),
    "of a call": (
        b"yes = true",
        "asyncload.toml, line 1: yes can't be set in a file",
        "use --yes on the command line",
    ),
    "another file": (
        b'config = "x.toml"',
        "asyncload.toml, line 1: config can't be set in a file",
        "use --config on the command line",
    ),
    "the run to verify": (
        b'manifest-run = "x"',
        "asyncload.toml, line 1: unknown setting 'manifest-run'",
        f"did you mean manifest? {LIST_HINT}",
    ),
    "text for a flag": (
        b'quiet = "yes"',
        "asyncload.toml, line 1: quiet must be true or false, not a string",
        "write it without quotes: quiet = true",
    ),
    "a flag for a number": (
        b"concurrency = true",
        f"asyncload.toml, line 1: concurrency must be {CONCURRENCY.expected}, not a boolean",
        "",
    ),
    "a number for a flag": (
        b"quiet = 1",
        "asyncload.toml, line 1: quiet must be true or false, not an integer",
        "",
    ),
    "a fraction": (
        b"memory = 1.5",
        f"asyncload.toml, line 1: memory must be {SIZE.expected}, not a float",
        "",
    ),
    "a table for a value": (
        b"[bucket]\nname = 1",
        "asyncload.toml, line 1: bucket must be a string, not a table",
        "[bucket] starts a table; write bucket = ... instead",
    ),
    "a dotted key": (
        b'bucket.name = "lake"',
        "asyncload.toml, line 1: bucket must be a string, not a table",
        "[bucket] starts a table; write bucket = ... instead",
    ),
    "a list for a value": (
        b'layer = ["Raw"]',
        "asyncload.toml, line 1: layer must be a string, not an array",
        "",
    ),
    "a time for a date": (
        b"date = 2022-05-02T00:00:00Z",
        (
            "asyncload.toml, line 1: date must be a date, today, yesterday or mtime, not a date "
            "and time"
        ),
        "",
    ),
    "a list of numbers": (
        b"include = [1]",
        f"asyncload.toml, line 1: include must be {PATTERNS.expected}, but contains an integer",
        "put each value in quotes",
    ),
    "a table of numbers": (
        b"tag = { a = 1 }",
        f"asyncload.toml, line 1: tag must be {PAIRS.expected}, but contains an integer",
        "put each value in quotes",
    ),
    "nothing": (
        b'endpoint-url = ""',
        "asyncload.toml, line 1: endpoint-url is empty",
        "set a value, or remove the setting",
    ),
    "nothing in a list": (
        b'exclude = ["a", ""]',
        "asyncload.toml, line 1: exclude is empty",
        "set a value, or remove the setting",
    ),
}


def message(text, hint):
    return f"error: {text}\n" + (f"  hint: {hint}\n" if hint else "")


@pytest.mark.fault("I28")
@pytest.mark.parametrize("wrong", WRONG)
def test_what_a_file_can_not_say_is_a_usage_error(folder, asyncload, wrong):
    """It names file, line, key and what is expected, and repeats no value."""
    content, text, hint = WRONG[wrong]
    (folder / "asyncload.toml").write_bytes(content)
    ended = asyncload("run", "--bucket", "lake", "--dry-run", "--offline")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == message(text, hint or "see asyncload run --help")
    assert "CANARY" not in ended.err


@pytest.mark.fault("I28")
def test_what_is_wrong_in_pyproject_names_it(folder, asyncload):
    """Only the lines of our table are looked at."""
    (folder / "pyproject.toml").write_text(
        '[tool.other]\nbuket = 1\n[tool.asyncload]\nquiet = true\nbuket = "lake"\n'
    )
    assert "pyproject.toml, line 5: unknown setting 'buket'" in asyncload("run").err
    (folder / "pyproject.toml").write_text("[tool]\nasyncload = 3\n")
    assert "pyproject.toml: tool.asyncload must be a table, not an integer" in asyncload("run").err


def test_no_line_is_named_that_is_not_certain(folder, asyncload):
    """A text of several lines may look like a setting."""
    (folder / "asyncload.toml").write_text('layer = """\nbuket = 1\n"""\nbuket = 2\n')
    assert "error: asyncload.toml: unknown setting 'buket'" in asyncload("run").err


@pytest.mark.fault("I28")
def test_a_named_file_must_be_there(folder, asyncload):
    """And be a file, with a table of ours."""
    where = ("run", "--bucket", "lake", "--config")
    assert asyncload(*where, "x.toml").err == message(
        "--config: file 'x.toml' does not exist", "give the path of a settings file"
    )
    assert asyncload(*where, "data").err == message(
        "data is a folder, not a settings file", "give the path of a file"
    )
    (folder / "pyproject.toml").write_text("[project]\n")
    assert asyncload(*where, "pyproject.toml").err == message(
        "--config: pyproject.toml has no table [tool.asyncload]",
        "add that table, or name another file",
    )
    assert asyncload(*where, "a\x1bb.toml").err.startswith("error: --config: file 'a\\x1bb")
    assert asyncload("run", "--config", "").err.startswith("error: --config is empty")


@pytest.mark.fault("I28")
def test_a_file_that_is_there_must_be_readable(folder, asyncload):
    """It may say where data goes, so it is not passed over."""
    (folder / "asyncload.toml").mkdir()
    assert asyncload("run").err == message(
        "asyncload.toml is a folder, not a settings file", "rename the folder"
    )
    (folder / "asyncload.toml").rmdir()
    (folder / "asyncload.toml").symlink_to("asyncload.toml")
    assert asyncload("run").err == message(
        "asyncload.toml can't be read: Too many levels of symbolic links",
        "make it readable, or name another file with --config (/dev/null for none)",
    )
    (folder / "asyncload.toml").unlink()
    os.mkfifo(folder / "asyncload.toml")
    assert asyncload("run").err == message(
        "asyncload.toml is not a regular file", "--config /dev/null makes asyncload ignore it"
    )


def test_help_does_not_need_a_good_file(folder, asyncload):
    """A user may need it to mend the file."""
    (folder / "asyncload.toml").write_text("no TOML")
    assert asyncload("run", "--help").code == 0
    assert asyncload("--version").code == 0


@pytest.mark.parametrize("asked", ["flag", "variable"])
def test_an_unusable_file_ends_json_with_a_summary(folder, asyncload, monkeypatch, asked):
    """As every other end does."""
    (folder / "asyncload.toml").write_text("quiet = 1")
    if asked == "variable":
        monkeypatch.setenv("ASYNCLOAD_JSON", "1")
    ended = asyncload("run", *(["--json"] if asked == "flag" else []))
    (summary,) = check_lines(ended.out)
    assert (summary["command"], summary["exit_code"]) == ("run", 2)
    assert summary["error"]["message"].startswith("asyncload.toml, line 1: quiet must be")


def test_a_file_may_ask_for_json(folder, asyncload, monkeypatch):
    """A run without a bucket, which Typer refuses, writes its summary; a variable overrules."""
    (folder / "asyncload.toml").write_text("json = true\n")
    (summary,) = check_lines(asyncload("run").out)
    assert "--bucket" in summary["error"]["message"]
    monkeypatch.setenv("ASYNCLOAD_JSON", "0")
    assert asyncload("run").out == ""


@pytest.mark.parametrize("wrong", ["bukket = 'lake'", "quiet = 1"])
def test_an_invalid_setting_does_not_hide_that_a_file_asks_for_json(folder, asyncload, wrong):
    """Its summary is written, even if the invalid setting comes first."""
    (folder / "asyncload.toml").write_text(f"{wrong}\njson = true\n")
    (summary,) = check_lines(asyncload("run", "--bucket", "lake").out)
    assert summary["error"]["message"].startswith("asyncload.toml, line 1: ")


@pytest.mark.parametrize(
    ("text", "variables", "options", "lines"),
    [
        (
            "concurrency = 0\n",
            {},
            (),
            [
                "--concurrency: 0 is not between 1 and 1024",
                "  --concurrency comes from asyncload.toml, line 1",
            ],
        ),
        (
            "",
            {"ASYNCLOAD_CONCURRENCY": "0"},
            (),
            [
                "--concurrency: 0 is not between 1 and 1024",
                "  --concurrency comes from variable ASYNCLOAD_CONCURRENCY",
            ],
        ),
        (
            "concurrency = 8\n",
            {},
            ("--concurrency", "0"),
            ["--concurrency: 0 is not between 1 and 1024"],
        ),
        (
            'layer = "a/b"\n',
            {"ASYNCLOAD_VOLUME": "data"},
            (),
            [
                "--layer: 'a/b' must be one segment, without '/'",
                "  --layer comes from asyncload.toml, line 1",
            ],
        ),
        (
            "\nskip-existing = true\n",
            {},
            ("--overwrite",),
            [
                "--overwrite and --skip-existing can't be combined",
                "  --skip-existing comes from asyncload.toml, line 2",
            ],
        ),
    ],
)
def test_a_value_that_can_not_be_used_is_reported_with_its_origin(
    folder, asyncload, monkeypatch, text, variables, options, lines
):
    """Not for the flag: its user has just typed it."""
    (folder / "asyncload.toml").write_text(text or "quiet = false")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ended = asyncload("run", "--bucket", "lake", *options)
    assert ended.code == 2
    told = [line for line in ended.err.splitlines() if not line.startswith("  hint:")]
    assert told == [f"error: {lines[0]}", *lines[1:]]


@pytest.mark.fault("I29")
@pytest.mark.parametrize("command", ["run", "verify", "clean", "config"])
def test_a_mistyped_variable_is_a_warning(folder, asyncload, monkeypatch, command):
    """On standard error, and nothing fails for it."""
    monkeypatch.setenv("ASYNCLOAD_BUKET", "lake")
    ended = asyncload(command, "--bucket", "not a bucket")
    assert ended.err.startswith(
        "warning: ASYNCLOAD_BUKET is not a variable of asyncload and is ignored\n"
        "  hint: did you mean ASYNCLOAD_BUCKET?\n"
    )
    assert asyncload("run", "--bucket", "lake", "--dry-run", "--offline").code == 0
