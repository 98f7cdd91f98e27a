"""Content of files: random, and made faster than the system makes random bytes."""

from __future__ import annotations

import os

# No part size is a multiple of it, so parts of one file differ.
_BLOCK = os.urandom(1024 * 1024 + 4099)


def random_bytes(size: int) -> bytes:
    """Return bytes that differ from those of any other call in their first 32."""
    content = bytearray(os.urandom(min(size, 32)))
    while len(content) < size:
        content += _BLOCK[: size - len(content)]
    return bytes(content)
