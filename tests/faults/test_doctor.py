"""`asyncload doctor` names each fault by the check that fails, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from time import time

import pytest
import trustme

from asyncload.errors import StoreError, StoreUnavailable
from asyncload.model.checksums import checksum_of
from asyncload.model.values import ObjectKey
from asyncload.operations.doctor.examination import Examination, Finding
from asyncload.operations.doctor.traces import TracingStore
from asyncload.store.limits import AdaptiveLimit
from tests.faults.lake import fail_always
from tests.faults.proxy import Fault, Reply, clock_off_by, proxy_before, s3_error
from tests.support.loads import AT_ONCE, write_files
from tests.support.memory_store import MemoryStore
from tests.support.scripted_s3 import error, scripted_s3
from tests.support.servers import free_port
from tests.support.tls import tls_for
from tests.support.vocabulary import check_lines

DENIED = Fault(reply=s3_error(403, "AccessDenied", "Access Denied"))
SECRET = "CANARY-secret-key-of-forty-characters-xx"
TOKEN = "CANARY-session-token//" + "x" * 200
KEY_ID = "AKIAQWERTYUIOP123456"


class Result:
    """What a diagnosis said: its exit code, and its checks by name."""

    def __init__(self, ended):
        self.ended = ended
        self.code = ended.code
        *checks, self.summary = check_lines(ended.out)
        self.checks = {check["name"]: check for check in checks}
        self.left = self.summary["left_behind"]

    def named(self, status):
        return [name for name, check in self.checks.items() if check["status"] == status]

    @property
    def skipped(self):
        """The skipped checks that depend on another one."""
        reasons = {name: check["reason"] for name, check in self.checks.items()}
        return {name for name in self.named("skipped") if reasons[name].startswith("depends on")}


@pytest.fixture
def doctor(asyncload, volume, layer, monkeypatch):
    """Diagnose a server, behind a proxy if a test decides what happens to its requests."""
    monkeypatch.setattr("asyncload.operations.doctor.connection.RETRIES", AT_ONCE)
    write_files(volume, {"movies.csv": b"1\n"})
    with ExitStack() as stack:

        def diagnose(server, decide=None, *more, url=None, text=False):
            for name, value in getattr(server, "environment", {}).items():
                monkeypatch.setenv(name, value)
            url = url or server.endpoint_url
            if decide is not None:
                url = stack.enter_context(proxy_before(url, decide)).url
            where = ("--bucket", "lake", "--endpoint-url", url, "--layer", layer)
            prefix = ("--manifest-prefix", f"_asyncload-{layer}")
            ended = asyncload("doctor", volume, *where, *prefix, *more, *["--json"] * (not text))
            return ended if text else Result(ended)

        yield diagnose


def nothing_left(server, layer):
    objects = [*server.objects(layer), *server.objects(f"_asyncload-{layer}")]
    uploads = [*server.open_uploads(layer), *server.open_uploads(f"_asyncload-{layer}")]
    return not objects and not uploads


PERMISSIONS = {
    "ListObjectsV2": ("list", "warning", set()),
    "PutObject": (
        "put",
        "failed",
        {"head", "create_multipart", "upload_part", "list_parts", "complete_multipart"}
        | {"checksums", "create_only", "delete"},
    ),
    "HeadObject": ("head", "warning", {"checksums", "create_only"}),
    "CreateMultipartUpload": (
        "create_multipart",
        "failed",
        {"upload_part", "list_parts", "complete_multipart", "checksums", "create_only"}
        | {"abort_multipart"},
    ),
    "UploadPart": (
        "upload_part",
        "failed",
        {"list_parts", "complete_multipart", "checksums", "create_only"},
    ),
    "ListParts": ("list_parts", "warning", set()),
    "CompleteMultipartUpload": ("complete_multipart", "failed", {"checksums", "create_only"}),
    "ListMultipartUploads": ("list_uploads", "warning", set()),
    "AbortMultipartUpload": ("abort_multipart", "warning", set()),
    "DeleteObject": ("delete", "warning", set()),
}


@pytest.mark.fault("K8", "K9")
@pytest.mark.parametrize("operation", PERMISSIONS)
def test_each_permission_has_its_check(doctor, moto, layer, operation):
    """The denied one is named with the action to permit; all that depends on it is skipped."""
    name, status, skipped = PERMISSIONS[operation]
    result = doctor(moto, fail_always(operation, DENIED))
    check = result.checks[name]
    assert (check["status"], result.code) == (status, 5 if status == "failed" else 0)
    assert operation in check["reason"]
    assert "permit s3:" in check["fix"]
    assert result.skipped == skipped
    others = {"data_prefix"} if operation == "CreateMultipartUpload" else set()
    assert {*result.named("failed"), *result.named("warning")} - others >= {name}
    removable = operation not in ("AbortMultipartUpload", "DeleteObject")
    assert nothing_left(moto, layer) == removable == (not result.left)


def test_what_can_not_be_removed_is_named(doctor, moto, layer):
    """Each object and each upload, in text and in records."""
    denied = fail_always({"AbortMultipartUpload", "DeleteObject"}, DENIED)
    result = doctor(moto, denied)
    assert result.code == 0
    kept = {(left["key"], left["upload_id"] is not None) for left in result.left}
    keys = {key for key, is_upload in kept if not is_upload}
    assert keys == {*moto.objects(f"_asyncload-{layer}")}
    assert len(keys) >= 3
    uploads = {key for key, is_upload in kept if is_upload}
    found = [*moto.open_uploads(layer), *moto.open_uploads(f"_asyncload-{layer}")]
    assert uploads == {*found}
    # Without deletions, no success marker can be kept right.
    ended = doctor(moto, denied, "--success-marker", text=True)
    assert ended.code == 5
    assert f"left behind: s3://lake/_asyncload-{layer}/doctor-" in ended.out
    assert f"left behind: upload of s3://lake/{layer}/Local/CSV/asyncload-doctor-" in ended.out
    assert "failed   delete: " in ended.out
    for name in (*moto.objects(f"_asyncload-{layer}"),):
        moto.client().delete_object(Bucket="lake", Key=name)


def test_without_manifests_their_prefix_need_not_be_writable(doctor, moto, layer):
    """The checks that need it are skipped, and a run would work."""
    denied = fail_always("PutObject", DENIED)
    result = doctor(moto, denied, "--no-manifest")
    assert (result.code, result.checks["put"]["status"]) == (0, "skipped")
    assert "--no-manifest" in result.checks["put"]["reason"]
    assert "put, which was skipped" in result.checks["checksums"]["reason"]
    assert result.checks["data_prefix"]["status"] == "ok"
    assert nothing_left(moto, layer)


@pytest.mark.fault("G5", "G8")
def test_promises_that_a_store_does_not_keep(doctor, rclone, layer):
    """It accepts wrong CRCs and ignores If-None-Match and tags."""
    result = doctor(rclone, None, "--tag", "a=b")
    assert result.code == 0
    assert "verified by the MD5" in result.checks["checksums"]["reason"]
    assert result.checks["checksums"]["values"]["checks"] == {"CRC64NVME": False, "MD5": True}
    create_only = result.checks["create_only"]
    assert (create_only["status"], create_only["values"]) == (
        "warning",
        {"put": False, "complete": False},
    )
    assert "PutObject and CompleteMultipartUpload" in create_only["reason"]
    assert result.checks["tags"]["status"] == "warning"
    assert "did not keep --tag" in result.checks["tags"]["reason"]
    assert nothing_left(rclone, layer)
    result = doctor(rclone, None, "--require-create-only")
    assert (result.code, result.named("failed")) == (5, ["create_only"])


def test_options_that_can_not_be_read_back(doctor, moto):
    """As HEAD is denied: they are skipped, not believed."""
    result = doctor(moto, fail_always("HeadObject", DENIED), "--tag", "a=b")
    assert (result.code, result.checks["tags"]["status"]) == (0, "skipped")


def test_what_a_lock_needs_is_checked_and_no_test_object_is_locked(doctor, moto, layer):
    """A bucket without Object Lock, one that may have it, and an upload with the lock."""
    lock = ("--lock-mode", "compliance", "--lock-until", "7y")
    result = doctor(moto, None, *lock)
    assert (result.code, result.named("failed")) == (5, ["object_lock"])
    assert "does not have Object Lock enabled" in result.checks["object_lock"]["reason"]
    locked = []

    def deny(call):
        locked.extend([call.operation] if "x-amz-object-lock-mode" in call.head.fields else [])
        return DENIED if call.operation == "GetObjectLockConfiguration" else None

    result = doctor(moto, deny, *lock)
    assert (result.code, result.checks["object_lock"]["status"]) == (0, "warning")
    assert "s3:GetBucketObjectLockConfiguration" in result.checks["object_lock"]["fix"]
    assert "for an object locked until" in result.checks["data_prefix"]["reason"]
    assert locked == ["CreateMultipartUpload"]
    assert nothing_left(moto, layer)
    enabled = (
        b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
        b"</ObjectLockConfiguration>"
    )
    answer = Fault(reply=Reply(200, body=enabled))
    result = doctor(
        moto, lambda call: answer if call.operation == "GetObjectLockConfiguration" else None, *lock
    )
    assert (result.code, result.checks["object_lock"]["status"]) == (0, "ok")


@pytest.mark.fault("G9")
def test_a_store_that_refuses_checksums(doctor, moto, layer):
    """The warning of a run is printed, too; the MD5s that are sent instead are checked."""

    def refuse(call):
        sent = [n for n in call.head.fields if n.startswith(("x-amz-checksum", "x-amz-sdk"))]
        message = f"Unsupported header '{sent[0]}' received for this API call." if sent else ""
        return Fault(reply=s3_error(400, "InvalidArgument", message)) if sent else None

    result = doctor(moto, refuse)
    assert result.code == 0
    assert result.ended.err.startswith("warning: ")
    assert "MD5" in result.ended.err
    assert nothing_left(moto, layer)


def test_a_bucket_that_can_not_be_addressed(doctor, moto):
    """Its ARN is not one of S3: no request can be made."""
    result = doctor(moto, None, "--bucket", "arn:aws:sqs:::lake")
    assert (result.code, result.named("failed")) == (5, ["endpoint"])
    assert "arn:aws:sqs:::lake" in result.checks["endpoint"]["reason"]


def test_required_conditions_that_can_not_be_probed(doctor, moto):
    """As HEAD is denied: a run would refuse the store."""
    result = doctor(moto, fail_always("HeadObject", DENIED), "--require-create-only")
    assert (result.code, result.named("failed")) == (5, ["create_only"])
    assert result.checks["checksums"]["reason"] == "depends on head, which did not succeed"


@pytest.mark.fault("G8")
def test_a_store_whose_answers_prove_nothing(doctor, rclone):
    """With a CRC demanded that the store does not check, all files would fail."""
    result = doctor(rclone, None, "--checksum", "crc64nvme")
    assert (result.code, result.named("failed")) == (5, ["checksums"])
    assert "--checksum auto" in result.checks["checksums"]["fix"]
    result = doctor(rclone, None, "--checksum", "crc64nvme", "--no-manifest")
    assert (result.code, result.checks["checksums"]["status"]) == (0, "warning")


@pytest.mark.seaweedfs
def test_encryption_that_a_store_does_not_confirm(doctor, seaweedfs, rclone, layer):
    """Of puts or of uploads in parts: a run would end."""
    result = doctor(seaweedfs, None, "--sse", "AES256")
    assert result.checks["encryption"]["status"] == "ok"
    assert result.named("failed") == ["create_multipart", "data_prefix"]
    assert nothing_left(seaweedfs, layer)
    result = doctor(rclone, None, "--sse", "AES256")
    assert (result.code, result.named("failed")) == (5, ["encryption"])
    assert "--sse" in result.checks["encryption"]["fix"]


@pytest.mark.fault("K7")
def test_a_wrong_region(doctor, moto):
    """The right one is named, and no later request is made."""
    answer = s3_error(
        400,
        "AuthorizationHeaderMalformed",
        "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
        extra="<Region>eu-west-1</Region>",
    )
    result = doctor(moto, lambda call: Fault(reply=answer))
    assert (result.code, result.named("failed")) == (5, ["region"])
    assert result.checks["region"]["fix"] == "use --region eu-west-1"
    assert [*result.checks][-1] == "bucket"


@pytest.mark.fault("K10")
def test_a_missing_bucket(doctor, moto):
    """The last check that is made."""
    answer = s3_error(404, "NoSuchBucket", "The specified bucket does not exist")
    result = doctor(moto, lambda call: Fault(reply=answer))
    assert (result.code, result.named("failed")) == (5, ["bucket"])
    assert "--bucket" in result.checks["bucket"]["fix"]
    assert [*result.checks][-1] == "bucket"


@pytest.mark.fault("K11")
def test_the_owner_is_checked_if_one_is_expected(doctor, moto, layer):
    """A store that ignores the owner, one that denies, and one that accepts it."""
    owner = ("--expected-bucket-owner", "123456789012")
    result = doctor(moto, None, *owner)
    assert (result.code, result.named("failed")) == (5, ["owner"])
    result = doctor(moto, fail_always("ListObjectsV2", DENIED), *owner)
    assert (result.code, result.named("failed")) == (5, ["owner"])
    assert "123456789012" in result.checks["owner"]["fix"]

    def check_owner(call):
        wanted = call.head.fields.get("x-amz-expected-bucket-owner")
        return DENIED if wanted not in (None, "123456789012") else None

    result = doctor(moto, check_owner, *owner)
    assert (result.code, result.checks["owner"]["status"]) == (0, "ok")
    assert nothing_left(moto, layer)


@pytest.mark.fault("K1", "K4")
def test_credentials_that_are_missing_expired_or_unusable(doctor, moto, monkeypatch):
    """The provider is named, or the error of the store; the endpoint is checked before."""
    expired = s3_error(400, "ExpiredToken", "The provided token has expired.")
    result = doctor(moto, lambda call: Fault(reply=expired))
    assert (result.code, result.named("failed")) == (5, ["credentials"])
    assert "ExpiredToken" in result.checks["credentials"]["reason"]
    assert result.checks["clock"]["status"] in ("ok", "skipped")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ends in a newline\n")
    result = doctor(None, None, url=moto.endpoint_url)
    assert "ends in a newline" in result.checks["credentials"]["reason"]
    assert {"clock", "region", "bucket"} <= result.skipped
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = doctor(None, None, url=moto.endpoint_url)
    assert (result.code, result.named("failed")) == (5, ["credentials"])
    assert result.checks["connection"]["status"] == "ok"
    # Without a store, too.
    result = doctor(None, None, url=f"http://127.0.0.1:{free_port()}")
    assert result.named("failed") == ["connection", "credentials"]
    assert "AWS_ACCESS_KEY_ID" in result.checks["credentials"]["fix"]


@pytest.mark.parametrize(("seconds", "mark"), [(900, "warning"), (90_000, "ok")])
def test_credentials_that_expire(doctor, moto, monkeypatch, seconds, mark):
    """The time is shown; soon is a warning, because variables can't be renewed."""
    keys = moto.environment | {"AWS_SESSION_TOKEN": TOKEN}
    end = formatdate(time() + seconds, usegmt=True)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", end)
    monkeypatch.setenv("AWS_SESSION_TOKEN", keys["AWS_SESSION_TOKEN"])
    result = doctor(moto)
    check = result.checks["credentials"]
    assert (check["status"], result.code) == (mark, 0)
    assert "valid until" in check["reason"]
    assert check["values"]["expires"] is not None
    assert check["values"]["renewable"] is False


