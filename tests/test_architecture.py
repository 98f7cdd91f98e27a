"""The structure that ARCHITECTURE.md promises."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "asyncload"
MODULES = sorted(PACKAGE.rglob("*.py"))


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_tasks_are_born_in_groups():
    """Only `offload` and `shielding` may start a task that outlives its caller's cancellation.

    And `groups` makes the only groups: from asyncio's own a task can vanish.
    """
    bare = ("create_task", "ensure_future", "gather", "TaskGroup")
    found = {
        module.stem
        for module in MODULES
        for name, _ in calls(ast.parse(module.read_text()))
        if name.endswith(bare) and not name.endswith("group.create_task")
    }
    assert found == {"groups", "offload", "shielding"}


def test_only_the_command_line_prints_exits_or_reads_the_environment():
    """`demo` names variables for others; it reads none."""
    for module in MODULES:
        if "cli" in module.parts:
            continue
        tree = ast.parse(module.read_text())
        names = {name for name, _ in calls(tree)}
        assert not names & {"sys.exit", "os._exit", "os.getenv"}, module
        assert "os.environ" not in {ast.unparse(n) for n in ast.walk(tree)}, module
        streams = [c for name, c in calls(tree) if name == "print"]
        assert all(any(k.arg == "file" for k in call.keywords) for call in streams), module
