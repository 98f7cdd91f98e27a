"""The providers of botocore's credential chain, and the refresh of what they made.

A *provider* is botocore's: it has a `METHOD` and a coroutine method `load`. *Credentials* are what
it made; those that expire have a function that fetches them anew, the *refresh*.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from aiobotocore._helpers import resolve_awaitable
from aiobotocore.tokens import AioSSOTokenProvider
from aiobotocore.utils import AioContainerMetadataFetcher
from botocore.credentials import parse
from botocore.tokens import _sso_json_dumps
from botocore.utils import JSONFileCache

Refresh = Callable[[], Awaitable[Any]]


def refresh_of(credentials: Any) -> Refresh | None:
    """Return how credentials are fetched anew; None for those that never are."""
    refresh = getattr(credentials, "_refresh_using", None)
    if refresh is None:
        return None

    async def fetch() -> Any:
        # Some providers' functions are coroutines, some return what they have.
        return await resolve_awaitable(refresh())

    return fetch


def refresh_by(credentials: Any, refresh: Refresh) -> None:
    """Have credentials fetched anew by another function, which returns what botocore's does."""
    credentials._refresh_using = refresh


def are_valid(credentials: Any) -> bool:
    """Whether credentials that expire were fetched, and have not expired."""
    return credentials._expiry_time is not None and not credentials.refresh_needed(0)


def is_refreshable(credentials: Any) -> bool:
    """Whether credentials can be fetched anew."""
    return hasattr(credentials, "refresh_needed")


@contextmanager
def refresh_forced(credentials: Any) -> Iterator[None]:
    """Have credentials fetched anew whenever they are asked for, whatever their time of expiry."""
    by_the_clock = credentials.refresh_needed

    def needed(refresh_in: float | None = None) -> bool:
        # With 0, those just fetched are asked whether they have expired already.
        return refresh_in != 0 or by_the_clock(refresh_in)

    credentials.refresh_needed = needed
    try:
        yield
    finally:
        del credentials.refresh_needed


def read_expiry(text: str) -> datetime:
    """Return the time of expiry that a provider told."""
    expiry: datetime = parse(text)
    return expiry


def prepare_sources(resolver: Any, prepare: Callable[[Any], None]) -> None:
    """Prepare the providers of a chain, and those that a profile's `credential_source` may name."""
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
    """Have `made` called with the credentials of each role of a chain, and the role's profile."""
    load_role = provider._load_creds_via_assume_role

    async def load_watched(profile_name: str) -> Any:
        credentials = await load_role(profile_name)
        made(credentials, profile_name)
        return credentials

    provider._load_creds_via_assume_role = load_watched


def take_mfa_codes(provider: Any, take: Callable[[str], str]) -> None:
    """Have a provider of assumed roles take its MFA codes from a function, which gets a prompt."""
    provider._prompter = take


def fetch_from_container_by(
    provider: Any,
    make_session: Callable[..., Any],
    authorizes: Callable[[str | None], None],
) -> None:
    """Have a container's endpoint asked by another HTTP session, and its token told.

    Args:
        provider: botocore's.
        make_session: returns a `RefCountedSession`, given its `timeout` in seconds.
        authorizes: is told of the token that requests carry, None for none.
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
    """Have a `credential_process` run by another function: given a command, it returns its JSON."""
    provider._retrieve_credentials_using = ask


def metadata_url(provider: Any) -> str:
    """Return the address of the metadata service that a provider asks."""
    url: str = provider._role_fetcher.get_base_url()
    return url


def fetch_metadata_by(provider: Any, make_session: Callable[..., Any]) -> None:
    """Have the metadata service asked by another HTTP session.

    Args:
        provider: botocore's.
        make_session: returns a `RefCountedSession`, given its `timeout` in seconds.
    """
    fetcher = provider._role_fetcher
    fetcher._session = make_session(timeout=fetcher._timeout)


def keep_tokens_in(provider: Any, cache: TokenFiles, session: Any, profile: str) -> None:
    """Have a provider of SSO's credentials keep its tokens in another cache."""
    provider._token_cache = cache
    provider._token_provider = AioSSOTokenProvider(session, cache=cache, profile_name=profile)


class TokenFiles(JSONFileCache):  # type: ignore[misc]  # botocore is untyped
    """The files of SSO tokens, where the AWS CLI keeps them, too."""

    def __init__(self) -> None:
        super().__init__(AioSSOTokenProvider._SSO_TOKEN_CACHE_DIR, _sso_json_dumps)

    @property
    def folder(self) -> str:
        """Where the files are."""
        return str(self._working_dir)

    def dump(self, token: Any) -> str:
        """Return what a file would hold."""
        text: str = self._dumps(token)
        return text