@pytest.mark.parametrize("seconds", [1200, -1200], ids=["slow", "fast"])
@pytest.mark.fault("P7")
def test_a_clock_off_by_twenty_minutes(doctor, moto, seconds):
    """A warning if the store's time helps, as in a run; else a failure."""

    def told(reply):
        date = formatdate(time() + seconds, usegmt=True)
        kept = {name: v for name, v in reply.headers.items() if name.lower() != "date"}
        return replace(reply, headers={**kept, "Date": date})

    def corrected(call):
        return clock_off_by(seconds)(call) or Fault(rewrite=told)

    result = doctor(moto, corrected, "--date", "2022-05-02")
    assert (result.code, result.checks["clock"]["status"]) == (0, "warning")
    assert "20 min" in result.checks["clock"]["reason"]
    assert abs(result.checks["clock"]["values"]["seconds_behind"] - seconds) < 30
    result = doctor(moto, clock_off_by(seconds, tolerated=-1), "--date", "2022-05-02")
    assert (result.code, result.named("failed")) == (5, ["clock"])
    assert {"region", "bucket"} <= result.skipped


def test_a_store_without_a_date(doctor, moto):
    """The clock can't be compared."""

    def hide(reply):
        kept = {name: v for name, v in reply.headers.items() if name.lower() != "date"}
        return replace(reply, headers=kept)

    result = doctor(moto, lambda call: Fault(rewrite=hide))
    assert (result.code, result.checks["clock"]["status"]) == (0, "skipped")


