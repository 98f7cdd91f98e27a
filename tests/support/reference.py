"""The reference pages made from the code: `python -m tests.support.reference --write` writes them.

Commands, errors and exit codes, metrics, JSON Schemas, and the names of the library. The options
have a table of their own (`options_table`), and the records are described by hand, as their schemas
are made from that page.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import sys
import tempfile
import typing
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import typer

import asyncload
from asyncload import errors
from asyncload.cli.app import make_app
from asyncload.cli.examples import EXAMPLES
from asyncload.errors import AsyncloadError, Interrupted
from asyncload.model.values import WatchProgress
from asyncload.reporting.machines.metrics import MetricsFile
from asyncload.reporting.machines.outlet import RunEnd
from asyncload.reporting.records import result_of
from asyncload.reporting.report import FailureGroup, Report
from asyncload.s3 import meanings
from asyncload.settings.options import BY_NAME, COMMANDS, SETTINGS, options_of
from tests.support.documents import DOCS
from tests.support.markdown import cell

FOLDER = DOCS / "reference"
NOTE = "<!-- Written by python -m tests.support.reference --write -->"
PACKAGE = Path(asyncload.__file__).parent
# Records describe an end by any other code as interrupted.
CODES = range(7)


def table(*rows: tuple[str, ...]) -> str:
    """A table; its first row is the header."""
    lines = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def code(text: str) -> str:
    """Text between backticks, "" for none."""
    return f"`{text}`" if text else ""


def plain(text: str) -> str:
    """Text of a message or help, as Markdown that shows it as it is."""
    if "`" in text:
        return text
    # An address would become a link.
    return re.sub(r"[^\s:'(]+://[^\s,;')]*|[<*_]", _shown, text)


def _shown(found: re.Match[str]) -> str:
    return code(found[0]) if "://" in found[0] else f"\\{found[0]}"


def described(documented: object) -> str:
    """A docstring as Markdown: its sections become lists."""
    blocks = []
    for block in (inspect.getdoc(documented) or "").split("\n\n"):
        found = re.match(r"(Args|Returns|Raises):\n", block)
        if not found:
            blocks.append(block)
            continue
        body = inspect.cleandoc(block[found.end() :])
        if found[1] == "Returns":
            blocks.append(f"**Returns** {body[0].lower()}{body[1:]}")
            continue
        items = re.split(r"\n(?=\S)", body)
        listed = [re.sub(r"^([\w, ]+):", named, re.sub(r"\s+", " ", item)) for item in items]
        blocks.append(f"**{found[1]}**\n\n" + "\n".join(f"- {item}" for item in listed))
    return "\n\n".join(blocks)


def named(found: re.Match[str]) -> str:
    """The names before the colon of an item, as code."""
    return ", ".join(code(name) for name in found[1].split(", ")) + ":"


def flags_of(parameter: typing.Any) -> str:
    """An option's flags and the word for its value."""
    flags = [*parameter.opts, *parameter.secondary_opts]
    value = (
        ""
        if parameter.is_flag
        else f" {parameter.metavar or parameter.type.name.upper()}".replace(" STR", " TEXT")
    )
    return ", ".join(f"`{flag}{value}`" for flag in flags)


def commands() -> Iterator[str]:
    """The page on the commands."""
    yield "# Commands"
    yield NOTE
    yield (
        "`asyncload COMMAND --help` prints the same for one command, with all options. "
        "[Options](options.md) describes these, with their variables and defaults. Each command "
        "ends with an [exit code](output.md)."
    )
    app = typer.main.get_command(make_app())
    yield table(
        ("command", "purpose"),
        *((f"[`{n}`](#asyncload-{n})", plain(c.help)) for n, c in app.commands.items()),
    )
    for name, command in app.commands.items():
        yield from command_section(name, command)


def command_section(name: str, command: typing.Any) -> Iterator[str]:
    """The section of one command."""
    yield f"## asyncload {name}"
    yield plain(command.help)
    placed = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    words = "".join(f" [{p.metavar or p.name.upper()}]" for p in placed)
    yield f"```text\nasyncload {name} [OPTIONS]{words}\n```"
    lines = [
        f"# {text.rstrip(':')}\n$ asyncload {name} {line}".rstrip() for text, line in EXAMPLES[name]
    ]
    yield "```console\n" + "\n".join(lines) + "\n```"
    if name == "config":
        yield "It takes all [options](options.md) that can be in a settings file."
        return
    # The page on options describes those of `run`.
    of_run = options_of("run")
    shared = {o.name for o in of_run if not o.positional and not (name == "run" and o.first)}
    as_for = "[Others](options.md)" if name == "run" else "As for [`run`](options.md)"
    others = [p for p in options if p.name in shared]
    rows = []
    for parameter in (*placed, *(p for p in options if p not in others)):
        option = BY_NAME.get(parameter.name) if name in COMMANDS else None
        flags = flags_of(parameter) if parameter in options else code(words.strip(" []"))
        # The help quotes punctuation, for which Markdown has backticks.
        about = re.sub("`'([^']+)'`", r"`\1`", option.help) if option else plain(parameter.help)
        rows.append((flags, about))
    if rows:
        yield table(("argument or option", "description"), *rows)
    if others:
        yield f"{as_for}: {', '.join(code(p.opts[0]) for p in others)}."


