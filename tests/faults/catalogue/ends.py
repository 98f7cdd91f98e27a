"""C: tasks that disappear or never end."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("C1", "a connection that takes slightly too long", "opened again; no worker disappears"),
    Fault("C2", "a signal or a refusal while an upload is aborted", "no other file is started"),
    Fault("C10", "a task that is cancelled by nobody", "an internal error that names it"),
    Fault("C11", "a file error at the moment of a signal", "the signal ends the run"),
    Fault(
        "C12", "a signal at any step of a run", "nothing is started, left open or lost afterwards"
    ),
    Fault("C13", "a refusal of the run at any request", "the same as for a signal"),
    Fault("C15", "the manifest's own upload can't be aborted", "reported as left open"),
    Fault("C14", "a signal while nothing is answered", "5 s for the whole cleanup"),
    Fault(
        "C3",
        "the terminal closes, or a batch system warns",
        "like SIGTERM; ignored if it was ignored",
    ),
    Fault("C4", "a file's state can't be read", "the file fails, nothing stays open"),
    Fault("C5", "invalid answers", "that request fails and is repeated"),
    Fault(
        "C6", "no more threads", "fewer threads are used, or the run ends and says what to raise"
    ),
    Fault("C7", "a pattern with many stars on a deep path", "matched in bounded time"),
    Fault("C9", "a credential_process that hangs", "given up; it ends with its child processes"),
    Fault("C8", "a listing of 600 MB, or an endless one", "an error, in constant memory"),
)
