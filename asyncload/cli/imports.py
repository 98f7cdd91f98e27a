"""Shorten start-up: importing the libraries takes longer than a small run."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from asyncload.cli.interruption import hold_signals, release_signals

_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextmanager
def without_system_certificates() -> Iterator[None]:
    """Keep modules imported in this context from loading the system's certificates.

    aiohttp and awscrt load them three times, into TLS contexts that asyncload never uses:
    aiobotocore creates its own, with the certificates of botocore or AWS_CA_BUNDLE. The contexts
    created here trust no certificate, so using one by mistake fails safely.
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


def import_s3() -> None:
    """Import `asyncload.s3` before the modules that use it: it nests deep, see `s3.libraries`.

    Signals are held until `enable_garbage_collection`, because an import can lose exceptions.
    """
    hold_signals()
    with without_system_certificates():
        import asyncload.s3  # noqa: F401  # for what importing it does


def enable_garbage_collection() -> None:
    """Enable garbage collection for new objects; imported modules are excluded from it.

    Raises:
        Signalled: a signal arrived since `import_s3`.
    """
    gc.freeze()
    # A put creates hundreds of objects and hardly any reference cycles.
    gc.set_threshold(20_000, 20, 50)
    gc.enable()
    release_signals()
