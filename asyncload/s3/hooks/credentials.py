"""The providers of botocore's credential chain, and the refresh of their credentials.

A *provider* is botocore's: it has a `METHOD` and a coroutine method `load`. *Credentials* are its
result; if they expire, they have a function that fetches new ones, the *refresh*.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from aiobotocore._helpers import resolve_awaitable
from aiobotocore.credentials import AioCredentials, AioRefreshableCredentials
from aiobotocore.tokens import AioSSOTokenProvider
from aiobotocore.utils import AioContainerMetadataFetcher
from botocore.credentials import parse
from botocore.tokens import _sso_json_dumps
from botocore.utils import JSONFileCache

Refresh = Callable[[], Awaitable[Any]]


def refresh_of(credentials: Any) -> Refresh | None:
    """Return the refresh of credentials; None if they do not expire."""
    refresh = getattr(credentials, "_refresh_using", None)
    if refresh is None:
        return None

    async def fetch() -> Any:
        # Some providers' functions are coroutines, others are not.
        return await resolve_awaitable(refresh())

    return fetch


def refresh_by(credentials: Any, refresh: Refresh) -> None:
    """Replace the refresh of credentials by a function with the same kind of result."""
    credentials._refresh_using = refresh


def are_valid(credentials: Any) -> bool:
    """Return whether credentials that expire were fetched, and have not expired."""
    return credentials._expiry_time is not None and not credentials.refresh_needed(0)


def expiry_of(credentials: Any) -> datetime | None:
    """Return when fetched credentials expire; None if they do not, or do not say."""
    expiry: datetime | None = getattr(credentials, "_expiry_time", None)
    return expiry


def is_refreshable(credentials: Any) -> bool:
    """Return whether credentials have a refresh."""
    return hasattr(credentials, "refresh_needed")


def fixed_credentials(access_key: str, secret_key: str, token: str | None) -> Any:
    """Return credentials that do not expire."""
    return AioCredentials(access_key, secret_key, token, method="another process")


def expiring_credentials(
    access_key: str, secret_key: str, token: str | None, expiry: datetime, refresh: Refresh
) -> Any:
    """Return credentials that are refreshed before they expire.

    `refresh` returns a mapping with `access_key`, `secret_key`, `token` and `expiry_time`.
    """
    return AioRefreshableCredentials(
        access_key, secret_key, token, expiry, refresh_using=refresh, method="another process"
    )


@contextmanager
def refresh_forced(credentials: Any) -> Iterator[None]:
    """Make the next access to credentials refresh them, even if they have not expired."""
    by_the_clock = credentials.refresh_needed

    def needed(refresh_in: float | None = None) -> bool:
        # Called with 0, this asks whether the new credentials have already expired.
        return refresh_in != 0 or by_the_clock(refresh_in)

    credentials.refresh_needed = needed
    try:
        yield
    finally:
        del credentials.refresh_needed


def read_expiry(text: str) -> datetime:
    """Return the time of expiry in a provider's answer."""
    expiry: datetime = parse(text)
    return expiry


def prepare_sources(resolver: Any, prepare: Callable[[Any], None]) -> None:
    """Prepare the providers of a chain, and those for a profile's `credential_source`."""
    roles = resolver.get_provider("assume-role")
    for provider in {*resolver.providers, *roles._credential_sourcer._providers}:
        prepare(provider)


def prepare_profiles(resolver: Any, prepare: Callable[[Any, str], None]) -> None:
    """Prepare the providers that are made for a `source_profile`, given its name."""
    builder = resolver.get_provider("assume-role")._profile_provider_builder
    make_providers = builder.providers

    def providers(profile_name: str, disable_env_vars: bool = False) -> Any:
        made = make_providers(profile_name, disable_env_vars)
        for provider in made:
            prepare(provider, profile_name)
        return made

    builder.providers = providers


def watch_roles(provider: Any, made: Callable[[Any, str], None]) -> None:
    """Call `made` with the credentials of each role of a chain, and the role's profile."""
    load_role = provider._load_creds_via_assume_role

    async def load_watched(profile_name: str) -> Any:
        credentials = await load_role(profile_name)
        made(credentials, profile_name)
        return credentials

    provider._load_creds_via_assume_role = load_watched


def take_mfa_codes(provider: Any, take: Callable[[str], str]) -> None:
    """Make a provider of assumed roles get its MFA codes from a function, which gets a prompt."""
    provider._prompter = take


def fetch_from_container_by(
    provider: Any,
    make_session: Callable[..., Any],
    authorizes: Callable[[str | None], None],
) -> None:
    """Ask a container's endpoint by another HTTP session, and report its token.

    Args:
        provider: botocore's.
        make_session: returns a `RefCountedSession`, given its `timeout` in seconds.
        authorizes: called with the token that requests carry; None for none.
    """
    timeout = AioContainerMetadataFetcher.TIMEOUT_SECONDS
    fetcher = AioContainerMetadataFetcher(session=make_session(timeout=timeout))
    provider._fetcher = fetcher
    build_headers = provider._build_headers

    def build_known() -> dict[str, str] | None:
        headers: dict[str, str] | None = build_headers()
        authorizes((headers or {}).get("Authorization"))
        return headers

    provider._build_headers = build_known


def ask_processes_by(provider: Any, ask: Callable[[str], Awaitable[dict[str, Any]]]) -> None:
    """Run a `credential_process` by another function, which returns its JSON for a command."""
    provider._retrieve_credentials_using = ask


def metadata_url(provider: Any) -> str:
    """Return the address of the metadata service that a provider asks."""
    url: str = provider._role_fetcher.get_base_url()
    return url


def fetch_metadata_by(provider: Any, make_session: Callable[..., Any]) -> None:
    """Ask the metadata service by another HTTP session.

    Args:
        provider: botocore's.
        make_session: returns a `RefCountedSession`, given its `timeout` in seconds.
    """
    fetcher = provider._role_fetcher
    fetcher._session = make_session(timeout=fetcher._timeout)


def keep_tokens_in(provider: Any, cache: TokenFiles, session: Any, profile: str) -> None:
    """Make a provider of SSO credentials keep its tokens in another cache."""
    provider._token_cache = cache
    provider._token_provider = AioSSOTokenProvider(session, cache=cache, profile_name=profile)


class TokenFiles(JSONFileCache):  # type: ignore[misc]  # botocore is untyped
    """The files of SSO tokens, shared with the AWS CLI."""

    def __init__(self) -> None:
        super().__init__(AioSSOTokenProvider._SSO_TOKEN_CACHE_DIR, _sso_json_dumps)

    @property
    def folder(self) -> str:
        """The folder of the files."""
        return str(self._working_dir)

    def dump(self, token: Any) -> str:
        """Return a token in the form of a file."""
        text: str = self._dumps(token)
        return text
