"""The operations of the library, in one event loop, against real servers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import asyncload
from tests.support.loads import write_files

NOW = datetime(2022, 5, 2, 12, tzinfo=UTC)


@pytest.fixture
def settings(volume, s3, layer):
    """Those of two files."""
    write_files(volume, {"a.csv": b"1\n", "d/b.csv": b"2\n"})
    return asyncload.Settings(
        volume=volume, bucket=s3.bucket, endpoint_url=s3.endpoint_url, layer=layer
    )


async def test_a_time_that_was_given_decides_the_date_of_each_operation(settings):
    """Clocks are not compared: a program may load the files of another day."""
    report = await asyncload.load(settings, now=NOW)
    assert (report.day, report.landed) == (NOW.date(), 2)
    events = []
    result = await asyncload.verify(settings, now=NOW, observer=events.append)
    assert (result.day, result.verified, result.matches) == (NOW.date(), 2, True)
    verified = [event for event in events if isinstance(event, asyncload.FileVerified)]
    assert {event.path for event in verified} == {"a.csv", "d/b.csv"}
    today = await asyncload.verify(settings)
    assert today.counts == {"missing": 2}
    assert {difference.kind for difference in today.differences} == {"missing"}


async def test_a_past_run_is_compared_without_its_volume(settings, volume):
    """By its id."""
    report = await asyncload.load(settings)
    (volume / "a.csv").unlink()
    result = await asyncload.verify(settings, manifest=report.run_id)
    assert (result.manifest, result.day) == (report.manifest, None)
    assert (result.verified, result.differences) == (2, [])


async def test_an_observer_that_fails_ends_each_operation(settings, s3, layer):
    """With its own error as the cause."""

    def fail(event):
        raise ZeroDivisionError("once")

    await asyncload.load(settings)
    for operation in (asyncload.verify, asyncload.clean):
        with pytest.raises(asyncload.ObserverFailed, match="ZeroDivisionError: once") as caught:
            await operation(settings, observer=fail)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_abandoned_uploads_are_listed_and_aborted(settings, s3, layer):
    """Those below the prefix of the layout."""
    client, key = s3.client(), f"{layer}/Local/CSV/A/a.csv"
    client.create_multipart_upload(Bucket=s3.bucket, Key=key)
    listed = await asyncload.clean(settings, older_than="0s")
    assert [(found.upload.key, found.aborted) for found in listed.leftovers] == [(key, False)]
    aborted = await asyncload.clean(settings, older_than=0, abort=True)
    assert (aborted.aborted, aborted.exit_code) == (1, 0)
    assert s3.open_uploads(layer) == []


async def test_a_report_that_is_passed_in_counts_each_event_before_the_observer_sees_it(settings):
    """A caller can read the totals during the run, and after an error."""
    report, counted = asyncload.Report(), []

    def observer(event):
        if isinstance(event, asyncload.FileFinished):
            counted.append(report.landed)
            if len(counted) == 2:
                raise ZeroDivisionError

    with pytest.raises(asyncload.ObserverFailed):
        await asyncload.load(settings, now=NOW, observer=observer, report=report)
    assert counted == [1, 2]
    assert report.landed == 2
