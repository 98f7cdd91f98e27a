"""Read responses to the fast lane by botocore's parser and handlers, as the client does."""

from __future__ import annotations

from typing import Any

from botocore.awsrequest import HeadersDict
from botocore.exceptions import ClientError
from botocore.parsers import create_parser

from asyncload.s3.fast.connection import Reply


class ResponseReader:
    """Reads responses other than a success without a body.

    Args:
        client: aioboto3's client, whose handlers run first: an error in a 200, for example, becomes
            a 500.
    """

    def __init__(self, client: Any) -> None:
        self._service = client.meta.service_model
        self._events = client.meta.events
        self._parser = create_parser(self._service.resolved_protocol)

    async def check(self, reply: Reply, operation: str) -> None:
        """Check that a response is a success.

        Args:
            reply: the response.
            operation: the operation, as botocore names it.

        Raises:
            ClientError: it is an error, or not a final response.
            ResponseParserError: it can't be parsed.
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
            # As the client does; it raises for an invalid code.
            self._service.shape_for_error_code(parsed.get("Error", {}).get("Code"))
            raise ClientError(parsed, operation)
