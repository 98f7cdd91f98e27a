"""Watched credentials: each refresh has an error message, a deadline and a check."""

from __future__ import annotations

import time
from typing import Any

from asyncload.errors import CredentialsMissing
from asyncload.s3.auth.chain_messages import Provider, explaining
from asyncload.s3.auth.patience import Patience
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.hooks.credentials import are_valid, read_expiry, refresh_by, refresh_of

# In seconds; a failed refresh is not repeated for so long while the credentials are valid.
_REST_SECONDS = 60.0
_VALUES = {
    "access_key": "access key id",
    "secret_key": "secret access key",
    "token": "session token",
}
_EXPECTED = {
    "access_key": _VALUES["access_key"],
    "secret_key": _VALUES["secret_key"],
    "expiry_time": "time of expiry",
}


def watch(credentials: Any, provider: Provider, secrets: Secrets, patience: Patience) -> None:
    """Watch the credentials of a provider; None is ignored.

    Raises:
        CredentialsMissing: they can't be used.
    """
    if credentials is None or getattr(credentials, "watched", False):
        return
    credentials.watched = True
    refresh = refresh_of(credentials)
    if refresh is None:
        check_values(vars(credentials), provider)
        return
    failed: list[tuple[float, CredentialsMissing]] = []

    async def refresh_explained() -> dict[str, Any]:
        if failed and time.monotonic() - failed[0][0] < _REST_SECONDS and are_valid(credentials):
            # Otherwise each request would ask and wait.
            raise failed[0][1]
        try:
            async with patience.for_machine(provider.name):
                with explaining(provider, secrets):
                    made: dict[str, Any] = await refresh()
                    check_refreshed(made, provider)
        except CredentialsMissing as error:
            failed[:] = [(time.monotonic(), error)]
            raise
        failed.clear()
        secrets.add_value(made["secret_key"])
        secrets.add_value(made["token"])
        return made

    refresh_by(credentials, refresh_explained)


def check_refreshed(made: Any, provider: Provider) -> None:
    """Check that a provider returned usable credentials.

    Raises:
        CredentialsMissing: it did not.
    """
    lacking = [called for name, called in _EXPECTED.items() if not (made or {}).get(name)]
    if lacking:
        raise CredentialsMissing(
            f"no AWS credentials from {provider.name}: its answer lacks {', '.join(lacking)}",
            hint="check the service that provides them; uploaded files are kept",
        )
    check_values(made, provider)
    if read_expiry(made["expiry_time"]).timestamp() <= time.time():
        raise CredentialsMissing(
            f"no AWS credentials from {provider.name}: those it provides have expired",
            hint="check the service that provides them and this machine's clock",
        )


def check_values(values: Any, provider: Provider) -> None:
    """Check that the values of an access key contain no accidental characters.

    Raises:
        CredentialsMissing: they do.
    """
    for name, called in _VALUES.items():
        value = values.get(name) or ""
        problem = _problem_of(value, is_sent=name != "secret_key")
        if problem:
            raise CredentialsMissing(
                f"the {called} from {provider.name} {problem}",
                hint="remove it: files from Windows and for `docker run --env-file` may end lines "
                "in a carriage return, and `echo` adds a newline (use `printf %s`)",
            )


def _problem_of(value: str, *, is_sent: bool) -> str:
    if value != value.rstrip():
        end = {"\n": "a newline", "\r": "a carriage return"}.get(value[-1], "white space")
        return f"ends in {end}"
    if value != value.lstrip():
        return "begins with white space"
    if not value.isprintable():
        return "contains a control character"
    if is_sent and not value.isascii():
        return "contains a character that is not ASCII"
    return ""


class MfaCodes:
    """Asks a person for an MFA code right before botocore needs it.

    botocore's own prompt would block the event loop.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._code = ""

    def take(self, _: str) -> str:
        """Return the code just entered; botocore calls this."""
        return self._code

    def ask_for(self, credentials: Any, role: Provider) -> None:
        """Ask for a code at the first refresh of a role's credentials, if the role needs one."""
        serial = role.settings.get("mfa_serial")
        if serial is None:
            return
        refresh = refresh_of(credentials)
        assert refresh is not None, "a role's credentials expire"
        asked = False

        async def refresh_with_code() -> Any:
            nonlocal asked
            if not asked:
                asked = True
                self._code = await self._ask(serial, role)
            # A second refresh fails: botocore accepts one code per run.
            return await refresh()

        refresh_by(credentials, refresh_with_code)

    async def _ask(self, serial: str, role: Provider) -> str:
        # Imported here because few runs need it.
        from asyncload.s3.auth.terminal import ask_at_terminal

        try:
            async with self._patience.for_person(f"the MFA code of {serial}", announce=False):
                return await ask_at_terminal(f"Enter MFA code for {serial}: ")
        except OSError as error:
            raise CredentialsMissing(
                f"no AWS credentials from {role.name}: it needs an MFA code of {serial}, but there "
                "is no terminal to enter it",
                hint="run in a terminal, or use a profile without mfa_serial, such as one with the "
                "keys of a session that was started with MFA",
            ) from error
