"""Manifest and success markers: what a run leaves beside the data."""

from __future__ import annotations

import asyncio
import os
from functools import partial

import pytest

from asyncload.aio.shielding import Grace
from asyncload.errors import AccessDenied, RequestRejected
from asyncload.model.values import MarkerFailed, Warned
from asyncload.reporting.manifest import manifest_key
from asyncload.reporting.text import summary_lines
from asyncload.transfer import TransferPolicy
from tests.support.loads import PREFIX, UNIT, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore
from tests.support.vocabulary import check_manifest

pytestmark = pytest.mark.usefixtures("small_parts")

DAY = "2022/05/02"


async def load(store, volume, **options):
    recorder = Recorder()
    report = await load_volume(store, volume, recorder, **{"manifest": True} | options)
    return report, recorder


def manifests(store, prefix="_asyncload/"):
    return {
        key: check_manifest(body)
        for key, body in store.objects.items()
        if key.startswith(prefix) and "/uploads/" not in key
    }


@pytest.mark.fault("I14")
async def test_a_run_is_recorded_with_its_settings_and_each_file(volume):
    """Landed, failed or skipped: path, key, size, time, checksum and how it was proved."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"new", "l.csv": bytes(17 * UNIT)})
    os.utime(volume / "a.csv", ns=(0, 1_651_492_800_000_000_007))
    store = MemoryStore()
    store.objects[f"{PREFIX}/B/{DAY}/b.csv"] = b"old"
    report, _ = await load(store, volume)
    ((key, manifest),) = manifests(store).items()
    assert key == report.manifest == manifest_key("_asyncload", report.run_id)
    assert report.run_id.startswith("20220502T120000Z-")
    run = manifest["run"]
    assert (run["run_id"], run["bucket"], run["date"]) == (report.run_id, "lake", "2022-05-02")
    assert run["settings"]["bucket"] == "lake"
    assert run["started"].startswith("2022-05-02T12:00:00")
    files = {entry["path"]: entry for entry in manifest["files"]}
    assert set(files) == {"a.csv", "b.csv", "l.csv"}
    landed = files["a.csv"]
    assert landed.pop("finished")
    assert landed.pop("seconds") >= 0
    assert landed == {
        "status": "uploaded",
        "path": "a.csv",
        "key": f"{PREFIX}/A/{DAY}/a.csv",
        "dataset": "A",
        "partition": f"{PREFIX}/A/{DAY}/",
        "size": 1,
        "mtime_ns": 1_651_492_800_000_000_007,
        "verified_by": "CRC64NVME",
        "checksums": {"CRC64NVME": "I5Whw0YbvtI="},
        "replaced": False,
    }
    assert files["b.csv"]["status"] == "failed"
    assert "already holds" in files["b.csv"]["error"]["message"]
    summary = manifest["summary"]
    assert (summary["uploaded"], summary["failed"], summary["exit_code"]) == (2, 1, 3)
    assert store.infos[key].content_type == "application/json"


async def test_each_run_has_a_record_of_its_own(volume):
    """An unchanged file is recorded, too; a skipped one with the reason."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"1"})
    store = MemoryStore()
    first, _ = await load(store, volume)
    store.objects[f"{PREFIX}/B/{DAY}/b.csv"] = b"old"
    second, _ = await load(store, volume, skip_existing=True)
    assert first.manifest != second.manifest
    files = {e["path"]: e for e in manifests(store)[second.manifest]["files"]}
    assert files["a.csv"]["status"] == "unchanged"
    assert files["b.csv"]["status"] == "skipped"
    assert "already holds" in files["b.csv"]["reason"]


async def test_the_manifest_has_the_requested_prefix_or_is_not_written(volume):
    """By option."""
    write_files(volume, {"a.csv": b"1"})
    store = MemoryStore()
    await load(store, volume, manifest_prefix="logs/loads")
    assert len(manifests(store, "logs/loads/")) == 1
    report, _ = await load(store, volume, manifest=False)
    assert report.manifest is None
    assert len(store.objects) == 2


async def test_a_long_one_goes_in_parts_while_the_run_is_under_way(volume, monkeypatch):
    """In flat memory, and is one document in the end."""
    monkeypatch.setattr("asyncload.reporting.manifest.PART_SIZE", 500)
    files = {f"d/{n:03}.csv": b"1" for n in range(200)}
    write_files(volume, files)
    store = MemoryStore(min_part=1)
    report, _ = await load(store, volume)
    assert store.calls["upload_part"] > 3
    assert {e["path"] for e in manifests(store)[report.manifest]["files"]} == set(files)
    assert store.uploads == {}


