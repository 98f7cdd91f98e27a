"""What an object says of where it comes from."""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes

from hypothesis import example, given
from hypothesis import strategies as st

from asyncload.model.values import Checksum, ObjectKey, PlannedUpload, SourceFile
from asyncload.settings.objects import MAX_METADATA_BYTES
from asyncload.store.protocol import CSV
from asyncload.transfer import Provenance

PROVENANCE = Provenance("20220502T120000Z-01234567", "0.1.0")
SUM = Checksum("CRC64NVME", "rosUhgp5mIg=")


def upload(path):
    return PlannedUpload(SourceFile(path, 1), ObjectKey("k"))


def test_it_names_run_version_file_time_and_checksum():
    """The time in seconds, as other tools write it."""
    info = PROVENANCE.info(upload("films/de 1.csv"), 1_651_492_800_000_000_007, SUM)
    assert info.content_type == "text/csv"
    assert info.metadata == {
        "asyncload-version": "0.1.0",
        "asyncload-run": "20220502T120000Z-01234567",
        "mtime": "1651492800.000000007",
        "source-path": "films/de%201.csv",
        "asyncload-crc64nvme": "rosUhgp5mIg=",
    }


def test_without_a_run_it_says_nothing():
    """A library's user may have none."""
    assert Provenance().info(upload("a.csv"), 0, SUM) == CSV


@example(b"x" * 1100)
@given(st.binary(min_size=1, max_size=1200).filter(lambda name: b"\0" not in name))
def test_it_is_ascii_and_leaves_room_for_the_users_own(name):
    """For any file name; a path that is too long is only in the manifest."""
    path = os.fsdecode(name)
    metadata = PROVENANCE.info(upload(path), 0, SUM).metadata
    sent = "".join(f"{key}{value}" for key, value in metadata.items())
    assert sent.isascii()
    assert sent.isprintable()
    assert len(sent) + MAX_METADATA_BYTES <= 2048
    if "source-path" in metadata:
        assert unquote_to_bytes(metadata["source-path"]) == name
    else:
        assert len(name) * 3 > 1024


def test_another_algorithm_is_not_noted_as_crc64nvme():
    """Its name says what it is."""
    metadata = PROVENANCE.info(upload("a.csv"), 0, Checksum("CRC32", "y/Q5Jg==")).metadata
    assert "asyncload-crc64nvme" not in metadata
