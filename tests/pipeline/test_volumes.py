"""Several volumes in one run: keys are those of each alone, and paths say the volume."""

from __future__ import annotations

import pytest

from asyncload.errors import KeyCollision, NothingToLoad, UsageError
from asyncload.model import reserved
from asyncload.model.names import below_volume, split_volume
from asyncload.model.values import ObjectKey, Warned
from asyncload.operations.plan import plan
from asyncload.operations.report import read_run
from asyncload.operations.shards.merging import find_run, merge
from asyncload.operations.workers.remote import _look_at_all
from asyncload.operations.workers.wiring import as_seen_from_elsewhere
from asyncload.planning.keys import KeyLayout
from asyncload.reporting.page.figures import Figures
from asyncload.reporting.page.page import render_page
from asyncload.reporting.preview_records import plan_totals
from asyncload.reporting.preview_text import preview_lines
from asyncload.reporting.records import run_totals
from asyncload.reporting.text import summary_lines
from asyncload.settings.run import Settings
from tests.support.archives import zip_of
from tests.support.loads import NOW, PREFIX, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore

DAY = "2022/05/02"


@pytest.fixture
def volumes(tmp_path):
    """Two folders, and a file beside them."""
    write_files(
        tmp_path,
        {"eu/films/a.csv": b"1", "eu/top.csv": b"2", "us/films/b.csv": b"3", "single.csv": b"4"},
    )
    return [tmp_path / "eu", tmp_path / "us", tmp_path / "single.csv"]


def settings(volumes, **options):
    return Settings(volume=volumes, bucket="lake", **options)


async def test_keys_are_those_of_each_volume_alone(volumes):
    """Paths are absolute: they say which volume a file is from, in metadata, too."""
    store, recorder = MemoryStore(), Recorder()
    report = await load_volume(store, volumes, recorder)
    assert store.objects == {
        f"{PREFIX}/Films/{DAY}/a.csv": b"1",
        f"{PREFIX}/Top/{DAY}/top.csv": b"2",
        f"{PREFIX}/Films/{DAY}/b.csv": b"3",
        f"{PREFIX}/Single/{DAY}/single.csv": b"4",
    }
    eu, us, single = volumes
    paths = [str(path) for path in (eu / "films/a.csv", eu / "top.csv", us / "films/b.csv", single)]
    assert recorder.statuses == dict.fromkeys(paths, "uploaded")
    sources = {info.metadata[reserved.SOURCE_PATH] for info in store.infos.values()}
    assert sources == set(paths)
    lines = list(summary_lines(report, 1.0))
    assert f"  from {eu}: 2 files, 2 B: 2 uploaded" in lines
    assert f"  from {single}: 1 file, 1 B: 1 uploaded" in lines


async def test_a_second_run_sends_nothing_again(volumes):
    """Also if a volume was loaded alone before."""
    store = MemoryStore()
    await load_volume(store, volumes[1])
    first = await load_volume(store, volumes)
    again = await load_volume(store, volumes)
    assert (first.counts["unchanged"], first.counts["uploaded"]) == (1, 3)
    assert (again.counts["unchanged"], again.counts["uploaded"]) == (4, 0)


async def test_one_volume_in_a_list_is_one_volume(volumes):
    """Its paths are relative, as ever."""
    recorder = Recorder()
    report = await load_volume(MemoryStore(), volumes[:1], recorder)
    assert set(recorder.outcomes) == {"films/a.csv", "top.csv"}
    assert report.volumes == {}


async def test_files_of_one_folder_are_loaded_alone(tmp_path):
    """As a shell names them for `*.csv`."""
    write_files(tmp_path, {"a.csv": b"1", "b.csv": b"2", "c.csv": b"3"})
    recorder = Recorder()
    await load_volume(MemoryStore(), [tmp_path / "a.csv", tmp_path / "b.csv"], recorder)
    assert set(recorder.outcomes) == {f"{tmp_path}/a.csv", f"{tmp_path}/b.csv"}


async def test_only_the_first_volumes_have_a_line_each(tmp_path):
    """A shell may have named a thousand files."""
    names = [f"{n:02}.csv" for n in range(40)]
    write_files(tmp_path, dict.fromkeys(names, b"1"))
    report = await load_volume(MemoryStore(), [tmp_path / name for name in names])
    lines = [line for line in summary_lines(report, 1.0) if line.startswith("  from ")]
    assert lines[0] == f"  from {tmp_path}/00.csv: 1 file, 1 B: 1 uploaded"
    further = 40 - len(lines) + 1
    assert lines[-1] == f"  from further volumes: {further} files, {further} B: {further} uploaded"
    assert len(lines) < 40


