"""Runs of several shards: together they load what one run would, and their records say so."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from asyncload.errors import (
    AccessDenied,
    Interrupted,
    KeyCollision,
    NothingToLoad,
    PartNotRecorded,
    RequestRejected,
    ServerError,
    ShardRefused,
    UsageError,
)
from asyncload.model.values import Excluded, ObjectKey, Warned
from asyncload.operations.report import mark_run
from asyncload.operations.running import begin_run
from asyncload.operations.shards.joining import LEASE_SECONDS, joined
from asyncload.operations.shards.merging import find_run, mark, merge
from asyncload.planning.shards import shard_number
from asyncload.reporting.records import run_totals
from asyncload.reporting.shards import Folder
from asyncload.settings.run import Settings, layout_of
from asyncload.transfer import TransferPolicy
from tests.support.archives import zip_of
from tests.support.loads import NOW, PREFIX, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_virtually
from tests.support.vocabulary import check_manifest

DAY = "2022/05/02"
FOLDER = Folder("_asyncload", "night")


async def load_shard(store, volume, shard, recorder=None, **options):
    options = {"manifest": True, "shard": shard, "run": "night"} | options
    return await load_volume(store, volume, recorder, **options)


async def load_shards(store, volume, total=4, **options):
    """Load all shards, one after the other; return what each of them did."""
    recorders = [Recorder() for _ in range(total)]
    for number, recorder in enumerate(recorders, 1):
        await load_shard(store, volume, f"{number}/{total}", recorder, **options)
    return recorders


async def merged(store):
    run = await find_run(store, "_asyncload", "night")
    return await merge(store, "_asyncload", run)


async def marked(store, found, emit=lambda event: None):
    return await mark(store, found, TransferPolicy(), "_asyncload", emit)


def data(store):
    return {key for key in store.objects if not key.startswith("_asyncload/")}


@pytest.fixture
def files(volume):
    """Forty files in two folders and at the top."""
    write_files(volume, {f"{'ab'[n % 2]}/{n}.csv": f"{n}".encode() for n in range(36)})
    write_files(volume, {f"top{n}.csv": b"1" for n in range(4)})
    return volume


async def test_shards_load_what_one_run_would(files):
    """Each file once; the totals of all are those of one run, and so is the manifest."""
    alone, store = MemoryStore(), MemoryStore()
    whole = await load_volume(alone, files, manifest=True)
    recorders = await load_shards(store, files)
    paths = [path for recorder in recorders for path in recorder.outcomes]
    assert len(paths) == len(set(paths)) == 40
    assert all(recorder.outcomes for recorder in recorders)
    assert {key: store.objects[key] for key in data(store)} == {
        key: alone.objects[key] for key in data(alone)
    }
    found = await merged(store)
    assert found.shards.complete
    same = ("files", "bytes", "uploaded", "datasets", "verified_by", "failures", "excluded")
    one, all_of_them = run_totals(whole), run_totals(found.report)
    assert {name: all_of_them[name] for name in same} == {name: one[name] for name in same}
    marking = await marked(store, found)
    document = check_manifest(store.objects[marking.manifest])
    assert document["run"]["shards"] == 4
    assert {entry["path"] for entry in document["files"]} == set(paths)
    assert document["summary"]["uploaded"] == 40


async def test_each_shard_records_which_part_it_was(files):
    """In its own manifest, with the attempt."""
    store = MemoryStore()
    report = await load_shard(store, files, "2/4")
    document = check_manifest(store.objects[report.manifest])
    shard = {"run": "night", "number": 2, "total": 4, "attempt": 1}
    assert document["run"]["shard"] == document["summary"]["shard"] == shard
    assert report.manifest == FOLDER.manifest(2, 1)
    again = await load_shard(store, files, "2/4")
    assert again.manifest == FOLDER.manifest(2, 2)
    assert again.counts["uploaded"] == 0


async def test_a_shard_without_files_is_complete(volume):
    """If the volume has none at all, each shard says so."""
    write_files(volume, {"a.csv": b"1"})
    store = MemoryStore()
    reports = [await load_shard(store, volume, f"{n}/4") for n in range(1, 5)]
    assert sorted(report.files for report in reports) == [0, 0, 0, 1]
    assert (await merged(store)).shards.complete
    (volume / "a.csv").unlink()
    with pytest.raises(NothingToLoad):
        await load_shard(store, volume, "1/4")


async def test_a_file_without_a_date_fails_alone_in_its_shard(volume):
    """Though it is the only one there: the others are in other shards."""
    write_files(volume, {f"2022-05-02-{n}.csv": b"1" for n in range(5)} | {"x.csv": b"1"})
    for n in range(1, 9):
        await load_shard(MemoryStore(), volume, f"{n}/8", date_from="{date}")


async def test_files_that_map_to_one_key_are_found_by_their_shard(files):
    """It sends nothing; the others load their parts, and the run is not complete."""
    write_files(files, {"B/1.csv": b"other"})
    store = MemoryStore()
    layout = layout_of(Settings(volume=files, bucket="lake"), NOW)
    number = shard_number(layout.key_for("b/1.csv"), 4)
    for other in {1, 2, 3, 4} - {number}:
        await load_shard(store, files, f"{other}/4")
    with pytest.raises(KeyCollision, match=r"B/1\.csv, b/1\.csv"):
        await load_shard(store, files, f"{number}/4")
    state = (await merged(store)).shards.states[number - 1]
    assert (state.standing, state.attempt) == ("failed", 1)
    assert state.reason.startswith("exit code 5: several files map to one object key")
    assert f"{PREFIX}/B/{DAY}/1.csv" not in store.objects


async def test_archives_are_divided_by_their_members(volume):
    """Each member is a file like any other; what is the same twice is loaded once."""
    members = {f"{n}.csv": f"{n}".encode() for n in range(20)}
    (volume / "f.zip").write_bytes(zip_of(members))
    write_files(volume, {"3.csv": b"3"})
    store = MemoryStore()
    recorders = await load_shards(store, volume, archives=True)
    assert len([path for recorder in recorders for path in recorder.outcomes]) == 20
    assert (await merged(store)).report.excluded == {"duplicate": 1}


async def test_an_archive_is_cleared_by_a_shard_that_has_all_of_its_members(volume):
    """Any other one stays, as no shard knows about the members of the others."""
    (volume / "many.zip").write_bytes(zip_of({f"{n}.csv": b"1" for n in range(20)}))
    (volume / "one.zip").write_bytes(zip_of({"x.csv": b"1"}))
    await load_shards(MemoryStore(), volume, archives=True, then="delete")
    assert [path.name for path in volume.iterdir()] == ["many.zip"]


async def test_listed_members_are_divided(volume, tmp_path):
    """An archive whose member is missing fails by name."""
    (volume / "f.zip").write_bytes(zip_of({f"{n}.csv": b"1" for n in range(20)}))
    listed = tmp_path / "list"
    listed.write_text("".join(f"f.zip//{n}.csv\n" for n in range(9)) + "f.zip//missing.csv\n")
    store = MemoryStore()
    await load_shards(store, volume, archives=True, files_from=listed)
    assert (await merged(store)).report.counts == {"uploaded": 9, "failed": 1}


async def test_listed_files_are_divided(files, tmp_path):
    """Those that are missing fail in one shard only."""
    listed = tmp_path / "list"
    listed.write_text("a/0.csv\nb/1.csv\na/0.csv\nmissing.csv\ntop1.csv\n../x.csv\n")
    store = MemoryStore()
    recorders = await load_shards(store, files, files_from=listed)
    found = await merged(store)
    assert found.report.counts == {"uploaded": 3, "failed": 2}
    outcomes = [path for recorder in recorders for path in recorder.outcomes]
    assert sorted(set(outcomes)) == ["../x.csv", "a/0.csv", "b/1.csv", "missing.csv", "top1.csv"]
    assert outcomes.count("missing.csv") == 1


async def test_entries_that_are_not_loaded_are_reported_by_one_shard(files):
    """Symbolic links, too."""
    write_files(files, {".hidden.csv": b"", "x.csv.tmp": b"", "a/y.zip": b"", ".d/z.csv": b""})
    (files / "link.csv").symlink_to("top1.csv")
    recorders = await load_shards(MemoryStore(), files)
    excluded = [event for r in recorders for event in r.events if isinstance(event, Excluded)]
    whole = Recorder()
    await load_volume(MemoryStore(), files, whole)
    assert sorted(excluded) == sorted(e for e in whole.events if isinstance(e, Excluded))


async def test_links_that_are_followed_are_divided(files):
    """Those that lead to files and to folders."""
    (files / "link.csv").symlink_to("top1.csv")
    (files / "c.csv").symlink_to("a")
    recorders = await load_shards(MemoryStore(), files, follow_symlinks=True)
    paths = [path for recorder in recorders for path in recorder.outcomes]
    assert len(paths) == len(set(paths)) == 40 + 1 + 18


async def test_a_folder_that_can_not_be_listed_fails_every_shard(files, monkeypatch):
    """Each may miss files of it, but all of them count it once."""
    whole = Recorder()
    (files / "locked").mkdir()
    from asyncload.source import scanner

    listing = scanner.list_folder

    def list_folder(folder, *arguments):
        if folder.endswith(b"/locked"):
            raise PermissionError(13, "Permission denied")
        return listing(folder, *arguments)

    monkeypatch.setattr(scanner, "list_folder", list_folder)
    alone = await load_volume(MemoryStore(), files, whole)
    store = MemoryStore()
    reports = [await load_shard(store, files, f"{n}/4") for n in range(1, 5)]
    assert [report.exit_code for report in reports] == [3] * 4
    found = await merged(store)
    assert found.shards.counts()["failed"] == found.exit_code + 1 == 4
    assert found.report.counts == alone.counts
    assert found.report.files == alone.files
    (group,) = found.report.failure_groups.values()
    assert (group.files, [failed.path for failed in group.first]) == (1, ["locked"])
    same = ("datasets", "failures", "bytes")
    one, all_of_them = run_totals(alone), run_totals(found.report)
    assert {name: all_of_them[name] for name in same} == {name: one[name] for name in same}


async def test_the_failed_files_of_all_shards_are_named(files):
    """Up to twenty of a kind."""
    store = MemoryStore()
    for n in range(36):
        store.objects[f"{PREFIX}/{'AB'[n % 2]}/{DAY}/{n}.csv"] = b"other"
    await load_shards(store, files)
    found = await merged(store)
    assert found.report.counts == {"uploaded": 4, "failed": 36}
    (group,) = found.report.failure_groups.values()
    assert (group.kind, group.files, len(group.first)) == ("ObjectConflict", 36, 20)
    reasons = {state.reason.split(": ")[0] for state in found.shards.states}
    assert reasons == {"exit code 3"}


@pytest.mark.fault("P16")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "Silver"}, "--layer is 'Raw' in the run, and 'Silver' here"),
        ({"date": "2022-05-01"}, "the date of the run is 2022-05-02, not 2022-05-01"),
        ({"shard": "2/5"}, "the run has 4 shards, not 5"),
    ],
)
async def test_a_shard_that_does_not_fit_its_run_sends_nothing(files, options, message):
    """Neither files nor records."""
    store = MemoryStore()
    await load_shard(store, files, "1/4")
    before = dict(store.objects)
    with pytest.raises(ShardRefused) as error:
        await load_shard(store, files, **{"shard": "2/4"} | options)
    assert message in error.value.message
    assert error.value.exit_code == 5
    assert store.objects == before


async def test_a_run_whose_record_is_something_else_is_refused(files):
    """Of another program, or of a newer version."""
    store = MemoryStore()
    store.objects[FOLDER.run] = b"{}"
    with pytest.raises(ShardRefused, match="can't be read"):
        await load_shard(store, files, "1/4")
    with pytest.raises(UsageError, match="can't be read"):
        await find_run(store, "_asyncload", "night")
    assert await find_run(store, "_asyncload", "another") is None
    assert await find_run(store, "_asyncload", "_asyncload/x.json") is None


async def test_a_name_without_shards_has_no_effect(files):
    """A forgotten --shard would load the whole volume in each process."""
    with pytest.raises(UsageError, match="--run has no effect without --shard"):
        await load_volume(MemoryStore(), files, run="night")


async def test_listing_the_records_must_be_permitted(files):
    """Else a shard can't know whether another process loads it."""

    class Denying(MemoryStore):
        async def list_objects(self, prefix, *arguments, **options):
            if prefix.startswith("_asyncload/"):
                raise AccessDenied("ListObjectsV2 was denied", code="AccessDenied")
            return await super().list_objects(prefix, *arguments, **options)

    store = Denying()
    with pytest.raises(ShardRefused) as error:
        await load_shard(store, files, "1/4")
    assert "s3:ListBucket with the prefix _asyncload/shards/night/00001/" in error.value.hint
    assert data(store) == set()


