"""The fast lane's connections: what is kept for the next request, and what never is again."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest

from asyncload.s3.client.body import ViewBody
from asyncload.s3.client.session import _DirectRequests
from asyncload.s3.fast.connection import Connection, ConnectionPool
from tests.support.content import random_bytes

OK = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 0\r\n\r\n'
LARGE = 32 * 1024 * 1024


def head(body):
    return f"PUT /k HTTP/1.1\r\nhost: h\r\ncontent-length: {len(body)}\r\n\r\n".encode()


@asynccontextmanager
async def pool_to(answer):
    """A pool to a server whose connections `answer(reader, writer)` serves; counts them."""
    connections = []

    async def serve(reader, writer):
        connections.append(writer)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = ConnectionPool("127.0.0.1", server.sockets[0].getsockname()[1], None)
    try:
        yield pool, connections
    finally:
        await pool.close()
        server.close()
        await server.wait_closed()


async def read_request(reader):
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    lengths = [int(line.split(": ")[1]) for line in lines if line.startswith("content-length")]
    return await reader.readexactly(sum(lengths))


def answers(data):
    """Answer every request with `data`."""

    async def answer(reader, writer):
        while True:
            await read_request(reader)
            writer.write(data)

    return answer


async def put(pool, body=b"a|b\n"):
    return await pool.send(head(body), memoryview(body))


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, LARGE])
async def test_a_body_arrives_whole_and_its_connection_is_kept(size):
    """Small ones in one write, large ones in several; one connection does for all."""
    body, arrived = random_bytes(size), []

    async def answer(reader, writer):
        while True:
            arrived.append(await read_request(reader))
            writer.write(OK)

    async with pool_to(answer) as (pool, connections):
        for _ in range(3):
            reply = await put(pool, body)
            assert (reply.status, reply.headers["etag"]) == (200, '"1"')
    assert arrived == [body] * 3
    assert len(connections) == 1


async def test_requests_at_once_have_connections_of_their_own():
    """No request waits for another one's answer."""
    everybody_is_here = asyncio.Barrier(5)

    async def answer(reader, writer):
        await read_request(reader)
        await everybody_is_here.wait()
        writer.write(OK)
        await read_request(reader)
        writer.write(OK)

    async with pool_to(answer) as (pool, connections):
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(put(pool))
        await put(pool)
    assert len(connections) == 5


async def test_an_answer_that_announces_another_is_not_the_answer():
    """An unrequested `100 Continue` changes nothing."""
    early = b'HTTP/1.1 100 Continue\r\nETag: "no"\r\n\r\n'
    async with pool_to(answers(early + OK)) as (pool, connections):
        assert (await put(pool)).headers["etag"] == '"1"'
        assert (await put(pool)).status == 200
    assert len(connections) == 1


@pytest.mark.parametrize(
    "closing",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        # Two answers to one request: the second must not become the next request's.
        OK + OK,
    ],
)
async def test_a_connection_that_can_not_be_trusted_is_not_used_again(closing):
    """Its answer counts; the next request gets a new one."""
    async with pool_to(answers(closing)) as (pool, connections):
        assert (await put(pool)).status == 200
        await asyncio.sleep(0.05)
        assert (await put(pool)).status == 200
    assert len(connections) == 2


async def ask(pool):
    return await pool.send(b"HEAD /k HTTP/1.1\r\nhost: h\r\n\r\n", memoryview(b""), bodiless=True)


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 17000\r\n",
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"",
    ],
    ids=["length", "empty", "chunked", "none"],
)
@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
async def test_an_answer_to_head_ends_with_its_headers(status, headers):
    """With any length: its connection is kept, for another HEAD or a put."""
    head = b"HTTP/1.1 " + status + b"\r\n" + headers + b'ETag: "1"\r\n\r\n'

    async def answer(reader, writer):
        for text in (b"HTTP/1.1 103 Early Hints\r\n\r\n" + head, head, OK):
            await read_request(reader)
            writer.write(text)
        await reader.read()

    async with pool_to(answer) as (pool, connections):
        for _ in range(2):
            reply = await ask(pool)
            assert (reply.status, reply.headers["etag"]) == (int(status[:3]), '"1"')
            assert (reply.body, reply.early) == (b"", False)
        assert (await put(pool)).status == 200
    assert len(connections) == 1


@pytest.mark.parametrize(
    "closing",
    [
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
        OK + OK,
    ],
    ids=["close", "1.0", "twice"],
)
async def test_after_such_an_answer_to_head_the_connection_is_not_used_again(closing):
    """Its answer counts; the next request gets a new one."""
    async with pool_to(answers(closing)) as (pool, connections):
        assert (await ask(pool)).status == 200
        assert (await ask(pool)).status == 200
    assert len(connections) == 2


