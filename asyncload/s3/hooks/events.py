"""Handlers of a client's events, which change what botocore sends, retries and reads.

The events' names are public; botocore's own steps around each of them are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring, tostring

from botocore.exceptions import ClientError


def take_every_answer(client: Any) -> None:
    """Keep botocore from repeating requests, here or elsewhere: the user decides where data goes.

    For some errors it assumes that the bucket is in another region, and looks for it. It also takes
    any status below 300 for a success, such as 101.
    """
    client.meta.events.register_first("needs-retry.s3", _take_as_answer)


def expect_nothing(client: Any) -> None:
    """Send no `Expect: 100-continue`: a server that never answers it would hang the request."""
    client.meta.events.register_last("before-call.s3", _expect_nothing)


def check_before_sending(client: Any, check: Callable[[Mapping[str, str | bytes]], None]) -> None:
    """Check the headers of each request right before it is sent."""

    def check_request(request: Any, **_: Any) -> None:
        check(request.headers)

    client.meta.events.register_last("before-send.s3", check_request)


def hear_answers(client: Any, hear: Callable[[Mapping[str, str]], None]) -> None:
    """Call a function with the headers of each response or error; names are in lower case."""

    def hear_response(response_dict: dict[str, Any] | None, **_: Any) -> None:
        if response_dict is not None:
            hear(response_dict["headers"])

    client.meta.events.register_last("response-received.s3", hear_response)


def read_entries_by(client: Any, take: Callable[[Element], list[dict[str, Any]]]) -> None:
    """Have a client read the entries of listing pages by a function, and the rest by its parser.

    Args:
        client: aioboto3's.
        take: returns the entries of a page and removes them from its document; after a ValueError
            the client's parser reads the whole page.
    """

    def read(
        response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
    ) -> None:
        read_entries(take, response_dict, customized_response_dict)

    client.meta.events.register_last("before-parse.s3.ListObjectsV2", read)


def read_entries(
    take: Callable[[Element], list[dict[str, Any]]],
    response: dict[str, Any],
    customized: dict[str, Any],
) -> None:
    """Move the entries from the response that botocore's parser reads to the result it extends."""
    if response["status_code"] != 200:
        return
    try:
        # botocore's parser would read the response in the same way.
        root = fromstring(response["body"])  # noqa: S314  # it is bounded, and read so anyway
        entries = take(root)
    except (ParseError, ValueError):
        return
    if entries:
        customized["Contents"] = entries
        response["body"] = tostring(root)


async def make_put_request(client: Any, bucket: str, **arguments: Any) -> Any:
    """Return a put to the key `k` as the client makes and signs it; it is not sent.

    Args:
        client: aioboto3's.
        bucket: the bucket.
        arguments: of PutObject, besides key and body.

    Raises:
        BotoCoreError: no request can be made or signed for this bucket.
    """
    client.meta.events.register_first("before-send.s3.PutObject", _take)
    try:
        await client.put_object(Bucket=bucket, Key="k", Body=b"", **arguments)
    except _Taken as taken:
        return taken.request
    finally:
        client.meta.events.unregister("before-send.s3.PutObject", _take)


class _Taken(Exception):
    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def _take(request: Any, **_: Any) -> None:
    raise _Taken(request)


def _take_as_answer(response: Any, **_: Any) -> None:
    if response is None:
        return
    _, parsed = response
    if not 200 <= parsed["ResponseMetadata"]["HTTPStatusCode"] < 300:
        raise ClientError(parsed, "")


def _expect_nothing(params: dict[str, Any], **_: Any) -> None:
    params["headers"].pop("Expect", None)