async def test_a_shard_without_a_manifest_is_not_complete(files):
    """Its files are there, but nothing says so."""

    class Full(MemoryStore):
        async def put(self, key, *arguments, **options):
            if key.endswith("000001.json"):
                raise RequestRejected("no space", code="QuotaExceeded")
            return await super().put(key, *arguments, **options)

    store = Full()
    with pytest.raises(PartNotRecorded) as error:
        await load_shard(store, files, "1/4")
    assert error.value.exit_code == 3
    assert data(store)
    assert (await merged(store)).shards.states[0].standing == "unfinished"


async def test_a_manifest_that_was_cut_is_that_of_a_failed_shard(files):
    """Shards that were not started are missing."""
    store = MemoryStore()
    await load_shard(store, files, "1/4")
    await load_shard(store, files, "3/4")
    key = FOLDER.manifest(3, 1)
    store.objects[key] = store.objects[key][:-9]
    store.objects[FOLDER.claim(2, 1)] = b"?"
    found = await merged(store)
    assert [state.standing for state in found.shards.states] == [
        "complete",
        "unfinished",
        "failed",
        "missing",
    ]
    assert "can't be read" in found.shards.states[2].reason
    assert "an unknown process" in found.shards.states[1].reason
    assert found.exit_code == 3


# Marking


