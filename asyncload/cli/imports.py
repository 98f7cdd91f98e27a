"""What a start leaves undone, and begins later: its imports take longer than a small run."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextmanager
def trust_unread() -> Iterator[None]:
    """Spare imports in this context the reading of the system's certificates.

    aiohttp and awscrt read them three times, into TLS contexts that nothing here ever uses:
    aiobotocore brings its own, with botocore's certificates or AWS_CA_BUNDLE's. Those made here
    trust nobody, so the mistake of using one would be an error, not a hole.
    """
    before = {name: os.environ.get(name) for name in _TRUST}
    os.environ.update(dict.fromkeys(_TRUST, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def look_for_garbage() -> None:
    """Begin to collect garbage, in what is made from now on: what is imported stays."""
    gc.freeze()
    # A put makes hundreds of objects, and hardly ever a cycle.
    gc.set_threshold(20_000, 20, 50)
    gc.enable()
