"""Messages, hints and help are written in plain English: the worst habits stay out."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import asyncload
from asyncload import errors
from tests.support.documents import OTHERS, PAGES, name_of
from tests.support.syntax import tree_of

ROOT = Path(asyncload.__file__).parent
TESTS = Path(__file__).parent
PACKAGES = (
    "aio",
    "aws_lambda",
    "bucket",
    "cli",
    "errors.py",
    "model",
    "operations",
    "planning",
    "reporting",
    "s3",
    "settings",
    "source",
    "store",
    "transfer",
)
BANNED = {
    "'is no x' for 'is not a valid x'": r"(?<!there )\b(is|are) no (?!longer\b)",
    "'go on with' for 'continue' or 'resume'": r"\b(go|goes|going|gone|went) on\b",
    "'becomes of'": r"\bbec(a|o)mes? of\b",
    "a clause that begins with what or who": r"\b(whatever|whoever|whichever)\b|(^|[,;:] )what\b",
    "'where' for 'if'": r"(^|[,;:] )where\b",
    "'may not' for 'must not'": r"\bmay not\b",
    "a plain word in place of a term": r"\b(landed|swept|sweeps?|anew|lately|lacking)\b",
    "'the key is taken' for 'the object exists'": r"\bkey (is|was) taken\b",
    "'leave x out' for 'omit x'": r"\bleave \S+ out\b",
    "'all the same' for 'nevertheless'": r"\ball the same\b",
    "'tell' for 'report' or 'show'": r"\b(is|are|was|were|be) told\b|\btells\b",
    "'at the most' for 'at most'": r"\bat the most\b",
    "'so many' for 'this many'": r"(?<!not )\bso (many|long|few)\b",
}
BANNED_IN_COMMENTS = {
    "'is no x' for 'is not a valid x'": BANNED["'is no x' for 'is not a valid x'"],
    "'go on with' for 'continue' or 'resume'": BANNED["'go on with' for 'continue' or 'resume'"],
    "'becomes of'": BANNED["'becomes of'"],
    "a clause that begins with whoever": r"\b(whatever|whoever|whichever)\b",
    "'where' for 'if'": r"(^|[.;:] )where\b",
    "a plain word in place of a term": r"\b(swept|sweeps?|anew|lately|somebody|nobody)\b",
    "'all the same' for 'nevertheless'": BANNED["'all the same' for 'nevertheless'"],
}
SUBJECTLESS = re.compile(r"its?\b", re.IGNORECASE)
ERRORS = frozenset(name for name in vars(errors) if isinstance(vars(errors)[name], type))


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each string that is not a docstring; values become `{}`."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped.update(value for value in node.values if isinstance(value, ast.Constant))
            yield node.lineno, text_of(node)
        elif node not in skipped and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def text_of(node: ast.expr) -> str:
    """Return the text of a literal; empty if it is none."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(value) or "{}" for value in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each error's and each warning's message."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            named = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            name = named.id if isinstance(named, ast.Name) else named
            if name in ERRORS or name == "Warned":
                yield node.lineno, text_of(node.args[0])


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each docstring and comment, on one line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        documents = token.type == tokenize.STRING and token.string.lstrip("r").startswith('"""')
        if documents or token.type == tokenize.COMMENT:
            yield token.start[0], " ".join(token.string.strip('r"# ').split())


def trees(package: str) -> Iterator[tuple[Path, ast.AST]]:
    path = ROOT / package
    for module in [path] if path.suffix else sorted(path.rglob("*.py")):
        yield module.relative_to(ROOT), tree_of(module)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_text_for_users_has_a_banned_phrase(package):
    """Whatever string a package holds may be shown; its docstrings are not."""
    found = [
        f"{module}:{line}: {habit}: {text!r}"
        for module, tree in trees(package)
        for line, text in literals(tree)
        for habit, pattern in BANNED.items()
        if " " in text and re.search(pattern, text, re.IGNORECASE)
    ]
    assert found == []


def paragraphs(document: str) -> Iterator[str]:
    """Yield each paragraph, cell and item of a document as one line, without code."""
    text = re.sub(r"^```.*?^```$|`[^`]*`", "CODE", document, flags=re.DOTALL | re.MULTILINE)
    for block in re.split(r"\n\s*\n|\n\s*(?=[-|#]|\d+\.)|(?<=.)\|", text):
        yield " ".join(block.split())


@pytest.mark.parametrize("document", [*PAGES, *OTHERS], ids=name_of)
def test_no_document_for_users_has_a_banned_phrase(document):
    """Code is exempt: names in it are quoted."""
    found = [
        f"{habit}: {text!r}"
        for text in paragraphs(document.read_text())
        for habit, pattern in BANNED.items()
        if re.search(pattern, text, re.IGNORECASE)
    ]
    assert found == []


def phrases_banned_in(modules: Iterable[Path]) -> list[str]:
    """Return the place and habit of each banned phrase in a comment or docstring."""
    return [
        f"{module}:{line}: {habit}"
        for module in modules
        for line, text in comments(module.read_text())
        for habit, pattern in BANNED_IN_COMMENTS.items()
        if re.search(pattern, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_docstring_or_comment_has_a_banned_phrase(package):
    """Those that a reader of the code would have to get used to."""
    assert phrases_banned_in(ROOT / module for module, _ in trees(package)) == []


def test_no_test_is_described_by_a_banned_phrase():
    """Docstrings of tests are read as specifications; this file quotes what it bans."""
    modules = {*TESTS.rglob("*.py")} - {Path(__file__)}
    assert phrases_banned_in(sorted(modules)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_message_begins_with_its_subject(package):
    """'The file changed', not 'it changed': a message is read alone."""
    found = [
        f"{module}:{line}: {text!r}"
        for module, tree in trees(package)
        for line, text in messages(tree)
        if SUBJECTLESS.match(text)
    ]
    assert found == []


def test_a_document_is_checked_in_paragraphs_without_its_code():
    """A phrase is found across a line end; code, fenced or inline, is not searched."""
    document = "A run\nis gone\non with.\n\n```sh\nwhatever\n```\n\n| `whoever` | cell |\n- item\n"
    assert list(paragraphs(document)) == [
        "A run is gone on with.",
        "CODE",
        "| CODE",
        "cell",
        "",
        "- item",
    ]


def test_the_check_finds_what_it_bans():
    """Each habit in one string, a subject that lacks, and a docstring that is left alone."""
    source = '''
def f(x):
    """Whatever it is, it is no date."""
    raise errors.UsageError("it is bad", hint=f"{x} is no date")
'''
    tree = ast.parse(source)
    assert list(messages(tree)) == [(4, "it is bad")]
    assert sorted(text for _, text in literals(tree)) == ["it is bad", "{} is no date"]
    assert list(comments(source)) == [(3, "Whatever it is, it is no date.")]
    examples = (
        "'x' is no date",
        "the run is gone on with",
        "what becomes of it",
        "the owner, whoever that is",
        "ignored, where it is denied",
        "it may not be a link",
        "the file landed",
        "the key is taken",
        "leave --sse out",
        "uploaded all the same",
        "the failure is told",
        "an hour at the most",
        "at most so many requests",
    )
    hits = [[h for h, pattern in BANNED.items() if re.search(pattern, e)] for e in examples]
    assert [h[0] for h in hits] == list(BANNED)