@pytest.mark.parametrize("checksum", ["md5", "crc32"])
@pytest.mark.parametrize("part_size", [500, 8 * UNIT])
async def test_it_is_sent_with_the_checksum_of_the_run(volume, monkeypatch, checksum, part_size):
    """A store that has no other can keep it, too."""
    monkeypatch.setattr("asyncload.reporting.manifest.PART_SIZE", part_size)
    write_files(volume, {f"d/{n:03}.csv": b"1" for n in range(20)})
    store = MemoryStore(min_part=1)
    report, _ = await load(store, volume, checksum=checksum)
    assert len(manifests(store)[report.manifest]["files"]) == 20


@pytest.mark.parametrize("part_size", [500, 8 * UNIT])
@pytest.mark.parametrize("error", [AccessDenied, RequestRejected])
async def test_one_that_can_not_be_written_is_a_warning(volume, monkeypatch, error, part_size):
    """The load succeeds, and says that its record is missing and why; nothing stays open."""
    monkeypatch.setattr("asyncload.reporting.manifest.PART_SIZE", part_size)
    write_files(volume, {f"d/{n:03}.csv": b"1" for n in range(200)})

    class Denies(MemoryStore):
        async def put(self, key, *arguments, **options):
            if key.startswith("_asyncload/"):
                raise error("not there")
            return await super().put(key, *arguments, **options)

        async def upload_part(self, *arguments, **options):
            raise error("not there")

    store = Denies(min_part=1)
    report, recorder = await load(store, volume)
    assert report.exit_code == 0
    assert report.manifest is None
    (warned,) = [event for event in recorder.events if isinstance(event, Warned)]
    assert warned in report.warnings
    assert "not there" in warned.message
    assert "--no-manifest" in warned.hint
    assert store.uploads == {}
    assert manifests(store) == {}


@pytest.mark.fault("I4")
@pytest.mark.parametrize("step", ["put", "upload_part", "create_multipart"])
async def test_an_interrupted_run_records_the_uploaded_files(volume, monkeypatch, step):
    """The record is whole and says how the run ended; no upload is left open."""
    monkeypatch.setattr("asyncload.reporting.manifest.PART_SIZE", 500)
    write_files(volume, {f"d/{n:03}.csv": b"1" for n in range(400)})

    class Hangs(MemoryStore):
        reached = asyncio.Event()

        async def _answer(self, call, body=b""):
            ordinal = self.calls[call] + 1
            await super()._answer(call, body)
            if call == step and ordinal == (300 if step == "put" else 1):
                self.reached.set()
                if step == "create_multipart":
                    await asyncio.sleep(0.05)
                else:
                    await asyncio.Event().wait()

    store = Hangs(min_part=1)
    store.reached = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(load(store, volume))
        await store.reached.wait()
        task.cancel()
    assert store.uploads == {}
    (manifest,) = manifests(store).values()
    recorded = {entry["key"] for entry in manifest["files"]}
    landed = {key for key in store.objects if key.startswith("Raw/")}
    # Requests under way when the run was cut off may have succeeded.
    assert recorded <= landed
    assert len(landed - recorded) <= 32
    summary = manifest["summary"]
    assert (summary["exit_code"], summary["result"]) == (130, "interrupted")
    assert summary["error"]["kind"] == "Interrupted"
    assert summary["uploaded"] == len(recorded)
    assert summary["not_reached"] == 400 - len(recorded)


@pytest.mark.fault("I18")
async def test_a_record_that_can_not_be_written_in_time_is_given_up(volume, monkeypatch):
    """A store that does not answer holds up the end no longer than an abort would."""
    monkeypatch.setattr(
        "asyncload.operations.running.TransferPolicy",
        partial(TransferPolicy, grace=Grace(0, minimum=0)),
    )
    write_files(volume, {"a.csv": b"1"})

    class Hangs(MemoryStore):
        reached = asyncio.Event()

        async def put(self, *arguments, **options):
            self.reached.set()
            await asyncio.Event().wait()

    store, recorder = Hangs(), Recorder()
    store.reached = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(load_volume(store, volume, recorder, manifest=True))
        await store.reached.wait()
        task.cancel()
    assert store.objects == {}
    (warned,) = [event for event in recorder.events if isinstance(event, Warned)]
    assert "could not be written in time" in warned.message


@pytest.mark.fault("I17")
@pytest.mark.parametrize("answers", [True, False])
async def test_a_run_that_is_cut_off_at_its_end_writes_its_record_or_none(
    volume, monkeypatch, answers
):
    """It is being written as the signal comes: it becomes whole, or is taken back."""
    if not answers:
        hurried = partial(TransferPolicy, grace=Grace(0, minimum=0))
        monkeypatch.setattr("asyncload.operations.running.TransferPolicy", hurried)
    write_files(volume, {"a.csv": b"1"})

    class Slow(MemoryStore):
        async def put(self, key, *arguments, **options):
            if key.startswith("_asyncload/"):
                self.reached.set()
                await (asyncio.sleep(0.05) if answers else asyncio.Event().wait())
            return await super().put(key, *arguments, **options)

    store = Slow()
    store.reached = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(load(store, volume))
        await store.reached.wait()
        task.cancel()
    assert task.cancelled()
    assert len(manifests(store)) == answers
    assert store.uploads == {}


