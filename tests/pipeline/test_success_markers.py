"""Success markers of earlier runs, which are removed before a partition changes."""

from __future__ import annotations

import asyncio

from asyncload.errors import AccessDenied
from asyncload.model.values import Warned
from asyncload.planning.keys import KeyLayout
from asyncload.reporting.success_markers import SuccessMarkers
from tests.support.loads import NOW
from tests.support.memory_store import MemoryStore


async def test_a_denial_to_remove_markers_is_reported_once():
    """Also if several partitions meet it at the same time; then no further one is tried."""
    asked = asyncio.Barrier(2)

    class Denied(MemoryStore):
        async def head(self, key):
            self.calls["head"] += 1
            await asked.wait()
            raise AccessDenied("denied")

    store, events = Denied(), []
    layout = KeyLayout("default", "Raw", "Local", "CSV", NOW.date())
    markers = SuccessMarkers(layout, store, events.append)
    await asyncio.gather(markers.before_change("a/"), markers.before_change("b/"))
    await markers.before_change("c/")
    assert store.calls["head"] == 2
    assert [type(event) for event in events] == [Warned]
    assert "s3:DeleteObject" in events[0].hint
