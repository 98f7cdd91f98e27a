"""The AWS credential chain: botocore's own, with words for its failures, deadlines, and strict TLS.

What it does to private parts of the libraries is in `hooks.core_session` and `hooks.credentials`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from botocore.utils import get_environ_proxies

from asyncload.model.values import Warned
from asyncload.s3.auth.chain_messages import Provider, in_words
from asyncload.s3.auth.patience import Patience
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.auth.watched import MfaCodes, watch
from asyncload.s3.client.session import StrictSession
from asyncload.s3.hooks.core_session import CoreSession, given_options
from asyncload.s3.hooks.credentials import (
    TokenFiles,
    ask_processes_by,
    fetch_from_container_by,
    fetch_metadata_by,
    keep_tokens_in,
    metadata_url,
    prepare_profiles,
    prepare_sources,
    take_mfa_codes,
    watch_roles,
)
from asyncload.s3.hooks.http_session import RefCountedSession
from asyncload.settings.endpoints import check_endpoint, is_beside

# What credentials are asked of with a token that is a secret of its own.
_TOKENS = {
    "sts.AssumeRoleWithWebIdentity": ("WebIdentityToken",),
    "sso.GetRoleCredentials": ("accessToken",),
    "sso-oidc.CreateToken": ("refreshToken", "clientSecret"),
}
_CONNECT_SECONDS = 5
# As many as there is time for: what went wrong is to be told, not that the time was over.
_ATTEMPTS = 3


class _FetcherSession(StrictSession, RefCountedSession):  # type: ignore[misc]  # untyped
    """The session of what asks a metadata service or a container's endpoint."""