async def test_a_run_that_is_stopped_again_while_it_records_a_failure_ends(volume, monkeypatch):
    """The record is given up, and the stop is obeyed."""
    hurried = partial(TransferPolicy, grace=Grace(1, minimum=0))
    monkeypatch.setattr("asyncload.operations.running.TransferPolicy", hurried)

    class Slow(MemoryStore):
        async def put(self, *arguments, **options):
            self.reached.set()
            await asyncio.Event().wait()

    store, recorder = Slow(), Recorder()
    store.reached = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        # There is nothing to load, which is what is being recorded.
        task = group.create_task(load_volume(store, volume, recorder, manifest=True))
        await store.reached.wait()
        task.cancel()
    assert task.cancelled()
    assert store.objects == {}


async def test_a_run_that_is_refused_records_why(volume, monkeypatch):
    """With what landed before, although the record was begun in parts."""
    monkeypatch.setattr("asyncload.reporting.manifest.PART_SIZE", 500)
    write_files(volume, {f"d/{n:03}.csv": b"1" for n in range(400)})

    class Refuses(MemoryStore):
        async def put(self, *arguments, **options):
            if self.calls["upload_part"]:
                raise AccessDenied("no more")
            return await super().put(*arguments, **options)

    store = Refuses(min_part=1)
    with pytest.raises(AccessDenied):
        await load(store, volume)
    assert store.uploads == {}
    (manifest,) = manifests(store).values()
    assert manifest["summary"]["exit_code"] == 5
    assert manifest["summary"]["error"]["kind"] == "AccessDenied"
    recorded = {entry["key"] for entry in manifest["files"]}
    assert recorded <= store.objects.keys()
    assert manifest["summary"]["uploaded"] == len(recorded) > 0


async def test_complete_partitions_are_marked_last(volume):
    """After all of their files; one of which a file is missing is not."""
    write_files(volume, {"d/1.csv": b"1", "d/2.csv": b"1", "e/1.csv": b"1", "top.csv": b"1"})
    store = MemoryStore()
    store.objects[f"{PREFIX}/E/{DAY}/1.csv"] = b"other"
    report, _ = await load(store, volume, success_marker=True, manifest=False)
    markers = [key for key in store.objects if key.endswith("_SUCCESS")]
    assert markers == list(store.objects)[-2:]
    assert sorted(markers) == [f"{PREFIX}/D/{DAY}/_SUCCESS", f"{PREFIX}/Top/{DAY}/_SUCCESS"]
    assert store.objects[markers[0]] == b""
    assert report.exit_code == 3
    skipping, _ = await load(store, volume, success_marker=True, skip_existing=True)
    assert skipping.exit_code == 0
    assert f"{PREFIX}/E/{DAY}/_SUCCESS" not in store.objects
    await load(store, volume, success_marker=True, overwrite=True, checksum="md5")
    assert f"{PREFIX}/E/{DAY}/_SUCCESS" in store.objects


