"""The library against real servers: moto, which forgives, and SeaweedFS, which does not."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

import asyncload
from asyncload.model.values import ObjectKey, PartSent, PlannedUpload, SourceFile
from asyncload.planning.plan import MIB, PartLayout
from asyncload.s3 import ObjectOptions
from asyncload.transfer import Provenance
from asyncload.transfer.upload_records import UploadRecord, fingerprint, record_key
from tests.support.content import random_bytes
from tests.support.loads import NOW, Recorder, write_files

REPOSITORY = Path(__file__).parents[2]
DAY = "2022/05/02"
# What proves a small and a large file: moto takes wrong CRCs, so that they count for nothing.
PROOFS = {"seaweedfs": ("CRC64NVME", "CRC64NVME"), "moto": ("MD5", "MD5 of parts")}


def settings(s3, layer, volume, **options):
    return asyncload.Settings(
        volume=volume, bucket=s3.bucket, endpoint_url=s3.endpoint_url, layer=layer, **options
    )


def films(path, size):
    """Make a film CSV as users have them."""
    spec = importlib.util.spec_from_file_location("films", REPOSITORY / "data/make_films.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write_films(path, size, 7)


async def test_the_sample_volume_is_uploaded_byte_for_byte(s3, layer):
    """Quotes, embedded newlines, accents, a BOM, an empty file: each object is its file."""
    volume = REPOSITORY / "data"
    recorder = Recorder()
    report = await asyncload.load(settings(s3, layer, volume), observer=recorder, now=NOW)
    prefix = f"{layer}/Local/CSV"
    assert s3.objects(layer) == {
        f"{prefix}/{key}": (volume / path).read_bytes()
        for path, key in {
            "movies.csv": f"Movies/{DAY}/movies.csv",
            "people.csv": f"People/{DAY}/people.csv",
            "series.csv": f"Series/{DAY}/series.csv",
            "ratings/part-00000.csv": f"Ratings/{DAY}/part-00000.csv",
            "ratings/part-00001.csv": f"Ratings/{DAY}/part-00001.csv",
            "ratings/part-00002.CSV": f"Ratings/{DAY}/part-00002.CSV",
            "reviews/2022/reviews.csv": f"Reviews/{DAY}/2022/reviews.csv",
            "reviews/2022/resenhas em português.csv": (
                f"Reviews/{DAY}/2022/resenhas em português.csv"
            ),
        }.items()
    }
    assert report.exit_code == 0
    assert {o.checksum.algorithm for o in recorder.outcomes.values()} == {PROOFS[s3.name][0]}


async def test_a_large_csv_is_uploaded_in_parts(s3, layer, volume):
    """Multipart, verified by the full object's checksum; nothing stays open."""
    films(volume / "movies.csv", 40 * MIB)
    recorder = Recorder()
    await asyncload.load(settings(s3, layer, volume), observer=recorder, now=NOW)
    (body,) = s3.objects(layer).values()
    assert body == (volume / "movies.csv").read_bytes()
    assert len([e for e in recorder.events if isinstance(e, PartSent)]) == 5
    assert recorder.outcomes["movies.csv"].checksum.algorithm == PROOFS[s3.name][1]
    assert s3.open_uploads(layer) == []
    head = s3.client().head_object(
        Bucket=s3.bucket, Key=f"{layer}/Local/CSV/Movies/{DAY}/movies.csv"
    )
    assert head["ContentType"] == "text/csv"


