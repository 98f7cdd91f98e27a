"""The wheel, built from this tree, and installed on its own."""

from __future__ import annotations

import subprocess
import sys
import venv

from tests.support.documents import REPOSITORY
from tests.support.processes import uncovered


def build(folder):
    """Build the wheel into a folder, without an index; return its path."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, "."]
    with uncovered():
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def install(wheel, environment):
    """Make an environment that has the wheel, and the pinned dependencies of this one.

    Return its folder of packages. PYTHONPATH must not be set for its programs.
    """
    venv.create(environment, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", environment / "bin/python", "install", "-qq"]
    with uncovered():
        subprocess.run([*pip, "--no-compile", "--no-deps", "--no-index", wheel], check=True)
    # Below the installed package on the path, and without the link to the editable checkout.
    dependencies = next(path for path in sys.path if path.endswith("site-packages"))
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(dependencies)
    return site