def all_errors() -> Iterator[str]:
    """The page on the exit codes and the errors."""
    yield "# Errors"
    yield NOTE
    yield (
        "Each error has a class, which records name in `kind`, a message, a hint and an exit code. "
        "In Python, all are subclasses of `asyncload.AsyncloadError`. Exit code 0 means success. "
        "[Output and exit codes](output.md) also describes ends of commands without an error, "
        "such as `verify` with differences."
    )
    by_code = defaultdict(list)
    for kind in kinds():
        number = None if kind is Interrupted else kind.exit_code
        by_code[number].append(f"[`{kind.__name__}`](#{kind.__name__.lower()})")
    rows = [(str(n), result_of(n), ", ".join(by_code[n])) for n in CODES if n]
    rows.append(("128 and the number of the signal", result_of(130), ", ".join(by_code[None])))
    yield table(("exit code", "`result` in records", "errors"), *rows)
    yield (
        "An error of one file (a subclass of `FileFailed`) does not stop the others: the run ends "
        "with 3. In messages, `…` stands for a value. A message from a store or an API also has "
        "that server's words."
    )
    found = messages()
    for kind in kinds():
        yield f"## {kind.__name__}"
        yield described(kind)
        bases = " and ".join(code(b.__name__) for b in kind.__bases__ if b is not Exception)
        facts = [f"Exit code {kind.exit_code}"] if kind is not Interrupted else []
        facts += [f"a subclass of {bases}"] if bases else []
        facts += ["the request is repeated"] if getattr(kind, "retryable", False) else []
        text = "; ".join(facts)
        yield f"{text[0].upper()}{text[1:]}."
        if found[kind.__name__]:
            yield table(("message", "hint"), *sorted(found[kind.__name__]))


def kinds() -> list[type[AsyncloadError]]:
    """All classes of errors, in the order of their definition."""
    found = [v for v in vars(errors).values() if isinstance(v, type)]
    return [v for v in found if issubclass(v, AsyncloadError)]


@cache
def messages() -> dict[str, set[tuple[str, str]]]:
    """The messages and hints of each class that stand as texts in the code."""
    found = defaultdict(set)
    names = {kind.__name__ for kind in kinds()}
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)) if "hint=" in source else ():
            if not isinstance(node, ast.Call) or not node.args:
                continue
            function = node.func
            name = getattr(function, "id", getattr(function, "attr", ""))
            hint = next((k.value for k in node.keywords if k.arg == "hint"), None)
            message, hint = text_of(node.args[0]), text_of(hint)
            if name in names and hint.strip("… "):
                found[name].add((code(message), plain(hint)))
    for stated, hint in meanings._HINTS.items():
        kind = meanings.meaning_of(stated, 400)
        found[kind.__name__].add((f"the store's code `{stated}`", plain(hint)))
    for kind, hint in meanings._HINTS_BY_MEANING:
        found[kind.__name__].add(("any other", plain(hint)))
    return found


def text_of(node: ast.expr | None) -> str:
    """The text of a literal, with an ellipsis for each value in it."""
    match node:
        case None:
            return ""
        case ast.Constant(value=str(text)):
            return " ".join(text.split()) if "\n" in text else text
        case ast.JoinedStr(values=values):
            return "".join(map(text_of, values))
    return "…"


def metrics() -> Iterator[str]:
    """The page on the metrics."""
    yield "# Metrics"
    yield NOTE
    yield (
        "The file of `--metrics-file` has the text format of Prometheus. All metrics are gauges "
        "that describe the last run; of `watch`, all since its start. Besides the label below, "
        "each has `command`, `bucket` and `source` (the volume, or the API). "
        "[Monitoring](../how-to/monitoring.md) shows how to use them."
    )
    full = Report(api_requests=1, excluded={"hidden": 1})
    full.failure_groups["kind", "hint"] = FailureGroup("kind", "hint", 1)
    of_run, of_all, of_watch = (
        metrics_of(Report()),
        metrics_of(full),
        metrics_of(Report(), watch=True),
    )
    rows = []
    for name, (about, label, values) in {**of_watch, **of_run, **of_all}.items():
        if name not in of_run:
            when = (
                "of `watch`"
                if name in of_watch
                else "of `collect`"
                if "_api_" in name
                else "if not 0"
            )
        else:
            when = "always" if name in of_watch else "not while `watch` runs"
        shown = {"status": ": " + ", ".join(map(code, values))}.get(label, "")
        rows.append((code(name), code(label) + shown, when, plain(about)))
    yield table(("metric", "label", "present", "meaning"), *sorted(rows))


