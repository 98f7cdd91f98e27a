"""What is said of failures of the credential chain that no server here can cause."""

from __future__ import annotations

import os

import pytest
from botocore import exceptions as boto

from asyncload.errors import CredentialsMissing
from asyncload.s3.auth.chain_messages import Provider, explain, explain_configuration
from asyncload.s3.auth.redaction import Secrets

CONFIG = {"profiles": {"lake": {"mfa_serial": "device"}}}


def explained(error, method="assume-role"):
    secrets = Secrets()
    secrets.add_value("CANARY-" + "x" * 30)
    return explain(error, Provider(method, "lake", CONFIG), secrets)


class Refused(Exception):
    status = 503
    message = "no CANARY-" + "x" * 30


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        (PermissionError(13, "Permission denied", "/token"), "'/token' can't be read", "fsGroup"),
        (FileNotFoundError(2, "No such file", "/token"), "'/token' can't be read", "mounted"),
        (OSError("odd"), "OSError: odd", "AWS_ACCESS_KEY_ID"),
        (ZeroDivisionError(), "ZeroDivisionError", "AWS_ACCESS_KEY_ID"),
        (KeyError("Token"), "the answer lacks 'Token'", "AWS_ACCESS_KEY_ID"),
        (boto.NoRegionError(), "You must specify a region", "--region"),
        (
            boto.EndpointConnectionError(endpoint_url="http://u:p@sts:1/?q=1", error=OSError("x")),
            "no answer from http://sts:1: x",
            "network",
        ),
        (boto.HTTPClientError(error=TimeoutError()), "no answer from it: TimeoutError", "network"),
        (
            boto.ProxyConnectionError(proxy_url="http://u:p@proxy:1", error=Refused()),
            "the proxy proxy:1 refuses to connect: HTTP 503 no ***",
            "NO_PROXY",
        ),
        (
            boto.ProxyConnectionError(proxy_url="http://u:p@proxy:1", error=OSError("down")),
            "the proxy proxy:1 can't be reached: down",
            "NO_PROXY",
        ),
        (
            boto.ClientError(
                {"Error": {"Code": "X", "Message": "CANARY-" + "x" * 30}}, "AssumeRole"
            ),
            "AssumeRole was answered with X: ***",
            "trust policy",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failures_in_words(error, words, hint):
    """The role and its profile first."""
    told = explained(error)
    assert isinstance(told, CredentialsMissing)
    assert told.message.startswith("no AWS credentials from the role of profile 'lake': ")
    assert words in told.message
    assert hint in told.hint
    assert "CANARY" not in told.message + str(error.args)


def test_an_unknown_provider_has_botocores_name():
    """A plug-in's, say."""
    assert "from login: " in explained(ValueError("odd"), method="login").message


def test_a_user_is_named_who_may_not_read():
    """By the number, which is all that a container knows."""
    assert f"UID {os.getuid()}" in explained(PermissionError(13, "no", "/token")).hint


def test_a_configuration_that_went_away_can_not_be_looked_at():
    """It is named nevertheless."""
    told = explain_configuration(boto.ConfigParseError(path="/gone", error=ValueError("x")))
    assert "'/gone' can't be used: it can't be parsed" in told.message
