"""C: tasks that vanish, ends that do not end."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("C1", "a connection that takes a little too long", "made again; no worker vanishes"),
    Fault("C2", "a signal or a refusal while an upload is being aborted", "no other file is begun"),
    Fault("C10", "a task that ends as cancelled, unasked", "an internal error that names it"),
    Fault("C11", "a file's fault in the very moment of a signal", "the signal is obeyed"),
    Fault("C12", "a signal at any step of a run", "nothing is begun, left open or lost after it"),
    Fault("C13", "a refusal of the run at any request", "as at a signal"),
    Fault("C15", "the upload of a run's record can't be aborted", "told as left open"),
    Fault("C14", "a signal while nothing is answered", "5 s for all that is tidied up, together"),
    Fault("C3", "the terminal closes, or a batch system warns", "as SIGTERM; ignored if it was"),
    Fault("C4", "the system can't tell a file's state", "that file fails, nothing stays open"),
    Fault("C5", "answers that make no sense", "that request's failure, made again"),
    Fault("C6", "no more threads", "fewer do, or the run is refused with what to raise"),
    Fault("C7", "a pattern of many stars on a deep path", "matched in bounded time"),
    Fault("C9", "a credential_process that hangs", "given up; it ends with what it started"),
    Fault("C8", "a listing of 600 MB, or without an end", "an error, in flat memory"),
)