async def test_a_complete_run_is_marked_once(files):
    """The shards write no marker; a second time nothing is written but the manifest."""
    store = MemoryStore()
    await load_shards(store, files, success_marker=True)
    assert not [key for key in store.objects if key.endswith("_SUCCESS")]
    found = await merged(store)
    marking = await marked(store, found)
    assert (marking.partitions, marking.unmarked, marking.failed) == (6, [], [])
    markers = {key for key in store.objects if key.endswith("/_SUCCESS")}
    assert len(markers) == 6
    infos = {key: store.infos[key] for key in markers}
    assert (await marked(store, found)).partitions == 6
    assert all(store.infos[key] is infos[key] for key in markers)


async def test_a_shard_that_loads_again_removes_the_markers_it_disturbs(files):
    """Until all are complete again."""
    store = MemoryStore()
    await load_shards(store, files, success_marker=True)
    await marked(store, await merged(store))
    write_files(files, {f"a/new{n}.csv": b"1" for n in range(9)})
    await load_shards(store, files, success_marker=True)
    assert f"{PREFIX}/A/{DAY}/_SUCCESS" not in store.objects
    assert f"{PREFIX}/B/{DAY}/_SUCCESS" in store.objects
    assert (await marked(store, await merged(store))).partitions == 6


async def test_a_partition_with_skipped_files_gets_no_marker(files):
    """As in a run of one process."""
    store = MemoryStore()
    store.objects[f"{PREFIX}/A/{DAY}/0.csv"] = b"other"
    await load_shards(store, files, skip_existing=True, success_marker=True)
    marking = await marked(store, await merged(store))
    assert [(each.partition, each.reason) for each in marking.unmarked] == [
        (f"{PREFIX}/A/{DAY}/", "files were skipped")
    ]
    assert marking.partitions == 5