class ChainSession(CoreSession):
    """aiobotocore's session for one run.

    Args:
        profile: of the AWS configuration; None for the environment's choice.
        allow_http: whether plain HTTP may leave this machine.
        authorities: a PEM file of authorities that STS and SSO may have besides the usual ones.
        secrets: what must not be in a message; those of the chain are added.
        patience: how long credentials may take.
    """

    def __init__(
        self,
        profile: str | None,
        *,
        allow_http: bool,
        authorities: Path | None,
        secrets: Secrets,
        patience: Patience,
    ) -> None:
        super().__init__(profile=profile)
        self._allow_http = allow_http
        self._authorities = authorities
        self._secrets = secrets
        self._patience = patience
        for operation, names in _TOKENS.items():
            self.register(f"before-parameter-build.{operation}", _keeper(secrets, names))
        if (self.get_config_variable("defaults_mode") or "").lower() == "auto":
            # It differs from this in time-outs alone, which are ours, and asks a metadata service.
            self.set_config_variable("defaults_mode", "standard")

    @property
    def profile_name(self) -> str:
        """The profile in use."""
        return self.profile or "default"

    def get_config_variable(self, logical_name: str, methods: Any = None) -> Any:
        """Do as botocore, but for a value that is set to nothing: that is none."""
        value = super().get_config_variable(logical_name, methods)
        return None if isinstance(value, str) and not value.strip() else value

    def check_configured_endpoint(self, service: str) -> None:
        """Make sure that data may be sent to what environment or configuration name for a service.

        Raises:
            UsageError: it may not.
        """
        if self.get_config_variable("ignore_configured_endpoint_urls"):
            return
        if url := self.configured_endpoint(service):
            check_endpoint(url, allow_http=self._allow_http, named=_name_endpoint(service))

    def create_client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        """Do as aiobotocore, with a strict session, to an endpoint that may be sent to."""
        if service_name != "s3":
            self.check_configured_endpoint(service_name)
            options["config"] = AioConfig(
                **{
                    "connect_timeout": _CONNECT_SECONDS,
                    "retries": {"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                    "http_session_cls": self._make_session,
                    **given_options(options.get("config")),
                }
            )
        return super().create_client(service_name, *arguments, **options)

    def _make_session(self, **options: Any) -> StrictSession:
        return StrictSession(
            authorities=self._authorities, keep_secret=self._secrets.add_password, **options
        )

    def prepare_chain(self, resolver: Any) -> None:
        """Have each provider of credentials watched, with words, deadlines and strict sessions."""
        prepare_profiles(resolver, self._prepare)
        # What a profile may name as its `credential_source` is not all among the others.
        prepare_sources(resolver, lambda provider: self._prepare(provider, self.profile_name))

    def _prepare(self, provider: Any, profile: str) -> None:
        """Give a provider words, deadlines and strict sessions."""
        known = Provider(provider.METHOD, profile, self.full_config)
        prepare = {
            "assume-role": self._prepare_roles,
            "container-role": self._prepare_container,
            "custom-process": self._prepare_process,
            "iam-role": self._prepare_metadata,
            "sso": self._prepare_sso,
        }.get(provider.METHOD)
        if prepare is not None:
            prepare(provider, known)
        load = provider.load

        async def load_in_words() -> Any:
            async with self._patience.for_machine(known.name):
                with in_words(known, self._secrets):
                    credentials = await load()
            watch(credentials, known, self._secrets, self._patience)
            return credentials

        provider.load = load_in_words

    def _prepare_roles(self, provider: Any, _: Provider) -> None:
        """Have each role of a chain of roles told apart, and its MFA code asked for."""
        codes = MfaCodes(self._patience)
        take_mfa_codes(provider, codes.take)

        def made(credentials: Any, profile_name: str) -> None:
            role = Provider(provider.METHOD, profile_name, self.full_config)
            codes.ask_for(credentials, role)
            watch(credentials, role, self._secrets, self._patience)

        watch_roles(provider, made)

    def _prepare_container(self, provider: Any, _: Provider) -> None:
        fetch_from_container_by(provider, self._make_fetcher_session, self._secrets.add_value)

    def _prepare_process(self, provider: Any, known: Provider) -> None:
        # Late, as few need it.
        from asyncload.s3.auth.process import ask_process

        async def retrieve(command: str) -> dict[str, Any]:
            return await ask_process(
                command, known.profile, patience=self._patience, secrets=self._secrets
            )

        ask_processes_by(provider, retrieve)

    def _prepare_metadata(self, provider: Any, _: Provider) -> None:
        base_url = metadata_url(provider)
        fetch_metadata_by(
            provider,
            partial(self._make_fetcher_session, proxies=get_environ_proxies(base_url)),
        )
        load = provider.load

        async def load_judged() -> Any:
            if not is_beside(urlsplit(base_url).hostname or ""):
                check_endpoint(
                    base_url,
                    allow_http=self._allow_http,
                    named="AWS_EC2_METADATA_SERVICE_ENDPOINT",
                )
            return await load()

        provider.load = load_judged

    def _prepare_sso(self, provider: Any, known: Provider) -> None:
        cache = TokenCache(known, self._patience.tell)
        keep_tokens_in(provider, cache, self, known.profile)

    def _make_fetcher_session(self, **options: Any) -> _FetcherSession:
        return _FetcherSession(
            authorities=self._authorities,
            keep_secret=self._secrets.add_password,
            verify=self.get_config_variable("ca_bundle"),
            **options,
        )


class TokenCache(TokenFiles):
    """The files of SSO tokens; what can't be written is kept for the run.

    A token that was refreshed is the only one that is good: the one before it may be so no more.
    """

    def __init__(self, known: Provider, tell: Callable[[Warned], None]) -> None:
        super().__init__()
        self._known = known
        self._tell = tell
        self._unsaved: dict[str, Any] = {}

    def __contains__(self, key: str) -> bool:
        try:
            self[key]
        except KeyError:
            # Not there, or no token: botocore asks for a login then.
            return False
        return True

    def __getitem__(self, key: str) -> Any:
        return self._unsaved[key] if key in self._unsaved else super().__getitem__(key)

    def __setitem__(self, key: str, token: Any) -> None:
        try:
            super().__setitem__(key, token)
        except OSError as error:
            # As it would be read from a file.
            self._unsaved[key] = json.loads(self.dump(token))
            self._tell(
                Warned(
                    f"the refreshed SSO token can't be saved in {self.folder}: "
                    f"{error.strerror}; this run continues with it",
                    hint=f"later runs may need `aws sso login --profile {self._known.profile}`; "
                    "to save tokens, mount that folder writable",
                )
            )


def _keeper(secrets: Secrets, names: tuple[str, ...]) -> Callable[..., None]:
    def keep(params: dict[str, Any], **_: Any) -> None:
        for name in names:
            secrets.add_value(params.get(name))

    return keep


def _name_endpoint(service: str) -> str:
    """Return where the endpoint of a service is set, for messages."""
    if service == "s3":
        return "the endpoint of the AWS configuration"
    variable = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
    return f"the endpoint of {service} ({variable}, AWS_ENDPOINT_URL or the AWS configuration)"
