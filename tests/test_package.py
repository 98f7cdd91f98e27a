"""What is built and shipped: the wheel, the pins, no address of anyone's index."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from asyncload import __version__
from tests.support import licences
from tests.support import wheel as wheels
from tests.support.documents import holding
from tests.support.markdown import cell
from tests.support.processes import uncovered

REPOSITORY = Path(__file__).parents[1]
REQUIREMENTS = sorted((REPOSITORY / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from this tree without reaching for an index."""
    return wheels.build(tmp_path_factory.mktemp("dist"))


def test_the_wheel_holds_package_types_and_sample(wheel):
    """And no test."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "asyncload/py.typed" in names
    assert "asyncload/sample/movies.csv" in names
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.fault("I2")
def test_the_wheel_has_a_name_that_is_ours(wheel):
    """And the extra, under that name; the command and the import package are as they were."""
    assert wheel.name.startswith("asyncload_s3-")
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(f"{folder}/METADATA").decode()
        commands = archive.read(f"{folder}/entry_points.txt").decode()
    assert "\nName: asyncload-s3\n" in metadata
    assert "\nProvides-Extra: demo\n" in metadata
    assert "asyncload = asyncload.cli:main" in commands


@pytest.mark.fault("I2")
def test_no_document_names_another_project_to_install():
    """Documents, examples, images and messages name ours, or the clone."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    wrong = []
    for name in listed:
        if name.startswith(("tests/", "data/")) or not (REPOSITORY / name).is_file():
            continue
        text = (REPOSITORY / name).read_bytes().decode(errors="replace")
        for line in text.splitlines():
            installs = re.search(r"\b(?:pipx?|uv(?: pip| tool)?) (?:install|add)\b(.*)", line)
            if installs and re.search(
                r"(?<![\w./-])asyncload(?![\w./-])", installs[1].split(" #")[0]
            ):
                wrong.append((name, line))
            if re.search(r"asyncload\[\w+\]", line):
                wrong.append((name, line))
    assert wrong == []


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Run the command of the wheel, installed on its own beside the pinned dependencies."""
    environment = tmp_path_factory.mktemp("environment")
    site = wheels.install(wheel, environment)

    def run(*arguments, program="asyncload"):
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [environment / "bin" / program, *arguments],
            cwd=environment,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.site = site
    return run


def test_the_built_wheel_runs(installed):
    """It plans the sample volume, and has the version of the distribution."""
    program = (
        "import asyncload; from importlib.metadata import version; "
        "assert version('asyncload-s3') == asyncload.__version__; "
        "from asyncload.operations.demo import sample_volume; "
        "print(asyncload.__file__); print(sample_volume())"
    )
    package, sample = installed("-c", program, program="python").splitlines()
    assert Path(package).is_relative_to(installed.site)
    assert Path(sample).is_relative_to(installed.site)
    planned = installed("plan", sample, "--bucket", "lake", "--offline")
    assert "would upload 8 of 8 files" in planned


def test_the_built_wheel_has_the_schemas(installed, wheel):
    """All of them; `asyncload schema` names and prints them."""
    names = [path.stem for path in (REPOSITORY / "asyncload/reporting/schemas").glob("*.json")]
    shipped = [Path(name) for name in zipfile.ZipFile(wheel).namelist() if "/schemas/" in name]
    assert sorted(path.stem for path in shipped if path.suffix == ".json") == sorted(names)
    assert installed("schema").split() == sorted(names)
    assert json.loads(installed("schema", "manifest"))["$schema"].endswith("/2020-12/schema")


def released(folder, umask):
    """The files of `make release`, but for the image, from a clone of this repository."""
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, folder], check=True, umask=umask)
    environment = REPOSITORY / ".venv"
    command = ["make", f"VENV={environment}", "DOCKER=false", "PYTHON=false", "release"]
    for ready in (".ready", ".release-tools"):
        command += ["--assume-old", environment / ready]
    # `make` that runs the tests hands its own options down.
    variables = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    with uncovered():
        done = subprocess.run(
            command,
            cwd=folder,
            env=variables,
            umask=umask,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dist/ has no image" in done.stdout
    return {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}


@pytest.mark.nightly
def test_two_builds_of_a_release_are_equal(tmp_path):
    """Byte for byte, from other folders and with other rights; the checksums fit."""
    if not (REPOSITORY / ".venv/bin/cyclonedx-py").exists():
        pytest.skip("the tools of requirements/release.txt are not installed: `make test-nightly`")
    first = released(tmp_path / "here", 0o022)
    second = released(tmp_path / "elsewhere" / "deeper", 0o077)
    assert first == second
    sums = dict(line.split("  ")[::-1] for line in first.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in first.items()}
    assert set(first) == {
        f"asyncload-{__version__}.cdx.json",
        f"asyncload_s3-{__version__}-py3-none-any.whl",
        f"asyncload_s3-{__version__}.tar.gz",
    }
    (bill,) = (json.loads(data) for name, data in first.items() if name.endswith(".cdx.json"))
    component = bill["metadata"]["component"]
    assert (component["name"], component["version"]) == ("asyncload-s3", __version__)
    found = {f"{part['name']}=={part['version']}" for part in bill["components"]}
    pins = (REPOSITORY / "requirements/image.txt").read_text()
    assert found == {re.sub(r"\[\w+\]", "", pin) for pin in re.findall(r"(?m)^\S+==\S+", pins)}


@pytest.mark.parametrize("requirements", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_hashed_and_name_no_index(requirements):
    """They install from the index that a machine is set up for."""
    text = requirements.read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert all(re.match(r"[a-z0-9._-]+(\[[^]]+\])?==\S+", entry) for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "--index" not in text


def test_every_dependency_is_pinned():
    """What pyproject asks for, the runtime requirements hold."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pins = (REPOSITORY / "requirements/runtime.txt").read_text()
    for dependency in project["dependencies"]:
        name = re.match(r"[a-z0-9-]+", dependency).group()
        assert re.search(rf"^{name}(\[\w+\])?==", pins, re.MULTILINE), name