async def test_a_marker_that_can_not_be_written_is_reported(files):
    """The others are."""

    class Denying(MemoryStore):
        async def put(self, key, *arguments, **options):
            if key.endswith("/A/2022/05/02/_SUCCESS"):
                raise AccessDenied("denied", code="AccessDenied")
            return await super().put(key, *arguments, **options)

    store = Denying()
    await load_shards(store, files)
    marking = await marked(store, await merged(store))
    assert [failed.partition for failed in marking.failed] == [f"{PREFIX}/A/{DAY}/"]
    assert marking.partitions == 5


async def test_a_long_manifest_is_sent_in_parts(files):
    """In constant memory; no line is lost or cut."""
    store = MemoryStore()
    await load_shards(store, files)
    key = FOLDER.manifest(1, 1)
    first, *entries, last = store.objects[key].decode().split("\n")[:-1]
    entry = json.loads(entries[0].removesuffix(","))
    lines = [json.dumps(entry | {"path": f"{n:0900}.csv"}) for n in range(12_000)]
    store.objects[key] = "\n".join([first, ",\n".join(lines), last, ""]).encode()
    found = await merged(store)
    marking = await marked(store, found)
    document = json.loads(store.objects[marking.manifest])
    assert store.calls["complete_multipart"] == 1
    assert len(document["files"]) == 12_000 + 40 - len(entries)
    assert {len(entry["path"]) for entry in document["files"]} >= {904}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"run":{},"files":[\n{"path":"x"}\n],', "can't be read: KeyError"),
        (b'{"run":{},"files":[\n[\n],', "can't be read: "),
        (b'{"run":{},"files":[\n', "is incomplete"),
    ],
)
async def test_a_part_that_can_not_be_read_any_more_is_not_marked(files, body, message):
    """Nothing is left open either."""
    store = MemoryStore()
    await load_shards(store, files)
    found = await merged(store)
    store.objects[FOLDER.manifest(2, 1)] = body
    with pytest.raises(UsageError, match=message):
        await marked(store, found)
    assert not [key for key in store.objects if key.endswith("/_SUCCESS")]
    assert store.uploads == {}


