"""What a volume may hold besides CSVs: folders that can't be entered, links, packed files."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import unicodedata

import pytest

from tests.faults.lake import DATE, LEAST
from tests.support.loads import write_files

NOBODY = 65534


@pytest.fixture
def unprivileged_load(lake, volume, spawn):
    """Load the volume as everybody else does, who can't read what root has closed."""

    def load(*options):
        proxy = lake.proxy()
        command = lake.arguments(proxy.url, *options)
        process = spawn(*command, prefix=without_override())
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        return process.returncode, out, err

    yield load
    for path in volume.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700)


def without_override():
    """Root reads everything; without these capabilities it is as everybody else."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    assert setpriv, "setpriv, of util-linux, is needed to test as root"
    return (setpriv, "--bounding-set=-dac_override,-dac_read_search")


@pytest.mark.fault("F2")
@pytest.mark.parametrize(
    ("closed", "options"),
    [
        ("lost+found", ()),
        (".Trash-0", ()),
        ("d/.cache", ()),
        ("$RECYCLE.BIN", ()),
        ("private", ("--exclude", "private")),
        ("private", ("--exclude", "private/")),
        ("private", ("--exclude", "private/**")),
        ("d/private", ("--exclude", "d/pri*/")),
        ("d/private", ("--include", "*/*.csv")),
        ("private", ("--include", "d/*.csv")),
    ],
)
def test_an_excluded_folder_need_not_be_readable(lake, volume, unprivileged_load, closed, options):
    """By its own name or by the patterns: it is not entered, so it can't fail."""
    write_files(volume, {"d/a.csv": b"1", f"{closed}/b.csv": b"2"})
    (volume / closed).chmod(0)
    code, out, err = unprivileged_load(*options)
    assert code == 0, err
    assert list(lake.server.objects(lake.layer).values()) == [b"1"]
    assert f'"path":"{closed}","reason":' in out
    named = closed in ("lost+found", "$RECYCLE.BIN")
    assert (f"excluded: {closed} (system folder)" in err) == named


@pytest.mark.fault("F2")
@pytest.mark.parametrize("closed", ["private", "d/lost+found"])
def test_any_other_folder_that_can_not_be_listed_fails(volume, unprivileged_load, closed):
    """There may be CSVs in it. `lost+found` is the file system's at the root only."""
    write_files(volume, {"d/a.csv": b"1", f"{closed}/b.csv": b"2"})
    (volume / closed).chmod(0)
    code, out, _ = unprivileged_load("--include", "**/*.csv", "--exclude", "x/**")
    assert code == 3
    assert f'"status":"failed","path":"{closed}"' in out


LEFT = {
    "$RECYCLE.BIN/a.csv": "system folder",
    "d/$Recycle.Bin/a.csv": "system folder",
    "System Volume Information/a.csv": "system folder",
    "#recycle/a.csv": "system folder",
    "d/@eaDir/a.csv": "system folder",
    "d/_temporary/0/a.csv": "temporary folder",
    "d/_SUCCESS/a.csv": "temporary folder",
    "d/__magic_job-1/a.csv": "temporary folder",
    "d/_tmp.-ext-1/a.csv": "temporary folder",
    ".snapshot/a.csv": "hidden",
}
KEPT = ["d/_archive/a.csv", "d/tmp/a.csv", "d/lost+found/a.csv", "recycle/a.csv", "_x/a.csv"]


@pytest.mark.fault("F8")
def test_folders_of_systems_and_running_jobs_are_excluded_and_named(lake, volume, lane):
    """Deleted, not yet committed, or a copy: none of it is data. Names that are like them are."""
    write_files(volume, dict.fromkeys((*LEFT, *KEPT), b"1"))
    landed = lake.load(lane=lane)
    assert (landed.code, set(landed.statuses)) == (0, set(KEPT))
    told = {r["path"]: r["reason"] for r in landed.records if r["type"] == "excluded"}
    folders = {
        next(path[:end] for end in range(len(path)) if path[:end] in told): reason
        for path, reason in LEFT.items()
    }
    assert told == folders
    for folder, reason in folders.items():
        assert (f"excluded: {folder} ({reason})\n" in landed.ended.err) == (reason != "hidden")


