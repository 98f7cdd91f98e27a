"""Volumes, files and the machine: faults L1 to L28 of the catalogue."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import socket
import subprocess
import sys
from asyncio import selector_events
from contextlib import suppress
from pathlib import Path

import pytest

from asyncload.source.scanner import Scanner
from tests.faults.lake import fail_first
from tests.faults.proxy import Fault
from tests.integration.test_memory import LAUNCHER
from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, put_accepted, scripted_s3
from tests.support.vocabulary import check_lines

MIB = 1024 * 1024
ONE_BY_ONE = ("--concurrency", 1, "--memory", "16MiB")


def truncate(path):
    os.truncate(path, 7 * MIB)


def grow(path):
    with path.open("ab") as file:
        file.write(b"one more line\n")


def rewrite_same_size(path):
    """Other bytes, and the times as they were."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"!" * 64)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(path):
    other = path.with_name("other.tmp")
    other.write_bytes(bytes(path.stat().st_size))
    other.replace(path)


CHANGES = {
    "l1-truncated": truncate,
    "l2-grown": grow,
    "l3-rewritten": rewrite_same_size,
    "l4-replaced": replace,
    "l5-deleted": Path.unlink,
}


@pytest.mark.fault("L1", "L2", "L3", "L4", "L5")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("when", [1, 3], ids=["first-part", "last-part"])
def test_a_file_that_keeps_changing_is_never_completed(
    lake, small_and_large, volume, change, when, lane
):
    """Its upload is aborted; the other file is uploaded."""
    path = volume / "l.csv"
    uploads = set()

    def decide(call):
        # What is left of it may have no such part the second time.
        part = 1 if uploads else when
        if call.operation == "UploadPart" and call.part == part and call.upload_id not in uploads:
            uploads.add(call.upload_id)
            if path.exists():
                return Fault(before=lambda: change(path))
        return None

    landed = lake.load(decide, *ONE_BY_ONE, lane=lane)
    assert landed.code == 3
    assert landed.statuses == {"a.csv": "uploaded", "l.csv": "failed"}
    assert list(landed.objects) == ["a.csv"]
    assert landed.open_uploads == []
    assert landed.proxy.count("CompleteMultipartUpload") == 0
    assert len(uploads) <= 2


@pytest.mark.fault("L1", "L2", "L3", "L4")
@pytest.mark.parametrize("change", [truncate, grow, rewrite_same_size, replace])
def test_a_file_that_changed_once_is_uploaded_in_its_new_version(
    lake, small_and_large, volume, change, lane
):
    """One more try: what lands is one whole version, the later one."""
    path = volume / "l.csv"
    proxy = lake.proxy()

    def change_and_tell():
        change(path)
        proxy.oracle.register(volume)

    proxy.decide = fail_first("UploadPart", Fault(before=change_and_tell))
    changed = []

    def decide(call):
        if call.operation == "UploadPart" and call.part == 2 and not changed:
            changed.append(call)
            return Fault(before=change_and_tell)
        return None

    proxy.decide = decide
    landed = lake.load(None, *ONE_BY_ONE, proxy=proxy, lane=lane)
    assert landed.code == 0
    assert landed.objects["l.csv"] == path.read_bytes()


@pytest.fixture
def ordinary_user(lake, unprivileged):
    """The lake loads the working folder, which is the volume."""
    lake.volume = Path()
    return unprivileged


@pytest.mark.fault("L6")
def test_a_file_that_may_not_be_read_fails_by_name(lake, volume, ordinary_user, lane):
    """The others land."""
    write_files(volume, {"a.csv": b"1", "closed.csv": b"2"})
    proxy = lake.proxy()
    (volume / "closed.csv").chmod(0)
    with ordinary_user():
        landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, landed.statuses) == (3, {"a.csv": "uploaded", "closed.csv": "failed"})
    error = landed.files["closed.csv"]["error"]
    assert "Permission denied" in error["message"]
    assert "read permission" in error["hint"]


def failing_reads(monkeypatch, path, do):
    """Let reads of one file do something else: the kernel's answer, not the program's."""
    inode, read = path.stat().st_ino, os.preadv

    def preadv(fd, buffers, offset, *flags):
        if os.fstat(fd).st_ino == inode:
            do()
        return read(fd, buffers, offset, *flags)

    monkeypatch.setattr(os, "preadv", preadv)


