"""The signers of a client: botocore has no event between a request's time and its signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.auth import S3SigV4Auth


def choose_signers(client: Any, choose: Callable[[Any], Callable[[], str] | None]) -> None:
    """Choose how each request of a client is signed.

    Args:
        client: aioboto3's.
        choose: called with the frozen credentials, or None, that a request is about to be signed
            with. Returns a function that returns the time to sign at, as `20220502T120000Z`; None
            for botocore's own time, which all signatures except S3's version 4 use in any case.
    """
    signer = client._request_signer
    choose_auth = signer.get_auth_instance

    async def choose_clocked(signing_name: str, region_name: str, **options: Any) -> Any:
        auth = await choose_auth(signing_name, region_name, **options)
        timestamp = choose(getattr(auth, "credentials", None))
        if timestamp is None or options.get("signature_version") != "s3v4":
            return auth
        return _ClockedAuth(timestamp, auth.credentials, signing_name, region_name)

    signer.get_auth_instance = choose_clocked


class _ClockedAuth(S3SigV4Auth):  # type: ignore[misc]  # botocore is untyped
    def __init__(self, timestamp: Callable[[], str], *arguments: Any) -> None:
        super().__init__(*arguments)
        self._signed_at = timestamp

    def _modify_request_before_signing(self, request: Any) -> None:
        # botocore has just set it; headers, scope and signature are derived from it next.
        request.context["timestamp"] = self._signed_at()
        super()._modify_request_before_signing(request)