@pytest.mark.fault("N1")
def test_an_unresolvable_host(doctor, moto):
    """Of the endpoint; later checks say that they depend on it."""
    result = doctor(moto, None, url="https://store.invalid")
    assert (result.code, result.named("failed")) == (5, ["dns"])
    assert "store.invalid can't be resolved" in result.checks["dns"]["reason"]
    assert result.skipped == {"connection", "tls", "clock", "region", "bucket"}
    assert result.checks["bucket"]["reason"] == "depends on dns, which failed"
    assert "not tried" in result.checks["credentials"]["reason"]


@pytest.mark.fault("N1")
def test_a_refused_connection(doctor, moto):
    """With the port."""
    port = free_port()
    result = doctor(moto, None, url=f"http://127.0.0.1:{port}")
    assert (result.code, result.named("failed")) == (5, ["connection"])
    reason = f"no connection to 127.0.0.1 port {port}: Connection refused"
    assert result.checks["connection"]["reason"] == reason


def test_a_certificate(doctor, moto, tmp_path, monkeypatch):
    """Trusted, about to end, signed by an unknown authority, and a port without TLS."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "")
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    missing = scripted_s3(no_bucket, tls_for(authority))
    with missing as (url, _):
        result = doctor(None, None, "--ca-bundle", bundle, url=url)
        assert result.named("failed") == ["bucket"]
        assert result.checks["tls"]["values"]["version"].startswith("TLSv1.")
        assert "valid until" in result.checks["tls"]["reason"]
        result = doctor(None, None, url=url)
        assert (result.code, result.named("failed")) == (5, ["tls"])
        assert "is not trusted" in result.checks["tls"]["reason"]
        assert "--ca-bundle" in result.checks["tls"]["fix"]
    with scripted_s3(no_bucket, ends_soon(authority)) as (url, _):
        result = doctor(None, None, "--ca-bundle", bundle, url=url)
        assert result.checks["tls"]["status"] == "warning"
    for server, fix in (
        (tls_for(authority, "example.org"), "use a host name that the certificate names"),
        (ended(authority), "renew the store's certificate"),
        (begins_soon(authority), "check this machine's clock"),
    ):
        with scripted_s3(no_bucket, server) as (url, _):
            result = doctor(None, None, "--ca-bundle", bundle, url=url)
            assert result.named("failed") == ["tls"]
            assert result.checks["tls"]["fix"].startswith(fix)
    result = doctor(None, None, url=moto.endpoint_url.replace("http:", "https:"))
    assert result.named("failed") == ["tls"]
    assert "speaks TLS" in result.checks["tls"]["fix"]


def no_bucket(request):
    return error(404, "NoSuchBucket")


def ended(authority):
    """A server's context, with a certificate that ended yesterday."""
    return tls_for(authority, not_after=datetime.now(UTC) - timedelta(days=1))


