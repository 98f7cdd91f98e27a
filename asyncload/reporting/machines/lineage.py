"""OpenLineage events: which run read which volume, and wrote which partitions.

Source: the OpenLineage specification, https://openlineage.io/spec/2-0-2/OpenLineage.json, and its
rules for the names of datasets.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from asyncload.errors import UsageError
from asyncload.model.names import volume_of
from asyncload.model.values import Event, Failed, FileFinished, RunStarted, Skipped, Warned
from asyncload.model.version import VERSION
from asyncload.reporting.machines.foreign import check_own
from asyncload.reporting.machines.outlet import Delivery, RunEnd
from asyncload.reporting.records import format_time, to_json
from asyncload.reporting.report import Report
from asyncload.reporting.text import format_count
from asyncload.settings.endpoints import check_endpoint

MAX_PARTITIONS = 1_000
"""Maximum number of partitions in an event, so that a server accepts it."""

EventType = Literal["START", "COMPLETE", "ABORT", "FAIL"]

_PRODUCER = f"urn:asyncload:{VERSION}"
_SPEC = "https://openlineage.io/spec"
_PATH = "/api/v1/lineage"
# Seconds that each step of a request may take.
_TIMEOUT = 3.0
_INTERRUPTED = 128


class Described(NamedTuple):
    """What the events of a command have in common.

    `sources` are the volumes as absolute paths, or the name of an API. `parent` is the run of a
    scheduler that started this one: its namespace, its job and its id.
    """

    command: str
    bucket: str
    sources: Sequence[str]
    namespace: str
    parent: tuple[str, str, str] | None


class Lineage:
    """Sends an event at the start of each run, and one at its end.

    Args:
        send: delivers an event as JSON; it may block, and raises an OSError if it fails.
        target: the server or the file, for messages.
        described: what the events have in common.
    """

    def __init__(self, send: Callable[[str], None], target: str, described: Described) -> None:
        self._send = send
        self._target = target
        self._described = described
        self._delivery = Delivery("lineage")
        self._run: _Run | None = None

    def observe(self, event: Event, _: Report) -> None:
        if isinstance(event, FileFinished):
            if self._run is not None:
                self._run.count(event)
        elif isinstance(event, RunStarted):
            # A watch has one run after the other.
            self._finish("COMPLETE", event.started)
            self._run = _Run(event.run_id, event.bucket, self._described.sources)
            self._emit("START", event.started, "")

    def end(self, end: RunEnd) -> None:
        code = end.exit_code
        kind: EventType = "COMPLETE" if not code else "ABORT" if code > _INTERRUPTED else "FAIL"
        why = ""
        if code:
            failed = end.report.counts["failed"]
            why = (
                end.error.message
                if end.error is not None
                else f"{format_count(failed, 'file')} failed"
            )
        self._finish(kind, end.finished, why)

    def close(self, seconds: float) -> Iterator[Warned]:
        for error in self._delivery.close(seconds):
            yield Warned(
                f"lineage events could not be sent to {self._target}: {error}",
                "check --lineage; the files are not affected",
            )

    def _finish(self, kind: EventType, at: datetime, why: str = "") -> None:
        if self._run is not None:
            self._emit(kind, at, why)
            self._run = None

    def _emit(self, kind: EventType, at: datetime, why: str) -> None:
        assert self._run is not None, "an event is about a run"
        text = to_json(run_event(kind, at, self._described, self._run, why))
        self._delivery.submit(lambda: self._send(text))


class _Run:
    """One run: the files it has read, by their volume, and the partitions they are in."""

    def __init__(self, run_id: str, bucket: str, sources: Sequence[str]) -> None:
        self.run_id = run_id
        self.bucket = bucket
        self.read = {source: _Amount() for source in sources}
        self.partitions: dict[str, _Amount] = {}

    def count(self, event: FileFinished) -> None:
        outcome = event.outcome
        if isinstance(outcome, Failed | Skipped):
            return
        # The path begins with its volume if there are several.
        source = volume_of(outcome.path, self.read) if len(self.read) > 1 else next(iter(self.read))
        self.read[source].add(outcome.size)
        amount = self.partitions.get(event.partition)
        if amount is None:
            if len(self.partitions) >= MAX_PARTITIONS:
                return
            amount = self.partitions[event.partition] = _Amount()
        amount.add(outcome.size)


@dataclass(slots=True)
class _Amount:
    """A number of files, and their size in bytes."""

    files: int = 0
    size: int = 0

    def add(self, size: int) -> None:
        self.files += 1
        self.size += size


def run_event(
    kind: EventType, at: datetime, described: Described, run: _Run, why: str
) -> dict[str, Any]:
    """Return an event about a run; `why` says why it failed."""
    command = described.command
    run_facets = {
        "processing_engine": _facet(
            "facets/1-1-1/ProcessingEngineRunFacet", {"version": VERSION, "name": "asyncload"}
        )
    }
    if described.parent is not None:
        namespace, name, run_id = described.parent
        parent = {"run": {"runId": run_id}, "job": {"namespace": namespace, "name": name}}
        run_facets["parent"] = _facet("facets/1-2-0/ParentRunFacet", parent)
    if why:
        message = {"message": why, "programmingLanguage": "Python"}
        run_facets["errorMessage"] = _facet("facets/1-0-1/ErrorMessageRunFacet", message)
    kinds = {
        "processingType": "STREAMING" if command == "watch" else "BATCH",
        "integration": "ASYNCLOAD",
        "jobType": command.upper(),
    }
    inputs: list[dict[str, Any]] = []
    for source, read in run.read.items():
        namespace = "file" if source.startswith("/") else "api"
        inputs.append({"namespace": namespace, "name": source})
        if kind != "START":
            statistics = _statistics("Input", "1-0-0", read)
            inputs[-1]["inputFacets"] = {"inputStatistics": statistics}
    job = ",".join(source.strip("/") for source in run.read)
    return {
        "eventType": kind,
        "eventTime": format_time(at),
        "producer": _PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run_uuid(run.run_id), "facets": run_facets},
        "job": {
            "namespace": described.namespace,
            "name": f"{command}.{described.bucket}.{job}",
            "facets": {"jobType": _facet("facets/2-0-4/JobTypeJobFacet", kinds)},
        },
        "inputs": inputs,
        "outputs": [
            {
                "namespace": f"s3://{run.bucket}",
                "name": partition.rstrip("/"),
                "outputFacets": {"outputStatistics": _statistics("Output", "1-0-2", amount)},
            }
            for partition, amount in sorted(run.partitions.items())
        ],
    }


def run_uuid(run_id: str) -> str:
    """Return the id of a run in lineage, which is always the same for an id of ours."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:asyncload:run:{run_id}"))


