"""Names in other locales, times before 1970, and file systems whose answers change or fail."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest

from tests.faults.lake import DATE
from tests.support.loads import write_files

COMPOSED = "caf\u00e9"
NAMES = [
    COMPOSED,
    unicodedata.normalize("NFD", COMPOSED),
    "\u65e5\u672c",
    "\N{CLAPPER BOARD}",
    "a b",
]


@pytest.fixture(scope="session")
def latin_1(tmp_path_factory):
    """The environment of a Latin-1 locale, made for the tests."""
    if shutil.which("localedef") is None:
        pytest.skip("no localedef to make a locale with")
    folder = tmp_path_factory.mktemp("locales")
    name = "en_US.ISO-8859-1"
    subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / name],
        check=False,
        capture_output=True,
    )
    if not (folder / name / "LC_CTYPE").exists():
        pytest.skip("localedef has no definition to make a locale from")
    return {"LOCPATH": str(folder), "LC_ALL": name}


@pytest.fixture(params=["C", "Latin-1"])
def other_locale(request, monkeypatch):
    """Programs that are started see a locale that is not UTF-8, and don't coerce it."""
    settings = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    if request.param == "Latin-1":
        settings |= request.getfixturevalue("latin_1")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def run(spawn, command):
    process = spawn(*command, encoding="utf-8", errors="backslashreplace")
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


@pytest.mark.fault("F4")
def test_names_are_the_same_keys_in_any_locale(
    lake, volume, spawn, lane, other_locale, monkeypatch
):
    """Bytes of the file system are UTF-8 in the key; a second run finds them there."""
    write_files(volume, {f"{name}/{name}.csv": name.encode() for name in NAMES})
    (volume / os.fsdecode(b"latin-\xe9.csv")).write_bytes(b"1")
    lake.volume = volume.with_name(COMPOSED)
    volume.rename(lake.volume)
    proxy = lake.proxy()
    code, out, _ = run(spawn, lake.arguments(proxy.url, lane=lane))
    assert code == 3
    objects = lake.server.objects(lake.layer)
    assert {key.rsplit("/", 1)[-1]: body for key, body in objects.items()} == {
        f"{name}.csv": name.encode() for name in NAMES
    }
    assert r'"path":"latin-\udce9.csv"' in out
    code, out, _ = run(spawn, lake.arguments(proxy.url, lane=lane))
    assert out.count('"status":"unchanged"') == len(NAMES)
    assert lake.server.objects(lake.layer) == objects
    key = next(key for key in objects if key.endswith(f"{COMPOSED}.csv"))
    head = lake.server.client().head_object(Bucket=lake.server.bucket, Key=key)
    assert head["Metadata"]["source-path"] == "caf%C3%A9/caf%C3%A9.csv"
    verify = ("verify", lake.volume, "--bucket", lake.server.bucket, "--layer", lake.layer)
    verify += ("--date", DATE, "--endpoint-url", proxy.url)
    code, out, _ = run(spawn, verify)
    assert code == 3
    assert "5 files match" in out


@pytest.mark.fault("F4")
def test_options_are_utf_8_in_any_locale(lake, volume, spawn, other_locale, monkeypatch):
    """Patterns match names, and names of datasets make keys, from flags and from variables."""
    write_files(volume, {f"{COMPOSED}.csv": b"1", "b.csv": b"2", "c.csv": b"3"})
    proxy = lake.proxy()
    monkeypatch.setenv("ASYNCLOAD_DATASET", f"{COMPOSED}.csv=Caf\u00e9s")
    options = ("--include", f"{COMPOSED}.*", "--include", "b.csv", "--tag", f"k={COMPOSED}")
    code, _, err = run(spawn, lake.arguments(proxy.url, *options))
    assert (code, err.count("matched no file")) == (0, 0)
    keys = [key.split("/", 3)[3] for key in lake.server.objects(lake.layer)]
    assert sorted(keys) == ["B/2022/05/02/b.csv", f"Caf\u00e9s/2022/05/02/{COMPOSED}.csv"]


