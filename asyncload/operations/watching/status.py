"""Show what a watch is doing: by events, and by its health file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from asyncload.model.values import Event, Warned, WatchProgress
from asyncload.operations.run import utc_now
from asyncload.operations.watching.files import Files
from asyncload.transfer.pipeline import Observer

# In seconds.
_HEALTH = 5.0
_PROGRESS = 60.0


class Status:
    """Emits the progress and the trouble of a watch, and writes its health file.

    Args:
        files: the files of each volume.
        emit: receives the events.
        health_file: the file to write; None for none.
    """

    def __init__(self, files: Sequence[Files], emit: Observer, health_file: Path | None) -> None:
        self._files = files
        self._emit = emit
        self._health_file = health_file
        # By volume; "" for that of the store, or of a single volume.
        self._troubles: dict[str, str] = {}

    @property
    def loaded(self) -> int:
        """The number of files that were loaded since the start."""
        return sum(files.loaded for files in self._files)

    @property
    def failing(self) -> int:
        """The number of files whose last attempt failed."""
        return sum(files.settling.failing for files in self._files)

    def emit(self, event: Event | None = None) -> None:
        """Emit an event, by default the progress."""
        self._emit(self._progress() if event is None else event)

    def set_trouble(self, trouble: str, hint: str = "", *, of: str = "") -> None:
        """Emit a warning about trouble once, and the progress once when it begins or ends.

        `of` is the name of the volume that it is about, if there are several.
        """
        if trouble == self._troubles.get(of, ""):
            return
        if trouble:
            self.emit(Warned(trouble, hint))
        self._troubles[of] = trouble
        self.emit()

    async def beat(self) -> None:
        """Write the health file every few seconds, and emit the progress every minute."""
        clock = asyncio.get_running_loop().time
        due = clock() + _PROGRESS
        while True:
            self.write_health()
            await asyncio.sleep(_HEALTH)
            if clock() >= due:
                due += _PROGRESS
                self.emit()

    def write_health(self) -> None:
        """Write the health file, if there is one."""
        path = self._health_file
        if path is None:
            return
        record = {"time": utc_now().isoformat(timespec="seconds"), **self._progress()._asdict()}
        part = path.with_name(f"{path.name}.part")
        # A full disk must not end the watch: the file's age then shows that something is wrong.
        with suppress(OSError):
            part.write_text(json.dumps(record) + "\n")
            part.replace(path)

    def _progress(self) -> WatchProgress:
        settling = [files.settling for files in self._files]
        return WatchProgress(
            self.loaded,
            sum(each.waiting for each in settling),
            sum(each.in_flight for each in settling),
            self.failing,
            "; ".join(filter(None, self._troubles.values())),
        )