@pytest.mark.parametrize(
    ("nonsense", "message"),
    [
        (b"HTTP/1.1 404 -\r\nContent-Length: 5\r\n\r\nabcde", "though it answers a HEAD"),
        (b"HTTP/1.1 404 -\r\n\r\n<Error/>", "though it answers a HEAD"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "disconnected"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "no end"),
    ],
)
async def test_an_answer_to_head_that_makes_no_sense_is_an_error(nonsense, message):
    """With a body, of an impossible length, cut off, or endless; the next one is asked again."""

    async def answer(reader, writer):
        await read_request(reader)
        writer.write(nonsense)

    async with pool_to(answer) as (pool, connections):
        for _ in range(2):
            with pytest.raises((OSError, ValueError), match=message):
                await ask(pool)
    assert len(connections) == 2


async def test_bytes_between_two_requests_do_not_count_as_an_answer():
    """What comes unasked closes the connection."""

    async def answer(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "unasked"\r\nContent-Length: 0\r\n\r\n')
        await reader.read()

    async with pool_to(answer) as (pool, connections):
        await put(pool)
        await asyncio.sleep(0.2)
        assert (await put(pool)).headers["etag"] == '"1"'
    assert len(connections) == 2


@pytest.mark.parametrize(
    ("nonsense", "message"),
    [
        (b"\0\1\2 garbage\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "no end"),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 4000, "no end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "disconnected"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "disconnected"),
        (b"HTTP/1.1 200 OK\r\nE", "disconnected"),
        (b"", "disconnected"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_error(nonsense, message):
    """Endless, cut off, or no HTTP at all."""

    async def answer(reader, writer):
        await read_request(reader)
        writer.write(nonsense)

    async with pool_to(answer) as (pool, _):
        with pytest.raises((OSError, ValueError), match=message):
            await put(pool)


CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n3\r\n<Er\r\n4\r\nror>\r\n0\r\n\r\n"


@pytest.mark.fault("H4")
@pytest.mark.parametrize(
    ("data", "status", "kept"),
    [
        (b"HTTP/1.1 400 x\r\nContent-Length: 7\r\n\r\n<Error>", 400, True),
        (b"HTTP/1.1 400 x\r\n" + CHUNKS, 400, True),
        (b"HTTP/1.0 400 x\r\n\r\n<Error>", 400, False),
        (b"HTTP/1.1 400 x\r\nConnection: close\r\n\r\n<Error>", 400, False),
        (b"HTTP/1.1 103 x\r\nETag: no\r\n\r\nHTTP/1.1 400 x\r\n" + CHUNKS, 400, True),
    ],
)
async def test_the_body_of_an_answer_is_kept(data, status, kept):
    """However it is framed: by its length, in chunks, or by the connection's end."""

    async def answer(reader, writer):
        await read_request(reader)
        writer.write(data)
        if kept:
            await reader.read()

    async with pool_to(answer) as (pool, _):
        reply = await put(pool)
        assert (reply.status, reply.body, "etag" in reply.headers) == (status, b"<Error>", False)
        assert bool(pool._idle) is kept


@pytest.mark.fault("H5")
@pytest.mark.parametrize("framed", [b"Content-Length: 9999999\r\n\r\n", b"\r\n"])
async def test_of_a_long_body_the_beginning_is_kept(framed):
    """The status counts, and the connection is closed without reading to the end."""

    async def answer(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 507 x\r\n" + framed + b"x" * 200_000)
        await reader.read()

    async with pool_to(answer) as (pool, _):
        reply = await put(pool)
        assert (reply.status, reply.body) == (507, b"x" * 64 * 1024)
        assert not pool._idle


@pytest.mark.parametrize("upgrade", [b"Upgrade: h2c\r\nConnection: upgrade\r\n", b""])
async def test_a_change_of_protocol_is_the_answer(upgrade):
    """It was not asked for; the bytes that follow are of another protocol."""

    async def answer(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 101 x\r\n" + upgrade + b"\r\n\0\1")
        await reader.read()

    async with pool_to(answer) as (pool, _):
        assert (await put(pool)).status == 101
        assert not pool._idle


async def test_a_header_that_is_not_ascii_harms_nothing():
    """A proxy's own words may be in Latin-1."""
    data = b"HTTP/1.1 200 OK\r\nVia: caf\xe9\r\nX: \xc3\xa9\r\nContent-Length: 0\r\n\r\n"
    async with pool_to(answers(data)) as (pool, _):
        headers = (await put(pool)).headers
    assert headers["via"] == "caf\ufffd"
    assert headers["x"] == "\u00e9"


async def test_an_answer_to_a_body_that_has_arrived_is_not_early():
    """However large it is, and however slowly it was read."""

    async def answer(reader, writer):
        for _ in range(4):
            await read_request(reader)
            writer.write(OK)

    async with pool_to(answer) as (pool, _):
        for size in (0, 1000, 300_000, LARGE):
            assert not (await put(pool, bytes(size))).early


@pytest.mark.fault("A5")
async def test_an_answer_before_the_body_was_sent_is_early():
    """The other end's system has not taken all of it: it is known here, though all was written."""
    over = asyncio.Event()

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()
        writer.write(OK)
        await over.wait()

    async with pool_to(answer) as (pool, _):
        for size in (4 * 1024 * 1024, LARGE):
            assert (await put(pool, bytes(size))).early
        assert not pool._idle
        over.set()


async def test_an_answer_before_the_body_was_sent_ends_the_sending():
    """A refusal comes early; what is left of the body must not follow another request's head."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(0.2)

    async with pool_to(answer) as (pool, connections):
        assert (await put(pool, bytes(LARGE))).status == 403
        assert (await put(pool, bytes(LARGE))).status == 403
    assert len(connections) == 2


async def test_an_answer_while_the_last_of_the_body_is_unsent_ends_the_connection():
    """The kernel has not taken all of it: the rest would be read as the next request."""
    read_on = asyncio.Event()

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()
        writer.write(OK)
        await read_on.wait()

    # Just over what is written at once, and more than loopback's buffers hold with the reader's.
    async with pool_to(answer) as (pool, connections):
        await put(pool, bytes(LARGE))
        read_on.set()
        assert not pool._idle
    assert len(connections) == 1


async def test_a_cancelled_request_takes_its_connection_along():
    """Neither its bytes nor its late answer meet another request."""

    async def answer(reader, writer):
        await reader.read()

    async with pool_to(answer) as (pool, _):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(put(pool, bytes(LARGE)), 0.1)
        assert not pool._idle
        assert not pool._open


async def test_a_server_that_reads_slowly_gets_all_of_it():
    """The writer waits for room, and continues."""
    arrived = []

    async def answer(reader, writer):
        for _ in range(20):
            await reader.read(1000)
            await asyncio.sleep(0.001)
        left = LARGE + len(head(bytes(LARGE))) - 20_000
        arrived.append(len(await reader.readexactly(left)))
        writer.write(OK)

    async with pool_to(answer) as (pool, _):
        assert (await put(pool, bytes(LARGE))).status == 200
    assert arrived


async def test_a_put_cancelled_while_the_server_does_not_read_raises_nothing_else():
    """Closing its connection wakes a writer that is gone: nothing is logged, nothing raised."""
    unhandled = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    begun, over = asyncio.Event(), asyncio.Event()

    async def never_read(reader, writer):
        begun.set()
        await over.wait()

    body = memoryview(bytes(LARGE))
    async with pool_to(never_read) as (pool, _):
        async with asyncio.TaskGroup() as group:
            put = group.create_task(pool.send(head(body), body))
            await begun.wait()
            await asyncio.sleep(0.05)
            put.cancel()
        assert put.cancelled()
        over.set()
        await asyncio.sleep(0.05)
    assert unhandled == []


async def test_a_put_cancelled_while_it_connects_leaves_no_socket(monkeypatch):
    """At any turn of the loop: connections made by then are closed."""
    sockets = []
    make = socket.socket

    class Watched(make):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            sockets.append(self)

    async with pool_to(answers(OK)) as (pool, _):
        monkeypatch.setattr(socket, "socket", Watched)
        for turns in range(12):
            async with asyncio.TaskGroup() as group:
                put = group.create_task(pool.send(head(b""), memoryview(b"")))
                for _ in range(turns):
                    await asyncio.sleep(0)
                put.cancel()
            await asyncio.sleep(0.01)
        await pool.close()
        await asyncio.sleep(0.05)
    assert len(sockets) > 3
    assert [one for one in sockets if one.fileno() != -1] == []


async def test_a_body_is_not_written_to_a_broken_connection(caplog):
    """Not a further piece of it: asyncio would warn of each on standard error."""
    ours, theirs = socket.socketpair()
    with theirs:
        _, connection = await asyncio.get_running_loop().create_unix_connection(
            Connection, sock=ours
        )
    with pytest.raises(BrokenPipeError):
        await connection.send(head(b""), memoryview(bytes(LARGE)))
    await connection.closed()
    assert not connection.usable
    assert caplog.messages == []


def test_a_request_of_the_client_that_is_cancelled_leaves_no_connection():
    """Although the server reads nothing of its body: what was left open would warn here."""

    async def cancel(port):
        async with aiohttp.ClientSession() as session:
            requests = _DirectRequests(session, None)
            body = ViewBody(memoryview(random_bytes(LARGE)))
            sending = asyncio.create_task(
                requests.request("PUT", url=f"http://127.0.0.1:{port}/k", data=body)
            )
            accepted.append((await asyncio.to_thread(server.accept))[0])
            # So that it has written as much as the sockets take.
            await asyncio.sleep(0.1)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        asyncio.run(cancel(server.getsockname()[1]))
        gc.collect()
        accepted[0].close()