def begins_soon(authority):
    """A server's context, with a certificate that begins tomorrow."""
    return tls_for(authority, not_before=datetime.now(UTC) + timedelta(days=1))


def ends_soon(authority):
    """A server's context, with a certificate that ends in a week."""
    return tls_for(authority, not_after=datetime.now(UTC) + timedelta(days=7))


def test_a_proxy_on_the_way(doctor, moto, monkeypatch):
    """It is resolved and connected to in place of the store; its password is not shown."""
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:CANARY-pass@127.0.0.1:{port}")
    result = doctor(moto, None, url="https://store.example")
    assert result.checks["endpoint"]["values"]["proxy"] == f"127.0.0.1:{port}"
    assert "the proxy 127.0.0.1" in result.checks["dns"]["reason"]
    assert result.named("failed") == ["connection"]
    assert "the proxy's address" in result.checks["connection"]["fix"]
    assert "CANARY" not in result.ended.out + result.ended.err
    with socket.create_server(("127.0.0.1", port)) as server:
        server.listen()
        monkeypatch.setattr("asyncload.s3.opening._CONNECT_SECONDS", 0.2)
        monkeypatch.setattr("asyncload.s3.requests._ANSWER_SECONDS", 0.5)
        result = doctor(moto, None, url="https://store.example")
    assert result.checks["tls"]["reason"].startswith("requests go through a proxy")
    assert result.named("failed") == ["bucket"]


