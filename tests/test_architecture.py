"""The structure that ARCHITECTURE.md promises."""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import asyncload
from tests.support.syntax import parse, tree_of

REPOSITORY = Path(__file__).parents[1]
PACKAGE = Path(__file__).parents[1] / "asyncload"
MODULES = sorted(PACKAGE.rglob("*.py"))


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_the_top_floor_has_few_names():
    """A newcomer finds the room of a change by its name; new things get rooms in these."""
    top = {module.relative_to(PACKAGE).parts[0] for module in MODULES}
    top = {name for name in top if not name.startswith("_")}
    assert len(top) <= 14


def test_a_garbage_collection_that_parses_disturbs_no_parsing():
    """As those of some libraries' callbacks and finalizers may, here or in another thread."""
    source, before = "x = (1 + 2) * f(a, b)\n" * 200, gc.get_threshold()

    def parse_too(*_):
        ast.parse("y = f(1)")

    gc.callbacks.append(parse_too)
    gc.set_threshold(10)
    try:
        assert len(parse(source).body) == 200
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(parse_too)
    assert gc.isenabled()


def test_tasks_are_born_in_groups():
    """Only `offload` and `shielding` may start a task that outlives its caller's cancellation.

    And `groups` makes the only groups: from asyncio's own a task can vanish.
    """
    bare = ("create_task", "ensure_future", "gather", "TaskGroup")
    found = {
        module.stem
        for module in MODULES
        for name, _ in calls(tree_of(module))
        if name.endswith(bare) and not name.endswith("group.create_task")
    }
    assert found == {"groups", "offload", "shielding"}


def test_only_the_ways_in_print_exit_or_read_the_environment():
    """`demo` names variables for others; it reads none."""
    for module in MODULES:
        if {"cli", "aws_lambda"} & {*module.parts}:
            continue
        tree = tree_of(module)
        names = {name for name, _ in calls(tree)}
        # A worker process ends itself: it is a copy of another, whose clean-up is not its own.
        ends = set() if "workers" in module.parts else {"os._exit"}
        assert not names & ({"sys.exit", "os.getenv"} | ends), module
        assert "os.environ" not in {ast.unparse(n) for n in ast.walk(tree)}, module
        streams = [c for name, c in calls(tree) if name == "print"]
        assert all(any(k.arg == "file" for k in call.keywords) for call in streams), module


LIBRARIES = ("aioboto3", "aiobotocore", "aiohttp", "boto3", "botocore")


# Python's own, which are public but for their looks; and what `abc` keeps on each class.
NOT_PRIVATE = {"_asdict", "_replace", "_exit", "_abc_impl"}


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in NOT_PRIVATE


def private_names(tree):
    """Yield what a module takes of others by a private name, but for its own objects' parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(LIBRARIES):
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            yield from filter(is_private, names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(LIBRARIES):
                    yield from filter(is_private, alias.name.split("."))
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            if not isinstance(node.value, ast.Name) or node.value.id not in ("self", "cls"):
                yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            # getattr, hasattr, setattr, delattr: and monkeypatch's.
            constants = (a.value for a in node.args if isinstance(a, ast.Constant))
            yield from filter(is_private, (name for name in constants if isinstance(name, str)))


def test_only_the_hooks_touch_private_parts_of_libraries():
    """Neither by import, nor by attribute."""
    hooks = PACKAGE / "s3" / "hooks"
    found = {
        str(module.relative_to(PACKAGE)): names
        for module in MODULES
        if hooks not in module.parents and (names := {*private_names(tree_of(module))})
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "from botocore.tokens import _sso_json_dumps",
        "import aiobotocore._helpers",
        "from aiobotocore._helpers import resolve_awaitable",
        "client._request_signer",
        "self.client._request_signer",
        "getattr(credentials, '_refresh_using', None)",
    ],
)
def test_a_touch_of_a_private_part_is_found(source):
    """In each form that it may have."""
    assert len([*private_names(parse(source))]) == 1


def classes():
    """Yield the package's classes."""
    for module in pkgutil.walk_packages(asyncload.__path__, "asyncload."):
        if module.name != "asyncload.__main__":
            for _, kind in inspect.getmembers(
                importlib.import_module(module.name), inspect.isclass
            ):
                if kind.__module__ == module.name:
                    yield kind


def own_names(kind):
    """Return the private names that a class defines or uses of itself."""
    return {*filter(is_private, vars(kind)), *re.findall(r"self\.(_[a-z]\w*)", source_of(kind))}


def source_of(kind):
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return ""


def test_only_the_hooks_inherit_private_parts_of_libraries():
    """Other classes that stand on a library's neither use nor replace what it keeps to itself."""
    found = {}
    for kind in classes():
        if kind.__module__.startswith("asyncload.s3.hooks."):
            continue
        inherited = [base for base in kind.__mro__ if base.__module__.startswith(LIBRARIES)]
        theirs = {name for base in inherited for name in own_names(base)}
        if used := own_names(kind) & theirs:
            found[kind.__qualname__] = used
    assert found == {}


