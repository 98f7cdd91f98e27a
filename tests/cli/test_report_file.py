"""`asyncload report FILE`, and the page that `--html` writes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.support.loads import write_files
from tests.support.vocabulary import check_lines

pytestmark = pytest.mark.parametrize("s3", ["moto"], indirect=True)


@pytest.fixture
def loaded(asyncload, volume, s3, layer, tmp_path):
    """The lines of a run of which a file failed, in a file; and the options of its bucket."""
    write_files(volume, {"sales/1.csv": b"1", "sales/2.csv": b"22"})
    key = f"{layer}/Local/CSV/Sales/2022/05/02/1.csv"
    s3.client().put_object(Bucket=s3.bucket, Key=key, Body=b"other")
    where = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url]
    ended = asyncload("run", volume, *where, "--layer", layer, "--date", "2022-05-02", "--json")
    assert ended.code == 3
    lines = tmp_path / "run.jsonl"
    lines.write_text(ended.out.replace('"seconds":_', '"seconds":0.5'))
    *_, summary = check_lines(ended.out)
    return lines, where, summary


def test_a_run_is_reported_from_its_lines_and_from_the_bucket(
    asyncload, loaded, tmp_path, s3, monkeypatch
):
    """As text and as a page; both sources say the same."""
    for module in ("page", "local"):
        monkeypatch.setattr(f"asyncload.operations.history.{module}._SLICE", 1)
    lines, where, summary = loaded
    page, other = tmp_path / "file.html", tmp_path / "run.html"
    ended = asyncload("report", lines, "--html", page)
    assert (ended.code, ended.err) == (3, "")
    first, totals, *_ = ended.out.splitlines()
    assert first.startswith(f"run {summary['run_id']}, started ")
    assert totals.startswith("1 of 2 files are in the raw zone: 1 uploaded, 1 failed")
    again = asyncload("report", summary["run_id"], *where, "--html", other)
    assert (again.code, again.err) == (3, "")
    assert again.out == ended.out
    for path in (page, other):
        text = path.read_text()
        assert f"<h1>Run {summary['run_id']}</h1>" in text
        assert "sales/1.csv" in text
        assert "--overwrite" in text
    assert stat.S_IMODE(page.stat().st_mode) & 0o400
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["file.html", "run.html"]
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(s3.objects(summary["manifest"])[summary["manifest"]])
    shown = asyncload("report", manifest)
    # A manifest does not name itself.
    assert shown.out == ended.out[: ended.out.index("manifest: ")]
    assert asyncload("report", manifest, "--quiet").out == shown.out
    (record,) = check_lines(asyncload("report", lines, "--json").out)
    assert (record["run_id"], record["run_exit_code"]) == (summary["run_id"], 3)
    assert record["bucket"] == s3.bucket


def test_a_record_that_was_cut_is_reported_as_far_as_it_goes(asyncload, loaded, tmp_path):
    """With a warning; its last line may be a part of one."""
    lines, _, summary = loaded
    text = lines.read_text()
    at = text.index("\n") + 1
    for end in (at, at + 40):
        lines.write_text(text[:end])
        ended = asyncload("report", lines, "--html", tmp_path / "page.html")
        assert ended.code == 3
        assert f"run {summary['run_id']}, started" in ended.out
        assert " of 1 file is in the raw zone: " in ended.out
        assert ended.err.startswith("warning: the record ends before the summary of the run: ")
        assert "ends before the summary" in (tmp_path / "page.html").read_text()
    lines.write_text("")
    ended = asyncload("report", lines)
    assert ended.code == 2
    assert "the file has no record of a run" in ended.err
    lines.write_text(text[: at + 40] + "\n" + text[at:])
    assert "line 2 is not valid JSON" in asyncload("report", lines).err


def test_of_several_runs_in_a_file_the_last_one_is_reported(asyncload, loaded, tmp_path):
    """As `--json >> runs.jsonl` collects them; a warning says so."""
    lines, _, summary = loaded
    text = lines.read_text()
    lines.write_text(text.replace(summary["run_id"], "20200101T000000Z-00000000") + text)
    ended = asyncload("report", lines)
    assert ended.code == 3
    assert ended.out.startswith(f"run {summary['run_id']}, started ")
    assert "\n1 of 2 files are in the raw zone" in ended.out
    assert ended.err == (
        "warning: the file has the records of 2 runs: the last one is shown\n"
        "  hint: write the records of each run to a file of its own, or give a run id\n"
    )


def test_a_page_that_can_not_be_written_does_not_lose_the_report(asyncload, loaded, tmp_path):
    """It is printed first; then the error says what to do."""
    lines, where, summary = loaded
    missing = tmp_path / "none" / "page.html"
    for arguments in ([lines], [summary["run_id"], *where]):
        ended = asyncload("report", *arguments, "--html", missing)
        assert ended.code == 2
        assert "1 of 2 files are in the raw zone" in ended.out
        assert ended.err == (
            f"error: --html: {missing} can't be written: No such file or directory\n"
            "  hint: use a new file, or a page, in an existing folder that you may write to\n"
        )
    ended = asyncload("report", lines, "--html", tmp_path)
    assert f"error: --html: {tmp_path} can't be written: Is a directory" in ended.err
    page = tmp_path / "page.html"
    page.mkdir()
    assert asyncload("report", lines, "--html", page).code == 2
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_page_replaces_only_a_page(asyncload, loaded, tmp_path):
    """The record that it is made of is not lost by a mistyped name."""
    lines, *_ = loaded
    record = lines.read_bytes()
    ended = asyncload("report", lines, "--html", lines)
    assert (ended.code, lines.read_bytes()) == (2, record)
    assert "can't be written: the file exists and does not contain an HTML page" in ended.err
    page = tmp_path / "page.html"
    for before in (b"", b"<!doctype html><p>of another program", b"<!DOCTYPE html><p>old"):
        page.write_bytes(before)
        assert asyncload("report", lines, "--html", page).code == 3
        assert page.stat().st_size > 1_000


def test_the_page_of_a_run_of_shards_has_the_files_of_all(asyncload, s3, volume, layer, tmp_path):
    """Those of each shard that has ended."""
    write_files(volume, {f"sales/{number}.csv": b"1" for number in range(8)})
    where = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url]
    options = [*where, "--layer", layer, "--run", layer, "--date", "2022-05-02"]
    page = tmp_path / "page.html"
    for shard, code in (("1/2", 3), ("2/2", 0)):
        assert asyncload("run", volume, *options, "--shard", shard).code == 0
        assert asyncload("report", layer, *where, "--html", page).code == code
    text = page.read_text()
    assert all(f"sales/{number}.csv" in text for number in range(8))
    assert "<dd>8</dd>" in text


def test_a_page_is_written_whole_or_not_at_all(asyncload, loaded, tmp_path, monkeypatch):
    """After an error the folder is as it was."""
    lines, *_ = loaded
    before = sorted(tmp_path.iterdir())

    def deny(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", deny)
    ended = asyncload("report", lines, "--html", tmp_path / "page.html")
    assert "page.html can't be written: Operation not permitted" in ended.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_complete_run_is_quiet_and_an_error_is_shown(asyncload, s3, volume, layer, tmp_path):
    """The exit code is that of the run: 0 or 3."""
    where = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]
    record = tmp_path / "run.jsonl"
    ended = asyncload("run", volume, *where, "--json")
    record.write_text(ended.out.replace(":_", ":0.5"))
    shown = asyncload("report", record)
    assert (ended.code, shown.code) == (4, 3)
    assert "ended with exit code 4: " in shown.out
    write_files(volume, {"a.csv": b"1"})
    record.write_text(asyncload("run", volume, *where, "--json").out.replace(":_", ":0.5"))
    quiet = asyncload("report", record, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_a_page_replaces_a_file_and_fills_a_device(asyncload, loaded, tmp_path):
    """A device can't be replaced."""
    lines, *_ = loaded
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html>old")
    asyncload("report", lines, "--html", page)
    assert page.read_text().startswith("<!DOCTYPE html><html")
    assert asyncload("report", lines, "--html", os.devnull).code == 3
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_an_odd_file_is_an_error(asyncload, tmp_path, s3, monkeypatch):
    """A folder, another file, a newer version, a line without an end, and no file at all."""
    odd = tmp_path / "odd"
    assert "the record . can't be read: Is a directory" in asyncload("report", ".").err
    for content, message in (
        (b"a,b\n", "line 1 is not valid JSON"),
        (b'{"type":"file","version":2}', "its version is 2"),
        (b"x" * 100, "a line is longer than 64 bytes"),
    ):
        odd.write_bytes(content)
        monkeypatch.setattr("asyncload.operations.history.local._MAX_LINE_BYTES", 64)
        ended = asyncload("report", odd)
        assert (ended.code, ended.out) == (2, "")
        assert message in ended.err
    ended = asyncload("report", tmp_path / "none.jsonl")
    assert ended.code == 2
    assert "none.jsonl' is not a file, so it is looked for in the bucket" in ended.err
    ended = asyncload("report")
    assert ended.err.startswith("error: --bucket is missing\n  hint: the record of a run is in its")
    where = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url]
    assert asyncload("report", *where).err.startswith("error: --run is missing")
    assert "can't be combined" in asyncload("report", "a", "--run", "b", *where).err


def test_a_manifest_whose_files_can_not_be_read_makes_no_page(asyncload, loaded, tmp_path, s3):
    """The totals are shown."""
    _, where, summary = loaded
    body = s3.objects(summary["manifest"])[summary["manifest"]]
    key = summary["manifest"]
    s3.client().put_object(Bucket=s3.bucket, Key=key, Body=body.replace(b'"path":', b'"p":', 1))
    page = tmp_path / "page.html"
    ended = asyncload("report", summary["run_id"], *where, "--html", page)
    # Tests that read all objects of the bucket would take it for a record of theirs.
    s3.client().delete_object(Bucket=s3.bucket, Key=key)
    assert ended.code == 2
    assert "1 of 2 files" in ended.out
    assert f"the manifest '{key}' can't be read: line 2: 'path' is missing" in ended.err
    assert not page.exists()
