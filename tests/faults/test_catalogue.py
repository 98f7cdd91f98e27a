"""Every fault of the catalogue has a test that carries its id, and a row in the documents."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.faults.catalogue import CATALOGUE, KINDS
from tests.faults.catalogue.table import BEGIN, filled
from tests.support.documents import holding
from tests.support.syntax import tree_of

REPOSITORY = Path(__file__).parents[2]
FILES = sorted((REPOSITORY / "tests").rglob("test_*.py"))
CHECKS = re.compile(r"\bassert |\bpytest\.raises\(|\bcheck_\w+\(|\bkilling\(")


def marks(node):
    """The ids of the fault markers at and below a node."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault":
            assert call.args, ast.unparse(call)
            for argument in call.args:
                yield ast.literal_eval(argument)


@pytest.fixture(scope="module")
def trees():
    """Each file of tests that has a marker, parsed, by its path."""
    return {file: tree_of(file) for file in FILES if "mark.fault" in file.read_text()}


def marked_tests(tree):
    """Each test function that carries a marker itself, in its parameters, or by its class."""
    for node in ast.walk(tree):
        inside = [node]
        if isinstance(node, ast.ClassDef):
            inside = node.body
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if any(True for decorator in node.decorator_list for _ in marks(decorator)):
            yield from (test for test in inside if getattr(test, "name", "").startswith("test_"))


def test_every_fault_has_a_test_and_no_test_names_another(trees):
    """An entry and the tests that carry its id come and go together."""
    marked = {name for tree in trees.values() for name in marks(tree)}
    assert marked == CATALOGUE.keys()


def test_ids_are_unique_and_tell_the_kind():
    """Each is the letter of its kind and a number, and stands for one fault."""
    for letter, (_, faults) in KINDS.items():
        assert all(re.fullmatch(rf"{letter}[1-9]\d*", fault.id) for fault in faults)
    assert len(CATALOGUE) == sum(len(faults) for _, faults in KINDS.values())
    assert all(fault.condition and fault.expected for fault in CATALOGUE.values())


def test_a_marked_test_says_what_it_shows_and_asserts_something(trees):
    """By a docstring, and an assertion of its own or of a helper named for checking."""
    tests = [(file.name, test) for file in trees for test in marked_tests(trees[file])]
    assert len(tests) > 500
    assert not [(name, test.name) for name, test in tests if not ast.get_docstring(test)]
    assert not [(name, test.name) for name, test in tests if not CHECKS.search(ast.unparse(test))]


def test_the_table_of_the_document_is_this_catalogue():
    """Written by `python -m tests.faults.catalogue --write`."""
    text = holding(BEGIN).read_text()
    assert filled(text) == text