def raise_eio():
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.fault("L7")
@pytest.mark.parametrize("path", ["a.csv", "l.csv"])
def test_a_medium_that_fails_fails_its_file(lake, small_and_large, volume, path, lane, monkeypatch):
    """EIO is told with the path; the other file lands and no upload is left."""
    failing_reads(monkeypatch, volume / path, raise_eio)
    landed = lake.load(lane=lane)
    assert landed.code == 3
    assert [p for p, status in landed.statuses.items() if status == "failed"] == [path]
    assert "Input/output error" in landed.files[path]["error"]["message"]


@pytest.fixture
def exhausted(monkeypatch):
    """Opens CSVs and folders only where `lets` says yes of how many tries there were."""
    opened, listed = os.open, os.scandir
    state = {"lets": lambda tries: True, "tries": 0}

    def check():
        state["tries"] += 1
        if not state["lets"](state["tries"]):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def open_(path, *arguments, **options):
        if os.fsdecode(path).endswith(".csv"):
            check()
        return opened(path, *arguments, **options)

    def scandir(path):
        if os.fsdecode(path).endswith("/d"):
            check()
        return listed(path)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "scandir", scandir)
    return state


@pytest.mark.fault("L8")
def test_files_that_can_not_be_opened_for_a_moment_are_opened_later(
    lake, small_and_large, volume, lane, exhausted
):
    """The limit of open files means fewer at once, not fewer landed: small, large and folders."""
    write_files(volume, {f"d/{n}.csv": b"%d" % n for n in range(40)})
    proxy = lake.proxy()
    exhausted["lets"] = lambda tries: tries % 3 == 0
    landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, len(landed.objects)) == (0, 42)
    assert set(landed.statuses.values()) == {"uploaded"}
    # No file is opened oftener than it takes: once, twice where it is large, thrice for each.
    assert exhausted["tries"] <= 3 * (42 + 1 + 1)


@pytest.mark.fault("L8")
def test_if_no_file_can_be_opened_for_long_each_fails_with_the_remedy(
    lake, small_and_large, volume, lane, exhausted, monkeypatch
):
    """Bounded: the run ends, and says what to raise."""
    monkeypatch.setattr("asyncload.operations.opening.DESCRIPTOR_WAIT_SECONDS", 0.2)
    proxy = lake.proxy()
    exhausted["lets"] = lambda tries: False
    landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, landed.objects) == (3, {})
    for path in ("a.csv", "l.csv"):
        error = landed.files[path]["error"]
        assert "Too many open files" in error["message"]
        assert "ulimit -n" in error["hint"]
    assert landed.proxy.count("CreateMultipartUpload") == 0


FEW_FILES = """
import os, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.fault("L8")
@pytest.mark.parametrize(("limit", "folders"), [(28, 100), (64, 300)])
def test_all_files_are_uploaded_with_a_low_limit_on_open_files(
    lake, volume, spawn, lane, limit, folders
):
    """A real limit of the process, below the connections that it would have otherwise."""
    write_files(volume, {f"d{n}/{n}.csv": b"%d" % n for n in range(folders)})
    proxy = lake.proxy()
    process = spawn(
        *lake.arguments(proxy.url, lane=lane),
        prefix=(sys.executable, "-IS", "-c", FEW_FILES, str(limit)),
    )
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert (process.returncode, len(out.splitlines())) == (0, folders + 1), err
    assert len(lake.server.objects(f"{lake.layer}/")) == folders
    assert proxy.oracle.violations == []


@pytest.mark.fault("L9")
def test_of_small_files_only_the_one_whose_read_stalls_fails(lake, volume, lane, stalling):
    """A dead mount must not hold up the run: those read with it land, before it and after it."""
    files = {f"{n}.csv": b"%d" % n for n in range(20)}
    write_files(volume, files)
    stalling.add(volume / "5.csv")
    landed = lake.load(lane=lane)
    assert landed.code == 3
    assert landed.statuses == dict.fromkeys(files, "uploaded") | {"5.csv": "failed"}
    assert len(landed.objects) == 19
    error = landed.files["5.csv"]["error"]
    assert error["kind"] == "SourceStalled"
    assert "no answer" in error["message"]
    assert "mount" in error["hint"]


@pytest.mark.fault("L9")
def test_a_large_file_whose_read_stalls_fails_and_its_upload_is_aborted(
    lake, small_and_large, volume, lane, stalling
):
    """The other file lands, and the buffer that is still written into is not used again."""
    stalling.add(volume / "l.csv")
    landed = lake.load(None, *ONE_BY_ONE, lane=lane)
    assert (landed.code, landed.statuses) == (3, {"a.csv": "uploaded", "l.csv": "failed"})
    assert landed.files["l.csv"]["error"]["kind"] == "SourceStalled"
    assert landed.open_uploads == []
    assert landed.proxy.count("CompleteMultipartUpload") == 0


@pytest.mark.fault("L9")
@pytest.mark.parametrize("folder", ["volume", "d"])
def test_a_folder_that_does_not_answer_ends_the_run(lake, volume, lane, stalling, folder):
    """What is below it can't be known: nothing is said to be complete. The folder is named."""
    write_files(volume, {"a.csv": b"1", "d/b.csv": b"2"})
    proxy = lake.proxy()
    stalling.add(volume if folder == "volume" else volume / "d")
    landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, landed.objects) == (2, {})
    assert landed.error["kind"] == "SourceStalled"
    assert f"at '{'.' if folder == 'volume' else 'd'}'" in landed.error["message"]
    assert "mount" in landed.error["hint"]


