"""How much memory a container leaves: control groups of both versions, as trees of files."""

from __future__ import annotations

import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import UsageError
from asyncload.operations.doctor.machine import describe_memory
from asyncload.settings.container import (
    MIB,
    PROCESS,
    WORKER,
    cores,
    memory_left,
    memory_limit,
    task_limit,
)
from asyncload.settings.run import AUTO, DEFAULT_MEMORY, MIN_MEMORY, Settings

V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
)
NO_LIMIT_V1 = "9223372036854771712\n"


@pytest.fixture
def machine(tmp_path):
    """Writes the files of a machine; returns its root."""

    def make(cgroup, mounts, **limits):
        files = {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts}
        for path, text in (files | limits).items():
            at = tmp_path / path
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text)
        return tmp_path

    return make


def v2(path):
    return f"sys/fs/cgroup{path}/memory.max"


def v1(path):
    return f"sys/fs/cgroup/memory{path}/memory.limit_in_bytes"


@pytest.mark.fault("I1", "I23")
@pytest.mark.parametrize(
    ("cgroup", "mounts", "limits", "limit"),
    [
        ("0::/\n", V2, {v2(""): "268435456\n"}, 256),
        ("0::/\n", V2, {v2(""): "max\n"}, None),
        ("0::/\n", V2, {}, None),
        (
            "0::/pods/a b/c\n",
            V2,
            {v2("/pods/a b/c"): "max\n", v2("/pods/a b"): "134217728\n", v2("/pods"): "1073741824"},
            128,
        ),
        ("0::/../../outside\n", V2, {v2(""): "268435456\n"}, 256),
        (
            "4:memory:/docker/123\n0::/\n",
            V1.format(root="/docker/123"),
            {v1(""): "268435456\n"},
            256,
        ),
        ("4:cpu,memory:/docker/123\n", V1.format(root="/"), {v1(""): "268435456\n"}, 256),
        (
            "4:memory:/a/b\n",
            V1.format(root="/"),
            {v1("/a/b"): NO_LIMIT_V1, v1("/a"): "209715200\n", v1(""): NO_LIMIT_V1},
            200,
        ),
        (
            "4:memory:/a\n0::/a\n",
            V1.format(root="/") + V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
            {v1("/a"): "209715200\n", "sys/fs/cgroup/unified/a/memory.max": "104857600\n"},
            100,
        ),
        (
            "0::/a b\n",
            V2.replace(" / ", " /a\\040b "),
            {v2(""): "209715200\n"},
            200,
        ),
        (
            "4:memory:/docker/123/inner\n",
            V1.format(root="/kubepods/9"),
            {v1(""): "209715200\n"},
            200,
        ),
        ("1:name=systemd:/\n", V1.format(root="/"), {v1(""): "5\n"}, None),
        ("0::/\n", V2, {v2(""): "nonsense\n"}, None),
    ],
    ids=[
        "v2",
        "v2 without a limit",
        "v2 without the controller",
        "v2 nested",
        "v2 outside of its namespace",
        "v1 in a container",
        "v1 that sees the host's names",
        "v1 nested",
        "hybrid",
        "a group mounted by itself",
        "a group beside the mounted one",
        "no memory controller",
        "not a number",
    ],
)
def test_the_least_limit_counts(machine, cgroup, mounts, limits, limit):
    """Of the process's group and all above it, of both versions."""
    root = machine(cgroup, mounts, **limits)
    assert memory_limit(root) == (limit * MIB if limit else None)
    assert memory_left(root=root) == (max(0, limit * MIB - PROCESS) if limit else None)


def test_a_machine_without_control_groups_has_no_limit(tmp_path):
    """As macOS has none."""
    assert memory_limit(tmp_path) is None
    assert memory_left(root=tmp_path) is None