def metrics_of(report: Report, *, watch: bool = False) -> dict[str, tuple[str, str, list[str]]]:
    """The help, further label and its values of each metric in a file that is written."""
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "asyncload.prom")
        file = MetricsFile(path, command="run", bucket="b", source="s")
        if watch:
            file.observe(WatchProgress(0, 0, 0, 0), report)
        else:
            file.end(RunEnd(0, None, now, now, report, dict))
        assert not list(file.close(60))
        text = path.read_text()
    found = {}
    for name, about in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        assert f"# TYPE {name} gauge\n" in text
        labels = re.findall(rf'^{name}{{.*source="s"(?:,(\w+)="([^"]*)")?}}', text, re.MULTILINE)
        found[name] = (about, labels[0][0], [value for _, value in labels])
    return found


def schemas() -> Iterator[str]:
    """The page on the JSON Schemas."""
    yield "# JSON Schemas"
    yield NOTE
    yield (
        "`asyncload schema NAME` prints these. [Records](records.md) describes each record and "
        "field, and when a version changes."
    )
    rows = [("name", "of", "`type` or `event` of the records")]
    for path in sorted((PACKAGE / "reporting/schemas").glob("*.json")):
        schema = json.loads(path.read_text())
        conditions = [case["if"]["properties"] for case in schema.get("allOf", [])]
        kinds = {c.get("type", c.get("event"))["const"]: None for c in conditions}
        link = f"[`{path.stem}`](../../{path.relative_to(PACKAGE.parent)})"
        rows.append((link, code(schema["title"]), ", ".join(map(code, kinds))))
    yield table(*rows)


def library() -> Iterator[str]:
    """The page on the names of the library."""
    yield "# Names of the library"
    yield NOTE
    yield (
        "All of `asyncload.__all__` but the [errors](errors.md): the operations, their options and "
        "results, outcomes and events. [As a library](library.md) has examples."
    )
    public = {name: getattr(asyncload, name) for name in asyncload.__all__ if name[0] != "_"}
    unions = {n: v for n, v in public.items() if typing.get_args(v)}
    members = {kind.__name__ for union in unions.values() for kind in typing.get_args(union)}
    yield "## Operations"
    for name, value in public.items():
        if inspect.isfunction(value):
            yield f"### {name}"
            signature = inspect.signature(value, eval_str=False)
            before = "await " * inspect.iscoroutinefunction(value)
            yield f"```text\n{before}{called(name, signature)}\n```"
            yield described(value)
    yield "## Settings and results"
    for name, value in public.items():
        if (
            isinstance(value, type)
            and name not in members
            and not issubclass(value, AsyncloadError)
        ):
            yield from class_section(name, value)
    yield "## Outcomes and events"
    kinds_of = [
        (code(n), ", ".join(linked(k) for k in typing.get_args(v))) for n, v in unions.items()
    ]
    yield table(("union", "of"), *kinds_of)
    for name in sorted(members & public.keys()):
        yield from class_section(name, public[name])


def linked(kind: type) -> str:
    return f"[`{kind.__name__}`](#{kind.__name__.lower()})"


def called(name: str, signature: inspect.Signature) -> str:
    """A function and its parameters, each on a line of its own."""
    lines = [str(signature.replace(parameters=[p]))[1:] for p in signature.parameters.values()]
    shown = []
    for parameter, line in zip(signature.parameters.values(), lines, strict=True):
        if parameter.kind is parameter.KEYWORD_ONLY and "    *," not in shown:
            shown.append("    *,")
        text = line.rpartition(") ->")[0].removeprefix("*, ").replace("'", "")
        text = re.sub(r"<class '?[\w.]*\.(\w+)'?>", r"\1", text)
        shown.append(f"    {text},")
    returned = str(signature.return_annotation).strip("'")
    return "\n".join([f"{name}(", *shown, f") -> {returned}"])


def class_section(name: str, kind: type) -> Iterator[str]:
    """The section of a class: its description and its public fields."""
    yield f"### {name}"
    yield described(kind)
    annotations = inspect.get_annotations(kind).items()
    # A named tuple keeps its annotations as forward references.
    fields = {n: getattr(a, "__forward_arg__", str(a)) for n, a in annotations if n[0] != "_"}
    if kind is asyncload.Settings:
        rows = [(code(n), code(t), option_of(n)) for n, t in fields.items()]
        yield table(("field", "type", "option"), *rows)
    elif fields:
        yield table(("field", "type"), *((code(n), code(t)) for n, t in fields.items()))


def option_of(field: str) -> str:
    """The flag of a field of `Settings`, "" if it has none."""
    option = SETTINGS.get(field)
    return code(option.flag if option and not option.positional else "")


PAGES = {
    "commands.md": commands,
    "errors.md": all_errors,
    "metrics.md": metrics,
    "schemas.md": schemas,
    "names.md": library,
}


def rendered(page: str) -> tuple[Path, str]:
    """The path and text of a page."""
    return FOLDER / page, "\n\n".join(PAGES[page]()) + "\n"


def main() -> int:
    """Write the pages, or print them."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.reference")
    parser.add_argument("--write", action="store_true", help="write them into docs/reference")
    writes = parser.parse_args().write
    for path, text in map(rendered, PAGES):
        if writes:
            path.write_text(text)
        else:
            sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