@pytest.mark.fault("L9")
@pytest.mark.parametrize("folder", ["volume", "d"])
def test_a_dry_run_does_not_wait_for_a_folder_that_does_not_answer_either(
    asyncload, volume, stalling, folder
):
    """As a run, it ends and names the folder; no plan is shown, for it would not be all."""
    write_files(volume, {"a.csv": b"1", "d/b.csv": b"2"})
    stalling.add(volume if folder == "volume" else volume / "d")
    ended = asyncload("run", volume, "--bucket", "lake", "--dry-run", "--offline")
    assert (ended.code, ended.out) == (2, "")
    at = "." if folder == "volume" else "d"
    assert f"the volume can't be scanned, at '{at}': " in ended.err
    assert "check the mount" in ended.err


def check_that_a_signal_ends_it(process):
    """Send SIGINT once it says that it is stuck."""
    while process.stderr.readline() != "stuck\n":
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err


DEAD_FOLDER = """
import os, sys
from asyncload.cli import main

listed, never, volume = os.scandir, os.pipe(), sys.argv[5]

def scandir(path):
    # Not what others list, as coverage does at the end.
    if os.fsdecode(path).startswith(volume):
        os.write(2, b"stuck\\n")
        os.read(never[0], 1)
    return listed(path)

os.scandir = scandir
sys.argv = ["asyncload", *sys.argv[4:]]  # behind the interpreter, -m and asyncload
main()
"""


@pytest.mark.fault("L9")
def test_a_signal_ends_a_dry_run_although_a_listing_is_stuck(volume, spawn):
    """At once: nothing is to be tidied up."""
    options = ("run", volume, "--bucket", "lake", "--dry-run", "--offline")
    process = spawn(*options, prefix=(sys.executable, "-c", DEAD_FOLDER))
    check_that_a_signal_ends_it(process)


@pytest.mark.fault("L9")
def test_whether_a_volume_is_mounted_is_not_waited_for_either(asyncload, stalling):
    """If none is named, /data may be the dead mount."""
    stalling.add(Path("/data"))
    ended = asyncload("run", "--bucket", "lake", "--dry-run", "--offline")
    assert (ended.code, ended.out) == (2, "")
    assert "the volume can't be scanned, at '.': " in ended.err


@pytest.mark.fault("L9")
def test_verify_does_not_wait_for_a_read_that_stalls_either(lake, volume, stalling):
    """The file is told as unreadable, the others are compared."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})
    landed = lake.load()
    stalling.add(volume / "b.csv")
    options = ("--bucket", lake.server.bucket, "--layer", lake.layer, "--date", "2022-05-02")
    ended = lake.program("verify", volume, *options, "--endpoint-url", landed.proxy.url)
    assert ended.code == 3
    assert "unreadable: b.csv" in ended.out
    assert "no answer" in ended.out


# A read of a file of 2 bytes sits in a system call that never returns, as on a dead mount.
DEAD_MOUNT = """
import os, sys
from asyncload.operations import opening
from asyncload.cli import main

read, never = os.preadv, os.pipe()

