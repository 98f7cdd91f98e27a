"""Print the catalogue of faults as Markdown, or write it to the page on reliability."""

from __future__ import annotations

import argparse
import sys

from tests.faults.catalogue.table import BEGIN, filled, rendered
from tests.support.documents import holding

parser = argparse.ArgumentParser(prog="python -m tests.faults.catalogue", description=__doc__)
parser.add_argument("--write", action="store_true", help="write it to the page on reliability")
if parser.parse_args().write:
    document = holding(BEGIN)
    document.write_text(filled(document.read_text()))
else:
    sys.stdout.write(rendered() + "\n")