async def test_a_partition_with_an_unreadable_folder_is_not_complete(volume, monkeypatch):
    """Its files are not even known."""
    from asyncload.source import folders

    write_files(volume, {"d.1/1.csv": b"1", "d.1/x/2.csv": b"1", "e/1.csv": b"1"})
    scandir = os.scandir

    def deny(path):
        if os.fsdecode(path).endswith("d.1/x"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(folders.os, "scandir", deny)
    store = MemoryStore()
    await load(store, volume, success_marker=True, manifest=False)
    markers = [key for key in store.objects if key.endswith("_SUCCESS")]
    assert markers == [f"{PREFIX}/E/{DAY}/_SUCCESS"]


async def test_a_volume_that_is_not_listed_to_its_end_gets_no_marker(volume, monkeypatch):
    """What is missing could be anywhere."""
    from asyncload.source import folders

    write_files(volume, {"e/1.csv": b"1", "f/1.csv": b"1"})
    scandir = os.scandir

    class Breaks:
        def __init__(self, path):
            self.entries = scandir(path)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            self.entries.close()

        def __iter__(self):
            yield from self.entries
            raise OSError(5, "Input/output error")

    def breaking(path):
        return Breaks(path) if os.fsdecode(path).rstrip("/") == str(volume) else scandir(path)

    monkeypatch.setattr(folders.os, "scandir", breaking)
    monkeypatch.setattr("asyncload.source.folders._SLICE", 1)
    store = MemoryStore()
    report, _ = await load(store, volume, success_marker=True, manifest=False)
    assert not [key for key in store.objects if key.endswith("_SUCCESS")]
    assert {left.reason for left in report.unmarked} >= {"the volume can't be listed completely"}


@pytest.mark.parametrize("error", [AccessDenied, RequestRejected])
async def test_a_marker_that_can_not_be_removed_is_reported_once(volume, error):
    """The files are uploaded nevertheless."""
    write_files(volume, {f"{d}/{n}.csv": b"1" for d in "de" for n in range(3)})

    class Keeps(MemoryStore):
        async def delete(self, key):
            await self._answer("delete")
            raise error("no deletes")

    store = Keeps()
    store.objects |= {f"{PREFIX}/{d}/{DAY}/_SUCCESS": b"" for d in "DE"}
    report, recorder = await load(store, volume, success_marker=True, manifest=False)
    assert (report.exit_code, report.landed) == (0, 6)
    (warned,) = [event for event in recorder.events if isinstance(event, Warned)]
    assert "no deletes" in warned.message
    assert "s3:DeleteObject" in warned.hint
    assert store.calls["delete"] <= 2


async def test_partitions_that_are_not_marked_are_named_up_to_a_number(volume):
    """The rest is counted."""
    write_files(volume, {f"{n:02}/1.csv": b"1" for n in range(25)})
    store = MemoryStore()
    store.objects |= {f"{PREFIX}/{n:02}/{DAY}/1.csv": b"2" for n in range(25)}
    report, _ = await load(store, volume, success_marker=True, manifest=False)
    lines = [line for line in summary_lines(report, 1.0) if line.startswith("not marked")]
    assert len(lines) == 21
    assert lines[-1] == "not marked: 5 more partitions; see --json"


@pytest.mark.parametrize("error", [AccessDenied, RequestRejected])
async def test_a_marker_that_can_not_be_written_is_reported(volume, error):
    """A job that waits for it would wait for ever, so the exit code says so."""
    write_files(volume, {"d/1.csv": b"1"})

    class Denies(MemoryStore):
        async def put(self, key, *arguments, **options):
            if key.endswith("_SUCCESS"):
                raise error("no markers")
            return await super().put(key, *arguments, **options)

    report, recorder = await load(Denies(), volume, success_marker=True)
    assert report.exit_code == 3
    assert report.landed == 1
    (failed,) = [event for event in recorder.events if isinstance(event, MarkerFailed)]
    assert failed.partition == f"{PREFIX}/D/{DAY}/"


async def test_a_partition_without_a_name_has_its_marker_at_the_top(volume):
    """A layout may put all files in one place."""
    write_files(volume, {"d/1.csv": b"1"})
    store = MemoryStore()
    await load(store, volume, success_marker=True, manifest=False, layout="{path}")
    assert set(store.objects) == {"1.csv", "_SUCCESS"}


async def test_objects_say_where_they_come_from(volume):
    """Small ones and large ones, in their metadata."""
    write_files(volume, {"d/é 1.csv": b"1", "l.csv": bytes(17 * UNIT)})
    store = MemoryStore()
    report, _ = await load(store, volume)
    small = store.infos[f"{PREFIX}/D/{DAY}/é 1.csv"]
    large = store.infos[f"{PREFIX}/L/{DAY}/l.csv"]
    assert small.content_type == large.content_type == "text/csv"
    assert small.metadata["source-path"] == "d/%C3%A9%201.csv"
    assert large.metadata["source-path"] == "l.csv"
    for info in (small, large):
        assert info.metadata["asyncload-run"] == report.run_id
        assert float(info.metadata["mtime"]) > 1_600_000_000
    assert small.metadata["asyncload-crc64nvme"] == "I5Whw0YbvtI="


async def test_files_that_are_too_recent_are_left_out(volume):
    """A writer may not be done with them."""
    from datetime import UTC, datetime

    write_files(volume, {"old.csv": b"1", "new.csv": b"1"})
    noon = datetime(2022, 5, 2, 12, tzinfo=UTC).timestamp()
    os.utime(volume / "old.csv", (noon - 61, noon - 61))
    os.utime(volume / "new.csv", (noon - 59, noon - 59))
    report, recorder = await load(MemoryStore(), volume, min_age=60)
    assert recorder.statuses == {"old.csv": "uploaded"}
    assert report.excluded == {"too recent": 1}


async def test_a_bug_does_not_count_as_a_marker_that_could_not_be_written(volume):
    """It comes through as it is."""
    write_files(volume, {"d/1.csv": b"1"})

    class Buggy(MemoryStore):
        async def put(self, key, *arguments, **options):
            if key.endswith("_SUCCESS"):
                raise ZeroDivisionError
            return await super().put(key, *arguments, **options)

    with pytest.raises(ZeroDivisionError):
        await load(Buggy(), volume, success_marker=True)
