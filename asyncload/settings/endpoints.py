"""Which addresses requests may be sent to. Names are judged as they are written, not looked up."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from asyncload.errors import UsageError

# Where clouds answer about the machine itself, credentials included, beside the link-local
# addresses: EC2 and EKS, Google (by name, too), Alibaba, Oracle and Azure.
_METADATA = tuple(
    map(
        ip_network,
        ("fd00:ec2::/32", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    )
)
_METADATA_NAMES = frozenset(
    {
        *("metadata", "metadata.google.internal", "metadata.goog", "metadata.tencentyun.com"),
        *("instance-data", "instance-data.ec2.internal"),
    }
)

# IPv6 addresses that lead to an IPv4 address: the network, and by how many bits the address that
# is embedded in one must be shifted. RFC 4291 (compatible), RFC 2765 (translated), RFC 6052 and
# RFC 8215 (NAT64), RFC 3056 (6to4).
_EMBEDDING = (
    (ip_network("::/96"), 0),
    (ip_network("::ffff:0:0:0/96"), 0),
    (ip_network("64:ff9b::/96"), 0),
    (ip_network("64:ff9b:1::/48"), 0),
    (ip_network("2002::/16"), 80),
)
# Networks of other lengths part the address by an octet of zeros (RFC 6052, section 2.2): how many
# of its bits are before that octet, for lengths of 48, 56 and 64.
_NAT64_SPLIT = ip_network("64:ff9b:1::/48")
_BEFORE_ZEROS = (16, 8, 0)
# In the lower half of an address (RFC 5214).
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)

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
    if host in _METADATA_NAMES or (address is not None and _is_of_this_link(address)):
        raise UsageError(
            f"{named}: {url!r} is an address of this link or of a metadata service, not of a store",
            hint="use the address of the store",
        )
    if parts.scheme == "http" and not is_loopback(host) and not allow_http:
        raise UsageError(
            f"{named}: {url!r} is plain HTTP to another machine: anybody on the way can read and "
            "change what is sent",
            hint="use https://, or --allow-http (ASYNCLOAD_ALLOW_HTTP=1) on a network you trust",
        )


def is_loopback(host: str) -> bool:
    """Return whether a host, as it is written in a URL without brackets, is this machine."""
    host = host.rstrip(".").lower()
    address = _address_of(host)
    if address is None:
        return host == "localhost"
    return address.is_loopback


def is_beside(host: str) -> bool:
    """Return whether a host is this machine, or answers to this machine or link alone."""
    host = host.rstrip(".").lower()
    address = _address_of(host)
    of_link = host in _METADATA_NAMES if address is None else _is_of_this_link(address)
    return of_link or is_loopback(host)


def without_userinfo(text: str) -> str:
    """Return a text with addresses in it, but with no user name or password in any of them."""
    return re.sub(r"(?<=//)\S*@", "***@", text)


def is_aws(url: str) -> bool:
    """Whether an endpoint is AWS's own, by its name."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def _split(url: str, named: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        # What is not ASCII may be made an address of, after it was judged as a name.
        usable = bool(host) and host.isascii() and ("%" not in host or ":" in host)
        usable = usable and parts.scheme in ("http", "https") and parts.port != 0
        # The path and query of a request are the object's.
        usable = usable and not parts.query and not parts.fragment
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


def _is_of_this_link(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address, or one that it leads to, is link-local or a metadata service's."""
    return any(
        reached.is_link_local
        or any(reached.version == net.version and reached in net for net in _METADATA)
        for reached in (address, *_embedded_in(address))
    )


def _embedded_in(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that translators and tunnels may read from an IPv6 address."""
    if address.version == 4:
        return
    bits = int(address)
    for network, shift in _EMBEDDING:
        if address in network:
            yield IPv4Address(bits >> shift & 0xFFFF_FFFF)
    if address in _NAT64_SPLIT:
        for before in _BEFORE_ZEROS:
            # The octet of zeros is the ninth of the address.
            upper = bits >> 64 & ((1 << before) - 1)
            after = 32 - before
            yield IPv4Address(upper << after | bits >> (56 - after) & ((1 << after) - 1))
    if address.teredo is not None:
        yield from address.teredo
    if bits >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield IPv4Address(bits & 0xFFFF_FFFF)
