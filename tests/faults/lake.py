"""Load a volume through a chaos proxy, and hold the result to the promises that always hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.faults.proxy import ChaosProxy, Oracle, no_fault, proxy_before
from tests.faults.proxy.faults import Decide
from tests.support.program import Ended
from tests.support.servers import S3Server
from tests.support.vocabulary import check_lines

DATE = "2022-05-02"


LEAST = 5 * 1024 * 1024
"""The least size of a part that S3 takes, in bytes."""


@dataclass(frozen=True)
class Landed:
    """How a load ended: the program's words, the proxy's books and the store's objects.

    `objects` and `open_uploads` are by the file names that keys end in, `by_key` by whole keys.
    """

    ended: Ended
    proxy: ChaosProxy
    by_key: dict[str, bytes]
    open_uploads: list[str]

    @cached_property
    def objects(self) -> dict[str, bytes]:
        date = f"/{DATE.replace('-', '/')}/"
        return {key.split(date)[-1]: body for key, body in self.by_key.items()}

    @property
    def code(self) -> int:
        return self.ended.code

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        return check_lines(self.ended.out)

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        return {record["path"]: record for record in self.records if record["type"] == "file"}

    @property
    def statuses(self) -> dict[str, str]:
        return {path: record["status"] for path, record in self.files.items()}

    @property
    def summary(self) -> dict[str, Any]:
        return next(record for record in self.records if record["type"] == "summary")

    @property
    def error(self) -> dict[str, Any]:
        """What ended the run."""
        return self.summary["error"]


@dataclass
class Lake:
    """Loads `volume` below the key segment `layer` of a server's bucket."""

    program: Callable[..., Ended]
    volume: Path
    layer: str
    server: S3Server
    monkeypatch: Any
    stack: ExitStack

    def __post_init__(self) -> None:
        for name, value in self.server.environment.items():
            self.monkeypatch.setenv(name, value)

    def proxy(
        self, decide: Decide = no_fault, *, oracle: Oracle | None = None, **options: Any
    ) -> ChaosProxy:
        """Open a proxy for the rest of the test, which knows the files as they are now."""
        oracle = oracle or Oracle()
        oracle.register(self.volume)
        return self.stack.enter_context(
            proxy_before(self.server.endpoint_url, decide, oracle=oracle, **options)
        )

    def arguments(self, url: str, *options: object, lane: bool = True) -> list[str]:
        command = ["run", self.volume, "--bucket", self.server.bucket, "--endpoint-url", url]
        command += ["--layer", self.layer, "--date", DATE, "--json", "--no-manifest"]
        command += [] if lane else ["--no-fast-lane"]
        return [*map(str, command), *map(str, options)]

    def load(
        self,
        decide: Decide | None = None,
        *options: object,
        lane: bool = True,
        proxy: ChaosProxy | None = None,
        url: str | None = None,
        orphans: int = 0,
    ) -> Landed:
        """Run the program in this process; up to `orphans` uploads may be left open untold."""
        proxy = proxy or self.proxy(decide or no_fault)
        ended = self.program(*self.arguments(url or proxy.url, *options, lane=lane))
        landed = self.look(ended, proxy)
        self.check_promises(landed, orphans)
        return landed

    def look(self, ended: Ended, proxy: ChaosProxy) -> Landed:
        """See what is in the store now."""
        prefix = f"{self.layer}/"
        open_uploads = [key.rsplit("/", 1)[-1] for key in self.server.open_uploads(prefix)]
        return Landed(ended, proxy, self.server.objects(prefix), open_uploads)

    def check_promises(self, landed: Landed, orphans: int = 0) -> None:
        """Check true records, whole objects, no upload left open, no secret printed."""
        assert landed.proxy.oracle.violations == []
        words = landed.ended.out + landed.ended.err
        assert "Traceback" not in words
        if self.server.name == "seaweedfs":
            # moto's secret is a common word.
            assert self.server.environment["AWS_SECRET_ACCESS_KEY"] not in words
        for path, record in landed.files.items():
            if record["status"] == "failed":
                assert record["error"]["message"], path
            else:
                assert landed.proxy.oracle.is_version(path, landed.by_key[record["key"]]), path
        told = [upload["key"].rsplit("/", 1)[-1] for upload in landed.summary["left_open"]]
        assert len(told) <= len(landed.open_uploads) <= len(told) + orphans, landed.open_uploads


def fail_first(operations: set[str] | str, fault: Any, times: int = 1) -> Decide:
    """Let the first `times` requests for the same thing meet a fault."""
    wanted = {operations} if isinstance(operations, str) else operations
    return lambda call: fault if call.operation in wanted and call.attempt <= times else None


def fail_always(operations: set[str] | str, fault: Any) -> Decide:
    """Let every request of these operations meet a fault."""
    return fail_first(operations, fault, times=10**9)
