"""Watch a volume in a test, and wait for what should happen, not for a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from asyncload.model.values import FileFinished, Warned, WatchProgress
from asyncload.operations.watch import WatchOptions, watch_into
from asyncload.settings.run import Settings

PATIENCE = 60.0

# The modules of a watch that ask for the time.
_CLOCKS = ("watch", "running", "watching.dispatching", "watching.sessions")


def set_clock(monkeypatch, now):
    """Let a watch take the function's result for the time."""
    for module in _CLOCKS:
        monkeypatch.setattr(f"asyncload.operations.{module}.utc_now", now)


class Watching:
    """A watch under way; its events, and at the end its result."""

    def __init__(self, on_event):
        self.events = []
        self.on_event = on_event
        self.stop = asyncio.Event()
        self.result = None
        self.task = None

    def observe(self, event):
        self.events.append(event)
        self.on_event(event)

    @property
    def outcomes(self):
        """The outcomes so far: path and status."""
        finished = [event.outcome for event in self.events if isinstance(event, FileFinished)]
        return [(outcome.path, outcome.status) for outcome in finished]

    @property
    def warnings(self):
        return [event.message for event in self.events if isinstance(event, Warned)]

    @property
    def trouble(self):
        """The last state that was emitted: what keeps files from being loaded."""
        states = [event.trouble for event in self.events if isinstance(event, WatchProgress)]
        return states[-1] if states else ""

    async def until(self, condition):
        """Wait for a condition, or for the end of the watch."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                if self.task.done():
                    self.task.result()
                    raise AssertionError("the watch has ended")
                await asyncio.sleep(0.01)


def nothing(_):
    """Do nothing with an event."""


@asynccontextmanager
async def watching(
    store, volume, *, settle=0.2, poll=False, grace=30.0, more=None, on_event=nothing, **settings
):
    """Watch a volume; at the end of the context stop, and keep the result."""
    watch = Watching(on_event)
    options = WatchOptions(settle=settle, poll=poll, grace=grace)._replace(**(more or {}))
    coroutine = watch_into(
        store,
        Settings(volume=volume, bucket="lake", **({"manifest": False} | settings)),
        options,
        stop=watch.stop,
        observer=watch.observe,
    )
    watch.task = asyncio.get_running_loop().create_task(coroutine)
    try:
        yield watch
    except BaseException:
        watch.task.cancel()
        await asyncio.wait([watch.task])
        raise
    else:
        watch.stop.set()
        async with asyncio.timeout(PATIENCE):
            watch.result = await watch.task
