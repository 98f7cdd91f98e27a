"""Check bundles of trusted certificates."""

from __future__ import annotations

import ssl
from pathlib import Path

from asyncload.errors import UsageError


def check_bundle(path: Path, *, named: str) -> None:
    """Check that a file of trusted certificates can be used.

    Args:
        path: the PEM file.
        named: the option or variable that names it, for the message.

    Raises:
        UsageError: the file can't be read, or contains no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
        cause = "" if context.cert_store_stats()["x509"] else "it contains no certificate"
    except ssl.SSLError:
        cause = "it contains no certificate, or an invalid one"
    except OSError as error:
        cause = error.strerror or str(error)
    if cause:
        raise UsageError(
            f"{named}: {str(path)!r} can't be used: {cause}",
            hint="use a PEM file with the certificates of the authorities to trust",
        )