@pytest.mark.parametrize(
    ("variable", "value", "name", "reason"),
    [
        ("AWS_PROFILE", "absent", "endpoint", "AWS_PROFILE"),
        ("AWS_CA_BUNDLE", "/nowhere.pem", "endpoint", "AWS_CA_BUNDLE"),
        ("HTTPS_PROXY", "socks5://127.0.0.1:1", "endpoint", "HTTPS_PROXY"),
    ],
)
def test_a_configuration_that_can_not_be_used(doctor, monkeypatch, variable, value, name, reason):
    """It fails as a check: the command line is right."""
    monkeypatch.setenv(variable, value)
    result = doctor(None, None, url="https://store.example")
    assert (result.code, result.named("failed")) == (5, [name])
    assert reason in result.checks[name]["reason"]
    assert {"credentials", "clock", "region", "bucket"} == result.skipped


@pytest.fixture
def _once(doctor, monkeypatch):
    """No request is repeated: throttled ones would be for seconds."""
    monkeypatch.setattr(
        "asyncload.operations.doctor.connection.RETRIES", AT_ONCE._replace(seconds=0)
    )


@pytest.mark.usefixtures("_once")
def test_a_throttled_request_is_a_warning(doctor, moto):
    """A run would wait longer."""
    slow = Fault(reply=s3_error(503, "SlowDown", "Please reduce your request rate."))
    result = doctor(moto, fail_always("ListMultipartUploads", slow))
    assert (result.code, result.named("warning")) == (0, ["list_uploads"])


