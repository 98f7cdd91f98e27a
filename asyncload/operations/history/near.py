"""Find the past run that a mistyped name means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from asyncload.errors import AccessDenied, UsageError
from asyncload.model.reserved import SHARDS
from asyncload.model.suggestions import with_guess
from asyncload.operations.history.records import start_of
from asyncload.reporting.manifest_reading import NoRecordError
from asyncload.store.protocol import ObjectStore


@asynccontextmanager
async def suggesting_runs(store: ObjectStore, prefix: str, name: str) -> AsyncIterator[None]:
    """Add the name closest to that of a run which is not found to the hint of its error.

    `prefix` is that of the manifests.

    Raises:
        UsageError: the run is not found.
        StoreError: the store can't be queried.
    """
    try:
        yield
    except NoRecordError as error:
        known = await _names_near(store, prefix, name)
        raise UsageError(error.message, hint=with_guess(name, known, error.hint)) from error


async def _names_near(store: ObjectStore, prefix: str, name: str) -> list[str]:
    """Return names of runs: of one month by their ids, and of shards; at most a page of each."""
    month = name[:6] if name[:6].isdigit() else ""
    names: set[str] = set()
    with suppress(AccessDenied):
        for folder, after in ((f"{prefix}/", month or "2"), (f"{prefix}/{SHARDS}/", "")):
            page = await store.list_objects(folder, start_after=f"{folder}{after}")
            for listed in page.items:
                name, slash, _ = listed.key.removeprefix(folder).partition("/")
                run_id = name.removesuffix(".json")
                if slash if folder.endswith(f"/{SHARDS}/") else start_of(run_id):
                    names.add(run_id)
    return sorted(names)
