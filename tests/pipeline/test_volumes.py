"""Several volumes in one run: keys are those of each alone, and paths say the volume."""

from __future__ import annotations

import pytest

from asyncload.errors import KeyCollision, NothingToLoad, UsageError
from asyncload.model import reserved
from asyncload.model.names import below_volume, split_volume
from asyncload.model.values import Warned
from asyncload.operations.workers.loading import as_seen_from_elsewhere
from asyncload.operations.workers.remote import _look_at_all
from asyncload.planning.keys import KeyLayout
from asyncload.reporting.text import summary_lines
from asyncload.settings.run import Settings
from tests.support.archives import zip_of
from tests.support.loads import PREFIX, Recorder, load_volume, write_files
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
    report = await load_volume(store, volumes, max_age="7d")
    assert report.exit_code == 0


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
    landed = [
        (await load_volume(store, volumes, manifest=True, shard=f"{n}/3", run="night")).landed
        for n in (1, 2, 3)
    ]
    assert sum(landed) == 7
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
