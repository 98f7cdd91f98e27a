"""The sessions that make clients: aiobotocore's, and aioboto3's around it."""

from __future__ import annotations

from typing import Any

import aioboto3
from aiobotocore.credentials import create_credential_resolver
from aiobotocore.session import AioSession
from botocore.configprovider import ConfiguredEndpointProvider


class CoreSession(AioSession):  # type: ignore[misc]  # aiobotocore is untyped
    """aiobotocore's session; a subclass prepares its credential chain."""

    def prepare_chain(self, resolver: Any) -> None:
        """Prepare the resolver of credentials, which this session uses next."""

    def use_credentials(self, credentials: Any) -> None:
        """Use these credentials, and ask no chain; None uses the chain."""
        self._credentials = credentials

    def configured_endpoint(self, service: str) -> str | None:
        """Return the endpoint that the environment or the configuration sets for a service."""
        provider = ConfiguredEndpointProvider(self.full_config, self.get_scoped_config(), service)
        url: str | None = provider.provide()
        return url

    def _create_csm_monitor(self) -> None:
        """Disable client-side monitoring: it sends session tokens by UDP, unencrypted."""

    def _create_credential_resolver(self) -> Any:
        resolver = create_credential_resolver(self, region_name=self._last_client_region_used)
        self.prepare_chain(resolver)
        return resolver


class ClientSession(aioboto3.Session):  # type: ignore[misc]  # aioboto3 is untyped
    """aioboto3's session, without the file methods of its clients."""

    def _register_default_handlers(self) -> None:
        """Add no file methods to clients: they are not used, and importing them takes long."""


def given_options(config: Any) -> dict[str, Any]:
    """Return the options a botocore `Config` was made with; empty for None."""
    return dict(config._user_provided_options) if config else {}
