"""Load a volume in a test, and keep what happened."""

from __future__ import annotations

from datetime import UTC, datetime

from asyncload.model.values import FileFinished
from asyncload.operations.load import load_into
from asyncload.planning.plan import MIB
from asyncload.settings.run import Settings
from asyncload.store.retries import RetryPolicy

NOW = datetime(2022, 5, 2, 12, tzinfo=UTC)
PREFIX = "Raw/Local/CSV"
# An eighth of all sizes that S3 prescribes, and of those that follow from them.
UNIT = MIB // 8
AT_ONCE = RetryPolicy(attempts=3, seconds=5, first_wait=0.001, max_wait=0.002)


class Recorder:
    """An observer that keeps the events, and the outcomes by path."""

    def __init__(self):
        self.events = []
        self.outcomes = {}

    def __call__(self, event):
        self.events.append(event)
        if isinstance(event, FileFinished):
            assert event.outcome.path not in self.outcomes, "two outcomes for one file"
            self.outcomes[event.outcome.path] = event.outcome

    @property
    def statuses(self):
        return {path: outcome.status for path, outcome in self.outcomes.items()}


async def load_volume(store, volume, recorder=None, **options):
    """Load a folder into an open store, on 2022-05-02, with quick retries and no manifest."""
    settings = Settings(volume=volume, bucket="lake", **{"manifest": False} | options)
    return await load_into(store, settings, observer=recorder, now=NOW, retries=AT_ONCE)


def write_files(volume, files):
    """Write a dict of relative path and content."""
    for path, content in files.items():
        target = volume / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
