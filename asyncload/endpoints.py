"""Which addresses requests may be sent to. Names are judged as they are written, not looked up."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from asyncload.errors import UsageError

# Where clouds answer about the machine itself, credentials included, beside the link-local
# addresses: EC2, Google (by name, too), Alibaba, Oracle and Azure.
_METADATA = frozenset(
    map(ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192"))
) | {ip_address("168.63.129.16")}
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "instance-data"})

# What inet_aton, and so every HTTP library, takes for an address: 2852039166, 0xa9.254.43518.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}", re.IGNORECASE | re.ASCII)


def check_endpoint(url: str, *, allow_http: bool, named: str = "--endpoint-url") -> None:
    """Make sure that data may be sent to an endpoint.

    Args:
        url: its address.
        allow_http: whether plain HTTP may leave this machine.
        named: where it was set, for the message.

    Raises:
        UsageError: it is no address of HTTP, holds credentials, is where a cloud hands out
            credentials, or would be sent to in the clear.
    """
    parts = _split(url, named)
    host = (parts.hostname or "").rstrip(".")
    address = _address_of(host)
    if host in _METADATA_NAMES or (address and (address.is_link_local or address in _METADATA)):
        raise UsageError(
            f"{named}: {url!r} is an address of this link or of a metadata service, not of a store",
            hint="use the address of the store",
        )
    loopback = host == "localhost" if address is None else address.is_loopback
    if parts.scheme == "http" and not loopback and not allow_http:
        raise UsageError(
            f"{named}: {url!r} is plain HTTP to another machine: anybody on the way can read and "
            "change what is sent",
            hint="use https://, or --allow-http (ASYNCLOAD_ALLOW_HTTP=1) on a network you trust",
        )


def without_userinfo(text: str) -> str:
    """Return a text with addresses in it, but with no user name or password in any of them."""
    return re.sub(r"(?<=//)\S*@", "***@", text)


def _split(url: str, named: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        # What is not ASCII may be made an address of, after it was judged as a name.
        usable = bool(host) and host.isascii() and ("%" not in host or ":" in host)
        usable = usable and parts.scheme in ("http", "https") and parts.port != 0
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        usable, secret = False, False
    if secret or (not usable and "@" in url):
        # Not repeated: what comes before it may be a secret.
        raise UsageError(
            f"{named}: user name and password don't belong there",
            hint="credentials come from the standard AWS chain only",
        )
    if not usable:
        raise UsageError(
            f"{named}: {url!r} is no endpoint",
            hint="use http:// or https:// and a host, such as http://127.0.0.1:8333",
        )
    return parts


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is written as; None for a name."""
    if _NUMERIC.fullmatch(host):
        try:
            return IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    try:
        address = ip_address(host)
    except ValueError:
        return None
    # ::ffff:169.254.169.254 is 169.254.169.254.
    return (address.version == 6 and address.ipv4_mapped) or address
