"""What is built and shipped: the wheel, the pins, no address of anyone's index."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.support.processes import uncovered

REPOSITORY = Path(__file__).parents[1]
REQUIREMENTS = sorted((REPOSITORY / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from this tree without reaching for an index."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, "."]
    with uncovered():
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


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


def test_the_built_wheel_runs(wheel, tmp_path):
    """Installed on its own, beside the pinned dependencies, it plans the sample volume."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin/python"
    site = next((environment / "lib").glob("python*/site-packages"))
    install = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-index"]
    with uncovered():
        subprocess.run([*install, "--target", site, wheel], check=True)
    dependencies = next(path for path in sys.path if path.endswith("site-packages"))
    # Below the installed package on the path: the editable checkout must not be found first.
    program = (
        f"import sys; sys.path.append({dependencies!r}); import asyncload; "
        "from importlib.metadata import version; "
        "assert version('asyncload-s3') == asyncload.__version__; "
        "from asyncload.operations.demo import sample_volume; from asyncload.cli import main; "
        "sys.argv = ['asyncload', 'plan', str(sample_volume()), '--bucket', 'lake', '--offline']; "
        "print(asyncload.__file__); main()"
    )
    done = subprocess.run(
        [python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site))
    assert "would upload 8 of 8 files" in done.stdout


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


WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))


def steps_of(job):
    return [step.get("uses", step.get("run", "")).strip() for step in job["steps"]]


def test_ci_runs_the_same_script_as_anybody():
    """On every change; it may read the repository, and nothing else."""
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert steps_of(job)[-1] == ".ci/run"


def test_a_release_is_tested_built_attested_and_published_without_a_secret():
    """Only the last two may prove who they are; none builds and publishes at once."""
    text = (REPOSITORY / ".github/workflows/release.yml").read_text()
    workflow = yaml.safe_load(text)
    jobs = workflow["jobs"]
    assert list(jobs) == ["build", "attest", "publish"]
    assert steps_of(jobs["build"])[-3:-1] == [".ci/run", "make dist"]
    assert jobs["publish"]["needs"] == ["build", "attest"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
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