def _facet(schema: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    name = schema.rpartition("/")[2]
    return {
        "_producer": _PRODUCER,
        "_schemaURL": f"{_SPEC}/{schema}.json#/$defs/{name}",
        **fields,
    }


def _statistics(side: str, version: str, amount: _Amount) -> dict[str, Any]:
    schema = f"facets/{version}/{side}Statistics{side}DatasetFacet"
    return _facet(schema, {"size": amount.size, "fileCount": amount.files})


def sender_to(target: str, key: str) -> tuple[Callable[[str], None], str]:
    """Return a function that sends an event to a URL or appends it to a file, and its target.

    A URL without a path gets the usual one. `key` is an API key for the server, "" for none.

    Raises:
        UsageError: the URL is invalid, or a key would be sent over plain HTTP to another machine.
    """
    if not target.startswith(("http://", "https://")):
        if "://" in target:
            raise UsageError(
                f"--lineage: {target!r} is neither an HTTP URL nor a file",
                hint="use https://HOST, or the name of a file",
            )
        path = Path(target)
        return lambda event: _append(path, event), target
    try:
        check_endpoint(target, allow_http=not key, named="--lineage")
    except UsageError as error:
        raise UsageError(error.message, hint="use https://HOST[:PORT][/PATH]") from error
    scheme, _, rest = target.partition("://")
    host, _, path_of_url = rest.partition("/")
    url = target if path_of_url else f"{scheme}://{host}{_PATH}"
    return lambda event: _post(url, key, event), url


def _append(path: Path, event: str) -> None:
    check_own(path, "events", b"{")
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{event}\n")


def _post(url: str, key: str, event: str) -> None:
    # Late: only events that go to a server need it.
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class NoRedirects(HTTPRedirectHandler):
        """The user decides which host gets the key."""

        def redirect_request(self, *_: Any) -> None:
            return None

    headers = {"Content-Type": "application/json", "User-Agent": f"asyncload/{VERSION}"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = Request(url, event.encode(), headers, method="POST")  # noqa: S310  # checked before
    try:
        with build_opener(NoRedirects).open(request, timeout=_TIMEOUT):
            pass
    except HTTPError as error:
        error.close()
        raise OSError(f"the server answered with HTTP status {error.code}") from None
    except URLError as error:
        raise OSError(str(getattr(error.reason, "strerror", None) or error.reason)) from None
    except HTTPException as error:
        raise OSError(f"not an HTTP answer: {type(error).__name__}") from None


def parse_parent(text: str) -> tuple[str, str, str] | None:
    """Return the parts of `NAMESPACE/JOB/RUN-ID`; None if it is something else."""
    parts = text.split("/")
    if len(parts) < 3 or not all(parts):
        return None
    try:
        run_id = str(uuid.UUID(parts[-1]))
    except ValueError:
        return None
    return parts[0], "/".join(parts[1:-1]), run_id
