"""Chunked bodies come out whole, however they are cut on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.null_server.chunks import ChunkDecoder


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=50)),
    extension=st.sampled_from([b"", b";chunk-signature=abc"]),
    trailers=st.dictionaries(st.sampled_from([b"x-a", b"x-b"]), st.sampled_from([b"1", b"=="])),
    cuts=st.lists(st.integers(1, 40), min_size=1),
    rest=st.binary(max_size=5),
)
def test_what_was_chunked_comes_out_and_what_follows_is_left(
    chunks, extension, trailers, cuts, rest
):
    body = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    body += b"0%b\r\n" % extension
    body += b"".join(b"%b: %b\r\n" % trailer for trailer in trailers.items()) + b"\r\n"
    out = bytearray()
    decoder = ChunkDecoder(out.extend)
    wire = memoryview(body + rest)
    at = turn = 0
    while not decoder.done:
        step = cuts[turn % len(cuts)]
        at += decoder.feed(wire[at : at + step])
        turn += 1
    assert bytes(out) == b"".join(chunks)
    assert decoder.trailers == trailers
    assert bytes(wire[at:]) == rest


@pytest.mark.parametrize("body", [b"x\r\n", b"-5\r\n", b"\r\n", b"1" * 5000])
def test_what_is_not_chunked_is_refused(body):
    with pytest.raises(ValueError, match=r"size|invalid literal|too long"):
        ChunkDecoder(bytearray().extend).feed(memoryview(body))