def preadv(fd, buffers, offset):
    if os.fstat(fd).st_size == 2:
        os.write(2, b"stuck\\n")
        os.read(never[0], 1)
    return read(fd, buffers, offset)

os.preadv = preadv
opening.STALLED_SECONDS = float(sys.argv[1])
sys.argv = ["asyncload", *sys.argv[5:]]  # behind the interpreter, -m and asyncload
main()
"""


def start_on_dead_mount(lake, volume, spawn, lane, patience):
    """Start a program of its own whose reads of b.csv never return."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"22"})
    proxy = lake.proxy()
    prefix = (sys.executable, "-c", DEAD_MOUNT, str(patience))
    return spawn(*lake.arguments(proxy.url, lane=lane), prefix=prefix)


@pytest.mark.fault("L9")
def test_the_process_ends_although_a_thread_never_comes_back(lake, volume, spawn, lane):
    """With its report and its exit code; the interpreter does not wait for that thread."""
    process = start_on_dead_mount(lake, volume, spawn, lane, 0.3)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 3, err
    assert '"failed":1' in out.splitlines()[-1]
    assert "Traceback" not in err
    assert list(lake.server.objects(f"{lake.layer}/").values()) == [b"1"]


@pytest.mark.fault("L9")
def test_a_signal_ends_the_process_although_a_read_is_stuck(lake, volume, spawn, lane):
    """Within the time that a signal gives, not within the read's."""
    process = start_on_dead_mount(lake, volume, spawn, lane, 60)
    check_that_a_signal_ends_it(process)


@pytest.mark.fault("L10")
def test_a_folder_that_may_not_be_listed_fails_by_name(lake, volume, ordinary_user, lane):
    """Never silently: CSVs may be below it."""
    write_files(volume, {"a.csv": b"1", "closed/b.csv": b"2"})
    proxy = lake.proxy()
    (volume / "closed").chmod(0)
    with ordinary_user():
        landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, landed.statuses) == (3, {"a.csv": "uploaded", "closed": "failed"})


@pytest.mark.fault("L11", "L12", "L13")
def test_links_are_not_followed_but_reported(lake, volume, tmp_path, lane):
    """Loops, ways out of the volume, and links to nowhere."""
    write_files(volume, {"a.csv": b"1", "deep/b.csv": b"2"})
    (tmp_path / "secret.csv").write_bytes(b"not in the volume")
    links = {
        "loop": volume,
        "deep/up.csv": volume / "deep/up.csv",
        "out.csv": tmp_path / "secret.csv",
        "out": tmp_path,
        "dangling.csv": tmp_path / "nowhere.csv",
        "inside.csv": volume / "a.csv",
    }
    for name, target in links.items():
        (volume / name).symlink_to(target)
    proxy = lake.proxy()
    landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, set(landed.objects)) == (0, {"a.csv", "b.csv"})
    excluded = {r["path"]: r["reason"] for r in landed.records if r["type"] == "excluded"}
    assert excluded == dict.fromkeys(links, "symlink")
    for name in links:
        assert f"excluded: {name}" in landed.ended.err


@pytest.mark.fault("L12")
def test_a_file_that_becomes_a_way_out_of_the_volume_is_not_opened(lake, volume, tmp_path, lane):
    """Between scan and upload a link may take its place: what it leads to never lands."""
    write_files(volume, {"a.csv": b"1", "deep/b.csv": b"2"})
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "b.csv").write_bytes(b"not in the volume")

    def swap():
        (volume / "deep").rename(volume / "moved")
        (volume / "deep").symlink_to(secret)

    proxy = lake.proxy()
    scan = Scanner.scan

    def scan_then_swap(self, *tell):
        yield from scan(self, *tell)
        swap()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scanner, "scan", scan_then_swap)
        landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, landed.objects) == (3, {"a.csv": b"1"})
    assert "deep/b.csv" in landed.files


@pytest.mark.fault("L14", "L15")
def test_entries_that_are_not_regular_files_are_excluded_and_reported(
    lake, volume, lane, monkeypatch
):
    """Opening a FIFO would wait for ever."""
    write_files(volume, {"a.csv": b"1"})
    monkeypatch.chdir(volume)
    os.mkfifo("fifo.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.csv")
        names = ["fifo.csv", "socket.csv"]
        with suppress(PermissionError):
            # If a device may be made; by /dev/null's numbers.
            os.mknod("device.csv", 0o20666, os.makedev(1, 3))
            names.append("device.csv")
        landed = lake.load(lane=lane)
    assert (landed.code, landed.statuses) == (0, {"a.csv": "uploaded"})
    excluded = {r["path"]: r["reason"] for r in landed.records if r["type"] == "excluded"}
    assert excluded == dict.fromkeys(names, "not a regular file")


