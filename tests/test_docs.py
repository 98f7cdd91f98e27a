"""The documents say what the program does."""

from __future__ import annotations

import inspect
import json
import re
import tomllib

import pytest
import typer
import yaml

import asyncload
from asyncload import errors
from asyncload.cli.app import make_app
from asyncload.settings.options import COMMANDS
from tests.support import options_table, reference
from tests.support.documents import (
    DOCS,
    OTHERS,
    PAGES,
    REPOSITORY,
    all_blocks,
    name_of,
    our_words,
    section,
)
from tests.support.loads import write_files


def options_of(command):
    """Return the option parameters of a command."""
    parameters = typer.main.get_command(make_app()).commands[command].params
    return [p for p in parameters if p.opts[0].startswith("--") and p.name != "help"]


def test_the_documents_hold_the_table_of_options():
    """As it is rendered from the table; `python -m tests.support.options_table --write` does it."""
    text = options_table.document().read_text()
    assert options_table.filled(text) == text


@pytest.mark.parametrize("page", reference.PAGES)
def test_the_reference_says_what_the_code_says(page):
    """As `python -m tests.support.reference --write` makes it from the code."""
    path, text = reference.rendered(page)
    assert path.read_text() == text


def test_the_hints_of_an_error_are_found_in_the_code():
    """Those of a message with values, of the store's codes, and of a class."""
    found = reference.messages()
    assert ("`--bucket: … is not a valid bucket name`") in dict(found["UsageError"])
    assert ("the store's code `QuotaExceeded`") in dict(found["RequestRejected"])
    assert found["BucketNotFound"] >= {
        ("any other", "check --bucket and --endpoint-url, or create the bucket first")
    }


def test_the_documents_name_no_option_that_is_not_there():
    """An option that went away leaves the documents too."""
    options = [option for command in (*COMMANDS, "demo") for option in options_of(command)]
    known = {name for option in options for name in (*option.opts, *option.secondary_opts)}
    others = "--rm --read-only --cap-drop --security-opt --user --help --version --build "
    others += "--abort-on-container-exit --exit-code-from --pids-limit --write "
    others += "--seed --endpoint --fault --install-completion --out --env-file --from-date "
    others += "--to-date --dag-id --cli-input-json --follow --from --filename --selector "
    others += (
        "--collector --key --edit --full --unit --now --nonblock --from-env-file --network --ulimit"
    )
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", our_words()))
    assert named <= known | set(others.split())


def library_examples():
    """The Python of the sections on the library and on observers, in its order."""
    text = section("As a library") + section("Write an observer in Python")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.moto
