"""Every fault of the catalogue has a test that carries its identifier."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.faults.catalogue import CATALOGUE

FILES = sorted(Path(__file__).parent.glob("test_*.py"))
OUTCOMES = {"retry", "fail", "stop", "look", "exact", "skip", "clean", "never"}


def named_tests():
    """The names of test functions, by the identifiers that they begin with."""
    found = defaultdict(list)
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                begin = re.match(r"test((?:_[slnpc]\d+)+)_", node.name)
                for identifier in begin[1].strip("_").split("_") if begin else ():
                    found[identifier.upper()].append(node)
    return found


def test_every_fault_of_the_catalogue_has_its_test():
    """And no test carries an identifier that is not in it."""
    assert len(CATALOGUE) == 88
    assert {outcome for _, outcome in CATALOGUE.values()} == OUTCOMES
    assert named_tests().keys() == CATALOGUE.keys()


def test_every_one_of_them_says_what_it_shows_and_asserts_something():
    """By a docstring, and an assertion of its own or of a helper named for checking."""
    for nodes in named_tests().values():
        for node in nodes:
            assert ast.get_docstring(node), node.name
            text = ast.unparse(node)
            assert re.search(r"\bassert |\bcheck_\w+\(|\bkilling\(", text), node.name
