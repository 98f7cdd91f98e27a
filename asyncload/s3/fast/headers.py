"""Check what is sent in a request's head: a line break in a value would start another header."""

from __future__ import annotations

from collections.abc import Mapping

from asyncload.errors import StoreRefused

_CONTROLS = bytes([*range(0x20), 0x7F])


def make_head(method: str, target: str, headers: Mapping[str, str], length: int) -> bytes:
    """Return the head of a request with a body of `length` bytes.

    Args:
        method: `PUT`, or `HEAD`, which has no Content-Length.
        target: path and query, percent-encoded.
        headers: all headers except Content-Length.
        length: of the body, in bytes.

    Raises:
        StoreRefused: a value is not printable ASCII.
    """
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if method == "PUT":
        lines.append(f"content-length: {length}\r\n")
    head = f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n"
    sent = head.encode()
    # One check of the whole head costs a microsecond: it has only its own line breaks.
    controls = len(sent) - len(sent.translate(None, _CONTROLS))
    if controls != 2 * (len(lines) + 2) or len(sent) != len(head):
        check_headers({"request target": target, **headers})
    return sent


def check_headers(headers: Mapping[str, str | bytes]) -> None:
    """Check that headers can be sent unchanged.

    Raises:
        StoreRefused: a value is not printable ASCII.
    """
    for name, value in headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if not ((name + text).isascii() and (name + text).isprintable()):
            # The value is not repeated, as it may be a secret.
            raise StoreRefused(
                f"the header {name!r} can't be sent: its value is not printable ASCII",
                hint="remove line breaks and control characters from the option, environment "
                "variable or credentials that it comes from",
            )
