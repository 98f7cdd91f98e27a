"""The signers of a client: botocore has no event between a request's time and its signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.auth import S3SigV4Auth


def choose_signers(client: Any, choose: Callable[[Any], Callable[[], str] | None]) -> None:
    """Have a say in how each request of a client is signed.

    Args:
        client: aioboto3's.
        choose: is told with which frozen credentials, None for none, a request is about to be
            signed. Returns what tells the time to sign at, as `20220502T120000Z`; None for
            botocore's own time, which all signatures but S3's version 4 have in any case.
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
        # botocore has just set it; headers, scope and signature are made from it next.
        request.context["timestamp"] = self._signed_at()
        super()._modify_request_before_signing(request)