@pytest.mark.fault("F5")
def test_a_time_before_1970_is_recorded_exactly(lake, volume, lane):
    """Its fraction counts forward in the system's own time, and backward as a number."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"2", "c.csv": b"3"})
    times = {"a.csv": -1_500_000_000, "b.csv": -1, "c.csv": 1_500_000_000}
    for name, time in times.items():
        os.utime(volume / name, ns=(time, time))
    landed = lake.load(lane=lane)
    assert landed.code == 0
    client = lake.server.client()
    told = {
        key.rsplit("/", 1)[-1]: client.head_object(Bucket=lake.server.bucket, Key=key)["Metadata"]
        for key in landed.by_key
    }
    expected = {"a.csv": "-1.500000000", "b.csv": "-0.000000001", "c.csv": "1.500000000"}
    assert {name: metadata["mtime"] for name, metadata in told.items()} == expected


class RestlessStatus:
    """What `fstat` answers of CSVs on a file system that changes some field by itself."""

    def __init__(self, monkeypatch, field):
        self.field = field
        self._looks = itertools.count(1)
        self._fstat = os.fstat
        monkeypatch.setattr(os, "fstat", self)

    def __call__(self, fd):
        status = self._fstat(fd)
        if not path_of(fd).endswith(".csv"):
            return status
        # By the name of Python's own structure, which can't be changed otherwise.
        values = {name: getattr(status, name) for name in FIELDS}
        values[self.field] += next(self._looks)
        return Status(values)


FIELDS = ["st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev", "st_mode", "st_nlink"]


class Status:
    def __init__(self, values):
        self.__dict__.update(values)


TRUSTED = {
    "st_ctime_ns": ("ctime", "size,mtime,inode"),
    "st_ino": ("inode", "size,mtime,ctime"),
    "st_dev": ("inode", "size,mtime,ctime"),
}


@pytest.mark.fault("F6")
@pytest.mark.parametrize("field", TRUSTED)
def test_a_file_system_that_changes_files_by_itself_is_not_taken_for_a_change(
    lake, small_and_large, lane, field, monkeypatch
):
    """No file is believed; the hint has the way out, and with it all land."""
    name, trust = TRUSTED[field]
    RestlessStatus(monkeypatch, field)
    landed = lake.load(lane=lane)
    assert (landed.code, set(landed.statuses.values())) == (3, {"failed"})
    for record in landed.files.values():
        assert f"the file's {name} changes each time it is read" in record["error"]["message"]
        assert record["error"]["hint"] == f"load with --trust {trust}"
    landed = lake.load(None, "--trust", trust, lane=lane)
    assert (landed.code, set(landed.statuses.values())) == (0, {"uploaded"})


@pytest.mark.fault("F6")
def test_trusted_attributes_still_show_a_change(lake, small_and_large, lane, monkeypatch):
    """A new time or size of a file is noticed, also if inode and change time are not compared."""
    RestlessStatus(monkeypatch, "st_mtime_ns")
    landed = lake.load(None, "--trust", "size,mtime", lane=lane)
    assert (landed.code, set(landed.statuses.values())) == (3, {"failed"})
    for record in landed.files.values():
        assert "the file changed while it was being read (mtime_ns" in record["error"]["message"]


@pytest.mark.fault("F6")
@pytest.mark.parametrize("trust", ["mtime", "size,colour"])
def test_what_can_not_be_trusted_is_a_usage_error(lake, volume, trust):
    """The size always counts."""
    ended = lake.program(*lake.arguments("http://127.0.0.1:9", "--trust", trust))
    assert ended.code == 2
    assert f"error: --trust: '{trust}' is not a valid choice" in ended.err


def path_of(fd):
    """The path of an open file; empty for what has none."""
    try:
        return str(Path(f"/dev/fd/{fd}").readlink())
    except OSError:
        return ""


@pytest.fixture
def open_files(volume):
    """The test leaves no file or folder of the volume open."""
    yield
    paths = [path_of(entry.name) for entry in Path("/dev/fd").iterdir()]
    assert [path for path in paths if path.startswith(str(volume))] == []


def failing(monkeypatch, call, name, number):
    """Let a system call on a descriptor of one file fail: the kernel's answer, not ours."""
    real = getattr(os, call)

    def fail(fd, *arguments):
        if path_of(fd).endswith(f"/{name}"):
            if call == "close":
                real(fd)
            raise OSError(number, os.strerror(number))
        return real(fd, *arguments)

    monkeypatch.setattr(os, call, fail)


@pytest.mark.fault("C4")
@pytest.mark.parametrize("number", [errno.ESTALE, errno.ENOTCONN])
@pytest.mark.parametrize("name", ["a.csv", "l.csv"])
def test_a_file_whose_state_can_not_be_read_fails_alone(
    lake, small_and_large, volume, lane, name, number, monkeypatch, open_files
):
    """As on NFS and FUSE; the others land, and no descriptor is left open."""
    write_files(volume, {"other.csv": b"1"})
    proxy = lake.proxy()
    with monkeypatch.context() as patch:
        failing(patch, "fstat", name, number)
        landed = lake.load(proxy=proxy, lane=lane)
    assert landed.code == 3
    assert [path for path, status in landed.statuses.items() if status == "failed"] == [name]
    error = landed.files[name]["error"]
    assert os.strerror(number) in error["message"]
    assert "mount" in error["hint"]