async def test_running_again_keeps_existing_objects(s3, layer, volume):
    """Identical is unchanged; different fails its file, unless replacing is asked for."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"2", "l.csv": random_bytes(17 * MIB)})
    await asyncload.load(settings(s3, layer, volume), now=NOW)
    before = s3.objects(layer)
    (volume / "b.csv").write_bytes(b"3")
    recorder = Recorder()
    report = await asyncload.load(settings(s3, layer, volume), observer=recorder, now=NOW)
    assert recorder.statuses == {"a.csv": "unchanged", "b.csv": "failed", "l.csv": "unchanged"}
    assert report.exit_code == 3
    assert s3.objects(layer) == before
    report = await asyncload.load(settings(s3, layer, volume, overwrite=True), now=NOW)
    assert report.exit_code == 0
    assert s3.objects(layer)[f"{layer}/Local/CSV/B/{DAY}/b.csv"] == b"3"


async def test_cancelled_after_the_first_part_nothing_stays_open(s3, layer, volume):
    """The upload is aborted at the server; no object appears."""
    write_files(volume, {"l.csv": random_bytes(80 * MIB)})
    task = None

    def cancel_at_first_part(event):
        if isinstance(event, PartSent):
            task.cancel()

    running = asyncload.load(
        settings(s3, layer, volume, concurrency=2), observer=cancel_at_first_part, now=NOW
    )
    task = asyncio.get_running_loop().create_task(running)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert s3.open_uploads(layer) == []
    assert s3.objects(layer) == {}


async def test_names_of_all_kinds_round_trip(s3, layer, volume):
    """Spaces, percent, plus, hash, question mark, backslash, emoji, NFC and NFD."""
    names = ["a b", "50%", "%41", "a+b", "#1", "w?t", "🎬", "\u00e9", "e\u0301", "'q'", '"']
    if s3.name != "seaweedfs":
        # SeaweedFS stores a backslash as a slash, from any client.
        names.append("back\\slash")
    write_files(volume, {f"names/{name}.csv": name.encode() for name in names})
    report = await asyncload.load(settings(s3, layer, volume), now=NOW)
    assert report.exit_code == 0
    assert s3.objects(layer) == {
        f"{layer}/Local/CSV/Names/{DAY}/{name}.csv": name.encode() for name in names
    }


@pytest.mark.parametrize("checksum", ["md5", "crc32", "crc64nvme"])
async def test_each_checksum_proves_small_and_large_files(s3, layer, volume, checksum):
    """As far as the store goes along: it is said by what, and a second run finds it all."""
    write_files(volume, {"a.csv": b"1|2\n", "l.csv": random_bytes(17 * MIB)})
    recorder = Recorder()
    # Without a manifest nothing is probed, and moto's checksums are taken as they come.
    options = settings(s3, layer, volume, checksum=checksum, manifest=False)
    await asyncload.load(options, observer=recorder, now=NOW)
    for path, outcome in recorder.outcomes.items():
        if outcome.status == "failed":
            # SeaweedFS makes ETags of its own for uploads in parts: it can't prove by MD5.
            assert (s3.name, path, checksum) == ("seaweedfs", "l.csv", "md5")
            assert isinstance(outcome.error, asyncload.errors.NotVerified)
        else:
            assert outcome.checksum.algorithm.lower().startswith(checksum)
    stored = s3.objects(layer)
    assert {key.rsplit("/", 1)[1]: body for key, body in stored.items()} == {
        path: (volume / path).read_bytes() for path in ("a.csv", "l.csv")
    }


@pytest.mark.parametrize("part", [8 * MIB, 11 * MIB], ids=["as-now", "with-other-memory"])
async def test_a_killed_runs_upload_is_resumed(s3, layer, volume, part):
    """All parts but the last are there: that one is sent, and the object is the file."""
    body = random_bytes(6 * part + 1000)
    write_files(volume, {"l.csv": body})
    client, key = s3.client(), f"{layer}/Local/CSV/L/{DAY}/l.csv"
    named = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    begun = client.create_multipart_upload(Bucket=s3.bucket, Key=key, **named)
    for number in range(1, 7):
        client.upload_part(
            Bucket=s3.bucket,
            Key=key,
            UploadId=begun["UploadId"],
            PartNumber=number,
            Body=body[(number - 1) * part : number * part],
            ChecksumAlgorithm="CRC64NVME",
        )
    source = PlannedUpload(SourceFile("l.csv", len(body)), ObjectKey(key))
    mtime_ns = (volume / "l.csv").stat().st_mtime_ns
    created = ObjectOptions().arguments(Provenance("killed", "1.0").info(source, mtime_ns))
    made = fingerprint(created, "CRC64NVME")
    record = UploadRecord(key, begun["UploadId"], PartLayout(len(body), part), made)
    record_body = record.encode("killed", NOW)
    recorded = record_key("_asyncload", begun["UploadId"])
    client.put_object(Bucket=s3.bucket, Key=recorded, Body=record_body)
    recorder = Recorder()
    report = await asyncload.load(settings(s3, layer, volume), observer=recorder, now=NOW)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert report.kept == 6 * part
    assert s3.objects(layer) == {key: body}
    assert s3.open_uploads(layer) == []
