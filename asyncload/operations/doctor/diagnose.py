"""Find out whether a run with some settings would work."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime

from asyncload.aio.shielding import Grace, run_to_end
from asyncload.errors import AsyncloadError
from asyncload.model.values import Warned
from asyncload.operations.doctor.connection import Connection
from asyncload.operations.doctor.examination import Examination, Finding, finding_of
from asyncload.operations.doctor.machine import check_machine
from asyncload.operations.doctor.permissions import Permissions
from asyncload.operations.doctor.promises import Promises, check_objects, check_speed
from asyncload.operations.doctor.traces import TracingStore
from asyncload.operations.observing import Emitter, check_arguments
from asyncload.operations.run import new_run_id, utc_now
from asyncload.operations.running import policy_of
from asyncload.reporting.diagnosis import Check, Diagnosis, DoctorEvent, Remnant
from asyncload.settings.run import Settings, layout_of

_GRACE_SECONDS = 5.0


async def diagnose(
    settings: Settings,
    *,
    observer: Callable[[DoctorEvent], None] | None = None,
    now: datetime | None = None,
) -> Diagnosis:
    """Check everything that a run with these settings needs, and which promises the store keeps.

    Test objects are written below the manifest prefix and deleted again; test uploads are aborted.
    The volume is only read.

    Args:
        settings: those of the run.
        observer: called with each check as it ends, and with warnings, in the event loop; must
            neither block nor be a coroutine function. If it raises an error, the diagnosis ends.
        now: this machine's time; None for the current time.

    Returns:
        All checks. A failed one raises nothing.

    Raises:
        UsageError: an argument has the wrong type.
        ObserverFailed: the observer raised an error, which is the cause.
    """
    check_arguments("diagnose", settings, observer)
    started = now or utc_now()
    checks: list[Check] = []
    warnings: list[Warned] = []

    def keep(event: DoctorEvent) -> None:
        if isinstance(event, Check):
            checks.append(event)
        else:
            warnings.append(event)

    emit = Emitter(keep, observer)
    examination = Examination(emit)
    await check_machine(examination, settings, started)
    async with AsyncExitStack() as stack:
        connection = Connection(examination, settings, started, emit, stack)
        left = await _check_store(examination, settings, started, connection)
    return Diagnosis(tuple(checks), left, tuple(warnings))


async def _check_store(
    examination: Examination, settings: Settings, now: datetime, connection: Connection
) -> tuple[Remnant, ...]:
    """Check the store, and return what could not be removed."""
    prefix = layout_of(settings, now).common_prefix()
    await connection.check(prefix)
    store = connection.store
    if store is None or not examination.passed("bucket", "owner"):
        return ()
    policy = policy_of(settings, new_run_id(now), now)
    folder = f"{settings.manifest_prefix}/doctor-{secrets.token_hex(4)}"
    permissions = Permissions(examination, store, settings, policy, prefix=prefix, folder=folder)
    grace, errors = Grace(_GRACE_SECONDS), []

    async def remove_all() -> None:
        errors.append(await store.remove_all())

    try:
        await permissions.check()
        await Promises(examination, store, settings, policy, folder=folder).check()
        await check_objects(examination, store, settings, permissions)
        await check_speed(examination, store, settings, prefix)
    finally:
        await run_to_end(remove_all(), grace=grace)

    async def delete() -> Finding:
        return _deleted(errors[0], store, settings, folder)

    await examination.check("delete", delete, needs=("put",))
    return store.remnants


def _deleted(
    error: AsyncloadError | None, store: TracingStore, settings: Settings, folder: str
) -> Finding:
    if error is None:
        return Finding("permitted; nothing was left behind")
    found = finding_of(error, "failed" if settings.success_marker else "warning")
    count = sum(remnant.upload_id is None for remnant in store.remnants)
    where = f"s3://{settings.bucket}/{folder}/"
    return found._replace(
        reason=f"{found.reason}; {count} test objects stay below {where}",
        fix=f"permit s3:DeleteObject below {settings.manifest_prefix}/, or delete them by other "
        "means",
    )
