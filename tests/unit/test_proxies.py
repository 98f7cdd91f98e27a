"""Which proxy a request goes through."""

from __future__ import annotations

import pytest

from asyncload.errors import UsageError
from asyncload.s3.proxies import Proxies, check_proxy, name_proxy, proxies_of_environment

PROXIES = {"http": "proxy:3128", "https": "https://user:secret@proxy:3128"}


@pytest.mark.parametrize(
    ("entry", "host", "bypassed"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3/8", "10.9.9.9", True),
        ("10.0.0.0/8", "ten.example.com", False),
        ("10.0.0.0/x", "10.1.2.3", False),
        ("fd00::/8", "[fd12::1]", True),
        ("fd00::/8", "10.1.2.3", False),
        ("fd12::1", "[fd12::1]", True),
        ("[fd12::1]", "[fd12::1]", True),
        ("[fd12::1]:8333", "[fd12::1]", True),
        ("[fd12::1]:1", "[fd12::1]", False),
        ("example.com", "s3.Example.com.", True),
        (".example.com", "s3.example.com", True),
        ("*.example.com", "s3.example.com", True),
        ("example.com", "badexample.com", False),
        ("example.com:8333", "s3.example.com", True),
        ("example.com:1", "s3.example.com", False),
        (" , a, *", "anything", True),
        ("*.", "anything", False),
        ("", "anything", False),
    ],
)
def test_entries_of_no_proxy(entry, host, bypassed):
    """Names, addresses, networks, ports and wildcards."""
    found = Proxies({**PROXIES, "no": entry}).proxy_url_for(f"http://{host}:8333/key")
    assert (found is None) == bypassed


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "metadata"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_local_addresses_are_never_proxied(host, scheme):
    """This machine, and the services of its link."""
    assert Proxies(PROXIES).proxy_url_for(f"{scheme}://{host}/key") is None


@pytest.mark.parametrize(
    ("proxy", "url"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("//proxy", "http://proxy"),
        ("https://proxy", "https://proxy"),
        ("u:p%40@proxy", "http://u:p%40@proxy"),
    ],
)
def test_a_proxy_without_a_scheme_is_one_of_http(proxy, url):
    """As everywhere."""
    assert Proxies({"https": proxy}).proxy_url_for("https://store/key") == url
    assert Proxies({"https": proxy}).proxy_url_for("http://store/key") is None
    assert Proxies(None).proxy_url_for("https://store/key") is None


def test_a_proxys_passwords_are_kept_as_secrets():
    """As they are written, meant, and sent."""
    told = []
    Proxies({"http": "u:p%40ss@proxy", "https": "http://u@proxy"}, keep_secret=told.append)
    assert told == ["p%40ss", "p@ss", "dTpwQHNz"]


def test_a_proxy_is_called_by_host_and_port():
    """Its login must not be printed."""
    assert name_proxy("http://u:p@proxy:3128") == "proxy:3128"


@pytest.mark.parametrize("url", ["socks5://proxy:1080", "ftp://proxy"])
def test_other_kinds_of_proxies_are_refused(url):
    """With what is possible."""
    with pytest.raises(UsageError, match="HTTPS_PROXY: proxies of the kind") as error:
        check_proxy(url, named="HTTPS_PROXY")
    assert "http://host:port" in error.value.hint


def test_other_requests_use_the_proxies_of_the_environment_too(monkeypatch):
    """As for the store: never for this machine, and the password is kept secret."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret-word@proxy:3128")
    monkeypatch.setenv("NO_PROXY", "example.org")
    secrets = []
    proxies = proxies_of_environment(secrets.append)
    assert proxies.proxy_url_for("https://api.themoviedb.org/3") == (
        "http://user:secret-word@proxy:3128"
    )
    assert proxies.proxy_url_for("https://api.example.org/v2") is None
    assert proxies.proxy_url_for("http://127.0.0.1:8080/3") is None
    assert "secret-word" in secrets