def mermaid_blocks():
    return re.findall(
        r"```mermaid\n(.*?)```", (REPOSITORY / "ARCHITECTURE.md").read_text(), re.DOTALL
    )


def floors():
    """The packages from high to low, as the linter is told."""
    tool = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
    return tool["importlinter"]["contracts"][0]["layers"]


def imports_between_packages():
    """Pairs of packages of which the first imports the second."""
    found = set()
    for module in MODULES:
        package = module.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.ImportFrom) and node.module == "asyncload":
                found |= {(package, alias.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asyncload."):
                found.add((package, node.module.split(".")[1]))
    known = set(floors())
    return {(a, b) for a, b in found if a != b and {a, b} <= known}


def arrows_in(picture):
    """Pairs of names that an arrow of a flowchart leads from and to."""
    pairs = set()
    for line in picture.splitlines():
        source, arrow, targets = line.strip().partition(" --> ")
        if arrow:
            pairs |= {(source, target) for target in targets.split(" & ")}
    return pairs


def all_reached(arrows):
    """The pairs of which the first leads to the second by one arrow or more."""
    reached = set(arrows)
    while further := {(a, d) for a, b in reached for c, d in reached if b == c} - reached:
        reached |= further
    return reached


def test_the_picture_of_the_house_agrees_with_the_imports():
    """Each arrow is an import, each import has its arrows, and no arrow could be left out."""
    picture, _ = mermaid_blocks()
    drawn, real = arrows_in(picture), imports_between_packages()
    assert {name for arrow in drawn for name in arrow} == set(floors())
    assert drawn - real == set()
    assert real - all_reached(drawn) == set()
    assert {arrow for arrow in drawn if arrow in all_reached(drawn - {arrow})} == set()


def test_the_way_of_one_file_names_what_is_there():
    """Of each call the function, of each return the value, in the module that the line is of."""
    _, walk = mermaid_blocks()
    modules = dict(re.findall(r"participant (\w+) as ([\w.]+)", walk))
    steps = re.findall(r"(\w+)(-?->>)(\w+): ([\w.]+): ", walk)
    assert len(steps) == walk.count(">>") > 10
    for source, arrow, target, name in steps:
        home = modules[target if arrow == "->>" else source]
        found = importlib.import_module(f"asyncload.{home}")
        for part in name.split("."):
            found = getattr(found, part)


def test_documents_name_modules_that_are_there():
    """By a path below the package or the repository, or by a dotted name below the package."""
    packages = "|".join(floors())
    for document in ("ARCHITECTURE.md", "DESIGN.md", "CONTRIBUTING.md"):
        text = re.sub(r"```.*?```", "", (REPOSITORY / document).read_text(), flags=re.DOTALL)
        for name in re.findall(r"`([^`\n]+)`", text):
            if re.fullmatch(rf"({packages})(/\w+)+(\.py)?|({packages})\.py", name):
                path = PACKAGE / name
                assert path.exists() or path.with_suffix(".py").exists() or "NAME" in name, name
            elif re.fullmatch(
                r"[\w.]+(/[\w.]+)*\.(py|md|yml|toml|in|txt)|(tests|requirements)(/\w+)+", name
            ):
                places = (REPOSITORY / name, PACKAGE / name)
                assert any(path.exists() for path in places) or "NAME" in name, name
            elif re.fullmatch(rf"({packages})(\.\w+)+", name):
                assert resolves(name), name


def test_recipes_name_what_their_files_hold():
    """Each name in an item of CONTRIBUTING stands in one of the files that the item names."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    recipes = text[text.index("## To add something") : text.index("## Where tests go")]
    items = re.split(r"\n(?=\d\. |\*\*|\n)", recipes)
    checked = 0
    for item in items:
        quoted = re.findall(r"`([^`]+)`", item)
        files = [file for name in quoted if "/" in name or "." in name for file in files_of(name)]
        held = "\n".join(file.read_text() for file in files)
        names = [name for name in quoted if name.isidentifier()] if files else []
        checked += len(names)
        assert [name for name in names if not re.search(rf"\b{name}\b", held)] == [], item
    assert checked > 15


def files_of(name):
    """Return the modules and documents at a path of a recipe."""
    for place in (PACKAGE / name, REPOSITORY / name):
        if place.is_dir():
            return sorted(place.glob("*.py"))
        if place.is_file():
            return [place]
    return []


def resolves(name):
    """Whether a dotted name leads to a module below the package, or to what is in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(["asyncload", *parts[:count]]))
        except ImportError:
            continue
        return all((found := getattr(found, part, None)) is not None for part in parts[count:])
    return False
