"""Messages for failures of a proxy."""

from __future__ import annotations

from typing import NamedTuple

from botocore.exceptions import ProxyConnectionError

from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.proxies import name_proxy

PROXY_LOGIN_HINT = (
    "set user name and password in HTTPS_PROXY or HTTP_PROXY, or bypass the proxy with NO_PROXY"
)


class ProxyFailure(NamedTuple):
    """A proxy's HTTP status (0 if it did not answer), the message and the hint."""

    status: int
    text: str
    hint: str


def describe_proxy_failure(error: ProxyConnectionError, secrets: Secrets) -> ProxyFailure:
    """Return how a proxy answered a request for a connection, or why it did not."""
    proxy = name_proxy(error.kwargs["proxy_url"])
    cause = error.kwargs["error"]
    status = getattr(cause, "status", 0)
    if status == 407:
        return ProxyFailure(status, f"the proxy {proxy} requires a login", PROXY_LOGIN_HINT)
    if status:
        said = secrets.redact(cause.message)
        return ProxyFailure(
            status,
            f"the proxy {proxy} refuses to connect: HTTP {status} {said}".rstrip(),
            "ask for the host to be allowed on the proxy, or bypass the proxy with NO_PROXY",
        )
    return ProxyFailure(
        status,
        f"the proxy {proxy} can't be reached: {secrets.redact(cause)}",
        "check HTTPS_PROXY and HTTP_PROXY, or bypass the proxy with NO_PROXY",
    )