def test_the_image_has_the_runtime_requirements_and_those_of_watch():
    """In the same versions, and nothing else."""

    def pins(name):
        text = (REPOSITORY / "requirements" / name).read_text()
        return set(re.findall(r"^(\S+==\S+)", text, re.MULTILINE))

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    (events,) = project["optional-dependencies"]["watch"]
    more = pins("image.txt") - pins("runtime.txt")
    assert events in more
    assert {pin.partition("==")[0] for pin in more} == {"watchfiles", "anyio"}
    assert pins("runtime.txt") <= pins("image.txt")
    assert "-r requirements/image.txt" in (REPOSITORY / "Dockerfile").read_text()


def test_all_that_is_shipped_has_a_licence_that_is_allowed():
    """Base, extras and the package for AWS Lambda, with all that they require."""
    refused = {row: licences.refused(*row[:2]) for row in licences.rows()}
    assert len(refused) > 50
    assert {row: names for row, names in refused.items() if names} == {}
    shipped = {name for name, _, _ in refused}
    for name in ("image.txt", "lambda.txt", "store.txt"):
        text = (REPOSITORY / "requirements" / name).read_text()
        pins = set(re.findall(r"^([a-z0-9.-]+).*==(?!.*win32)", text, re.MULTILINE))
        assert pins - shipped == set(), name


@pytest.mark.parametrize(
    ("name", "licence", "refused"),
    [
        ("some", "MIT AND GPL-3.0-only", {"GPL-3.0-only"}),
        ("some", "(MIT OR Apache-2.0) AND MPL-2.0", {"MPL-2.0"}),
        ("certifi", "MPL-2.0", set()),
    ],
)
def test_a_licence_is_allowed_by_name_or_for_a_package(name, licence, refused):
    """Each one of an expression."""
    assert licences.refused(name, licence) == refused


def test_a_package_without_a_clear_licence_is_an_error(monkeypatch):
    """Its licence file has to be read, as for those in the table."""
    monkeypatch.delitem(licences._READ, "wrapt")
    with pytest.raises(ValueError, match="wrapt: its licence is not in its metadata"):
        licences.licence_of("wrapt")


def test_the_page_of_licences_has_all_packages():
    """As `python -m tests.support.licences --write` renders them, on any system and Python."""
    text = holding(licences.BEGIN).read_text()
    table = text.partition(licences.BEGIN)[2].partition(licences.END)[0]
    rows = {f"| {' | '.join(map(cell, row))} |" for row in licences.rows()}
    assert rows - set(table.splitlines()) == set()
    pins = (REPOSITORY / "requirements/dev.txt").read_text()
    for name in re.findall(r"^\| ([a-z0-9-]+) \| (?!licence)", table, re.MULTILINE):
        assert re.search(rf"^{name}(\[\w+\])?==", pins, re.MULTILINE | re.IGNORECASE), name


WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))


def steps_of(job):
    return [step.get("uses", step.get("run", "")).strip() for step in job["steps"]]


def test_ci_runs_the_same_script_as_anybody():
    """On every change; it may read the repository, and nothing else."""
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert {name: steps_of(job)[-1] for name, job in jobs.items()} == {
        "test": ".ci/run",
        "audit": "make audit",
    }


def test_a_release_is_tested_built_attested_and_published_without_a_secret():
    """Only the last ones may write or prove who they are; none builds and publishes at once."""
    text = (REPOSITORY / ".github/workflows/release.yml").read_text()
    workflow = yaml.safe_load(text)
    jobs = workflow["jobs"]
    assert list(jobs) == ["build", "attest", "publish", "attach"]
    build = steps_of(jobs["build"])
    assert build.index(".ci/run") < build.index("make release")
    assert "permissions" not in jobs["build"]
    assert jobs["publish"]["needs"] == ["build", "attest"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["attach"]["needs"] == ["attest", "publish"]
    assert jobs["attach"]["permissions"] == {"contents": "write"}
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    assert "password" not in text


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_name_no_index(workflow):
    """The machine, not the repository, chooses the index."""
    assert "://" not in workflow.read_text()


def test_hooks_before_a_commit_run_what_check_runs():
    """From the environment, so that nothing is downloaded."""
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    (local,) = config["repos"]
    assert local["repo"] == "local"
    makefile = (REPOSITORY / "Makefile").read_text()
    for hook in local["hooks"]:
        folder, _, command = hook["entry"].rpartition("/")
        assert (folder, hook["language"]) == (".venv/bin", "system")
        assert f"$(BIN)/{command.removesuffix(' --force-exclude')}" in makefile, hook["id"]