@pytest.mark.fault("C4")
def test_a_file_that_can_not_be_closed_well_was_read_well(lake, small_and_large, lane, monkeypatch):
    """What was only read has nothing to lose at its end."""
    proxy = lake.proxy()
    with monkeypatch.context() as patch:
        for name in ("a.csv", "l.csv"):
            failing(patch, "close", name, errno.EIO)
        landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, set(landed.statuses.values())) == (0, {"uploaded"})


class Entries:
    """A folder's listing, with what a test has it answer."""

    def __init__(self, listing, breaks):
        self.listing, self.breaks = listing, breaks

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.listing.close()

    def __iter__(self):
        return self

    def __next__(self):
        entry = next(self.listing)
        if self.breaks == entry.name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return Entry(entry)


class Entry:
    """An entry whose kind the file system does not tell with its name, and then fails to."""

    def __init__(self, entry):
        self.entry = entry

    def __getattr__(self, name):
        if self.entry.name == b"odd" and name == "is_dir":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return getattr(self.entry, name)


@pytest.mark.fault("C4")
@pytest.mark.parametrize("breaks", [None, "first", "last"])
def test_a_listing_that_breaks_off_costs_nothing_that_was_listed(
    lake, volume, lane, monkeypatch, breaks
):
    """The folder fails by name, and so does an entry that may be a folder."""
    write_files(volume, {"d/odd": b"", **{f"d/{n}.csv": b"%d" % n for n in range(5)}})
    listed = os.scandir
    order = [entry.name for entry in listed(os.fsencode(volume / "d"))]
    at = {None: None, "first": order[0], "last": order[-1]}[breaks]

    def scandir(path):
        listing = listed(path)
        return Entries(listing, at) if os.fsdecode(path).endswith("/d") else listing

    proxy = lake.proxy()
    monkeypatch.setattr(os, "scandir", scandir)
    landed = lake.load(proxy=proxy, lane=lane)
    assert landed.code == (4 if breaks == "first" else 3) or landed.statuses == {"d": "failed"}
    before = order[: order.index(at)] if at else order
    expected = {f"d/{os.fsdecode(name)}": "uploaded" for name in before if name != b"odd"}
    expected |= {"d/odd": "failed"} if b"odd" in before else {}
    expected |= {"d": "failed"} if at else {}
    assert landed.statuses == expected


FORGED = "\r\nerror: forged\x1b[2J\x07"


@pytest.mark.fault("F10")
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ASYNCLOAD_BUCKET", 2),
        ("ASYNCLOAD_DATE", 2),
        ("ASYNCLOAD_CONCURRENCY", 2),
        ("ASYNCLOAD_LAYOUT", 2),
        ("ASYNCLOAD_ENDPOINT_URL", 2),
        ("ASYNCLOAD_VOLUME", 2),
        ("ASYNCLOAD_TRUST", 2),
        ("ASYNCLOAD_PROFILE", 2),
    ],
)
def test_a_message_obeys_no_character_of_what_it_repeats(
    asyncload, volume, monkeypatch, name, code
):
    """An env-file of Windows ends its values in CR: it is shown, and ends no line."""
    write_files(volume, {"a.csv": b"1"})
    settings = {"ASYNCLOAD_VOLUME": str(volume), "ASYNCLOAD_BUCKET": "lake"}
    settings[name] = f"{settings.get(name, 'x')}{FORGED}"
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    ended = asyncload("run")
    assert ended.code == code
    assert not {"\r", "\x1b", "\x07"} & set(ended.err + ended.out)
    # Each line of this variable is a volume.
    forged = FORGED.removeprefix("\r\n") if name == "ASYNCLOAD_VOLUME" else FORGED
    assert repr(forged)[1:-1] in ended.err
    assert "\nerror: forged" not in ended.err


@pytest.mark.fault("F10")
def test_no_name_forges_a_line_of_a_message(lake, volume, lane):
    """Two files of one key, in folders whose names hold line ends."""
    write_files(volume, {"a\nerror: forged/x.csv": b"1", "b\r\x1b[2J/x.csv": b"2"})
    landed = lake.load(None, "--dataset", "*/x.csv=One", lane=lane)
    assert landed.code == 5
    lines = landed.ended.err.splitlines()
    assert r"a\nerror: forged/x.csv, b\r\x1b[2J/x.csv" in lines[-2]
    assert [line for line in lines if line.startswith("error: forged")] == []
