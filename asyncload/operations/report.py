"""Read what a past run did, from its record in the bucket."""

from __future__ import annotations

from asyncload.errors import UsageError
from asyncload.model.values import ObjectKey
from asyncload.operations.comparison import manifest_key_of
from asyncload.operations.load import open_bucket
from asyncload.operations.run import utc_now
from asyncload.reporting.manifest_reading import read_ends
from asyncload.reporting.recorded import OddRecordError, PastRun, past_run, run_record
from asyncload.settings.run import Settings, layout_of
from asyncload.store.protocol import ObjectStore


async def report(settings: Settings, run: str) -> PastRun:
    """Return a past run by its id, or by the key or `s3://` address of its manifest.

    Raises:
        UsageError: a setting is invalid, or there is no such run.
        Refused: credentials, permission, bucket or region; see its subclasses.
        ServerError: the store failed to answer a request, after all retries.
        StoreUnavailable: the store can't be reached.
    """
    prefix = layout_of(settings, utc_now()).common_prefix()
    async with open_bucket(settings, prefix) as store:
        key = manifest_key_of(run, settings.bucket, settings.manifest_prefix, "--run")
        return await read_run(store, key)


async def read_run(store: ObjectStore, key: ObjectKey) -> PastRun:
    """Return the run of a manifest.

    Raises:
        UsageError: the object does not exist, or is not a manifest.
        StoreError: the store can't be queried.
    """
    ends = await read_ends(store, key)
    if ends is None:
        raise UsageError(
            f"--run: object {key!r} does not exist",
            hint="give a run id or the key of a manifest; manifests are stored below "
            "--manifest-prefix",
        )
    try:
        return past_run(run_record(*ends), key)
    except OddRecordError as error:
        raise UsageError(f"--run: {key!r} can't be read: {error}") from error
