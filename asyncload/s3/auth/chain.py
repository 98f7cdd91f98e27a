"""botocore's AWS credential chain, with clear error messages, deadlines and strict TLS.

Its hooks into private parts of the libraries are in `hooks.core_session` and `hooks.credentials`.
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
from asyncload.s3.auth.chain_messages import Provider, explaining
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

# Operations that send a token, and the parameters that hold it: they are secrets.
_TOKENS = {
    "sts.AssumeRoleWithWebIdentity": ("WebIdentityToken",),
    "sso.GetRoleCredentials": ("accessToken",),
    "sso-oidc.CreateToken": ("refreshToken", "clientSecret"),
}
_CONNECT_SECONDS = 5
# Retries end before the deadline, so that the message names the error, not the deadline.
_ATTEMPTS = 3


class _FetcherSession(StrictSession, RefCountedSession):  # type: ignore[misc]  # untyped
    """The HTTP session for a metadata service or a container's credentials endpoint."""


class ChainSession(CoreSession):
    """aiobotocore's session for one run.

    Args:
        profile: a profile of the AWS configuration; None for the environment's choice.
        allow_http: whether plain HTTP may leave this machine.
        authorities: a PEM file of authorities that are trusted for STS and SSO besides the default
            ones.
        secrets: texts that must not be in a message; the chain's secrets are added.
        patience: the time limits for credentials.
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
            # `standard` differs only in timeouts, which are ours, and asks no metadata service.
            self.set_config_variable("defaults_mode", "standard")

    @property
    def profile_name(self) -> str:
        """The profile in use."""
        return self.profile or "default"

    def get_config_variable(self, logical_name: str, methods: Any = None) -> Any:
        """Do as botocore, but treat a blank value as not set."""
        value = super().get_config_variable(logical_name, methods)
        return None if isinstance(value, str) and not value.strip() else value

    def check_configured_endpoint(self, service: str) -> None:
        """Check that data may be sent to the endpoint configured for a service.

        Raises:
            UsageError: plain HTTP to it is not allowed, or it is malformed.
        """
        if self.get_config_variable("ignore_configured_endpoint_urls"):
            return
        if url := self.configured_endpoint(service):
            check_endpoint(url, allow_http=self._allow_http, named=_name_endpoint(service))

    def create_client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        """Do as aiobotocore, with a strict session, to an endpoint that is allowed."""
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
        """Give each provider of credentials messages, deadlines and strict sessions."""
        prepare_profiles(resolver, self._prepare)
        # The providers for a profile's `credential_source` are not all in the chain.
        prepare_sources(resolver, lambda provider: self._prepare(provider, self.profile_name))

    def _prepare(self, provider: Any, profile: str) -> None:
        """Give a provider messages, deadlines and strict sessions."""
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

        async def load_explained() -> Any:
            async with self._patience.for_machine(known.name):
                with explaining(known, self._secrets):
                    credentials = await load()
            watch(credentials, known, self._secrets, self._patience)
            return credentials

        provider.load = load_explained

    def _prepare_roles(self, provider: Any, _: Provider) -> None:
        """Watch each role of a chain of roles on its own, and ask for its MFA code."""
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
        async def retrieve(command: str) -> dict[str, Any]:
            # Imported here because few runs need it.
            from asyncload.s3.auth.process import ask_process

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
        cache = TokenCache(known, self._patience.warn)
        keep_tokens_in(provider, cache, self, known.profile)

    def _make_fetcher_session(self, **options: Any) -> _FetcherSession:
        return _FetcherSession(
            authorities=self._authorities,
            keep_secret=self._secrets.add_password,
            verify=self.get_config_variable("ca_bundle"),
            **options,
        )


class TokenCache(TokenFiles):
    """The files of SSO tokens; a token that can't be saved is kept in memory for the run.

    After a refresh only the new token is valid: the previous one may be revoked.
    """

    def __init__(self, known: Provider, warn: Callable[[Warned], None]) -> None:
        super().__init__()
        self._known = known
        self._warn = warn
        self._unsaved: dict[str, Any] = {}

    def __contains__(self, key: str) -> bool:
        try:
            self[key]
        except KeyError:
            # No file, or an invalid token: botocore then asks for a login.
            return False
        return True

    def __getitem__(self, key: str) -> Any:
        return self._unsaved[key] if key in self._unsaved else super().__getitem__(key)

    def __setitem__(self, key: str, token: Any) -> None:
        try:
            super().__setitem__(key, token)
        except OSError as error:
            # In the form in which it would be read from a file.
            self._unsaved[key] = json.loads(self.dump(token))
            self._warn(
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
    """Return where the endpoint of a service is configured, for messages."""
    if service == "s3":
        return "the endpoint of the AWS configuration"
    variable = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
    return f"the endpoint of {service} ({variable}, AWS_ENDPOINT_URL or the AWS configuration)"
