"""Which addresses data may be sent to."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncload.errors import UsageError
from asyncload.settings.endpoints import check_endpoint, is_beside, is_loopback, without_userinfo

LOOPBACK = ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.8.7", "127.1", "2130706433", "[::1]"]
LOOPBACK += ["[::ffff:127.0.0.1]"]
ELSEWHERE = ["store", "s3.example.com", "10.0.0.1", "192.168.1.1", "0.0.0.0", "[fd00::1]"]
ELSEWHERE += ["localhost.example.com", "127.0.0.1.example.com", "128.0.0.1", "1.2.3.4.5", "999.1"]
NEVER = ["169.254.169.254", "169.254.0.1", "169.254.170.2", "169.254.43518", "2852039166"]
NEVER += ["0xa9fea9fe", "0251.0376.0251.0376", "[fe80::1]", "[fe80::1%25eth0]", "[febf::1]"]
NEVER += ["[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[fd20:ce::254]", "100.100.100.200"]
NEVER += ["168.63.129.16", "192.0.0.192", "metadata.google.internal", "Metadata", "instance-data."]
NEVER += ["[fd00:ec2::23]", "metadata.goog", "metadata.tencentyun.com"]
TRANSLATED = {
    "IPv4-mapped": "::ffff:{0:x}:{1:x}",
    "IPv4-compatible": "::{0:x}:{1:x}",
    "IPv4-translated": "::ffff:0:{0:x}:{1:x}",
    "NAT64": "64:ff9b::{0:x}:{1:x}",
    "local NAT64, /96": "64:ff9b:1::{0:x}:{1:x}",
    "local NAT64, /64": "64:ff9b:1:0:{2:x}:{3:x}:{4:x}:0",
    "local NAT64, /56": "64:ff9b:1:{2:x}:{5:x}:{1:x}::",
    "local NAT64, /48": "64:ff9b:1:{0:x}:{6:x}:{7:x}::",
    "6to4": "2002:{0:x}:{1:x}::1",
    "Teredo": "2001:0:808:808:0:ffff:{8:x}:{9:x}",
    "ISATAP": "2001:db8::5efe:{0:x}:{1:x}",
}


def translated(form, address):
    """Write an IPv4 address as one of IPv6, in a form of `TRANSLATED`."""
    bits = int(IPv4Address(address))
    high, low = bits >> 16, bits & 0xFFFF
    middle, last = bits >> 8 & 0xFFFF, bits & 0xFF
    second = bits >> 16 & 0xFF
    # How RFC 6052 parts it by an octet of zeros, and Teredo hides it.
    parts = (bits >> 24, middle, last << 8, second, low >> 8, last << 8)
    return TRANSLATED[form].format(high, low, *parts, high ^ 0xFFFF, low ^ 0xFFFF)


@pytest.mark.parametrize("host", [*LOOPBACK, *ELSEWHERE])
@pytest.mark.parametrize("port", ["", ":8333"])
def test_https_may_lead_anywhere(host, port):
    """TLS protects what is sent."""
    check_endpoint(f"https://{host}{port}/path", allow_http=False)


@pytest.mark.parametrize("host", LOOPBACK)
def test_plain_http_may_stay_on_this_machine(host):
    """However its address is written."""
    check_endpoint(f"http://{host}:8333", allow_http=False)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_plain_http_leaves_this_machine_only_if_that_is_allowed(host):
    """The message names the flag and the variable."""
    with pytest.raises(UsageError, match=r"--endpoint-url: .* is plain HTTP") as error:
        check_endpoint(f"http://{host}:8333", allow_http=False)
    assert "--allow-http (ASYNCLOAD_ALLOW_HTTP=1)" in error.value.hint
    check_endpoint(f"http://{host}:8333", allow_http=True)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", NEVER)
def test_nothing_is_sent_to_the_metadata_services_of_clouds(host, scheme):
    """Link-local and metadata addresses, in each of their spellings, also if HTTP is allowed."""
    with pytest.raises(UsageError, match="metadata service"):
        check_endpoint(f"{scheme}://{host}/latest", allow_http=True)


@pytest.mark.fault("E8")
@pytest.mark.parametrize("form", TRANSLATED)
@pytest.mark.parametrize("address", ["169.254.169.254", "169.254.170.2", "100.100.100.200"])
def test_no_translator_or_tunnel_leads_to_a_metadata_service(form, address):
    """IPv6 has many addresses that reach one of IPv4."""
    with pytest.raises(UsageError, match="metadata service"):
        check_endpoint(f"https://[{translated(form, address)}]", allow_http=True)


@pytest.mark.parametrize("form", TRANSLATED)
def test_what_a_translator_leads_elsewhere_may_be_a_store(form):
    """A network without IPv4 has no other way to a store that has nothing else."""
    check_endpoint(f"https://[{translated(form, '93.184.216.34')}]", allow_http=False)


@given(st.sampled_from(sorted(TRANSLATED)), st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_all_addresses_of_the_link_are_refused_however_they_are_written(form, address):
    """Not only those that are known today."""
    assert is_beside(translated(form, address))


@pytest.mark.parametrize("host", [*LOOPBACK, *NEVER])
def test_what_is_on_this_machine_or_link_is_beside_it(host):
    """No proxy stands between."""
    assert is_beside(host.strip("[]"))
    assert is_loopback(host.strip("[]")) == (host in LOOPBACK)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_all_else_is_not(host):
    """By any name."""
    assert not is_beside(host.strip("[]"))


@pytest.mark.parametrize(
    "url",
    [
        "https://user:canary@s3.example.com",
        "https://canary@s3.example.com",
        "http://user:can/ary@host",
        "user:canary@host",
        "https://user:canary@[::1",
    ],
)
def test_what_may_be_a_password_is_not_repeated(url):
    """User names and passwords are refused, also in an invalid address."""
    with pytest.raises(UsageError, match="a user name or password") as error:
        check_endpoint(url, allow_http=True)
    assert "can" not in error.value.message.replace("can't", "")


@pytest.mark.parametrize(
    "url",
    [
        *("", "s3.example.com", "ftp://host", "https://", "https://host:0", "https://host:99999"),
        *("https://host/?x=1", "https://host#x"),
        "http://[::1",
        # After they were judged as names, a resolver would make addresses of them.
        *("http://\uff11\uff16\uff19.254.169.254", "http://169.254.169.%32%35%34"),
    ],
)
def test_an_address_that_is_not_of_http_is_not_an_endpoint(url):
    """The message says what one looks like."""
    with pytest.raises(UsageError, match="is not a valid endpoint") as error:
        check_endpoint(url, allow_http=True, named="AWS_ENDPOINT_URL")
    assert error.value.message.startswith("AWS_ENDPOINT_URL: ")
    assert "http://127.0.0.1:8333" in error.value.hint


@given(st.text(), st.booleans())
@example("http://@", False)
@example("http://[", False)
def test_any_text_is_judged(text, allow_http):
    """It passes, or is a usage error."""
    with suppress(UsageError):
        check_endpoint(text, allow_http=allow_http)
        assert text.strip().lower().startswith("http")


def test_addresses_in_a_text_lose_their_passwords():
    """And keep the rest."""
    text = "Invalid endpoint: http://user:canary@bad host, https://good/x"
    assert without_userinfo(text) == "Invalid endpoint: http://***@bad host, https://good/x"
