"""The harness itself: what it breaks is broken, what it judges is judged, a seed replays."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from dataclasses import replace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.proxy import Fault, Oracle, Reply, Seeded, proxy_before, s3_error
from tests.faults.proxy.call import understand
from tests.faults.proxy.http import Head
from tests.support.servers import S3Server


def client_of(server, url, patience=60):
    """A client that says what it is told, once, and expects no 100 Continue first."""
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=server.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            retries={"total_max_attempts": 1},
            read_timeout=patience,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    client.meta.events.register_last("before-call.s3", expect_nothing)
    return client


def expect_nothing(params, **_):
    params["headers"].pop("Expect", None)


def md5(body):
    return b64encode(hashlib.md5(body).digest()).decode()


def some_calls(count):
    """Calls as a load makes them, by what they are about."""
    head = Head(b"", ("PUT", "/", ""), {"content-length": "1000"})
    for number in range(count):
        call = understand(Head(b"", ("PUT", f"/lake/k{number // 4}", ""), {}))
        yield replace(call, head=head, attempt=number % 4 + 1)


@pytest.mark.moto
@pytest.mark.seaweedfs
@pytest.mark.parametrize("server", ["moto", "seaweedfs"])
def test_a_proxy_without_faults_is_not_noticed(request, server, layer):
    """Signatures hold, for the Host is passed on as it was signed; bodies and lists are whole."""
    server: S3Server = request.getfixturevalue(server)
    with proxy_before(server.endpoint_url) as proxy:
        client = client_of(server, proxy.url)
        keys = [f"{layer}/{name}" for name in ("a b", "50%", "é~", "plus+#")]
        for key in keys:
            client.put_object(Bucket="lake", Key=key, Body=key.encode() * 10_000)
        listed = client.list_objects_v2(Bucket="lake", Prefix=layer)["Contents"]
        assert sorted(entry["Key"] for entry in listed) == sorted(keys)
        for key in keys:
            body = client.get_object(Bucket="lake", Key=key)["Body"].read()
            assert body == key.encode() * 10_000
            assert client.head_object(Bucket="lake", Key=key)["ContentLength"] == len(body)
        with pytest.raises(ClientError, match="404"):
            client.head_object(Bucket="lake", Key=f"{layer}/none")
    assert Counter(call.operation for call in proxy.calls) == {
        "PutObject": 4,
        "ListObjectsV2": 1,
        "GetObject": 4,
        "HeadObject": 5,
    }


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_request=0),
        Fault(cut_request=500, how="close"),
        Fault(cut_request=500, how="stall"),
        Fault(cut_reply=0),
        Fault(cut_reply=5, how="close"),
        Fault(cut_reply=5, how="stall"),
        Fault(cut_reply=5, how="half-close"),
        Fault(reply=Reply(502, b"<html>")),
        Fault(reply=s3_error(503, "SlowDown")),
        Fault(reply=s3_error(500, "InternalError"), apply=True),
        Fault(flip=77),
    ],
)
def test_a_broken_request_fails_and_only_then(seaweedfs, layer, fault):
    """Each way to break a request breaks it for the client; the next one passes."""
    passes = fault.apply or fault.cut_reply is not None
    with proxy_before(seaweedfs.endpoint_url, lambda call: fault) as proxy:
        hasty, client = client_of(seaweedfs, proxy.url, patience=1), client_of(seaweedfs, proxy.url)
        body = b"id|name\n" * 1000
        put = {"Bucket": "lake", "Key": f"{layer}/k", "Body": body, "ContentMD5": md5(body)}
        with pytest.raises((ClientError, BotoCoreError)):
            hasty.put_object(**put)
        assert bool(proxy.passed) == passes
        proxy.decide = lambda call: None
        client.put_object(**put)
    assert seaweedfs.objects(layer) == {f"{layer}/k": body}


def test_a_request_may_be_read_slowly_and_passed_on_twice(seaweedfs, layer):
    """Nor is a reply that comes by and by an error to the client."""
    fault = Fault(rate=200_000, twice=True, delay=0.01, trickle=2_000)
    with proxy_before(seaweedfs.endpoint_url, lambda call: fault) as proxy:
        client_of(seaweedfs, proxy.url).put_object(
            Bucket="lake", Key=f"{layer}/k", Body=bytes(50_000)
        )
    assert proxy.passed["PutObject"] == 2
    assert proxy.body_bytes["PutObject"] == 50_000


def test_the_oracle_refuses_what_s3_refuses(moto, layer):
    """Wrong checksums, long keys, disorder, small parts, another owner: moto takes them all."""
    oracle = Oracle(owner="111122223333")
    with proxy_before(moto.endpoint_url, oracle=oracle) as proxy:
        client = client_of(moto, proxy.url)

        def refused(code, operation, **arguments):
            arguments = {"Bucket": "lake", "Key": f"{layer}/k"} | arguments
            with pytest.raises(ClientError) as caught:
                getattr(client, operation)(**arguments)
            assert caught.value.response["Error"]["Code"] == code

        refused("BadDigest", "put_object", Body=b"1", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
        refused("BadDigest", "put_object", Body=b"1", ChecksumCRC64NVME="AAAAAAAAAAA=")
        refused("KeyTooLongError", "put_object", Key="é" * 513, Body=b"1")
        refused("AccessDenied", "put_object", Body=b"1", ExpectedBucketOwner="444455556666")
        upload = {"UploadId": client.create_multipart_upload(Bucket="lake", Key=f"{layer}/k")}
        upload["UploadId"] = upload["UploadId"]["UploadId"]
        refused("InvalidArgument", "upload_part", **upload, PartNumber=10_001, Body=b"1")
        tags = [
            client.upload_part(
                Bucket="lake", Key=f"{layer}/k", **upload, PartNumber=number, Body=b"%d" % number
            )["ETag"]
            for number in (1, 2)
        ]
        parts = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]
        complete = ("complete_multipart_upload",)
        refused("EntityTooSmall", *complete, **upload, MultipartUpload={"Parts": parts})
        refused("InvalidPartOrder", *complete, **upload, MultipartUpload={"Parts": parts[::-1]})
        client.abort_multipart_upload(Bucket="lake", Key=f"{layer}/k", **upload)
    assert moto.objects(layer) == {}
    told = "\n".join(oracle.violations)
    for what in ("BadDigest", "KeyTooLongError", "no checksum", "EntityTooSmall", "PartOrder"):
        assert what in told
    assert "444455556666" not in told, "whom a client expects is no fault of its own"


def test_the_oracle_finds_a_mixed_object(moto, volume, layer):
    """A body that is not a whole version of its file must not be put, not even its start."""
    (volume / "a.csv").write_bytes(b"whole")
    oracle = Oracle()
    oracle.register(volume)
    with proxy_before(moto.endpoint_url, oracle=oracle) as proxy:
        client = client_of(moto, proxy.url)
        for body in (b"whole", b"who"):
            client.put_object(Bucket="lake", Key=f"{layer}/a.csv", Body=body, ContentMD5=md5(body))
    key = f"{layer}/a.csv"
    assert oracle.violations == [f"PutObject {key}: its 3 bytes are no whole version of a file"]


def test_a_seed_decides_by_what_a_call_is_about_not_by_when_it_comes():
    """The same calls in another order, and in another process, meet the same faults."""
    calls = list(some_calls(400))
    faults = {(*call.identity, call.attempt): Seeded(7)(call) for call in calls}
    shuffled = random.Random(1).sample(calls, len(calls))
    assert {(*call.identity, call.attempt): Seeded(7)(call) for call in shuffled} == faults
    assert {str(fault) for fault in faults.values()} != {"None"}
    script = (
        "from tests.faults.test_proxy import some_calls; from tests.faults.proxy import Seeded\n"
        "print([str(Seeded(7)(call)) for call in some_calls(400)])"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONHASHSEED": "99"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == str([str(fault) for fault in faults.values()])


def test_rates_are_kept():
    """About 15 % errors, 20 % throttles, 10 % delays, 2 % lost replies and 1 % rejections.

    Another seed draws other calls.
    """
    calls = list(some_calls(8_000))
    faults = [Seeded(1)(call) for call in calls]
    replies = [f.reply.status for f in faults if f is not None and f.reply is not None]
    throttles = sum(status in (503, 429) for status in replies)
    delays = sum(f is not None and f.delay > 0 for f in faults)
    flips = sum(f is not None and f.flip is not None for f in faults)
    broken = sum(f is not None for f in faults) - throttles - delays - flips
    shares = [count / len(calls) for count in (broken, throttles, delays, flips)]
    assert shares == pytest.approx([0.18, 0.20, 0.10, 0.005], abs=0.015)
    assert faults != [Seeded(2)(call) for call in calls]


def test_it_runs_by_itself(moto, layer):
    """`python -m tests.faults.proxy` prints its address, and at its end what was wrong."""
    command = [sys.executable, "-m", "tests.faults.proxy", "--endpoint", moto.endpoint_url]
    command += ["--errors", "0", "--throttles", "1", "--delays", "0"]
    command += ["--corruption", "0", "--lost-replies", "0", "--rejections", "0"]
    command += ["--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        with pytest.raises(ClientError, match=r"SlowDown|Unavailable|TooMany"):
            client_of(moto, url).put_object(Bucket="lake", Key=f"{layer}/k", Body=b"1")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 1
    assert out == f"violation: PutObject {layer}/k: its body has no checksum\n"
