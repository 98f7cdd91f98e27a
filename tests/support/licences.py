"""The licences of what asyncload is installed with: `python -m tests.support.licences` prints them.

`--write` renders them into their page. They are read from the metadata of the installed packages,
which are the pinned ones.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.documents import REPOSITORY, holding
from tests.support.markdown import cell, replace_between

BEGIN = "<!-- The licences: written by python -m tests.support.licences --write -->"
END = "<!-- The end of the licences -->"
PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0", "Unlicense",
    "Zlib",
}  # fmt: skip
# Packages that have another licence as well, and why they may be used.
ACCEPTED = {
    "certifi": ("MPL-2.0", "its files are used unchanged, and are not in the image"),
    "simplejson": ("AFL-2.1", "a choice besides MIT"),
}
# What the metadata of these packages leaves open is read from their licence files.
_READ = {
    "awslambdaric": "Apache-2.0",
    "jinja2": "BSD-3-Clause",
    "partd": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "wrapt": "BSD-2-Clause",
    "zict": "BSD-3-Clause",
}
# Names in metadata that is older than SPDX expressions, lower case.
_SPDX = {name.lower(): name for name in PERMISSIVE | {"MPL-2.0"}} | {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "isc license": "ISC",
    "mit license": "MIT",
}


def requirements():
    """What the package requires, and each extra, and the package for AWS Lambda."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = (REPOSITORY / "requirements/lambda.in").read_text().splitlines()
    return {
        "asyncload": project["dependencies"],
        **{f"extra `{name}`": of for name, of in project["optional-dependencies"].items()},
        "AWS Lambda": [line for line in lines if not line.startswith("#")],
    }


def installed_with(required):
    """The names of these requirements and of all that they require in turn, on this machine."""
    waiting = [(Requirement(line), {""}) for line in required]
    seen = set()
    while waiting:
        requirement, extras = waiting.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        wanted = {"", *requirement.extras}
        if (name, *sorted(wanted)) in seen:
            continue
        seen.add((name, *sorted(wanted)))
        waiting += [(Requirement(line), wanted) for line in metadata.requires(name) or ()]
    return {name for name, *_ in seen}


def licence_of(name):
    """The SPDX expression of an installed package's licence.

    Raises:
        ValueError: its metadata leaves it open; `_READ` is for such packages.
    """
    if name in _READ:
        return _READ[name]
    # `importlib_metadata`, once it is imported, raises KeyError where this module returns None.
    described = metadata.metadata(name)
    if expression := described.get("License-Expression"):
        return expression
    classifiers = described.get_all("Classifier") or ()
    said = [described.get("License") or "", *(c.rpartition(" :: ")[2] for c in classifiers)]
    for words in said:
        if re.fullmatch(r"[\w.-]+( (AND|OR) [\w.-]+)+", words):
            return words
        if spdx := _SPDX.get(words.lower()):
            return spdx
    raise ValueError(f"{name}: its licence is not in its metadata: {said}")


def refused(name, licence):
    """The licences of a package that are neither permissive nor accepted."""
    accepted, _ = ACCEPTED.get(name, ("", ""))
    return set(re.split(r" AND | OR |[()]", licence)) - PERMISSIVE - {accepted, ""}


def rows():
    """Yield name and licence of each package, and the first group that requires it."""
    seen = set()
    for group, required in requirements().items():
        for name in sorted(installed_with(required) - seen):
            seen.add(name)
            yield name, licence_of(name), group


def rendered():
    """The table of packages, as lines of Markdown."""
    lines = ["| package | licence | comes with |", "|---|---|---|"]
    lines += [f"| {' | '.join(map(cell, row))} |" for row in rows()]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.support.licences")
    parser.add_argument("--write", action="store_true", help="write them to their page")
    if parser.parse_args().write:
        page = holding(BEGIN)
        page.write_text(replace_between(BEGIN, END, page.read_text(), rendered()))
    else:
        sys.stdout.write(rendered() + "\n")