@pytest.mark.fault("F8")
@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("d/_temporary/**", "d/_temporary/0/a.csv"),
        ("**/_temporary/**/*.csv", "d/_temporary/0/a.csv"),
        ("#recycle/*.csv", "#recycle/a.csv"),
        ("lost+found/", "lost+found/a.csv"),
        (".snapshot/**", ".snapshot/a.csv"),
        (".*.csv", "d/.a.csv"),
        ("*.part.csv", "d/a.part.csv"),
        ("d/a.tmp.csv", "d/a.tmp.csv"),
    ],
)
def test_a_pattern_that_spells_such_a_name_has_it_loaded(lake, volume, pattern, path):
    """`--include` says what is data here; a pattern that only happens to match does not."""
    write_files(volume, {"a.csv": b"1", path: b"2"})
    for include, loaded in ((pattern, {path}), ("**/*.csv", {"a.csv"})):
        landed = lake.load(None, "--include", include, "--overwrite")
        assert (landed.code, set(landed.statuses)) == (0, loaded)
        assert "matched no file" not in landed.ended.err


@pytest.mark.fault("I12")
def test_packed_files_are_excluded_counted_and_named(lake, volume, lane):
    """With a reason, and what to do: few programs read these as they are."""
    packed = {
        "a.csv.lz4": "compressed",
        "b.CSV.Z": "compressed",
        "d/e.csv.xz": "compressed",
        "f.7z": "archive",
        "g.tar.gz": "archive",
    }
    write_files(
        volume, {"a.csv": b"1", "x.txt.gz": b"1", ".h.zip": b"1", **dict.fromkeys(packed, b"")}
    )
    landed = lake.load(lane=lane)
    assert (landed.code, landed.statuses) == (0, {"a.csv": "uploaded"})
    assert landed.summary["excluded"] == {"compressed": 3, "archive": 2, "hidden": 1}
    for path, reason in packed.items():
        assert f"excluded: {path} ({reason})\n" in landed.ended.err
    assert (
        "warning: packed files were excluded (2 archives, 3 compressed)\n"
        "  hint: CSVs are loaded if they end in .csv.gz, .csv.zst or .csv.bz2; --archives loads "
        "the CSVs of ZIP archives; unpack the others, or use --exclude\n"
    ) in landed.ended.err
    quiet = lake.load(None, "--exclude", "*.[gx7l]z*", "--exclude", "*.Z", lane=lane)
    assert quiet.summary["excluded"] == {"excluded": 5, "hidden": 1}
    assert "warning" not in quiet.ended.err


