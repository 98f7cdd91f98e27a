"""Print the catalogue of faults as Markdown, or write it to RELIABILITY.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.faults.catalogue.table import filled, rendered

DOCUMENT = Path(__file__).parents[3] / "RELIABILITY.md"

parser = argparse.ArgumentParser(prog="python -m tests.faults.catalogue", description=__doc__)
parser.add_argument("--write", action="store_true", help="write it to RELIABILITY.md")
if parser.parse_args().write:
    DOCUMENT.write_text(filled(DOCUMENT.read_text()))
else:
    sys.stdout.write(rendered() + "\n")
