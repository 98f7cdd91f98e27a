"""Answers to the fast lane, read as the client reads its own: by botocore's parser and handlers."""

from __future__ import annotations

from typing import Any

from botocore.awsrequest import HeadersDict
from botocore.exceptions import ClientError
from botocore.parsers import create_parser

from asyncload.s3.fast.connection import Reply


class ResponseReader:
    """Reads what is more than a success without a body.

    Args:
        client: aioboto3's, whose handlers have their say first: an error inside of a 200 counts
            as a 500, for example.
    """

    def __init__(self, client: Any) -> None:
        self._service = client.meta.service_model
        self._events = client.meta.events
        self._parser = create_parser(self._service.resolved_protocol)

    async def check(self, reply: Reply, operation: str) -> None:
        """Make sure that an answer is a success.

        Args:
            reply: the answer.
            operation: what was asked for, as botocore names it.

        Raises:
            ClientError: it is an error, or no final answer at all.
            ResponseParserError: nobody can read it.
        """
        model = self._service.operation_model(operation)
        response = {
            "status_code": reply.status,
            "headers": HeadersDict(reply.headers),
            "body": reply.body,
            "context": {"operation_name": operation},
        }
        await self._events.emit(
            f"before-parse.s3.{operation}",
            operation_model=model,
            response_dict=response,
            customized_response_dict={},
        )
        parsed = self._parser.parse(response, model.output_shape)
        if not 200 <= response["status_code"] < 300:
            # As the client does; it fails where a code is none.
            self._service.shape_for_error_code(parsed.get("Error", {}).get("Code"))
            raise ClientError(parsed, operation)
