"""Handlers of a client's events: what botocore would send, ask again, or read, and is not to.

The events' names are public; what botocore does before and after each of them is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring, tostring

from botocore.exceptions import ClientError


def take_every_answer(client: Any) -> None:
    """Keep botocore from asking again, here or elsewhere: where data goes is the user's decision.

    Of some errors it takes a bucket in another region for the cause, and asks which. Nor is a 101
    a success, for which it takes whatever is less than 300.
    """
    client.meta.events.register_first("needs-retry.s3", _take_as_answer)


def expect_nothing(client: Any) -> None:
    """Send no `Expect: 100-continue`: a server that never answers it would hang the call."""
    client.meta.events.register_last("before-call.s3", _expect_nothing)


def check_before_sending(client: Any, check: Callable[[Mapping[str, str | bytes]], None]) -> None:
    """Have the headers of each request checked right before it is sent, as they are sent."""

    def check_request(request: Any, **_: Any) -> None:
        check(request.headers)

    client.meta.events.register_last("before-send.s3", check_request)


def hear_answers(client: Any, hear: Callable[[Mapping[str, str]], None]) -> None:
    """Have the headers of each answer told, errors included; names are in lower case."""

    def hear_response(response_dict: dict[str, Any] | None, **_: Any) -> None:
        if response_dict is not None:
            hear(response_dict["headers"])

    client.meta.events.register_last("response-received.s3", hear_response)


def read_entries_by(client: Any, take: Callable[[Element], list[dict[str, Any]]]) -> None:
    """Have a client read what a page lists by a function, and only the rest by its parser.

    Args:
        client: aioboto3's.
        take: returns the entries of a page and takes them out of its document; a ValueError leaves
            all of it to the client.
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
    """Take the entries out of the answer that botocore's parser gets next, into what it adds."""
    if response["status_code"] != 200:
        return
    try:
        # What a store answers is for botocore's parser to read the same way.
        root = fromstring(response["body"])  # noqa: S314  # it is bounded, and read so anyway
        entries = take(root)
    except (ParseError, ValueError):
        return
    if entries:
        customized["Contents"] = entries
        response["body"] = tostring(root)


async def make_put_request(client: Any, bucket: str, **arguments: Any) -> Any:
    """Return a put as the client makes and signs it, to the key `k`; it is not sent.

    Args:
        client: aioboto3's.
        bucket: the bucket.
        arguments: of PutObject, besides key and body.

    Raises:
        BotoCoreError: no request can be made for this bucket, or none be signed.
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
