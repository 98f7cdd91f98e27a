"""Check endpoint addresses. Host names are not resolved."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from asyncload.errors import UsageError

# Addresses of cloud metadata services, which return credentials, besides the link-local ones: EC2
# and EKS, Google (also by name), Alibaba, Oracle and Azure.
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

# Names of buckets that are one label of a host name.
_IN_HOST_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")

# IPv6 networks whose addresses embed an IPv4 address, and the bits by which to shift it.
# RFC 4291 (compatible), RFC 2765 (translated), RFC 6052 and
# RFC 8215 (NAT64), RFC 3056 (6to4).
_EMBEDDING = (
    (ip_network("::/96"), 0),
    (ip_network("::ffff:0:0:0/96"), 0),
    (ip_network("64:ff9b::/96"), 0),
    (ip_network("64:ff9b:1::/48"), 0),
    (ip_network("2002::/16"), 80),
)
# Other prefix lengths split the address by a zero octet (RFC 6052, section 2.2): the number of its
# bits before that octet, for lengths of 48, 56 and 64.
_NAT64_SPLIT = ip_network("64:ff9b:1::/48")
_BEFORE_ZEROS = (16, 8, 0)
# In the lower half of an address (RFC 5214).
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)

# Forms that inet_aton, and so HTTP libraries, accept as an address: 2852039166, 0xa9.254.43518.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}", re.IGNORECASE | re.ASCII)


def check_endpoint(url: str, *, allow_http: bool, named: str = "--endpoint-url") -> None:
    """Check that data may be sent to an endpoint.

    Args:
        url: the endpoint.
        allow_http: whether plain HTTP to another machine is allowed.
        named: the option or setting it comes from, for the message.

    Raises:
        UsageError: the URL is not HTTP(S), contains credentials, is the address of a metadata
            service, or is plain HTTP to another machine without `allow_http`.
    """
    parts = _split(url, named)
    host = (parts.hostname or "").rstrip(".")
    address = _address_of(host)
    if host in _METADATA_NAMES or (address is not None and _is_of_this_link(address)):
        raise UsageError(
            f"{named}: {url!r} is a link-local address or a metadata service, not a store",
            hint="use the address of the store",
        )
    if parts.scheme == "http" and not is_loopback(host) and not allow_http:
        raise UsageError(
            f"{named}: {url!r} is plain HTTP to another machine: others on the network can read "
            "and change the data",
            hint="use https://, or --allow-http (ASYNCLOAD_ALLOW_HTTP=1) on a trusted network",
        )


def is_loopback(host: str) -> bool:
    """Return whether a host, written as in a URL but without brackets, is this machine."""
    host = host.rstrip(".").lower()
    address = _address_of(host)
    if address is None:
        return host == "localhost"
    return address.is_loopback


def is_beside(host: str) -> bool:
    """Return whether a host is this machine, link-local, or a metadata service."""
    host = host.rstrip(".").lower()
    address = _address_of(host)
    of_link = host in _METADATA_NAMES if address is None else _is_of_this_link(address)
    return of_link or is_loopback(host)


def without_userinfo(text: str) -> str:
    """Return a text with user names and passwords removed from all URLs in it."""
    return re.sub(r"(?<=//)\S*@", "***@", text)


def is_aws(url: str) -> bool:
    """Return whether an endpoint belongs to AWS, by its host name."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def check_acceleration(bucket: str, endpoint_url: str | None, style: str) -> None:
    """Check that a bucket can be reached by the endpoint of S3 Transfer Acceleration.

    Raises:
        UsageError: it can't.
    """
    option = "--endpoint-accelerate"
    if endpoint_url is not None:
        raise UsageError(
            f"{option} can't be combined with --endpoint-url: only AWS has that endpoint",
            hint="omit one of them",
        )
    if style == "path":
        raise UsageError(
            f"{option} can't be combined with --addressing-style path: the bucket is in the host "
            "name of that endpoint",
            hint="omit one of them",
        )
    if not _IN_HOST_NAME.fullmatch(bucket) or bucket.endswith("--x-s3"):
        raise UsageError(
            f"{option} can't be used for the bucket {bucket!r}: S3 Transfer Acceleration serves no "
            "access points, directory buckets, and names with dots",
            hint="omit it",
        )


def check_accelerated(url: str) -> None:
    """Check that the endpoint of the AWS configuration leaves requests to the accelerated one.

    Raises:
        UsageError: it is that of another store.
    """
    if not is_aws(url):
        raise UsageError(
            "--endpoint-accelerate can't be combined with the endpoint of the AWS configuration, "
            f"{url}: only AWS has an accelerated one",
            hint="omit the option, or unset AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 and endpoint_url",
        )


def _split(url: str, named: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        # A non-ASCII host could be normalized to an address after this check.
        usable = bool(host) and host.isascii() and ("%" not in host or ":" in host)
        usable = usable and parts.scheme in ("http", "https") and parts.port != 0
        # Path and query of a request belong to the object.
        usable = usable and not parts.query and not parts.fragment
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        usable, secret = False, False
    if secret or (not usable and "@" in url):
        # The URL is not repeated: the part before `@` may be a secret.
        raise UsageError(
            f"{named}: the URL must not contain a user name or password",
            hint="credentials come from the standard AWS chain only",
        )
    if not usable:
        raise UsageError(
            f"{named}: {url!r} is not a valid endpoint",
            hint="use http:// or https:// and a host, such as http://127.0.0.1:8333",
        )
    return parts


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Parse a host as an IP address; None if it is a name."""
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
    """Return whether an address, or one embedded in it, is link-local or a metadata service."""
    return any(
        reached.is_link_local
        or any(reached.version == net.version and reached in net for net in _METADATA)
        for reached in (address, *_embedded_in(address))
    )


def _embedded_in(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that translators and tunnels may extract from an IPv6 address."""
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