def test_the_examples_of_the_library_run(moto, tmp_path, monkeypatch, capsys):
    """One after the other, as a user would paste them, against a real server."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint_url)
    moto.client().create_bucket(Bucket="my-lake")
    write_files(tmp_path / "exports", {"movies.csv": b"1\n", "ratings/1.csv": b"2\n"})
    monkeypatch.chdir(tmp_path)
    printed = []
    for example in library_examples():
        exec(compile(example, "the documents", "exec"), {"__name__": "__main__"})
        printed.append(capsys.readouterr().out.splitlines())
    load, land, observe, plan, check, totals, queued = printed
    assert re.fullmatch(r"2 of 2 files are in the raw zone, run \w+-\w+", load[0])
    assert land == ["exit code 0"]
    assert sorted(observe)[-2:] == ["unchanged movies.csv", "unchanged ratings/1.csv"]
    assert plan == ["0 files to send, 2 unchanged"]
    assert check == ["verified: {'MD5': 2}", "0 open uploads, 0 aborted"]
    assert totals == ["Movies: 1 files, 2 bytes", "Ratings: 1 files, 2 bytes", "problems: []"]
    assert queued == ["exit code 0"]
    lines = (tmp_path / "outcomes.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)[:2] for line in lines) == [
        ["movies.csv", "unchanged"],
        ["ratings/1.csv", "unchanged"],
    ]


def test_the_examples_of_the_library_use_public_names_only():
    """All of them by `asyncload.`."""
    used = {name for text in library_examples() for name in re.findall(r"asyncload\.(\w+)", text)}
    assert {"load", "verify", "clean", "Settings", "Event"} <= used <= set(asyncload.__all__)


def test_the_rules_for_alerts_use_metrics_that_are_written():
    """A rule about a metric with another name never fires; those of Kubernetes are not ours."""
    rules = [
        rule
        for block in all_blocks("yaml")
        for group in (yaml.safe_load(block.text).get("groups", ()))
        for rule in group["rules"]
    ]
    assert len(rules) > 5
    used = {name for rule in rules for name in re.findall(r"\basyncload_\w+", rule["expr"])}
    page = (DOCS / "reference" / "metrics.md").read_text()
    assert used <= set(re.findall(r"^\| `(asyncload_\w+)`", page, re.MULTILINE))


def test_a_hint_to_install_an_extra_names_it_and_the_python_that_needs_it():
    """`pip` alone may be that of another Python, and a mistyped name installs nothing."""
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    hints = {hint for rows in reference.messages().values() for _, hint in rows}
    installing = {hint for hint in hints if "pip install" in hint}
    named = {re.match(r"run … -m pip install 'asyncload-s3\[(\w+)\]'", h) for h in installing}
    assert None not in named, installing
    assert {found[1] for found in named} == set(extras["optional-dependencies"])


def policies():
    """The JSON documents of the section on security, by the first identifier in each."""
    texts = re.findall(r"```json\n(.*?)```", section("Security"), re.DOTALL)
    documents = [json.loads(text) for text in texts]
    return {(d.get("Statement") or d["Rules"])[0].get("Sid", "lifecycle"): d for d in documents}


def test_the_policies_in_the_documents_allow_what_a_run_asks_for():
    """Each action that a message may ask for, on the prefix, and none on all buckets."""
    from asyncload.s3.translate import _ACTIONS

    statements = policies()["LandFiles"]["Statement"]
    allowed = {action for s in statements for action in as_list(s["Action"])}
    assert allowed == set(_ACTIONS.values()) | {"s3:PutObject"}
    for statement in statements:
        assert statement["Effect"] == "Allow"
        prefixes = {f"arn:aws:s3:::my-lake/{name}/*" for name in ("Raw", "_asyncload")}
        assert set(as_list(statement["Resource"])) <= prefixes or (
            statement["Condition"] == {"StringLike": {"s3:prefix": "Raw/*"}}
        )


def test_the_bucket_policy_in_the_documents_denies_only():
    """It opens nothing; what comes without TLS is denied on bucket and objects."""
    statements = policies()["TlsOnly"]["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Deny"}
    assert statements[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statements[0]["Resource"]) == 2


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_every_exit_code_is_in_the_documents():
    """As the errors carry them."""
    codes = {
        kind.exit_code
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.AsyncloadError)
    }
    assert codes == {1, 2, 3, 4, 5, 6}
    text = section("Output and exit codes")
    assert all(f"\n| {code} | " in text for code in codes | {0})
    assert "| 129, 130, 143, 152 |" in text


@pytest.mark.parametrize("document", [*PAGES, *OTHERS], ids=name_of)
def test_links_to_files_lead_somewhere(document):
    """Relative links name files of the repository."""
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_architecture_names_every_module():
    """A newcomer finds each module in the table of layers."""
    text = (REPOSITORY / "ARCHITECTURE.md").read_text()
    modules = {
        path.stem if path.is_file() else path.name
        for folder in ("asyncload", "asyncload/source")
        for path in (REPOSITORY / folder).iterdir()
        if not path.name.startswith("_") and path.name != "py.typed"
    }
    missing = {name for name in modules - {"version"} if f"`{name}`" not in text}
    assert missing == set()
