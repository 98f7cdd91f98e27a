"""B1 to B12 of the catalogue: uploads and records that are not ours."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from xml.sax.saxutils import escape

import pytest

from tests.faults.lake import DATE
from tests.faults.proxy import Fault, no_fault
from tests.faults.proxy.faults import s3_error
from tests.integration.test_lane import accept_all
from tests.support.loads import write_files
from tests.support.scripted_s3 import Answer, error, scripted_s3
from tests.support.vocabulary import check_lines

MIB = 1024 * 1024
PART = 8 * MIB


@pytest.fixture
def open_upload(lake, large_body):
    """Write a large file, and begin an upload of its key as another program."""
    write_files(lake.volume, {"l.csv": large_body})
    client, bucket = lake.server.client(), lake.server.bucket
    key = f"{lake.layer}/Local/CSV/L/{DATE.replace('-', '/')}/l.csv"
    where = {"Bucket": bucket, "Key": key}
    opened = []

    def begin(first_part=b"", **options):
        opened.append(client.create_multipart_upload(**where, **options)["UploadId"])
        if first_part:
            named = {"UploadId": opened[-1], "PartNumber": 1, "Body": first_part}
            client.upload_part(**where, **named)
        return opened[-1]

    yield begin
    for upload_id in opened:
        with suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(**where, UploadId=upload_id)


def described(lake):
    """What the store says of the large file's object."""
    key = f"{lake.layer}/Local/CSV/L/{DATE.replace('-', '/')}/l.csv"
    return lake.server.client().head_object(Bucket=lake.server.bucket, Key=key)


@pytest.mark.fault("B1")
@pytest.mark.parametrize("recorded", [True, False], ids=["manifest", "no manifest"])
def test_an_upload_that_another_program_began_is_not_completed(
    lake, lane, manifests, open_upload, large_body, recorded
):
    """Its content type and metadata would become those of the object."""
    open_upload(
        large_body[:PART],
        ContentType="text/html",
        ACL="public-read",
        Metadata={"owner": "mallory"},
    )
    landed = lake.load(None, *(manifests if recorded else []), lane=lane, orphans=1)
    assert landed.code == 0
    assert landed.statuses == {"l.csv": "uploaded"}
    assert landed.objects == {"l.csv": large_body}
    assert landed.open_uploads == ["l.csv"]
    assert described(lake)["ContentType"] == "text/csv"
    assert "owner" not in described(lake)["Metadata"]


def killed_before_complete(lake, spawn, options):
    """Kill a load once all parts are there; return the proxy, which then does nothing more."""
    process = None

    def kill():
        process.kill()
        process.wait()

    def decide(call):
        # Not that of the probe, which comes before.
        ours = call.key.startswith(f"{lake.layer}/")
        if ours and call.operation == "CompleteMultipartUpload":
            return Fault(before=kill, cut_request=0)
        return None

    proxy = lake.proxy(decide)
    process = spawn(*lake.arguments(proxy.url, *options))
    process.communicate(timeout=60)
    proxy.decide = no_fault
    return proxy


@pytest.mark.fault("B1", "B5")
@pytest.mark.parametrize(
    ("more", "resumed"),
    [
        ([], True),
        (["--concurrency", "4", "--memory", "64MiB"], True),
        (["--metadata", "owner=me"], False),
        (["--tag", "team=lake"], False),
        (["--acl", "private"], False),
        (["--checksum", "md5"], False),
        (["--storage-class", "STANDARD"], False),
    ],
    ids=["same", "other bounds", "metadata", "tag", "ACL", "checksum", "class"],
)
def test_a_killed_runs_upload_is_resumed_by_a_run_of_the_same_object_settings_only(
    lake, spawn, manifests, large_body, more, resumed
):
    """A run of other settings begins its own: the object is what that run was asked for."""
    write_files(lake.volume, {"l.csv": large_body})
    proxy = killed_before_complete(lake, spawn, manifests)
    assert len(lake.server.open_uploads(lake.layer)) == 1
    landed = lake.load(None, *manifests, *more, proxy=proxy, orphans=1)
    assert landed.code == 0
    assert landed.objects == {"l.csv": large_body}
    assert landed.summary["bytes_kept"] == (len(large_body) if resumed else 0)
    assert landed.open_uploads == ([] if resumed else ["l.csv"])
    if "owner=me" in more:
        assert described(lake)["Metadata"]["owner"] == "me"


