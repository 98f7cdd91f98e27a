"""The image variants of the templates in deploy/lambda: written from those of the zip.

python -m tests.support.lambda_templates --write
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "deploy" / "lambda"
NAMES = ("run", "collect")
_NOTE = "# Written from {name}.yaml by python -m tests.support.lambda_templates --write\n"
_CODE = re.compile(r"      CodeUri: .*\n      Handler: .*\n      Runtime: .*\n")
_PARAMETERS = """Parameters:
  Image:
    Type: String
    Description: Address of the image in ECR, with its tag or digest.
"""


def image_path(name: str) -> Path:
    """Return the path of the image variant of a template."""
    return FOLDER / f"{name}-image.yaml"


def image_variant(name: str) -> str:
    """Return the image variant of a template: all but the code is the same."""
    text = (FOLDER / f"{name}.yaml").read_text()
    text, replaced = _CODE.subn("      PackageType: Image\n      ImageUri: !Ref Image\n", text)
    assert replaced == 1
    return _NOTE.format(name=name) + text.replace("Parameters:\n", _PARAMETERS, 1)


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    for template in NAMES:
        image_path(template).write_text(image_variant(template))
