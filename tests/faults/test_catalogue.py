"""Every fault of the catalogue has a test that carries its id, and is in RELIABILITY.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.faults.catalogue import CATALOGUE, KINDS
from tests.faults.catalogue.table import filled

REPOSITORY = Path(__file__).parents[2]
FILES = sorted((REPOSITORY / "tests").rglob("test_*.py"))


def marks(node):
    """The ids of the fault markers at and below a node."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault":
            assert call.args, ast.unparse(call)
            for argument in call.args:
                yield ast.literal_eval(argument)


def marked_tests():
    """Each test function that carries a marker itself, in its parameters, or by its class."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            inside = [node]
            if isinstance(node, ast.ClassDef):
                inside = node.body
            elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if any(True for decorator in node.decorator_list for _ in marks(decorator)):
                for test in inside:
                    if getattr(test, "name", "").startswith("test_"):
                        yield pytest.param(test, id=f"{file.stem}::{test.name}")


def test_every_fault_has_a_test_and_no_test_names_another():
    """An entry and the tests that carry its id come and go together."""
    marked = {name for file in FILES for name in marks(ast.parse(file.read_text()))}
    assert marked == CATALOGUE.keys()


def test_ids_are_unique_and_tell_the_kind():
    """Each is the letter of its kind and a number, and stands for one fault."""
    for letter, (_, faults) in KINDS.items():
        assert all(re.fullmatch(rf"{letter}[1-9]\d*", fault.id) for fault in faults)
    assert len(CATALOGUE) == sum(len(faults) for _, faults in KINDS.values())
    assert all(fault.condition and fault.expected for fault in CATALOGUE.values())


@pytest.mark.parametrize("test", list(marked_tests()))
def test_a_marked_test_says_what_it_shows_and_asserts_something(test):
    """By a docstring, and an assertion of its own or of a helper named for checking."""
    assert ast.get_docstring(test)
    assert re.search(r"\bassert |\bpytest\.raises\(|\bcheck_\w+\(|\bkilling\(", ast.unparse(test))


def test_the_table_of_the_document_is_this_catalogue():
    """Written by `python -m tests.faults.catalogue --write`."""
    text = (REPOSITORY / "RELIABILITY.md").read_text()
    assert filled(text) == text
