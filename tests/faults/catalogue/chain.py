"""D: failures of the credential chain."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("D1", "a token file of IRSA or Pod Identity missing or unreadable", "refused, by name"),
    Fault("D2", "a refreshed SSO token that can't be saved", "used, with a warning"),
    Fault("D3", "a credential_process missing, failing, or printing no JSON", "refused, by name"),
    Fault("D4", "a container endpoint on a host that is not allowed", "refused, by name"),
    Fault("D5", "key id, secret or token with a newline or the like", "refused at once"),
    Fault("D6", "a provider that waits for a person", "minutes, and a line that says so"),
    Fault("D7", "an MFA code without a terminal", "refused, by name"),
    Fault("D8", "an AWS variable that is empty", "as if not set"),
    Fault("D9", "a config file unreadable, malformed, or with a BOM", "refused, by name"),
    Fault("D10", "an SSO session that is over", "refused, with the login command"),
    Fault("D11", "the same in the middle of a run", "refused; what landed stays"),
    Fault("D12", "a profile that makes no sense: loops, halves", "refused, by name"),
    Fault(
        "D13", "a refresh that fails while the credentials hold", "all lands; no storm of asking"
    ),
)
