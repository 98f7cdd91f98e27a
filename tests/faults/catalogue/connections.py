"""E: connections other than the one to S3."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("E1", "STS or SSO with a certificate not to be trusted", "refused; no token is sent"),
    Fault("E2", "a proxy is set, and the endpoint is on this machine", "the proxy is not used"),
    Fault(
        "E3", "an endpoint of S3, STS or SSO that is plain HTTP", "refused before any token goes"
    ),
    Fault("E4", "a proxy with a password, refusing or malformed", "refused, without the password"),
    Fault("E7", "the AWS configuration asks for signed payloads", "signed over TLS, too"),
    Fault("E8", "a metadata service's address in a form of IPv6", "refused as an endpoint"),
    Fault("E9", "the demo's store, other users and the user's proxies", "private, and by no proxy"),
    Fault("E10", "a redirect of STS or SSO", "an answer; no token follows it"),
    Fault("E11", "a secret that comes back encoded or cut off", "never printed"),
    Fault("E12", "the metadata service by way of a proxy or another machine", "not asked that way"),
    Fault("E13", "client-side monitoring in the AWS configuration", "no token is sent by UDP"),
    Fault("E14", "NO_PROXY with networks, ports and wildcards", "understood, for each request"),
    Fault("E5", "a line end in what becomes a header", "refused; nothing is sent"),
    Fault("E6", "metadata with several spaces", "signed as the store does; one request"),
)
