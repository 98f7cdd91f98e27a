"""D: failures of the credential chain."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault(
        "D1",
        "a token file of IRSA or Pod Identity is missing or unreadable",
        "the run ends and names it",
    ),
    Fault("D2", "a refreshed SSO token that can't be saved", "used, with a warning"),
    Fault(
        "D3",
        "a credential_process that is missing, fails or prints no JSON",
        "the run ends and names it",
    ),
    Fault("D4", "a container endpoint on a host that is not allowed", "the run ends and names it"),
    Fault("D5", "a newline or the like in key id, secret or token", "rejected at once"),
    Fault("D6", "a provider that waits for a person", "minutes, and a line that says so"),
    Fault("D7", "an MFA code without a terminal", "the run ends and names it"),
    Fault("D8", "an empty AWS variable", "counts as not set"),
    Fault(
        "D9",
        "a config file that is unreadable, malformed, or has a BOM",
        "the run ends and names it",
    ),
    Fault("D10", "an expired SSO session", "the run ends and shows the login command"),
    Fault("D11", "the same during a run", "the run ends; uploaded files stay"),
    Fault("D12", "an invalid profile: circular or incomplete", "the run ends and names it"),
    Fault(
        "D13",
        "a refresh that fails while credentials are valid",
        "all files are uploaded; few attempts",
    ),
)