async def test_a_manifest_of_all_shards_that_can_not_be_written_is_a_warning(files):
    """The markers are written nevertheless."""

    class Full(MemoryStore):
        async def put(self, key, *arguments, **options):
            if key.count("/") == 1:
                raise RequestRejected("no space", code="QuotaExceeded")
            return await super().put(key, *arguments, **options)

    store, events = Full(), []
    await load_shards(store, files)
    marking = await marked(store, await merged(store), events.append)
    (warned,) = events
    assert isinstance(warned, Warned)
    assert (marking.manifest, marking.partitions) == (None, 6)


async def test_a_manifest_whose_upload_stays_open_is_a_warning(files):
    """Its upload is named, as its parts cost money."""

    class Broken(MemoryStore):
        async def complete_multipart(self, key, *arguments, **options):
            raise RequestRejected("no space", code="QuotaExceeded")

        async def abort_multipart(self, key, upload_id):
            raise AccessDenied("denied", code="AccessDenied")

    store, warnings = Broken(), []
    await load_shards(store, files)
    key = FOLDER.manifest(1, 1)
    first, *entries, last = store.objects[key].decode().split("\n")[:-1]
    entry = json.loads(entries[0].removesuffix(","))
    lines = [json.dumps(entry | {"path": f"{n:09000}.csv"}) for n in range(1000)]
    store.objects[key] = "\n".join([first, ",\n".join(lines), last, ""]).encode()
    settings = Settings(volume=files, bucket="lake", run="night")
    found = await merged(store)
    marking = await mark_run(store, settings, found, warnings.append)
    assert marking.manifest is None
    left_open, unwritten = (warned.message for warned in warnings)
    assert left_open.startswith("the upload of _asyncload/2")
    assert "could not be written: no space" in unwritten


# Two processes for one shard, on a virtual clock


@asynccontextmanager
async def shard_of(store, shard="1/4"):
    settings = Settings(volume="/v", bucket="lake", shard=shard, run="night")
    run = begin_run(settings, None, NOW, Interrupted)
    async with joined(run, store) as key:
        yield key


