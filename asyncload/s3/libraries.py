"""Import the S3 libraries in an order that keeps their imports from nesting deep.

An import within an import adds about seven frames, and aioboto3's are 15 deep. CPython keeps frames
in blocks of 16 KiB, and maps and unmaps memory for each call that crosses the end of a block. That
happened 1,900 times during a start, and took 15 of its 290 ms.
"""

from __future__ import annotations

from importlib import import_module

for _name in (
    "botocore.compat",
    "botocore.client",
    "aiohttp",
    "aiobotocore.config",
    "aioboto3",
):
    import_module(_name)