@pytest.mark.fault("I12")
def test_compressed_csvs_are_uploaded_as_they_are(lake, volume, lane, small_and_large):
    """Byte for byte, by put and in parts, with the content type of their kind and no encoding."""
    large = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(2 * LEAST // 32 + 1))
    types = {
        "a.csv.gz": "application/gzip",
        "b.CSV.ZST": "application/zstd",
        "c/d.csv.bz2": "application/x-bzip2",
        "e.csv.gz": "application/gzip",
    }
    bodies = {"a.csv.gz": gzip.compress(b"1"), "b.CSV.ZST": b"(\xb5", "c/d.csv.bz2": b"BZh9"}
    bodies["e.csv.gz"] = large
    write_files(volume, bodies)
    landed = lake.load(None, "--exclude", "[al].csv", lane=lane)
    assert (landed.code, landed.statuses) == (0, dict.fromkeys(types, "uploaded"))
    for path, content_type in types.items():
        key = landed.files[path]["key"]
        assert landed.by_key[key] == bodies[path]
        described = lake.server.client().head_object(Bucket=lake.server.bucket, Key=key)
        assert described["ContentType"] == content_type
        assert not described.get("ContentEncoding")
    assert landed.files["a.csv.gz"]["key"].endswith("/CSV/A/2022/05/02/a.csv.gz")
    assert landed.files["b.CSV.ZST"]["dataset"] == "B"


@pytest.mark.fault("I12")
def test_compressed_csvs_can_be_excluded(lake, volume):
    """Then they are named; those that are still written are temporary either way."""
    write_files(
        volume, {"a.csv": b"1", "b.csv.gz": b"2", "c.csv.gz.part": b"", "d.tmp.csv.gz": b""}
    )
    landed = lake.load(None, "--no-compressed")
    assert landed.statuses == {"a.csv": "uploaded"}
    assert landed.summary["excluded"] == {"compressed": 1, "temporary": 2}
    assert "excluded: b.csv.gz (compressed)\n" in landed.ended.err


@pytest.mark.fault("F9")
def test_a_rule_that_matched_no_file_is_a_warning(lake, volume, lane):
    """Of each option; the load continues."""
    write_files(volume, {"a.csv": b"1", "x/b.csv": b"2", "notes.txt": b""})
    options = ("--include", "*.csv", "--include", "y/*.csv", "--exclude", "*.txt")
    options += ("--exclude", "b", "--dataset", "x/*=Films", "--dataset", "*/b.csv=Late")
    landed = lake.load(None, *options, lane=lane)
    assert landed.code == 0
    told = [line for line in landed.ended.err.splitlines() if line.startswith("warning")]
    assert told == [
        "warning: --include 'y/*.csv' matched no file",
        "warning: --exclude 'b' matched no file",
        "warning: --dataset '*/b.csv=Late' matched no file",
    ]
    assert len(landed.summary["warnings"]) == 3
    options = ("--bucket", lake.server.bucket, "--layer", lake.layer, "--date", DATE)
    options += ("--include", "y.csv", "--include", "a.csv", "--endpoint-url", landed.proxy.url)
    for command in (("run", volume, *options, "--dry-run"), ("verify", volume, *options)):
        ended = lake.program(*command)
        assert "warning: --include 'y.csv' matched no file\n  hint: a pattern without" in ended.err


@pytest.mark.fault("F9")
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_pattern_matches_composed_and_decomposed_names(lake, volume, form, lane):
    """A volume of macOS has its names decomposed; what a user types is composed."""
    names = [unicodedata.normalize(f, "café") for f in ("NFC", "NFD")]
    write_files(volume, {f"{n}/{name}.csv": b"%d" % n for n, name in enumerate(names)})
    pattern = unicodedata.normalize(form, "café.csv")
    options = ("--include", pattern, "--dataset", f"{pattern}=Coffee")
    landed = lake.load(None, *options, lane=lane)
    assert (landed.code, len(landed.objects)) == (0, 2)
    assert all("/Coffee/" in key for key in landed.by_key)
    assert {key.rsplit("/", 1)[-1] for key in landed.by_key} == {f"{name}.csv" for name in names}


@pytest.fixture
def config_map(volume):
    """A volume as Kubernetes makes one of a ConfigMap: all is a link."""
    write_files(volume, {"..2026_11_25/a.csv": b"1", "..2026_11_25/b.csv": b"2"})
    (volume / "..data").symlink_to("..2026_11_25")
    for name in ("a.csv", "b.csv"):
        (volume / name).symlink_to(f"..data/{name}")


@pytest.mark.fault("F7")
def test_a_volume_of_links_says_how_they_are_followed(lake, config_map, lane):
    """If nothing is left to load, the hint is about the links."""
    landed = lake.load(lane=lane)
    assert landed.code == 4
    assert "--follow-symlinks" in landed.error["hint"]


@pytest.mark.fault("F7")
def test_a_config_map_is_loaded_with_its_links_followed(lake, volume, config_map, lane):
    """Each file once, under the name that the link has; `verify` follows them, too."""
    landed = lake.load(None, "--follow-symlinks", lane=lane)
    assert (landed.code, landed.objects) == (0, {"a.csv": b"1", "b.csv": b"2"})
    options = ("--bucket", lake.server.bucket, "--layer", lake.layer, "--date", DATE)
    options += ("--endpoint-url", landed.proxy.url)
    assert lake.program("verify", volume, *options, "--follow-symlinks").code == 0


@pytest.mark.fault("F7")
def test_links_are_followed_only_within_the_volume(lake, volume, tmp_path, lane):
    """Ways out, circles and ways to nowhere are left out and told by name."""
    write_files(volume, {"d/a.csv": b"1", "real/b.csv": b"22"})
    write_files(tmp_path / "outside", {"secret.csv": b"not in the volume"})
    os.mkfifo(volume / "fifo")
    links = {
        "d/out": (tmp_path / "outside", "symlink out of the volume"),
        "out.csv": (tmp_path / "outside/secret.csv", "symlink out of the volume"),
        "d/up": ("..", "symlink in a circle"),
        "d/self": (".", "symlink in a circle"),
        "loop.csv": ("loop.csv", "symlink in a circle"),
        "gone.csv": ("nowhere.csv", "symlink to nowhere"),
        "fifo.csv": ("fifo", "not a regular file"),
        "hidden": (".git", None),
    }
    (volume / ".git").mkdir()
    for name, (target, _) in links.items():
        (volume / name).symlink_to(target)
    (volume / "linked").symlink_to("real")
    landed = lake.load(None, "--follow-symlinks", lane=lane)
    assert landed.code == 0
    assert set(landed.statuses) == {"d/a.csv", "real/b.csv", "linked/b.csv"}
    told = {r["path"]: r["reason"] for r in landed.records if r["type"] == "excluded"}
    expected = {name: reason for name, (_, reason) in links.items() if reason}
    assert told == expected | {".git": "hidden"}


@pytest.mark.fault("I8")
@pytest.mark.parametrize("closed", [".aws", ".aws/config"])
def test_an_aws_configuration_of_another_user_is_refused_by_the_ids_of_both(
    volume, spawn, tmp_path, monkeypatch, closed
):
    """Mounted into a container: it is not said that the profile does not exist."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files to others")
    write_files(volume, {"a.csv": b"1"})
    write_files(tmp_path, {".aws/config": b"[profile lake]\n"})
    os.chown(tmp_path / closed, 1234, 5678)
    (tmp_path / closed).chmod(0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name)
    words = ("run", volume, "--bucket", "lake", "--profile", "lake")
    process = spawn(*words, "--endpoint-url", "http://127.0.0.1:9", prefix=without_override())
    _, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert (
        "read permission; it belongs to UID 1234, mode 0700: in a container, add --user 1234:5678; "
        "or name another file in AWS_CONFIG_FILE"
    ) in err


@pytest.mark.fault("I8")
def test_a_volume_of_another_user_is_refused_by_the_ids_of_both(lake, volume, spawn):
    """As in a container, whose user is not the volume's: `--user` is named with the right IDs."""
    write_files(volume, {"a.csv": b"1", "d/b.csv": b"2", "c.csv": b"3"})
    proxy = lake.proxy()
    command = lake.arguments(proxy.url)

    def hint_of(path, mode):
        os.chown(path, 1234, 5678)
        path.chmod(mode)
        process = spawn(*command, prefix=without_override())
        out, err = process.communicate(timeout=60)
        path.chmod(0o755)
        return process.returncode, out + err

    if os.geteuid() != 0:
        pytest.skip("only root gives files to others")
    for path, mode, code in (
        (volume, 0o700, 2),
        (volume / "d", 0o700, 3),
        (volume / "c.csv", 0, 3),
    ):
        ended, out = hint_of(path, mode)
        assert ended == code
        assert (
            f"give the user that runs asyncload (UID 0) read permission; it belongs to UID 1234, "
            f"mode {mode:04o}: in a container, add --user 1234:5678"
        ) in out
