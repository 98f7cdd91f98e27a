"""Choose the proxy of each request from the environment.

botocore reads the variables as urllib does, and once for a client's endpoint. Here each request's
own host decides, and loopback and link-local addresses never go through a proxy.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies

from botocore.httpsession import ProxyConfiguration

from asyncload.errors import UsageError
from asyncload.settings.endpoints import is_beside


class Proxies(ProxyConfiguration):  # type: ignore[misc]  # botocore is untyped
    """The proxies of a session, by URL scheme.

    Args:
        proxies: the proxies' addresses by scheme, as urllib's `getproxies` returns them; "no" holds
            NO_PROXY: hosts, domains and networks, separated by commas.
        keep_secret: called with each password, in each form that a server may return it in.
    """

    def __init__(
        self,
        proxies: Mapping[str, str] | None,
        keep_secret: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._by_scheme = dict(proxies or {})
        bypassed = self._by_scheme.pop("no", "").lower().split(",")
        super().__init__(self._by_scheme)
        self._bypassed = [entry for part in bypassed if (entry := part.strip())]
        for proxy in self._by_scheme.values():
            for secret in _secrets_of(proxy):
                keep_secret(secret)

    def proxy_url_for(self, url: str) -> str | None:
        """Return the address of the proxy for a URL; None if it needs none.

        Raises:
            UsageError: the proxy's address can't be used.
        """
        parts = urlsplit(url)
        set_to: str | None = self._by_scheme.get(parts.scheme)
        if not set_to or self._bypasses(parts):
            return None
        # "host:port" means HTTP.
        proxy = set_to if "://" in set_to else f"http://{set_to.removeprefix('//')}"
        check_proxy(proxy, named=f"{parts.scheme.upper()}_PROXY")
        return proxy

    def _bypasses(self, parts: SplitResult) -> bool:
        host = (parts.hostname or "").rstrip(".").lower()
        if is_beside(host):
            return True
        return any(_matches(entry, host, parts.port) for entry in self._bypassed)


def proxies_of_environment(keep_secret: Callable[[str], None]) -> Proxies:
    """Return the proxies that the environment sets, by the same rules as for the store."""
    return Proxies(getproxies(), keep_secret)


def check_proxy(url: str, *, named: str) -> None:
    """Check that the address of a proxy can be used.

    Args:
        url: the address, including its scheme.
        named: the variable it comes from, for messages.

    Raises:
        UsageError: it is malformed or of an unsupported kind. The message does not repeat the
            address, which may contain a password.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and not any(map(str.isspace, url))
        # aiohttp makes a header of these.
        unquote(parts.username or "").encode("latin-1")
        unquote(parts.password or "").encode("latin-1")
    except ValueError:
        usable = False
    if not usable or not url.isprintable():
        raise UsageError(
            f"{named} is not a valid address of a proxy",
            hint="use http://host:port or http://user:password@host:port, with special characters "
            "in user and password percent-encoded (@ is %40), or unset it",
        )
    if parts.scheme not in ("http", "https"):
        raise UsageError(
            f"{named}: proxies of the kind {parts.scheme}:// are not supported",
            hint="use an HTTP proxy (http://host:port), or unset the variable",
        )


def name_proxy(url: str) -> str:
    """Return host and port of a proxy's address, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Return whether an entry of NO_PROXY matches a host.

    Entries are `*`, names with all their subdomains (with or without a leading dot or `*.`),
    addresses and networks (`10.0.0.0/8`); all except networks may have a port.
    """
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return ip_address(host) in ip_network(entry, strict=False)
        except ValueError:
            return False
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        wanted = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, wanted = entry.partition(":")
    else:
        name, wanted = entry, ""
    if wanted and wanted != str(port):
        return False
    name = name.removeprefix("*").removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _secrets_of(proxy: str) -> Iterator[str]:
    """Yield the password in a proxy's address, as written, decoded and as sent."""
    # A malformed address can't be split, but may still contain a password.
    userinfo = proxy.partition("//")[2] if "//" in proxy else proxy
    user, _, password = userinfo.rpartition("@")[0].partition(":")
    if password:
        yield from (password, unquote(password))
        login = f"{unquote(user)}:{unquote(password)}"
        yield b64encode(login.encode(errors="replace")).decode()
