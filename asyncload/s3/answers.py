"""Responses that are read whole, up to a size limit: no server decides how much memory is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp

MAX_ANSWER = 8 * 1024 * 1024
"""In bytes. A listing of 1,000 keys of 1,024 bytes, all escaped, takes about five million bytes."""


class AnswerTooLarge(ValueError):
    """A response is larger than any that S3 sends."""

    def __init__(self) -> None:
        super().__init__(f"it is larger than {MAX_ANSWER // 1024**2} MiB")


class BoundedAnswer:
    """An aiohttp response that is read whole only up to a size limit.

    Responses that are read in pieces, such as an object's content, are limited by their reader.

    Args:
        response: the aiohttp response.
        end: called once it has been read.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, *, end: Callable[[], None] = lambda: None
    ) -> None:
        self._response = response
        self._end = end

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Names and values as UTF-8, which aiobotocore expects; a server may send any bytes."""
        return tuple(
            (name, value.decode("utf-8", "replace").encode())
            for name, value in self._response.raw_headers
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    async def read(self) -> bytes:
        """Return the body.

        Raises:
            AnswerTooLarge: the body exceeds the limit; the connection is closed.
            aiohttp.ClientError, OSError, TimeoutError: the connection broke.
        """
        body = bytearray()
        try:
            async for piece in self._response.content.iter_any():
                body += piece
                if len(body) > MAX_ANSWER:
                    raise AnswerTooLarge
        except BaseException:
            self._response.close()
            # The error's traceback would keep the bytes in memory as long as the request is
            # retried.
            body.clear()
            raise
        finally:
            self._end()
        # The body is read; this waits until the connection can be reused.
        await self._response.read()
        return bytes(body)
