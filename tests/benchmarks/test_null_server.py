"""The null server answers boto3 and aioboto3 as S3 does, and its digests are those of the bytes."""

from __future__ import annotations

import hashlib
import io

import aioboto3
import pytest
from botocore.exceptions import ClientError

from benchmarks import servers
from tests.support.content import random_bytes

PART = 5 * 1024 * 1024
CRC = "AAAAAAAAAAA="


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def error_of(raised) -> tuple[str, int]:
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def contents(server):
    return server.stats(objects=True)["contents"]


@pytest.mark.parametrize("key", ["a.csv", "a b+%25/é#?&=.csv", "emoji/😀.csv"])
def test_a_put_is_kept_with_its_size_and_digest_under_its_exact_key(server, client, key):
    body = random_bytes(17_000)
    answer = client.put_object(Bucket="lake", Key=key, Body=body)
    assert answer["ETag"].startswith('"')
    assert contents(server) == {
        f"lake/{key}": {"size": 17_000, "digests": [[17_000, sha256(body)]]}
    }
    assert client.head_object(Bucket="lake", Key=key)["ContentLength"] == 17_000


def test_an_empty_object_is_an_object(server, client):
    client.put_object(Bucket="lake", Key="empty.csv", Body=b"")
    assert contents(server) == {"lake/empty.csv": {"size": 0, "digests": [[0, sha256(b"")]]}}


def test_a_checksum_comes_back_with_the_put_and_with_head(client):
    answer = client.put_object(Bucket="lake", Key="a", Body=b"1", ChecksumCRC64NVME=CRC)
    assert answer["ChecksumCRC64NVME"] == CRC
    head = client.head_object(Bucket="lake", Key="a", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == CRC
    assert "ChecksumCRC64NVME" not in client.head_object(Bucket="lake", Key="a")


def test_a_create_only_put_of_a_key_that_is_there_gets_412_and_changes_nothing(server, client):
    client.put_object(Bucket="lake", Key="a", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as raised:
        client.put_object(Bucket="lake", Key="a", Body=b"second", IfNoneMatch="*")
    assert error_of(raised) == ("PreconditionFailed", 412)
    assert contents(server)["lake/a"]["digests"] == [[5, sha256(b"first")]]
    assert server.stats()["statuses"] == {"200": 1, "412": 1}


def test_a_completed_upload_has_the_digests_of_its_parts_in_order(server, client):
    bodies = [random_bytes(PART), random_bytes(1000)]
    upload = client.create_multipart_upload(
        Bucket="lake", Key="big", ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT"
    )
    target = {"Bucket": "lake", "Key": "big", "UploadId": upload["UploadId"]}
    parts = {
        number: client.upload_part(
            **target, PartNumber=number, Body=bodies[number - 1], ChecksumCRC64NVME=CRC
        )
        for number in (2, 1)
    }
    assert [part["ChecksumCRC64NVME"] for part in parts.values()] == [CRC, CRC]
    listed = client.list_parts(**target)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, PART), (2, 1000)]
    open_uploads = client.list_multipart_uploads(Bucket="lake", Prefix="bi")["Uploads"]
    assert [(one["Key"], one["UploadId"]) for one in open_uploads] == [("big", upload["UploadId"])]
    done = client.complete_multipart_upload(
        **target,
        MultipartUpload={
            "Parts": [{"PartNumber": n, "ETag": parts[n]["ETag"]} for n in sorted(parts)]
        },
        ChecksumCRC64NVME=CRC,
        ChecksumType="FULL_OBJECT",
        IfNoneMatch="*",
    )
    assert (done["ChecksumCRC64NVME"], done["ChecksumType"]) == (CRC, "FULL_OBJECT")
    assert done["ETag"].endswith('-2"')
    assert contents(server)["lake/big"] == {
        "size": PART + 1000,
        "digests": [[PART, sha256(bodies[0])], [1000, sha256(bodies[1])]],
    }
    assert server.stats()["open_uploads"] == 0


def test_a_create_only_complete_of_a_key_that_is_there_gets_412(client):
    client.put_object(Bucket="lake", Key="a", Body=b"first")
    target, parts = _one_part_upload(client)
    with pytest.raises(ClientError) as raised:
        client.complete_multipart_upload(
            **target, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
        )
    assert error_of(raised) == ("PreconditionFailed", 412)


def test_a_part_with_another_etag_is_invalid(client):
    target, parts = _one_part_upload(client)
    with pytest.raises(ClientError) as raised:
        client.complete_multipart_upload(
            **target, MultipartUpload={"Parts": [parts[0] | {"ETag": '"other"'}]}
        )
    assert error_of(raised) == ("InvalidPart", 400)


def test_a_part_under_5_mib_that_is_not_the_last_is_too_small(client):
    target, parts = _one_part_upload(client)
    second = client.upload_part(**target, PartNumber=2, Body=b"2")
    parts.append({"PartNumber": 2, "ETag": second["ETag"]})
    with pytest.raises(ClientError) as raised:
        client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    assert error_of(raised) == ("EntityTooSmall", 400)


def test_parts_out_of_order_are_refused(client):
    target, parts = _one_part_upload(client)
    second = client.upload_part(**target, PartNumber=2, Body=b"2")
    parts.insert(0, {"PartNumber": 2, "ETag": second["ETag"]})
    with pytest.raises(ClientError) as raised:
        client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    assert error_of(raised) == ("InvalidPartOrder", 400)