async def test_a_record_has_the_totals_of_each_volume(volumes):
    """A report that is read back says what the run itself did, and so does its page."""
    write_files(volumes[1], {"films/c.csv": b"66"})
    store = MemoryStore()
    store.objects[f"{PREFIX}/Films/{DAY}/c.csv"] = b"other"
    report = await load_volume(store, volumes, manifest=True)
    eu, us, single = map(str, volumes)
    totals = [
        {"volume": eu, "files": 2, "bytes": 2, "statuses": {"uploaded": 2}},
        {"volume": single, "files": 1, "bytes": 1, "statuses": {"uploaded": 1}},
        {"volume": us, "files": 2, "bytes": 3, "statuses": {"uploaded": 1, "failed": 1}},
    ]
    assert run_totals(report)["volumes"] == totals
    (key,) = (key for key in store.objects if key.startswith("_asyncload/2"))
    past = await read_run(store, ObjectKey(key))
    assert run_totals(past.report)["volumes"] == totals
    line = f"  from {us}: 2 files, 3 B: 1 failed, 1 uploaded"
    assert line in summary_lines(report, 1.0)
    assert line in summary_lines(past.report, 1.0)
    page = render_page(past, Figures(past.started))
    row = f"<th scope='row'>{us}</th><td class='number'>2</td><td class='number'>3 B</td>"
    assert "<h2>Volumes</h2>" in page
    assert f"{row}<td>1 failed, 1 uploaded</td>" in page.replace("\n", "")


async def test_a_plan_has_the_totals_of_each_volume(volumes):
    """By action in words, by status in the record; a volume may have no file."""
    (volumes[0].parent / "empty").mkdir()
    volumes.append(volumes[0].parent / "empty")
    preview = await plan(settings(volumes, allow_empty=True), offline=True, now=NOW)
    eu, us, single, empty = map(str, volumes)
    assert [line for line in preview_lines(preview, None) if line.startswith("  from ")] == [
        f"  from {empty}: 0 files, 0 B",
        f"  from {eu}: 2 files, 2 B: 2 to upload",
        f"  from {single}: 1 file, 1 B: 1 to upload",
        f"  from {us}: 1 file, 1 B: 1 to upload",
    ]
    found = {each["volume"]: each["statuses"] for each in plan_totals(preview, None)["volumes"]}
    assert found == {eu: {"planned": 2}, us: {"planned": 1}, single: {"planned": 1}, empty: {}}
    alone = await plan(settings(volumes[:1]), offline=True, now=NOW)
    assert not [line for line in preview_lines(alone, None) if line.startswith("  from ")]
    assert plan_totals(alone, None)["volumes"] == []


async def test_many_volumes_are_counted_together_beyond_the_first(tmp_path):
    """In a plan, in a record, and in what is read from it."""
    names = [f"{n:03}.csv" for n in range(120)]
    write_files(tmp_path, dict.fromkeys(names, b"1"))
    volumes = [tmp_path / name for name in names]
    preview = await plan(settings(volumes), offline=True, now=NOW)
    lines = [line for line in preview_lines(preview, None) if line.startswith("  from ")]
    further = 120 - len(lines) + 1
    assert lines[-1] == f"  from further volumes: {further} files, {further} B: {further} to upload"
    store = MemoryStore()
    report = await load_volume(store, volumes, manifest=True)
    (key,) = (key for key in store.objects if key.startswith("_asyncload/"))
    past = await read_run(store, ObjectKey(key))
    for totals in (run_totals(report), run_totals(past.report)):
        assert len(totals["volumes"]) == 101
        assert totals["volumes"][-1] == {
            "volume": None,
            "files": 20,
            "bytes": 20,
            "statuses": {"uploaded": 20},
        }


async def test_files_of_two_volumes_for_one_key_are_named(volumes):
    """Nothing is sent; the hint is one that helps."""
    write_files(volumes[1], {"films/a.csv": b"1"})
    store = MemoryStore()
    with pytest.raises(KeyCollision) as raised:
        await load_volume(store, volumes)
    eu, us, _ = volumes
    assert f"films/a.csv, {us}/films/a.csv" in raised.value.message
    assert f"<-  {eu}/films" in raised.value.message
    assert "--origin" in raised.value.hint
    assert store.objects == {}


@pytest.mark.parametrize("names", [["us"], ["us", "none"]])
async def test_a_volume_that_does_not_exist_stops_the_run(volumes, names):
    """Before anything is sent: a mount may be missing. Each is named."""
    store, missing = MemoryStore(), [volumes[2] / name for name in names]
    with pytest.raises(UsageError) as raised:
        await load_volume(store, [*volumes, *missing])
    assert all(str(volume) in str(raised.value) for volume in missing)
    assert store.objects == {}


