"""E: connections other than the one to S3."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("E1", "STS or SSO with an untrusted certificate", "the run ends; no token is sent"),
    Fault("E2", "a proxy is set, and the endpoint is on this machine", "the proxy is not used"),
    Fault("E3", "a plain HTTP endpoint of S3, STS or SSO", "rejected before any token is sent"),
    Fault(
        "E4",
        "a proxy with a password, refusing or malformed",
        "the run ends, without showing the password",
    ),
    Fault("E7", "the AWS configuration requests signed payloads", "signed, over TLS too"),
    Fault("E8", "a metadata service's address in an IPv6 form", "rejected as an endpoint"),
    Fault(
        "E9",
        "the demo's store, other users and the user's proxies",
        "private, and not through a proxy",
    ),
    Fault(
        "E10", "a redirect of STS or SSO", "treated as an answer; no token is sent to the target"
    ),
    Fault("E11", "a secret that is returned encoded or truncated", "never printed"),
    Fault("E12", "the metadata service through a proxy or another machine", "never used"),
    Fault("E13", "client-side monitoring in the AWS configuration", "no token is sent over UDP"),
    Fault("E14", "NO_PROXY with networks, ports and wildcards", "supported, for each request"),
    Fault("E5", "a line break in a header value", "rejected; nothing is sent"),
    Fault("E6", "metadata with several spaces", "signed as the store does; one request"),
)