@pytest.mark.fault("L16")
def test_a_sparse_file_is_uploaded_byte_for_byte(lake, volume, lane):
    """Its holes are zeros."""
    path = volume / "sparse.csv"
    with path.open("wb") as file:
        file.write(b"head\n")
        file.seek(17 * MIB)
        file.write(b"tail\n")
    landed = lake.load(lane=lane)
    assert landed.code == 0
    assert landed.objects["sparse.csv"] == path.read_bytes()


@pytest.mark.fault("L17")
def test_an_empty_file_is_uploaded_by_one_put(lake, volume, lane):
    """0 bytes are a file as any other."""
    write_files(volume, {"empty.csv": b""})
    landed = lake.load(lane=lane)
    assert (landed.code, landed.objects) == (0, {"empty.csv": b""})
    assert landed.proxy.passed["PutObject"] == 1
    assert landed.proxy.count("CreateMultipartUpload") == 0


@pytest.mark.fault("L18", "L19")
def test_a_name_that_makes_no_key_fails_and_is_escaped(lake, volume, lane):
    """Not UTF-8, or with controls that a terminal would obey: told without obeying."""
    write_files(volume, {"a.csv": b"1"})
    names = [b"latin-\xe9.csv", b"new\nline.csv", b"red\x1b[31m.csv", b"bell\x07.csv"]
    for name in names:
        (volume / os.fsdecode(name)).write_bytes(b"2")
    proxy = lake.proxy()
    landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, landed.objects) == (3, {"a.csv": b"1"})
    assert list(landed.statuses.values()).count("failed") == 4
    plain = lake.program(*[a for a in lake.arguments(proxy.url) if a != "--json"])
    told = plain.out + plain.err
    for escaped in (r"latin-\xe9.csv", r"new\nline.csv", r"red\x1b[31m.csv", r"bell\x07.csv"):
        assert f"failed: {escaped}" in told
    assert not {"\x1b", "\x07"} & set(told + landed.ended.err)
    assert proxy.count("PutObject") <= 4


NAMES = ["back\\slash", "50%", "a+b", "who?", "#1", "a b", "😀", "é", "e\u0301", "a&b=c", "~'()!*"]


@pytest.mark.fault("L20")
@pytest.mark.parametrize("server", ["moto", "seaweedfs"])
def test_names_of_all_kinds_round_trip_byte_by_byte(request, volume, layer, server, lane):
    """Percent, plus, emoji; composed and decomposed letters stay two files."""
    lake = request.getfixturevalue("lake" if server == "seaweedfs" else "forgiving_lake")
    # SeaweedFS itself makes a slash of a backslash.
    names = [name for name in NAMES if server == "moto" or "\\" not in name]
    write_files(volume, {f"d {n}/{name}.csv": name.encode() for n, name in enumerate(names)})
    landed = lake.load(lane=lane)
    assert landed.code == 0
    assert landed.objects == {f"{name}.csv": name.encode() for name in names}


@pytest.mark.fault("L20")
def test_a_store_that_does_not_keep_a_key_loses_no_file(lake, volume, lane):
    """SeaweedFS would write one object for both files, and both would be deleted."""
    write_files(volume, {"d/x\\y.csv": b"1", "d/x/y.csv": b"22"})
    landed = lake.load(None, "--overwrite", "--then", "delete", lane=lane)
    assert landed.code == 3
    assert landed.objects == {"x/y.csv": b"22"}
    assert (volume / "d/x\\y.csv").read_bytes() == b"1"
    assert not (volume / "d/x/y.csv").exists()
    error = landed.files["d/x\\y.csv"]["error"]
    assert (error["kind"], error["hint"].split(",")[0]) == (
        "InvalidKey",
        "rename the file or folder",
    )