async def test_a_volume_without_csvs_stops_the_run(volumes, tmp_path):
    """Unless it may be empty, or only some of the files are meant."""
    write_files(tmp_path, {"empty/notes.txt": b""})
    volumes.append(tmp_path / "empty")
    store = MemoryStore()
    with pytest.raises(NothingToLoad, match="empty has no CSV to load"):
        await load_volume(store, volumes)
    assert store.objects == {}
    report = await load_volume(store, volumes, allow_empty=True)
    assert (report.landed, report.exit_code) == (4, 0)
    assert f"  from {volumes[-1]}: 0 files, 0 B" in list(summary_lines(report, 1.0))
    report = await load_volume(store, volumes, max_age="7d")
    assert report.exit_code == 0


async def test_volumes_without_csvs_are_named_with_what_was_excluded(volumes, tmp_path):
    """One that is a file by its own name."""
    write_files(tmp_path, {"a/.1.csv": b"", "a/2.csv": b"", "other/y.csv": b""})
    volumes += [tmp_path / "a", tmp_path / "other/y.csv"]
    with pytest.raises(NothingToLoad) as raised:
        await load_volume(MemoryStore(), volumes, exclude=["2.csv", "y.csv"])
    assert str(raised.value).splitlines() == [
        "2 volumes have no CSV to load, so no volume was loaded:",
        f"  {tmp_path}/a (excluded: 1 by pattern, 1 hidden)",
        f"  {tmp_path}/other/y.csv (excluded: 1 by pattern)",
    ]
    assert raised.value.hint == (
        "check --include and --exclude; rename files and folders that begin with a dot; "
        "--allow-empty accepts volumes without CSVs"
    )


async def test_a_volume_that_cant_be_examined_is_an_error_as_for_one(volumes):
    """It may well exist."""
    with pytest.raises(UsageError, match="can't be listed: File name too long"):
        await load_volume(MemoryStore(), [*volumes, volumes[0] / ("x" * 300)])


async def test_volumes_that_overlap_are_refused(volumes, tmp_path):
    """The same one, a folder or a file of another, also by links; both are named."""
    eu, us, single = volumes
    link = tmp_path / "link"
    link.symlink_to(eu / "films")
    for pair in ([eu, eu], [eu, eu / "films"], [link, eu], [eu / "top.csv", eu], [single, single]):
        with pytest.raises(UsageError) as raised:
            await load_volume(MemoryStore(), [us, *pair])
        assert all(str(volume) in raised.value.message for volume in pair)
    # A file and a folder beside it do not overlap.
    report = await load_volume(MemoryStore(), [single, eu, us])
    assert report.landed == 4


async def test_listed_files_are_absolute(volumes, tmp_path):
    """A relative path says of no volume."""
    eu, us, _ = volumes
    listed = tmp_path / "list.txt"
    listed.write_text(f"{us}/films/b.csv\n{eu}/top.csv\ntop.csv\n/elsewhere/x.csv\n{eu}\n{eu}/../x")
    recorder = Recorder()
    await load_volume(MemoryStore(), [eu, us], recorder, files_from=listed)
    failed = {
        path: outcome.error.message
        for path, outcome in recorder.outcomes.items()
        if outcome.status == "failed"
    }
    assert set(recorder.outcomes) - set(failed) == {f"{us}/films/b.csv", f"{eu}/top.csv"}
    assert failed == {
        "top.csv": "the path is relative, and there are several volumes",
        "/elsewhere/x.csv": "the path is outside of the volume",
        f"{eu}/.": "the path is a folder",
        f"{eu}/../x": "the path contains '..', which may lead out of the volume",
    }
    with pytest.raises(UsageError, match=r"a volume that is a file: \S+/single.csv"):
        await load_volume(MemoryStore(), volumes, files_from=listed)


@pytest.mark.parametrize("then", ["delete", "move"])
async def test_loaded_files_of_each_volume_are_cleared(volumes, tmp_path, then):
    """Moved with their paths below their volume; never over another file."""
    done = tmp_path / "done"
    write_files(done, {"top.csv": b"other"})
    target = f" {done}" * (then == "move")
    report = await load_volume(MemoryStore(), volumes[:2], then=then + target)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv")} - {"single.csv"}
    if then == "delete":
        assert (left, report.sources) == ({"done/top.csv"}, {"deleted": 3})
    else:
        assert left == {"done/top.csv", "done/films/a.csv", "done/films/b.csv", "eu/top.csv"}
        assert report.sources == {"moved": 2, "kept": 1}


async def test_patterns_are_relative_to_each_volume(volumes):
    """Those for files, datasets and dates."""
    write_files(volumes[1], {"2022-05-03/c.csv": b"5", "2022-05-03/d.csv": b"6"})
    store, recorder = MemoryStore(), Recorder()
    await load_volume(
        store,
        volumes[:2],
        recorder,
        date_from="/{date:%Y-%m-%d}/",
        allow_empty=True,
        include="2022*/*.csv",
        exclude="d.csv",
        datasets={"2022*/*.csv": "Day"},
    )
    assert set(store.objects) == {f"{PREFIX}/Day/2022/05/03/c.csv"}
    warned = [event.message for event in recorder.events if isinstance(event, Warned)]
    assert warned == []
    await load_volume(MemoryStore(), volumes[:2], recorder := Recorder(), exclude="none/")
    warned = [event.message for event in recorder.events if isinstance(event, Warned)]
    assert warned == ["--exclude 'none/' matched no file"]


