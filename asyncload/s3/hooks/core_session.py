"""The sessions that make clients: aiobotocore's and, around it, aioboto3's."""

from __future__ import annotations

from typing import Any

import aioboto3
from aiobotocore.credentials import create_credential_resolver
from aiobotocore.session import AioSession
from botocore.configprovider import ConfiguredEndpointProvider


class CoreSession(AioSession):  # type: ignore[misc]  # aiobotocore is untyped
    """aiobotocore's session, whose credential chain a subclass prepares."""

    def prepare_chain(self, resolver: Any) -> None:
        """Prepare the resolver of credentials that this session is about to use."""

    def configured_endpoint(self, service: str) -> str | None:
        """Return the endpoint that environment or configuration name for a service."""
        provider = ConfiguredEndpointProvider(self.full_config, self.get_scoped_config(), service)
        url: str | None = provider.provide()
        return url

    def _create_csm_monitor(self) -> None:
        """Have no client-side monitoring: it sends session tokens by UDP, in the clear."""

    def _create_credential_resolver(self) -> Any:
        resolver = create_credential_resolver(self, region_name=self._last_client_region_used)
        self.prepare_chain(resolver)
        return resolver


class ClientSession(aioboto3.Session):  # type: ignore[misc]  # aioboto3 is untyped
    """aioboto3's session, whose clients have no methods for files."""

    def _register_default_handlers(self) -> None:
        """Add no methods for files to the client: we use none, and their imports take long."""


def given_options(config: Any) -> dict[str, Any]:
    """Return the options that a botocore `Config` was made with; None was made with none."""
    return dict(config._user_provided_options) if config else {}