@pytest.mark.usefixtures("_once")
@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload"])
def test_nothing_is_checked_by_a_request_that_was_throttled(doctor, moto, operation):
    """All that depends on it is skipped."""
    slow = Fault(reply=s3_error(503, "SlowDown", "Please reduce your request rate."))
    result = doctor(moto, fail_always(operation, slow))
    assert (result.code, result.named("failed")) == (0, [])
    assert {"checksums", "create_only", "upload_part"} <= result.skipped
    assert "which did not succeed" in result.checks["checksums"]["reason"]


async def test_a_check_without_a_result_in_time(monkeypatch):
    """It fails, and the next one is made."""
    monkeypatch.setattr("asyncload.operations.doctor.examination.PATIENCE", 0.01)
    checks = []
    examination = Examination(checks.append)

    async def hang():
        await asyncio.Event().wait()

    async def answer():
        return Finding("fine")

    assert not await examination.check("first", hang)
    assert not await examination.check("second", answer, needs=("first",))
    assert await examination.check("third", answer)
    assert [check.mark for check in checks] == ["failed", "skipped", "ok"]
    assert checks[0].reason.startswith("no result within ")


async def test_an_upload_that_is_created_while_the_diagnosis_ends_is_aborted():
    """Its id is waited for; so is an object whose request had no answer deleted."""
    created, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def create_multipart(self, key, **options):
            created.set()
            await go_on.wait()
            return await super().create_multipart(key, **options)

        async def put(self, *arguments, **options):
            await super().put(*arguments, **options)
            raise StoreUnavailable("the answer was lost")

    store = Slow()
    traces = TracingStore(store, limit=AdaptiveLimit(4), retries=AT_ONCE)
    key, body = ObjectKey("a"), b"1"
    with pytest.raises(StoreError):
        await traces.put(key, body, checksum_of(body, "CRC64NVME"), create_only=False)
    creating = asyncio.create_task(traces.create_multipart(key))
    await created.wait()
    creating.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert [remnant.upload_id is None for remnant in traces.remnants] == [False, True]
    assert (len(store.uploads), [*store.objects]) == (1, ["a"])
    assert await traces.remove_all() is None
    assert (store.uploads, store.objects, traces.remnants) == ({}, {}, ())


def test_an_object_that_is_not_there_after_its_put(doctor, moto):
    """The store is not consistent."""
    absent = Fault(reply=Reply(404))
    result = doctor(moto, fail_always("HeadObject", absent))
    assert result.named("failed") == ["head"]
    assert "right after its put" in result.checks["head"]["reason"]


def test_no_secret_is_printed_and_key_ids_are_shortened(doctor, monkeypatch):
    """Even if the store repeats all headers of a request."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)

    def answer(request):
        sent = " ".join(f"{name}={value}" for name, value in request.headers.items())
        return error(403, "InvalidAccessKeyId", f"you sent {sent}")

    with scripted_s3(answer) as (url, _):
        ended = doctor(None, None, url=url, text=True)
        as_records = doctor(None, None, url=url)
    for printed in (ended.out + ended.err, as_records.ended.out + as_records.ended.err):
        assert "InvalidAccessKeyId" in printed
        assert "AKIA...3456" in printed
        assert "CANARY" not in printed
        assert KEY_ID not in printed
