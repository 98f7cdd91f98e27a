"""Syntax trees of the repository's Python files."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path


def parse(source: str) -> ast.Module:
    """Return the syntax tree of a source text.

    Before Python 3.11.8 and 3.12.2 all trees that are being built share a counter of their depth.
    A garbage collection meanwhile runs callbacks and finalizers, in which another thread may run:
    if one of them parses, too, `ast.parse` raises a SystemError ("AST constructor recursion depth
    mismatch", https://github.com/python/cpython/issues/106905). So none begins here.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if enabled:
            gc.enable()


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a file, parsed once; it must not be changed."""
    return parse(path.read_text())