@pytest.mark.fault("L21")
@pytest.mark.parametrize(
    "options",
    [
        ("--layer", ".."),
        ("--origin", "a/b"),
        ("--dataset", "*=.."),
        ("--dataset", "*="),
        ("--layout", "/{path}"),
        ("--layout", "../{path}"),
        ("--layout", "a//{path}"),
    ],
    ids=" ".join,
)
def test_no_option_leads_a_key_out_of_its_place(lake, volume, options, lane):
    """A usage error, before any request."""
    write_files(volume, {"a.csv": b"1"})
    proxy = lake.proxy()
    ended = lake.program(*lake.arguments(proxy.url, lane=lane), *options)
    assert ended.code == 2
    assert proxy.calls == []


@pytest.mark.fault("L22")
def test_a_key_over_1024_bytes_fails_before_it_is_sent(lake, volume, lane):
    """Counted in bytes of UTF-8, not in letters; the longest that fits lands."""
    head = len(f"{lake.layer}/Local/CSV/Deep/2022/05/02/")
    room = 1024 - head - len("/é.csv".encode())
    folders = "/".join(["x" * 200] * (room // 201))
    folders += "/" + "y" * (room - len(folders) - 1)
    write_files(volume, {f"deep/{folders}/é.csv": b"1", f"deep/{folders}/éé.csv": b"2"})
    landed = lake.load(lane=lane)
    assert landed.code == 3
    assert sorted(landed.statuses.values()) == ["failed", "uploaded"]
    assert landed.proxy.count("PutObject") == 1
    (put,) = [call for call in landed.proxy.calls if call.operation == "PutObject"]
    assert len(put.key.encode()) == 1024


@pytest.mark.fault("L23")
def test_names_that_differ_in_case_are_two_objects(lake, volume, lane):
    """Nothing is folded."""
    write_files(volume, {"d/a.csv": b"1", "d/A.csv": b"2", "d/A.CSV": b"3"})
    landed = lake.load(lane=lane)
    assert landed.objects == {"a.csv": b"1", "A.csv": b"2", "A.CSV": b"3"}


@pytest.mark.fault("L24")
def test_two_files_for_one_key_end_the_run_before_any_upload(lake, volume, lane):
    """Both are named."""
    write_files(volume, {"films/a.csv": b"1", "Films/a.csv": b"2", "b.csv": b"3"})
    landed = lake.load(lane=lane)
    assert landed.code == 5
    assert "films/a.csv" in landed.error["message"]
    assert "Films/a.csv" in landed.error["message"]
    assert landed.proxy.count("PutObject") == 0


@pytest.mark.fault("L25")
def test_a_volume_that_can_not_be_written_is_loaded(lake, volume, ordinary_user, lane):
    """Nothing is ever written there."""
    write_files(volume, {"deep/a.csv": b"1"})
    proxy = lake.proxy()
    before = sorted((path, path.stat().st_mtime_ns) for path in volume.rglob("*"))
    for path in (volume / "deep/a.csv", volume / "deep", volume):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with ordinary_user():
        landed = lake.load(proxy=proxy, lane=lane)
    volume.chmod(0o755)
    assert (landed.code, landed.objects) == (0, {"a.csv": b"1"})
    assert sorted((path, path.stat().st_mtime_ns) for path in volume.rglob("*")) == before


@pytest.mark.fault("L26")
@pytest.mark.parametrize("json", [True, False], ids=["json", "text"])
def test_a_full_disk_below_the_report_warns_and_the_files_are_uploaded(lake, volume, spawn, json):
    """All files are uploaded, but a cut report is not a success."""
    write_files(volume, {f"{n}.csv": b"%d" % n for n in range(300)})
    proxy = lake.proxy()
    arguments = lake.arguments(proxy.url)
    with Path("/dev/full").open("w") as full:
        process = spawn(*(a for a in arguments if json or a != "--json"), stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == (3 if json else 0), err
    assert "Traceback" not in err
    assert "No space left on device" in err
    assert len(lake.server.objects(lake.layer)) == 300


@pytest.mark.fault("L26")
def test_a_full_disk_below_the_log_does_not_fail_the_run(lake, volume, spawn):
    """No message can be shown, and all files are uploaded: progress is what is written first."""
    write_files(volume, {f"{n}.csv": b"%d" % n for n in range(3)})
    proxy = lake.proxy()
    with Path("/dev/full").open("w") as full:
        process = spawn(*lake.arguments(proxy.url), stderr=full)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(lake.server.objects(lake.layer)) == 3


def peak_of(*arguments):
    """Run the program; return its exit code and its peak RSS in MiB."""
    command = [sys.executable, "-m", "asyncload", *map(str, arguments)]
    ended = subprocess.run(
        [sys.executable, "-IS", "-c", LAUNCHER, *command],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    code, peak = ended.stdout.splitlines()[-1].split()
    return int(code), int(peak) / 1024


@pytest.mark.fault("L27")
def test_memory_is_bounded_by_the_option_not_by_the_file(lake, volume):
    """A file of four times --memory lands within it and what a process takes by itself."""
    with (volume / "l.csv").open("wb") as file:
        file.truncate(64 * MIB)
    proxy = lake.proxy()
    arguments = lake.arguments(proxy.url, "--memory", "16MiB", "--quiet")
    code, peak = peak_of(*(a for a in arguments if a != "--json"))
    assert code == 0
    assert peak <= 16 + 128
    assert lake.server.objects(lake.layer).popitem()[1] == bytes(64 * MIB)


# Two buffers are made at least, for they differ in length; more only where none is back in time.
@pytest.mark.fault("L27")
@pytest.mark.parametrize("had", [0, 1])
def test_if_the_system_has_no_memory_the_run_ends_and_says_what_to_lower(
    lake, small_and_large, lane, monkeypatch, had
):
    """No file's fault, and no traceback: nothing is left open, and the summary is written."""
    made, make = [], mmap.mmap

    def mmap_(*arguments, **options):
        if len(made) == had:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        made.append(arguments)
        return make(*arguments, **options)

    monkeypatch.setattr("mmap.mmap", mmap_)
    landed = lake.load(lane=lane)
    assert (landed.code, landed.open_uploads) == (5, [])
    assert landed.error["kind"] == "OutOfMemory"
    assert "out of memory" in landed.error["message"]
    assert "--memory" in landed.error["hint"]


@pytest.mark.fault("L27")
def test_if_a_library_has_no_memory_the_run_ends_in_the_same_way(
    asyncload, volume, lane, monkeypatch
):
    """The kernel's buffers are full, and what is left to send finds no room: `ulimit -v`."""
    write_files(volume, {"large.csv": bytes(17 * 1024 * 1024)})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    write = selector_events._SelectorSocketTransport.write

    def write_small(transport, data):
        if len(data) > 4096:
            raise MemoryError
        write(transport, data)

    monkeypatch.setattr(selector_events._SelectorSocketTransport, "write", write_small)
    created = (
        b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
    )

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        if request.method == "HEAD":
            return Answer(404)
        if request.method == "DELETE":
            return Answer(204)
        return Answer(200, created) if request.method == "POST" else put_accepted(request)

    with scripted_s3(answer) as (url, requests):
        options = ("--bucket", "lake", "--endpoint-url", url, "--no-manifest", "--json")
        ended = asyncload("run", volume, *options, *([] if lane else ["--no-fast-lane"]))
    *_, summary = check_lines(ended.out)
    assert (ended.code, summary["error"]["kind"]) == (5, "OutOfMemory")
    assert "--memory" in summary["error"]["hint"]
    assert [request.method for request in requests][-1] == "DELETE"


def make_many(volume, count):
    """Make empty files, a thousand to a folder."""
    for number in range(count):
        if number % 1000 == 0:
            folder = volume / f"{number // 1000:04}"
            folder.mkdir()
        os.close(os.open(folder / f"{number:07}.csv", os.O_CREAT | os.O_WRONLY))


def plan(volume):
    return peak_of("run", volume, "--bucket", "lake", "--dry-run", "--offline", "--quiet")


@pytest.mark.fault("L28")
def test_many_files_are_scanned_as_a_stream_in_flat_memory(volume):
    """The first is known before the last is looked at; 20,000 more cost next to nothing."""
    make_many(volume, 1_000)
    _, few = plan(volume)
    make_many(volume / "0000", 20_000)
    code, many = plan(volume)
    assert code == 0
    assert many - few < 8
    scan = Scanner(volume).scan()
    assert next(scan).path == "0000/0000000.csv"


@pytest.mark.fault("L28")
@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_million_files_are_planned_within_128_mib(volume):
    """Under 60 bytes a file."""
    make_many(volume, 1_000_000)
    code, peak = plan(volume)
    assert code == 0
    assert peak < 128