def test_an_aborted_upload_is_gone(server, client):
    target, _ = _one_part_upload(client)
    client.abort_multipart_upload(**target)
    assert server.stats()["open_uploads"] == 0
    for call in (client.abort_multipart_upload, client.list_parts):
        with pytest.raises(ClientError) as raised:
            call(**target)
        assert error_of(raised) == ("NoSuchUpload", 404)


def test_a_bucket_is_there_and_a_key_that_was_not_put_is_not(client):
    assert client.head_bucket(Bucket="lake")["BucketRegion"] == "us-east-1"
    assert client.get_bucket_location(Bucket="lake")["LocationConstraint"] is None
    with pytest.raises(ClientError) as raised:
        client.head_object(Bucket="lake", Key="missing")
    assert error_of(raised) == ("404", 404)


def test_keys_are_listed_page_by_page_in_byte_order_with_a_prefix(client):
    keys = [f"p/{n:02} é+%.csv" for n in range(25)] + ["q/other"]
    for key in reversed(keys):
        client.put_object(Bucket="lake", Key=key, Body=b"1")
    client.put_object(Bucket="other", Key="p/00", Body=b"1")
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket="lake", Prefix="p/", PaginationConfig={"PageSize": 10}
    )
    pages = [[entry["Key"] for entry in page["Contents"]] for page in pages]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [key for page in pages for key in page] == keys[:25]
    after = client.list_objects_v2(Bucket="lake", StartAfter=keys[23])
    assert [entry["Key"] for entry in after["Contents"]] == keys[24:]


def test_a_delimiter_puts_keys_together_over_pages(client):
    for key in ("a/1", "a/2", "a/3", "b", "c/1", "c/2"):
        client.put_object(Bucket="lake", Key=key, Body=b"1")
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket="lake", Delimiter="/", PaginationConfig={"PageSize": 1}
    )
    found = [
        [entry["Key"] for entry in page.get("Contents", ())]
        + [group["Prefix"] for group in page.get("CommonPrefixes", ())]
        for page in pages
    ]
    assert found == [["a/"], ["b"], ["c/"]]


def test_what_it_does_not_know_it_says(client):
    with pytest.raises(ClientError) as raised:
        client.get_object(Bucket="lake", Key="a")
    assert error_of(raised) == ("NotImplemented", 501)


def test_calls_and_bytes_are_counted_and_reset_clears_them(server, client):
    client.put_object(Bucket="lake", Key="a", Body=b"12345")
    client.put_object(Bucket="lake", Key="b", Body=b"123")
    client.list_objects_v2(Bucket="lake")
    stats = server.stats()
    assert stats["calls"] == {"PutObject": 2, "ListObjectsV2": 1}
    assert (stats["requests"], stats["objects"], stats["object_bytes"]) == (3, 2, 8)
    server.reset()
    stats = server.stats()
    assert (stats["calls"], stats["objects"], stats["body_bytes"]) == ({}, 0, 0)


@pytest.mark.filterwarnings("ignore:Sending a large body")  # aioboto3 sends parts as bytes
async def test_aioboto3s_uploader_stores_small_and_large_files(server):
    bodies = {"small": random_bytes(17_000), "large": random_bytes(20 * 1024 * 1024)}
    session = aioboto3.Session(
        server.credentials["AWS_ACCESS_KEY_ID"],
        server.credentials["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    async with session.client("s3", endpoint_url=server.url) as client:
        for key, body in bodies.items():
            await client.upload_fileobj(io.BytesIO(body), "lake", key)
    for key, body in bodies.items():
        stored = contents(server)[f"lake/{key}"]
        assert stored["size"] == len(body)
        start = 0
        for size, digest in stored["digests"]:
            assert digest == sha256(body[start : start + size])
            start += size
        assert start == len(body)


def test_over_tls_boto3_sends_trailing_checksums_which_are_read_and_come_back(tmp_path, client_for):
    body = random_bytes(3_000_000)
    with servers.null_server(tmp_path, servers.Conditions(tls=True, digests=True)) as server:
        client = client_for(server, verify=str(server.ca_bundle))
        answer = client.put_object(Bucket="lake", Key="a", Body=io.BytesIO(body))
        assert contents(server)["lake/a"] == {
            "size": len(body),
            "digests": [[len(body), sha256(body)]],
        }
        assert answer["ChecksumCRC32"]
        client.close()


def test_without_digests_bodies_are_counted_however_large(tmp_path, client_for):
    with servers.null_server(tmp_path) as server:
        client = client_for(server)
        for size in (0, 1, 17_000, 300_000, 3_000_000, 40_000_000):
            client.put_object(Bucket="lake", Key=str(size), Body=bytes(size))
            assert contents(server)[f"lake/{size}"] == {"size": size, "digests": [[size, None]]}
        client.close()


def _one_part_upload(client):
    upload = client.create_multipart_upload(Bucket="lake", Key="a")
    target = {"Bucket": "lake", "Key": "a", "UploadId": upload["UploadId"]}
    part = client.upload_part(**target, PartNumber=1, Body=b"1")
    return target, [{"PartNumber": 1, "ETag": part["ETag"]}]