@pytest.mark.parametrize(
    ("limit", "mark", "end"),
    [
        (512, "ok", "within the container's limit of 512 MiB"),
        (
            120,
            "warning",
            "within the container's limit of 120 MiB, which may be too small for a run",
        ),
        (None, "ok", "no limit on this process's memory"),
    ],
)
def test_the_doctor_compares_memory_with_the_limit(
    machine, tmp_path, monkeypatch, limit, mark, end
):
    """Of the container, if there is one; the fix names what a run needs."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr("resource.getrlimit", lambda _: unlimited)
    root = tmp_path
    if limit is not None:
        root = machine("0::/\n", V2, **{v2(""): f"{limit * MIB}\n"})
    settings = Settings(volume="data", bucket="lake", memory="64MiB")
    found = describe_memory(settings, root)
    assert (found.mark, found.reason.endswith(end)) == (mark, True)
    assert found.values == {
        "file_data": 64 * MIB,
        "limit": limit and limit * MIB,
        "address_limit": None,
    }
    assert ("126 MiB or more" in found.fix) == (mark == "warning")


@pytest.mark.parametrize(("addresses", "mark"), [(664, "ok"), (663, "warning")])
def test_the_doctor_names_the_limit_of_addresses(tmp_path, monkeypatch, addresses, mark):
    """That of `ulimit -v`, which no container shows."""
    limits = (addresses * MIB, resource.RLIM_INFINITY)
    monkeypatch.setattr("resource.getrlimit", lambda _: limits)
    found = describe_memory(Settings(volume="data", bucket="lake", memory="64MiB"), tmp_path)
    assert (found.mark, found.values["address_limit"]) == (mark, addresses * MIB)
    assert f"this process's limit of {addresses} MiB (ulimit -v)" in found.reason
    assert ("`ulimit -v 679936` is enough" in found.fix) == (mark == "warning")


def test_more_connections_leave_less(machine):
    """Each has buffers of its own."""
    root = machine("0::/\n", V2, **{v2(""): f"{512 * MIB}\n"})
    assert memory_left(32, root) == memory_left(1, root) == 512 * MIB - PROCESS
    assert memory_left(256, root) == 512 * MIB - PROCESS - 112 * MIB
    assert memory_left(256, root, encrypted=False) == 512 * MIB - PROCESS - 28 * MIB
    assert memory_left(1024, root) == 0


def test_more_processes_leave_less(machine):
    """Each has libraries of its own."""
    root = machine("0::/\n", V2, **{v2(""): f"{512 * MIB}\n"})
    assert memory_left(processes=2, root=root) == 512 * MIB - PROCESS - WORKER


V1_OTHERS = (
    "34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
)
QUOTA = "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us"
PERIOD = "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "allowed"),
    [
        ("0::/a\n", V2, {"sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 8),
        ("0::/a\n", V2, {"sys/fs/cgroup/a/cpu.max": "200000 100000\n"}, 2),
        ("0::/a\n", V2, {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
        ("0::/a\n", V2, {"sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 1),
        ("0::/a\n", V2, {"sys/fs/cgroup/a/cpu.max": "nonsense\n"}, 8),
        ("0::/a\n", V2, {}, 8),
        ("4:cpu,cpuacct:/a\n", V1_OTHERS, {QUOTA: "300000\n", PERIOD: "100000\n"}, 3),
        ("4:cpu,cpuacct:/a\n", V1_OTHERS, {QUOTA: "-1\n", PERIOD: "100000\n"}, 8),
        ("4:cpu,cpuacct:/a\n", V1_OTHERS, {QUOTA: "300000\n"}, 8),
    ],
)
def test_a_container_may_use_fewer_cores(machine, monkeypatch, cgroup, mounts, files, allowed):
    """A fraction of a core is not used."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cores(machine(cgroup, mounts, **files)) == allowed


def test_the_affinity_of_the_process_counts(tmp_path, monkeypatch):
    """If the system has one; else all processors count."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5, 6}, raising=False)
    assert cores(tmp_path) == 3
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert cores(tmp_path) == 7


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "limit"),
    [
        ("0::/a\n", V2, {"sys/fs/cgroup/a/pids.max": "64\n"}, 64),
        ("0::/a\n", V2, {"sys/fs/cgroup/a/pids.max": "max\n"}, None),
        ("5:pids:/a\n", V1_OTHERS, {"sys/fs/cgroup/pids/a/pids.max": "32\n"}, 32),
        ("", "", {}, None),
    ],
)
def test_a_container_may_limit_processes_and_threads(machine, cgroup, mounts, files, limit):
    """By both versions of control groups."""
    assert task_limit(machine(cgroup, mounts, **files)) == limit


def test_this_machine_can_be_asked():
    """With any content."""
    limit = memory_limit()
    assert limit is None or limit > 0


@pytest.mark.fault("I1")
@given(st.integers(0, 2**40))
def test_the_default_is_what_fits(left):
    """Up to 256 MiB; never less than a part takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asyncload.settings.run.memory_left", lambda *_, **__: left)
        memory = Settings(volume="v", bucket="lake").memory
        assert MIN_MEMORY <= memory <= DEFAULT_MEMORY
        assert memory <= max(left, MIN_MEMORY)
        # And it can be asked for.
        assert Settings(volume="v", bucket="lake", memory=memory).memory == memory


@pytest.mark.fault("I1")
def test_what_can_not_fit_is_refused(monkeypatch):
    """With what does."""
    monkeypatch.setattr("asyncload.settings.run.memory_left", lambda *_, **__: 146 * MIB)
    assert Settings(volume="v", bucket="lake", memory=AUTO).memory == 146 * MIB
    with pytest.raises(UsageError) as refused:
        Settings(volume="v", bucket="lake", memory=147 * MIB)
    assert refused.value.message == (
        "--memory: 147 MiB is too large: the limit of this container leaves 146 MiB for file data"
    )
    assert "use --memory 146MiB" in refused.value.hint