@pytest.mark.fault("B2")
@pytest.mark.parametrize("recorded", [True, False], ids=["manifest", "no manifest"])
def test_a_young_upload_whose_parts_do_not_fit_is_left_alone(
    lake, lane, manifests, open_upload, large_body, recorded
):
    """It may be another program's, which cuts the file in its own way, and be under way."""
    open_upload(bytes(6 * MIB))
    landed = lake.load(None, *(manifests if recorded else []), lane=lane, orphans=1)
    assert landed.code == 0
    assert landed.objects == {"l.csv": large_body}
    assert landed.open_uploads == ["l.csv"]
    assert landed.summary["aborted_uploads"] == 0


@pytest.mark.fault("B6")
def test_an_upload_that_another_program_completes_meanwhile_is_not_resumed(
    lake, spawn, manifests, large_body
):
    """Between the listing and the first look at its parts: the object that is there is compared."""
    write_files(lake.volume, {"l.csv": large_body})
    proxy = killed_before_complete(lake, spawn, manifests)

    def complete():
        client = lake.server.client()
        (upload,) = [
            upload
            for upload in client.list_multipart_uploads(Bucket=lake.server.bucket)["Uploads"]
            if upload["Key"].startswith(lake.layer)
        ]
        where = {"Bucket": lake.server.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        parts = client.list_parts(**where)["Parts"]
        named = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
        client.complete_multipart_upload(**where, MultipartUpload={"Parts": named})

    def complete_first(call):
        if call.operation == "ListParts" and call.attempt == 1:
            return Fault(before=complete)
        return None

    proxy.decide = complete_first
    landed = lake.load(None, *manifests, proxy=proxy)
    assert landed.code == 0
    assert landed.objects == {"l.csv": large_body}
    assert landed.open_uploads == []


@pytest.mark.fault("B7")
@pytest.mark.parametrize("record", [b"[" * 100_000, b'{"version":1}', b"\xff\x00", b"x" * 5 * MIB])
def test_a_damaged_or_huge_record_of_an_upload_is_not_trusted(
    lake, spawn, manifests, large_body, record
):
    """The file is uploaded again; no more of the record is read than one may have."""
    write_files(lake.volume, {"l.csv": large_body})
    proxy = killed_before_complete(lake, spawn, manifests)
    client, bucket = lake.server.client(), lake.server.bucket
    prefix = f"_asyncload-{lake.layer}/uploads/"
    (entry,) = client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    client.put_object(Bucket=bucket, Key=entry["Key"], Body=record)
    landed = lake.load(None, *manifests, proxy=proxy, orphans=1)
    assert landed.code == 0
    assert landed.objects == {"l.csv": large_body}
    assert landed.summary["bytes_kept"] == 0
    assert landed.open_uploads == ["l.csv"]


@pytest.mark.fault("B8")
def test_a_record_that_may_not_be_written_is_a_warning(lake, lane, manifests, large_body):
    """The file lands; if that run is killed, the next one sends all of it again."""
    write_files(lake.volume, {"l.csv": large_body})

    def deny(call):
        if call.operation == "PutObject" and "/uploads/" in call.key:
            return Fault(reply=s3_error(403, "AccessDenied", "Access Denied"))
        return None

    landed = lake.load(deny, *manifests, lane=lane)
    assert landed.code == 0
    assert landed.objects == {"l.csv": large_body}
    (warned,) = [w for w in landed.summary["warnings"] if "recorded" in w["message"]]
    assert "permit s3:PutObject" in warned["hint"]


# What follows needs a store whose clock and listings a test writes.

KEY = "Raw/Local/CSV/L/2022/05/02/l.csv"
ODD = "Raw/Local/CSV//l.csv"


@pytest.fixture
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def store_with_uploads(uploads, *, ahead=0.0, dated=True, refused=()):
    """Show open uploads, a list of (key, seconds since they were begun, by the store's clock).

    `ahead` is by how many seconds the store's clock is ahead of ours, `dated` whether it tells it,
    `refused` are the keys whose parts are not shown.
    """

    def document(name, entries):
        content = "".join(entries)
        listed = f"<{name}><IsTruncated>false</IsTruncated>{content}</{name}>"
        body = f'<?xml version="1.0"?>{listed}'
        return Answer(200, body.encode())

    def answer(request):
        now = datetime.now(UTC) + timedelta(seconds=ahead)
        if request.method == "GET" and "uploads" in request.query:
            return document(
                "ListMultipartUploadsResult",
                [
                    f"<Upload><Key>{escape(key)}</Key><UploadId>id-{number}</UploadId>"
                    "<Initiator><ID>1</ID><DisplayName>mallory</DisplayName></Initiator>"
                    f"<Initiated>{now - timedelta(seconds=age):%Y-%m-%dT%H:%M:%SZ}</Initiated>"
                    "</Upload>"
                    for number, (key, age) in enumerate(uploads)
                ],
            )
        if request.method == "GET" and "uploadId" in request.query:
            if any(request.path.endswith(key) for key in refused):
                return error(403, "AccessDenied")
            return document("ListPartsResult", [])
        if request.method == "GET" and "/_asyncload/" in request.path:
            return error(404, "NoSuchKey")
        if request.method == "DELETE":
            return Answer(204)
        return accept_all(request)

    def script(request):
        reply = answer(request)
        date = formatdate(time.time() + ahead, usegmt=True) if dated else ""
        return Answer(reply.status, reply.body, {**reply.headers, "Date": date})

    return script


def aborted(requests):
    return sorted(r.query["uploadId"][0] for r in requests if r.method == "DELETE")


@pytest.fixture
def run(asyncload, volume, large_body):
    """Load a large file into a scripted store, with a fixed date."""
    write_files(volume, {"l.csv": large_body})

    def do(url, *options):
        command = ["run", volume, "--bucket", "lake", "--endpoint-url", url, "--date", DATE]
        return asyncload(*command, "--json", *options)

    return do


@pytest.fixture
def clean(asyncload):
    """Abort what was left open in a scripted store."""

    def do(url, *options):
        return asyncload("clean", "--bucket", "lake", "--endpoint-url", url, "--json", *options)

    return do


MINUTE, HOUR, DAY = 60, 3600, 86_400
OFFSETS = [-3 * DAY, -2 * HOUR, 2 * HOUR, 3 * DAY]


@pytest.mark.fault("B3")
@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize("ahead", OFFSETS)
def test_a_run_ages_uploads_by_the_stores_clock(run, lane, ahead):
    """A live one of 5 minutes stays, one of 61 goes, wherever the machine's clock is."""
    uploads = [(KEY, 5 * MINUTE), (KEY, 61 * MINUTE)]
    with scripted_s3(store_with_uploads(uploads, ahead=ahead)) as (url, requests):
        ended = run(url, *([] if lane else ["--no-fast-lane"]))
    assert ended.code == 0
    assert aborted(requests) == ["id-1"]


@pytest.mark.fault("B3")
@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize("ahead", OFFSETS)
@pytest.mark.parametrize(("older_than", "expected"), [("24h", ["id-2"]), ("1h", ["id-1", "id-2"])])
def test_clean_ages_uploads_by_the_stores_clock(clean, ahead, older_than, expected):
    """An upload of a second ago is live, for any time of the machine's clock."""
    uploads = [(KEY, 1), (KEY, 2 * HOUR), (KEY, 2 * DAY)]
    with scripted_s3(store_with_uploads(uploads, ahead=ahead)) as (url, requests):
        ended = clean(url, "--older-than", older_than, "--yes")
    assert ended.code == 0
    assert aborted(requests) == expected


@pytest.mark.fault("B9")
@pytest.mark.usefixtures("_credentials")
def test_if_the_store_gives_no_time_a_run_aborts_nothing(run):
    """An upload's age is not known; it is left to `clean`."""
    with scripted_s3(store_with_uploads([(KEY, 9 * DAY)], dated=False)) as (url, requests):
        ended = run(url)
    assert ended.code == 0
    assert aborted(requests) == []


@pytest.mark.fault("B9")
@pytest.mark.usefixtures("_credentials")
def test_if_the_store_gives_no_time_clean_says_so(clean):
    """It aborts nothing by age; all uploads can still be asked for."""
    with scripted_s3(store_with_uploads([(KEY, 9 * DAY)], dated=False)) as (url, requests):
        refused = clean(url, "--yes")
        assert aborted(requests) == []
        ended = clean(url, "--yes", "--older-than", "0s")
    assert refused.code == 5
    assert "no Date" in refused.err
    assert "--older-than 0s" in refused.err
    assert ended.code == 0
    assert aborted(requests) == ["id-0"]


@pytest.mark.fault("B4")
@pytest.mark.usefixtures("_credentials")
def test_a_run_names_an_open_upload_of_a_key_that_it_never_writes(run):
    """It is left alone, and the others are handled."""
    uploads = [(ODD, DAY), (KEY, DAY), *((f"{ODD}/{n}/", DAY) for n in range(5))]
    with scripted_s3(store_with_uploads(uploads)) as (url, requests):
        ended = run(url)
    assert ended.code == 0
    assert aborted(requests) == ["id-1"]
    assert f"are not touched: '{ODD}'" in ended.err
    assert "and 1 more" in ended.err


@pytest.mark.fault("B4", "B10")
@pytest.mark.usefixtures("_credentials")
def test_clean_names_what_it_can_not_address_and_handles_the_others(clean, asyncload):
    """With who began it, where the store tells that; in words and in records."""
    uploads = [(ODD, 2 * DAY), (KEY, 2 * DAY)]
    with scripted_s3(store_with_uploads(uploads)) as (url, requests):
        ended = clean(url, "--yes")
        words = asyncload("clean", "--bucket", "lake", "--endpoint-url", url)
    assert ended.code == words.code == 0
    assert aborted(requests) == ["id-1"]
    odd, ours, summary = check_lines(ended.out)
    assert (odd["type"], odd["status"]) == ("upload", "skipped")
    assert (odd["key"], odd["upload_id"]) == (ODD, "id-0")
    assert odd["error"]["kind"] == "InvalidKey"
    assert (ours["type"], ours["key"], ours["initiator"]) == ("upload", KEY, "mallory")
    assert (summary["aborted"], summary["skipped"]) == (1, 1)
    alone, listed, total = words.out.splitlines()
    assert alone == f"skipped: s3://lake/{ODD}: asyncload never writes a key of this form, id id-0"
    assert " by mallory, id id-1" in listed
    assert total.endswith("; --yes aborts them, including those of other programs")


@pytest.mark.fault("B11")
@pytest.mark.usefixtures("_credentials")
def test_an_upload_whose_parts_may_not_be_listed_stops_no_other(clean, asyncload):
    """Its age is not known: it is named and left alone, and the exit code says so."""
    other = "Raw/Local/CSV/M/2022/05/02/m.csv"
    uploads = [(KEY, 2 * DAY), (other, 2 * DAY)]
    with scripted_s3(store_with_uploads(uploads, refused=[KEY])) as (url, requests):
        ended = clean(url, "--yes")
        words = asyncload("clean", "--bucket", "lake", "--endpoint-url", url)
    assert ended.code == words.code == 3
    assert aborted(requests) == ["id-1"]
    assert "AccessDenied" in words.out
    assert check_lines(ended.out)[0]["error"]["kind"] == "AccessDenied"


@pytest.mark.fault("B12")
@pytest.mark.parametrize("text", ["999999999d", "36501d"])
@pytest.mark.parametrize("command", [["clean", "--older-than"], ["run", "--min-age"]])
def test_a_duration_that_no_calendar_has_is_a_usage_error(asyncload, volume, command, text):
    """Instead of an overflow."""
    ended = asyncload(*command, text, "--bucket", "lake")
    assert ended.code == 2
    assert f"{command[1]}: '{text}' is too long" in ended.err
    assert "36500d" in ended.err
