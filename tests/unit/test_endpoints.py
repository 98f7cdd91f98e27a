"""Which addresses data may be sent to."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncload.endpoints import check_endpoint, without_userinfo
from asyncload.errors import UsageError

LOOPBACK = ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.8.7", "127.1", "2130706433", "[::1]"]
LOOPBACK += ["[::ffff:127.0.0.1]"]
ELSEWHERE = ["store", "s3.example.com", "10.0.0.1", "192.168.1.1", "0.0.0.0", "[fd00::1]"]
ELSEWHERE += ["localhost.example.com", "127.0.0.1.example.com", "128.0.0.1", "1.2.3.4.5", "999.1"]
NEVER = ["169.254.169.254", "169.254.0.1", "169.254.170.2", "169.254.43518", "2852039166"]
NEVER += ["0xa9fea9fe", "0251.0376.0251.0376", "[fe80::1]", "[fe80::1%25eth0]", "[febf::1]"]
NEVER += ["[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[fd20:ce::254]", "100.100.100.200"]
NEVER += ["168.63.129.16", "192.0.0.192", "metadata.google.internal", "Metadata", "instance-data."]


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
def test_where_clouds_hand_out_credentials_nothing_is_ever_sent(host, scheme):
    """Link-local and metadata addresses, in each of their spellings, whatever is allowed."""
    with pytest.raises(UsageError, match="metadata service"):
        check_endpoint(f"{scheme}://{host}/latest", allow_http=True)


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
    """User names and passwords are refused, also in what is no address."""
    with pytest.raises(UsageError, match="user name and password") as error:
        check_endpoint(url, allow_http=True)
    assert "can" not in error.value.message.replace("can't", "")


@pytest.mark.parametrize(
    "url",
    [
        *("", "s3.example.com", "ftp://host", "https://", "https://host:0", "https://host:99999"),
        "http://[::1",
        # After they were judged as names, a resolver would make addresses of them.
        *("http://\uff11\uff16\uff19.254.169.254", "http://169.254.169.%32%35%34"),
    ],
)
def test_what_is_no_address_of_http_is_no_endpoint(url):
    """The message says what one looks like."""
    with pytest.raises(UsageError, match="is no endpoint") as error:
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