@pytest.mark.fault("P15")
def test_two_processes_can_not_load_one_shard():
    """The second one waits until it sees that the first one lives, and is refused."""

    async def main():
        store = MemoryStore()
        async with shard_of(store) as key:
            assert key == FOLDER.manifest(1, 1)
            with pytest.raises(ShardRefused) as error:
                async with shard_of(store):
                    pass
            assert "shard 1/4 of the run 'night' is being loaded by another process" in str(
                error.value
            )
            async with shard_of(store, "2/4") as other:
                assert other == FOLDER.manifest(2, 1)

    _, seconds = run_virtually(main())
    assert seconds <= LEASE_SECONDS


@pytest.mark.fault("P14")
def test_a_shard_whose_process_was_killed_is_loaded_again():
    """Once its claim was not renewed for a while; without clocks that could differ."""

    async def main():
        store = MemoryStore()
        async with shard_of(store):
            await asyncio.sleep(60)
        # No manifest was written.
        async with shard_of(store) as key:
            assert key == FOLDER.manifest(1, 2)

    _, seconds = run_virtually(main())
    assert seconds == 60 + LEASE_SECONDS


def test_a_shard_that_ends_meanwhile_is_loaded_again_at_once():
    """Its manifest shows that it has ended."""

    async def main():
        store = MemoryStore()
        async with shard_of(store):
            pass

        async def end():
            await asyncio.sleep(1)
            store.objects[FOLDER.manifest(1, 1)] = b""

        async with asyncio.TaskGroup() as group:
            group.create_task(end())
            async with shard_of(store) as key:
                assert key == FOLDER.manifest(1, 2)

    _, seconds = run_virtually(main())
    assert seconds < LEASE_SECONDS


@pytest.mark.fault("P15")
def test_of_two_processes_that_start_together_one_loads():
    """The claim is create-only; what it holds is told if it can be read."""

    async def main():
        store = MemoryStore()

        class Raced(MemoryStore):
            """Another process claims the shard between the listing and the claim."""

            async def list_objects(self, *arguments, **options):
                page = await super().list_objects(*arguments, **options)
                self.objects.setdefault(FOLDER.claim(1, 1), b"?")
                return page

        with pytest.raises(ShardRefused, match=r"by another process$"):
            async with shard_of(Raced()):
                pass
        async with shard_of(store) as key:
            assert key == FOLDER.manifest(1, 1)

    run_virtually(main())


def test_a_store_that_ignores_conditions_is_asked_who_won():
    """The last one to write has; the other one is refused."""

    class Careless(MemoryStore):
        async def put(self, key, body, checksum, *, create_only, **options):
            result = await super().put(key, body, checksum, create_only=False, **options)
            if key == FOLDER.claim(1, 1):
                self.objects[key] = b"?"
            return result

    async def main():
        with pytest.raises(ShardRefused):
            async with shard_of(Careless()):
                pass

    run_virtually(main())


def test_of_two_first_shards_one_describes_the_run():
    """The other one compares itself with that description."""

    class Raced(MemoryStore):
        async def put(self, key, body, checksum, **options):
            if key == FOLDER.run and key not in self.objects:
                self.objects[key] = body.replace(b'"shards":4', b'"shards":3')
            return await super().put(key, body, checksum, **options)

    async def main():
        with pytest.raises(ShardRefused, match="the run has 3 shards, not 4"):
            async with shard_of(Raced()):
                pass

    run_virtually(main())


def test_a_claim_that_can_not_be_renewed_does_not_end_the_load():
    """A store that is out of reach is reported by the requests for files."""

    class Failing(MemoryStore):
        async def put(self, key, body, checksum, *, create_only, **options):
            if not create_only:
                raise ServerError("busy", status=500)
            return await super().put(key, body, checksum, create_only=create_only, **options)

    async def main():
        async with shard_of(Failing()):
            await asyncio.sleep(60)

    _, seconds = run_virtually(main())
    assert seconds == 60


async def test_a_run_that_is_not_divided_joins_nothing():
    """It has the manifest of an ordinary run."""
    run = begin_run(Settings(volume="/v", bucket="lake"), None, NOW, Interrupted)
    store = MemoryStore()
    async with joined(run, store) as key:
        assert key is None
    assert store.objects == {}
    assert run.recording(store).key == ObjectKey(f"_asyncload/{run.report.run_id}.json")
