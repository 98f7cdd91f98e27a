"""A benchmark whose objects are not the files is noticed."""

from __future__ import annotations

import copy
import hashlib

import pytest

from benchmarks.verification import NotVerified, verify_contents, verify_counts


@pytest.fixture
def files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.csv").write_bytes(b"12345")
    (tmp_path / "sub" / "b.csv").write_bytes(b"abc")
    return tmp_path


def digest(data: bytes) -> list:
    return [len(data), hashlib.sha256(data).hexdigest()]


@pytest.fixture
def stats():
    return {
        "open_uploads": 0,
        "contents": {
            "lake/Raw/A/a.csv": {"size": 5, "digests": [digest(b"123"), digest(b"45")]},
            "lake/b.csv": {"size": 3, "digests": [digest(b"abc")]},
        },
    }


def test_objects_that_are_the_files_are_verified_part_by_part(files, stats):
    assert verify_contents(files, stats) == "2 objects, 8 bytes: SHA-256 of all"


def test_parts_in_the_wrong_order_are_noticed(files, stats):
    stats["contents"]["lake/Raw/A/a.csv"]["digests"].reverse()
    with pytest.raises(NotVerified, match=r"a\.csv: the object's bytes"):
        verify_contents(files, stats)


def test_a_missing_object_is_noticed(files, stats):
    del stats["contents"]["lake/b.csv"]
    with pytest.raises(NotVerified, match="1 files have no object"):
        verify_contents(files, stats)


def test_an_object_without_a_file_is_noticed(files, stats):
    stats["contents"]["lake/c.csv"] = copy.copy(stats["contents"]["lake/b.csv"])
    with pytest.raises(NotVerified, match="1 objects no file"):
        verify_contents(files, stats)


def test_two_files_of_one_name_and_size_need_an_object_each(files, stats):
    (files / "b.csv").write_bytes(b"xyz")
    stats["contents"]["lake/two/b.csv"] = {"size": 3, "digests": [digest(b"abc")]}
    with pytest.raises(NotVerified, match=r"b\.csv: the object's bytes"):
        verify_contents(files, stats)
    stats["contents"]["lake/two/b.csv"] = {"size": 3, "digests": [digest(b"xyz")]}
    verify_contents(files, stats)


def test_an_upload_left_open_is_noticed(files, stats):
    with pytest.raises(NotVerified, match="1 multipart"):
        verify_contents(files, stats | {"open_uploads": 1})


def test_a_timed_run_is_held_against_the_count_of_files_and_bytes():
    stats = {"objects": 2, "object_bytes": 8, "open_uploads": 0}
    verify_counts(2, 8, stats)
    with pytest.raises(NotVerified, match=r"\(2, 8, 0\)"):
        verify_counts(2, 9, stats)
