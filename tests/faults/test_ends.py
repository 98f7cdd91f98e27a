"""Tasks that end, stop or hang: faults C of the catalogue."""

from __future__ import annotations

import signal
import threading
from urllib.parse import urlsplit

import pytest

from asyncload.store.retries import RetryPolicy
from tests.faults.gate import slow_gate_before
from tests.faults.proxy import Fault, s3_error
from tests.support.loads import write_files
from tests.support.program import Ended
from tests.support.tls import authority, tls_for

__all__ = ["authority"]

CONNECT_SECONDS = 0.5


@pytest.fixture
def slow_handshake(lake, authority, monkeypatch):
    """A gate behind which handshakes take a little longer than a connection may take to be made.

    So the step that must run to its end ends well within its grace, and its caller's time is over.
    """
    monkeypatch.setattr("asyncload.s3.opening._CONNECT_SECONDS", CONNECT_SECONDS)
    monkeypatch.setattr("asyncload.s3.fast.connection._CONNECT_SECONDS", CONNECT_SECONDS)
    proxy = lake.proxy(tls=tls_for(authority))

    def open_gate(slow):
        """`slow(n)` says whether the `n`-th connection is."""
        gate = slow_gate_before(
            urlsplit(proxy.url).port, lambda n: 1.2 * CONNECT_SECONDS if slow(n) else 0
        )
        port, connections = lake.stack.enter_context(gate)
        return proxy, f"https://127.0.0.1:{port}", connections

    return open_gate


@pytest.mark.fault("C1")
@pytest.mark.parametrize("count", [4, 60])
def test_a_connection_that_takes_too_long_is_made_again(lake, volume, slow_handshake, count, lane):
    """No worker ends with it: every file lands."""
    files = {f"{n:02}.csv": b"%d" % n for n in range(count)}
    write_files(volume, files)
    # The first connection is the preflight's; as many are slow as there are workers.
    proxy, url, connections = slow_handshake(lambda n: 1 < n <= 33)
    landed = lake.load(proxy=proxy, url=url, lane=lane)
    assert (landed.code, landed.objects) == (0, files)
    assert len(connections) > 2


@pytest.mark.fault("C1")
def test_connections_that_always_take_too_long_end_the_run(
    lake, volume, slow_handshake, lane, monkeypatch
):
    """Exit code 6 and what to check: the run neither hangs nor ends without a word."""
    few = RetryPolicy(attempts=2, first_wait=0.001, max_wait=0.002)
    monkeypatch.setattr("asyncload.operations.bucket.RetryPolicy", lambda: few)
    write_files(volume, {f"{n:02}.csv": b"%d" % n for n in range(60)})
    proxy, url, _ = slow_handshake(lambda n: n > 1)
    landed = lake.load(proxy=proxy, url=url, lane=lane)
    assert landed.code == 6
    assert landed.error["message"]
    assert landed.error["hint"]


class AbortsForEver:
    """Rejects the parts of the first file, and never answers when its upload is aborted.

    With `refuse`, a part of the second file is answered once that abort has come, and the answer
    ends the run.
    """

    def __init__(self, *, refuse):
        self.refuse = refuse
        self.aborting = threading.Event()

    def __call__(self, call):
        first = call.key.endswith("l0.csv")
        if call.operation == "AbortMultipartUpload" and first:
            return Fault(before=self.aborting.set, cut_request=0, how="stall")
        if call.operation == "UploadPart" and first:
            return Fault(reply=s3_error(400, "InvalidArgument"))
        # One of them alone: if they all waited, there would be no place left for the first file's.
        if call.operation == "UploadPart" and self.refuse and call.part == 1:
            return Fault(until=self.aborting.is_set, reply=s3_error(403, "AccessDenied"))
        return None


@pytest.fixture
def five_large(volume, large_body):
    """Files of two parts, in the order in which they are begun."""
    write_files(volume, {f"l{n}.csv": large_body for n in range(5)})


def uploads_begun(proxy):
    return [call.key[-6:] for call in proxy.calls if call.operation == "CreateMultipartUpload"]


@pytest.mark.fault("C2")
def test_a_signal_while_a_failed_upload_is_being_aborted_is_obeyed(lake, five_large, spawn, lane):
    """The other files are not begun, and the upload that could not be aborted is told."""
    aborts = AbortsForEver(refuse=False)
    proxy = lake.proxy(aborts)
    process = spawn(*lake.arguments(proxy.url, "--concurrency", 1, lane=lane))
    assert aborts.aborting.wait(60)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    landed = lake.look(Ended(process.returncode, out, err), proxy)
    assert (landed.code, landed.objects) == (143, {})
    assert uploads_begun(proxy) == ["l0.csv"]
    lake.check_promises(landed)


@pytest.mark.fault("C2")
def test_a_refusal_while_a_failed_upload_is_being_aborted_ends_the_run(lake, five_large, lane):
    """The worker that aborts does not continue with the other files."""
    proxy = lake.proxy(AbortsForEver(refuse=True))
    landed = lake.load(None, "--concurrency", 2, proxy=proxy, lane=lane)
    assert (landed.code, landed.objects) == (5, {})
    assert landed.error["kind"] == "AccessDenied"
    assert set(uploads_begun(proxy)) == {"l0.csv", "l1.csv"}