async def test_archives_are_loaded_from_each_volume(volumes, tmp_path):
    """An archive may be a volume itself; one that can't be read leaves its partitions unmarked."""
    (volumes[1] / "x.zip").write_bytes(zip_of({"films/m.csv": b"7"}))
    (tmp_path / "y.zip").write_bytes(zip_of({"n.csv": b"8"}))
    (volumes[1] / "broken.zip").write_bytes(b"PK")
    store, recorder = MemoryStore(), Recorder()
    report = await load_volume(
        store, [*volumes[:2], tmp_path / "y.zip"], recorder, archives=True, success_marker=True
    )
    paths = set(recorder.outcomes)
    assert {f"{volumes[1]}/x.zip//films/m.csv", f"{tmp_path}/y.zip//n.csv"} <= paths
    assert store.objects[f"{PREFIX}/N/{DAY}/n.csv"] == b"8"
    assert not any(key.endswith("/_SUCCESS") for key in store.objects)
    assert str(volumes[1] / "broken.zip") in report.unmarked[0].reason


async def test_shards_divide_all_volumes(tmp_path):
    """A volume none of whose files are in a shard is not empty."""
    write_files(tmp_path / "a", {f"{n}.csv": b"1" for n in range(6)})
    write_files(tmp_path / "b", {"one.csv": b"2"})
    store, volumes = MemoryStore(), [tmp_path / "a", tmp_path / "b"]
    write_files(tmp_path / "a", {"bad\nname.csv": b"1"})
    landed = [
        (await load_volume(store, volumes, manifest=True, shard=f"{n}/3", run="night")).landed
        for n in (1, 2, 3)
    ]
    assert sum(landed) == 7
    sharded = await find_run(store, "_asyncload", "night")
    merged = await merge(store, "_asyncload", sharded)
    assert run_totals(merged.report)["volumes"] == [
        {
            "volume": str(tmp_path / "a"),
            "files": 7,
            "bytes": 7,
            "statuses": {"uploaded": 6, "failed": 1},
        },
        {"volume": str(tmp_path / "b"), "files": 1, "bytes": 1, "statuses": {"uploaded": 1}},
    ]
    assert len([key for key in store.objects if not key.startswith("_asyncload/")]) == 7


def test_a_path_is_divided_at_its_volume():
    """At the longest one that fits; a file may even be in the root of the file system."""
    volumes = {"/data", "/data/x.csv", "/x.zip", "/y.csv"}
    for path, parts in {
        "/data/a/b.csv": ("/data", "a/b.csv"),
        "/data/x.csv": ("/data", "x.csv"),
        "/x.zip//a/b.csv": ("/", "x.zip//a/b.csv"),
        "/y.csv": ("/", "y.csv"),
        "/datas/a.csv": ("", "/datas/a.csv"),
        "a.csv": ("", "a.csv"),
    }.items():
        assert split_volume(path, volumes) == parts
        assert not parts[0] or below_volume(*parts) == path
    assert split_volume("/y.csv", {"/", "/data"}) == ("/", "y.csv")


def test_other_processes_find_the_files(volumes):
    """The paths in batches lead to the same files there."""
    eu, us, single = volumes
    paths = [f"{eu}/films/a.csv", str(single), f"{us}/films/a.csv", "films/a.csv", str(eu)]
    seen = _look_at_all(as_seen_from_elsewhere(settings(volumes)), paths)
    assert [isinstance(one, str) for one in seen] == [False, False, True, True, True]


def test_paths_are_made_absolute_once(volumes, tmp_path, monkeypatch):
    """So they stay the same wherever and whenever they are used."""
    monkeypatch.chdir(tmp_path / "eu")
    given = settings(["films", "../us", f"/{tmp_path}/single.csv", "../us/../x"])
    wanted = ["eu/films", "us", "single.csv", "us/../x"]
    assert given.volume == tuple(tmp_path.resolve() / name for name in wanted)
    assert settings(["films"]).volume == settings("films").volume
    for wrong in ([], [1], {"a": "b"}):
        with pytest.raises(UsageError, match=r"^volume: "):
            settings(wrong)


def test_one_volume_has_no_names(volumes):
    """Nothing is looked up in its paths."""
    assert settings(volumes[:1]).volume_names == frozenset()
    layout = KeyLayout("default", "Raw", "Local", "CSV", None)
    assert layout.below("/a/b.csv") == "/a/b.csv"
