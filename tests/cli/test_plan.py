"""`asyncload plan`: what a run would do, found out without writing anything."""

from __future__ import annotations

import hashlib
import zipfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

import asyncload as library
from asyncload.planning.plan import MIB
from asyncload.reporting.preview_text import preview_lines
from tests.faults.proxy import no_fault, proxy_before
from tests.support.content import random_bytes
from tests.support.loads import NOW, write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, error, scripted_s3
from tests.support.vocabulary import check_lines

DATE = "2022-05-02"
DAY = "2022/05/02"
READS = {"ListObjectsV2", "HeadObject", "GetObject"}


@pytest.fixture
def proxy(s3):
    """A proxy before each server, which keeps the requests."""
    with proxy_before(s3.endpoint_url, no_fault) as between:
        yield between


@pytest.fixture
def target(s3, layer, proxy):
    """The options that lead through the proxy to a layer of its own."""
    options = ["--bucket", s3.bucket, "--endpoint-url", proxy.url, "--layer", layer]
    return [*options, "--date", DATE]


@pytest.fixture
def lake(asyncload, volume, s3, layer, target):
    """A volume of which some files are in the bucket, as a run and another program left them."""
    write_files(volume, {f"sales/{n}.csv": b"%d\n" % n for n in range(4)} | {"top.csv": b"top"})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    assert asyncload("run", volume, *target).code == 0
    client, prefix = s3.client(), f"{layer}/Local/CSV"
    client.delete_object(Bucket=s3.bucket, Key=f"{prefix}/Sales/{DAY}/0.csv")
    client.put_object(Bucket=s3.bucket, Key=f"{prefix}/Sales/{DAY}/1.csv", Body=b"longer\n")
    client.put_object(Bucket=s3.bucket, Key=f"{prefix}/Top/{DAY}/top.csv", Body=b"pot")
    write_files(volume, {f".hidden/{n}.csv": b"" for n in range(2)})
    write_files(volume, {f".{name}.csv": b"" for name in "abc"})
    write_files(volume, {"new/1.csv": b"12", "new/2.csv": b""})
    return prefix


def test_a_file_whose_key_the_store_does_not_keep_is_planned_to_fail(
    asyncload, volume, target, s3, layer
):
    """Once a run has asked the store; before that, a warning says that it is not known."""
    write_files(volume, {"d/x\\y.csv": b"1"})
    options = (volume, *target, "--manifest-prefix", f"_{layer}", "--json")
    unknown = "it is not known yet whether the store keeps it"
    first = asyncload("plan", *options)
    assert unknown in first.err
    keeps = s3.name != "seaweedfs"
    assert asyncload("run", *options).code == (0 if keeps else 3)
    again = asyncload("plan", *options)
    assert unknown not in again.err
    files, _ = statuses(again.out)
    assert files["d/x\\y.csv"][1] == ("unchanged" if keeps else "fail")


def statuses(out):
    """Status and action of each file by path, and the summary."""
    *records, summary = check_lines(out)
    files = [record for record in records if record["type"] == "file"]
    return {r["path"]: (r["status"], r["action"]) for r in files}, summary


def test_a_plan_shows_datasets_conflicts_and_requests(asyncload, volume, s3, lake, target):
    """Of four hidden entries there is one line; the exit code is that of the run."""
    ended = asyncload("plan", volume, *target)
    address = f"s3://{s3.bucket}/{lake}"
    why = "the key already holds an object of"
    different = "the bytes differ: the object's CRC32 is Hr1zDw==, the file's Htkfyg=="
    assert (ended.code, ended.err) == (3, "")
    tree, *failed = ended.out.split("failed: ")
    assert tree == (
        f"Large: 1 file, 17.8 MB: 1 unchanged -> {address}/Large/{DAY}/\n"
        f"New: 2 files, 2 B: 2 to upload -> {address}/New/{DAY}/\n"
        f"Sales: 4 files, 8 B: 1 to upload, 2 unchanged, 1 in conflict -> {address}/Sales/{DAY}/\n"
        f"Top: 1 file, 3 B: 1 in conflict -> {address}/Top/{DAY}/\n"
    )
    # In the order in which the store answered.
    failed[-1], _, rest = failed[-1].partition("  hint: ")
    assert sorted(failed) == [
        f"sales/1.csv -> {address}/Sales/{DAY}/1.csv\n  {why} 7 bytes, and the file has 2\n",
        f"top.csv -> {address}/Top/{DAY}/top.csv\n  {why} the same size: {different}\n",
    ]
    assert rest == (
        "replace it with --overwrite, keep it with --skip-existing, or load under another --date\n"
        "would upload 3 of 8 files, 4 B: 3 unchanged, 2 in conflict\n"
        "excluded: 4 hidden\n"
        "requests of the run: about 10 (4 PUT, 3 LIST, 3 GET and HEAD)\n"
    )


@pytest.mark.parametrize("words", [["plan"], ["run", "--dry-run"]], ids=" ".join)
def test_a_plan_writes_nothing(asyncload, volume, s3, lake, target, proxy, words):
    """Neither data nor a manifest, under both names of the command."""
    before = s3.objects("")
    proxy.calls.clear()
    ended = asyncload(*words, volume, *target, "--overwrite", "--success-marker", "--json")
    assert ended.code == 0
    assert {call.operation for call in proxy.calls} <= READS
    assert len(proxy.calls) == 5
    assert s3.objects("") == before
    _, summary = statuses(ended.out)
    assert (summary["command"], summary["requests"]) == (words[0], len(proxy.calls))


@pytest.mark.parametrize("more", [["--overwrite"], ["--skip-existing", "--success-marker"]])
def test_the_run_does_as_planned(asyncload, volume, lake, target, proxy, more):
    """Each file gets its planned outcome, and the requests are those that were foretold."""
    planned, summary = statuses(asyncload("plan", volume, *target, *more, "--json").out)
    replaces = more == ["--overwrite"]
    other = ("planned", "replace") if replaces else ("skipped", "skip")
    assert planned == {
        "large.csv": ("unchanged", "unchanged"),
        "new/1.csv": ("planned", "upload"),
        "new/2.csv": ("planned", "upload"),
        "sales/0.csv": ("planned", "upload"),
        "sales/1.csv": other,
        "sales/2.csv": ("unchanged", "unchanged"),
        "sales/3.csv": ("unchanged", "unchanged"),
        "top.csv": other,
    }
    proxy.calls.clear()
    ran = asyncload("run", volume, *target, *more, "--json")
    done = {r["path"]: r for r in check_lines(ran.out)[:-1] if r["type"] == "file"}
    for path, (status, action) in planned.items():
        assert done[path]["status"] == (status if status != "planned" else "uploaded")
        assert done[path].get("replaced", False) == (action == "replace")
    sent = [path for path, (status, _) in planned.items() if status == "planned"]
    size = sum(done[path]["size"] for path in sent)
    assert (summary["planned"], summary["bytes_planned"]) == (len(sent), size)
    sales = next(d["statuses"] for d in summary["datasets"] if d["dataset"] == "Sales")
    assert sales == (
        {"unchanged": 2, "planned": 2} if replaces else {"unchanged": 2, "planned": 1, "skipped": 1}
    )
    assert (summary["replaced"], summary["skipped"]) == ((2, 0) if replaces else (0, 2))
    assert summary["requests_planned"] == made(proxy)
    assert summary["exit_code"] == ran.code == 0


def test_the_run_clears_what_the_plan_said(asyncload, volume, lake, target):
    """Sent or unchanged; files in conflict stay, and nothing is said of them."""
    more = ("--then", "delete", "--json")
    *planned, summary = check_lines(asyncload("plan", volume, *target, *more).out)
    *ran, done = check_lines(asyncload("run", volume, *target, *more).out)
    told, did = (
        {r["path"]: r["source"] for r in records if "source" in r} for records in (planned, ran)
    )
    assert told == did
    assert summary["sources"] == done["sources"] == {"deleted": 6}
    assert sorted(told) == sorted({"large.csv", "new/1.csv", "new/2.csv"} | of_sales("023"))


def of_sales(numbers):
    return {f"sales/{number}.csv" for number in numbers}


def made(proxy):
    """The requests that a proxy has passed on, by the kinds that have a price."""
    kinds = [call.operation for call in proxy.calls]
    gets = sum(kind in {"GetObject", "HeadObject"} for kind in kinds)
    listings = sum(kind.startswith("List") for kind in kinds)
    return {"puts": len(kinds) - gets - listings, "listings": listings, "gets": gets}


def test_a_large_file_counts_with_its_parts(asyncload, volume, target, proxy):
    """Create, three parts, Complete, the record from which it could be resumed, the manifest."""
    write_files(volume, {"a.csv": b"1"})
    # The store is probed, so that nothing is left to find out.
    assert asyncload("run", volume, *target).code == 0
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    _, summary = statuses(asyncload("plan", volume, *target, "--json").out)
    proxy.calls.clear()
    assert asyncload("run", volume, *target).code == 0
    deleted = sum(call.operation == "DeleteObject" for call in proxy.calls)
    # Deleting is free.
    assert summary["requests_planned"]["puts"] == made(proxy)["puts"] - deleted == 7


def test_files_lists_each_file_and_each_excluded_entry(asyncload, volume, s3, lake, target):
    """Besides the totals."""
    ended = asyncload("plan", volume, *target, "--overwrite", "--files")
    address = f"s3://{s3.bucket}/{lake}"
    assert sorted(ended.err.splitlines()) == [
        "excluded: .a.csv (hidden)",
        "excluded: .b.csv (hidden)",
        "excluded: .c.csv (hidden)",
        "excluded: .hidden (hidden)",
    ]
    lines = ended.out.splitlines()
    assert sorted(lines[:8]) == [
        f"unchanged large.csv -> {address}/Large/{DAY}/large.csv",
        f"unchanged sales/2.csv -> {address}/Sales/{DAY}/2.csv",
        f"unchanged sales/3.csv -> {address}/Sales/{DAY}/3.csv",
        f"would replace sales/1.csv -> {address}/Sales/{DAY}/1.csv",
        f"would replace top.csv -> {address}/Top/{DAY}/top.csv",
        f"would upload new/1.csv -> {address}/New/{DAY}/1.csv",
        f"would upload new/2.csv -> {address}/New/{DAY}/2.csv",
        f"would upload sales/0.csv -> {address}/Sales/{DAY}/0.csv",
    ]
    # What is replaced is named in any case.
    assert len([line for line in lines if line.startswith("would replace")]) == 4
    assert "would upload 5 of 8 files, 9 B: 2 to replace, 3 unchanged" in lines


def test_quiet_leaves_only_failures(asyncload, volume, lake, target):
    """On standard error."""
    ended = asyncload("plan", volume, *target, "--quiet")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.count("failed: ") == 2


def test_nothing_to_load_is_known_in_advance(asyncload, volume, target):
    """As a run ends: exit code 4, or 0 with --allow-empty."""
    write_files(volume, {f".{n}.csv": b"" for n in range(758)} | {"a.csv.tmp": b""})
    ended = asyncload("plan", volume, *target)
    assert (ended.code, ended.out) == (4, "")
    named, told, *hint = ended.err.splitlines()
    assert named == "excluded: a.csv.tmp (temporary)"
    assert told == "error: the volume has no CSV to load; excluded: 758 hidden, 1 temporary"
    assert len(hint) == 1
    ended = asyncload("plan", volume, *target, "--allow-empty")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "would upload 0 of 0 files, 0 B")


def test_an_unprobed_store_is_trusted_with_a_warning(asyncload, volume, s3, layer):
    """Only a run probes, because that needs test keys; nothing is said if nothing is unchanged."""
    options = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]
    options += ["--manifest-prefix", f"_{layer}"]
    write_files(volume, {"a.csv": b"1"})
    assert "not probed" not in asyncload("plan", volume, *options).err
    assert asyncload("run", volume, *options, "--no-manifest").code == 0
    ended = asyncload("plan", volume, *options, "--require-create-only")
    assert ended.err == (
        "warning: the store was not probed yet, so its checksums were trusted unchecked\n"
        "  hint: the first run probes it\n"
    )
    assert (ended.code, "1 unchanged" in ended.out) == (0, True)
    assert "not probed" not in asyncload("plan", volume, *options, "--no-manifest").err


def test_a_store_known_to_ignore_create_only_is_refused(asyncload, volume, rclone, monkeypatch):
    """If that is required: as the run would be."""
    for name, value in rclone.environment.items():
        monkeypatch.setenv(name, value)
    options = ["--bucket", rclone.bucket, "--endpoint-url", rclone.endpoint_url]
    write_files(volume, {"a.csv": b"1"})
    assert asyncload("run", volume, *options, "--date", "2001-01-01").code == 0
    ended = asyncload("plan", volume, *options, "--require-create-only")
    assert ended.code == 5
    assert "--require-create-only" in ended.err


@pytest.fixture
def scripted(asyncload, monkeypatch, volume):
    """Plan for a store whose answers to listings and HEAD a test writes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")

    def plan(listing, head, *more):
        def answer(request):
            assert request.method in {"GET", "HEAD"}
            return listing if request.method == "GET" else head(request)

        with scripted_s3(answer) as (url, requests):
            options = ["--bucket", "lake", "--endpoint-url", url, "--region", "us-east-1"]
            ended = asyncload("plan", volume, *options, "--date", DATE, *more)
        return ended, sorted(request.method for request in requests)

    return plan


def listing_of(objects):
    """A listing of names with the sizes and ETags of their objects."""
    contents = "".join(
        f"<Contents><Key>Raw/Local/CSV/D/{DAY}/{name}.csv</Key><Size>{size}</Size>"
        f"<ETag>&quot;{etag}&quot;</ETag></Contents>"
        for name, (size, etag) in sorted(objects.items())
    )
    body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    return Answer(200, f'<?xml version="1.0"?>{body}'.encode())


MD5 = hashlib.md5(b"1", usedforsecurity=False).hexdigest()
ODD = "0" * 32
CRC = "I5Whw0YbvtI="


def test_only_proven_content_counts_as_unchanged(scripted, volume):
    """An MD5 in the listing needs no more requests; another ETag needs the store's checksum."""
    etags = {"equal": MD5, "crc": ODD, "parts": f"{ODD}-1", "opaque": "abc"}
    write_files(volume, {f"d/{name}.csv": b"1" for name in etags})

    def head(request):
        name = request.path.rsplit("/", 1)[-1].removesuffix(".csv")
        headers = {"ETag": f'"{etags[name]}"'}
        if name == "crc":
            headers |= {"x-amz-checksum-crc64nvme": CRC, "x-amz-checksum-type": "FULL_OBJECT"}
        return Answer(200, b"1", headers)

    listing = listing_of({name: (1, etag) for name, etag in etags.items()})
    ended, requests = scripted(listing, head, "--json")
    planned, summary = statuses(ended.out)
    assert planned == {
        "d/equal.csv": ("unchanged", "unchanged"),
        "d/crc.csv": ("unchanged", "unchanged"),
        "d/parts.csv": ("failed", "conflict"),
        "d/opaque.csv": ("failed", "conflict"),
    }
    assert summary["verified_by"] == {"MD5": 1, "CRC64NVME": 1}
    assert (summary["conflicts"], summary["failed"], summary["exit_code"]) == (2, 2, 3)
    reasons = [r["error"]["message"] for r in check_lines(ended.out) if r.get("error")]
    assert len(reasons) == 2
    assert all("the object can't be compared" in reason for reason in reasons)
    # The preflight, the listing, and three files.
    assert requests == ["GET", "GET", "HEAD", "HEAD", "HEAD"]


def test_an_answer_that_is_denied_is_unknown(scripted, volume):
    """Only the upload can tell; the exit code is not that of a failure."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)} | {"top.csv": b"1"})
    denied = error(403, "AccessDenied")
    ended, _ = scripted(denied, lambda _: Answer(403))
    address = "s3://lake/Raw/Local/CSV"
    assert ended.code == 0
    assert f"D: 3 files, 3 B: 3 unknown -> {address}/D/{DAY}/\n" in ended.out
    assert "would upload 4 of 4 files, 4 B: 4 unknown\n" in ended.out
    assert f"unknown top.csv -> {address}/Top/{DAY}/top.csv: " in ended.out
    ended, _ = scripted(denied, lambda _: Answer(403), "--json")
    planned, summary = statuses(ended.out)
    assert set(planned.values()) == {("planned", "unknown")}
    assert (summary["unknown"], summary["planned"]) == (4, 4)


def test_files_that_would_be_replaced_are_named_up_to_a_number(scripted, volume):
    """As in a summary of a run."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(25)})
    listing = listing_of(dict.fromkeys(map(str, range(25)), (2, ODD)))
    ended, requests = scripted(listing, None, "--overwrite")
    assert ended.out.count("would replace d/") == 20
    assert "and 5 more to replace; see --files or --json\n" in ended.out
    assert requests == ["GET", "GET"]


def test_a_key_that_can_not_be_looked_at_is_a_conflict(scripted, volume):
    """There is an object of unknown content; a free key is not asked for."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    ended, requests = scripted(EMPTY_LISTING, None)
    assert (ended.code, requests) == (0, ["GET", "GET"])
    ended, _ = scripted(listing_of({"1": (1, "abc")}), lambda _: Answer(403))
    assert (ended.code, "1 in conflict" in ended.out) == (3, True)


def test_a_refusal_ends_the_plan(scripted, volume):
    """As the run would end, and with its exit code."""
    write_files(volume, {"a.csv": b"1"})
    ended, _ = scripted(EMPTY_LISTING, lambda _: Answer(301))
    assert (ended.code, ended.out) == (5, "")
    assert "HTTP 301" in ended.err


def test_a_clock_that_is_wrong_is_a_warning(scripted, volume):
    """As in a run."""
    write_files(volume, {"a.csv": b"1"})
    date = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    listing = Answer(200, EMPTY_LISTING.body, {"Date": date})
    ended, _ = scripted(listing, lambda _: Answer(404, headers={"Date": date}))
    assert (ended.code, ended.err.count("warning: ")) == (0, 1)
    assert "clock" in ended.err


def test_many_datasets_are_a_tree_of_forty_lines(asyncload, volume, target):
    """The others are counted, and so are further partitions of one dataset."""
    write_files(volume, {f"{n:02}.csv": b"1" for n in range(50)})
    write_files(volume, {f"s/2022-05-{n:02}.csv": b"1" for n in range(1, 31)})
    ended = asyncload("plan", volume, *target, "--offline")
    lines = ended.out.splitlines()
    assert lines[40:] == [
        "and 11 more datasets: 40 files, 40 B: 40 to upload",
        "would upload 80 of 80 files, 80 B",
    ]
    dates = ("--date-from", "{date:%Y-%m-%d}", "--include", "s/*")
    ended = asyncload("plan", volume, *target[:-2], *dates, "--offline")
    lines = ended.out.splitlines()
    assert lines[0] == "S: 30 files, 30 B: 30 to upload"
    assert lines[1].startswith("  1 file, 1 B: 1 to upload -> s3://")
    assert lines[1].endswith("/S/2022/05/01/")
    assert lines[21:23] == [
        "  and 10 more partitions: 10 files, 10 B: 10 to upload",
        "would upload 30 of 30 files, 30 B",
    ]
    few = ("--date-from", "{date:%Y-%m-%d}", "--include", "s/*1.csv")
    ended = asyncload("plan", volume, *target[:-2], *few, "--offline")
    assert ended.out.count("  1 file, 1 B: 1 to upload -> s3://") == 3


def test_partitions_are_counted_one_by_one_up_to_a_number(asyncload, volume, target, monkeypatch):
    """So that memory is bounded."""
    monkeypatch.setattr("asyncload.reporting.preview.MAX_PARTITIONS", 3)
    write_files(volume, {f"{n}.csv": b"1" for n in range(5)})
    ended = asyncload("plan", volume, *target, "--offline")
    assert ended.out.splitlines()[3] == "and more partitions: 2 files, 2 B: 2 to upload"


def test_without_the_bucket_all_files_count_as_new(asyncload, volume):
    """No request, no credentials; failures that are known are named."""
    write_files(volume, {"a.csv": b"12", "b\n.csv": b"1", "b/c.csv": bytes(17 * MIB)})
    options = ("plan", volume, "--bucket", "lake", "--date", DATE, "--offline")
    ended = asyncload(*options)
    assert ended.out == (
        "no key: 1 file, 1 B: 1 to fail\n"
        f"A: 1 file, 2 B: 1 to upload -> s3://lake/Raw/Local/CSV/A/{DAY}/\n"
        f"B: 1 file, 17.8 MB: 1 to upload -> s3://lake/Raw/Local/CSV/B/{DAY}/\n"
        "failed: b\\n.csv\n"
        "  the object key would contain a control character or an empty, '.' or '..' segment\n"
        "  hint: rename the file or its folder\n"
        "would upload 2 of 3 files, 17.8 MB: 1 to fail\n"
    )
    assert (ended.code, ended.err) == (3, "")
    planned, summary = statuses(asyncload(*options, "--json").out)
    assert planned == {
        "a.csv": ("planned", "upload"),
        "b\n.csv": ("failed", "fail"),
        "b/c.csv": ("planned", "upload"),
    }
    assert (summary["offline"], summary["requests_planned"], summary["price"]) == (True, None, None)


@pytest.mark.parametrize("option", ["--offline", "--files"])
def test_options_of_a_plan_have_no_effect_on_a_run(asyncload, volume, option):
    """So they are refused."""
    ended = asyncload("run", volume, "--bucket", "lake", option)
    assert ended.code == 2
    assert ended.err == (
        f"error: {option} has no effect without --dry-run\n  hint: omit it, or use asyncload plan\n"
    )


@pytest.mark.parametrize("price", ["put=cheap", "put=-1", "delete=1", "put=inf", "put=nan"])
def test_an_invalid_price_is_a_usage_error(asyncload, volume, price):
    """With the form that is meant."""
    ended = asyncload("plan", volume, "--bucket", "lake", "--price", price, "--json")
    (summary,) = check_lines(ended.out)
    assert (ended.code, summary["command"]) == (2, "plan")
    assert f"--price: '{price}' is not a price" in summary["error"]["message"]


def test_prices_that_are_given_are_those_of_the_store(asyncload, volume, target):
    """Of 1,000 requests; without them only AWS's are known."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(10)})
    prices = ("--price", "put=10", "--price", "list=1", "--price", "get=0")
    *_, last = asyncload("plan", volume, *target, *prices).out.splitlines()
    assert last == (
        "requests of the run: about 14 (11 PUT, 2 LIST, 1 GET and HEAD), about 0.11 USD"
    )
    _, summary = statuses(asyncload("plan", volume, *target, *prices, "--json").out)
    assert summary["price"] == 0.112
    _, summary = statuses(asyncload("plan", volume, *target, "--json").out)
    assert summary["price"] is None


def test_members_of_archives_are_compared_too(asyncload, volume, target, s3, layer):
    """Of any size; new ones are not inflated."""
    with zipfile.ZipFile(volume / "films.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("movies.csv", b"1\n" * 1000)
        archive.writestr("large.csv", random_bytes(17 * MIB))
    new, _ = statuses(asyncload("plan", volume, *target, "--archives", "--json").out)
    assert set(new.values()) == {("planned", "upload")}
    ran = asyncload("run", volume, *target, "--archives", "--json")
    assert ran.code == 0
    uploaded = {r["path"] for r in check_lines(ran.out) if r.get("status") == "uploaded"}
    again, _ = statuses(asyncload("plan", volume, *target, "--archives", "--json").out)
    assert again == dict.fromkeys(uploaded, ("unchanged", "unchanged"))
    assert new.keys() == uploaded


async def test_a_plan_is_a_function_of_the_library(volume, s3, layer):
    """A file that vanishes meanwhile fails, as it would in a run."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})
    seen = []

    def observe(event):
        seen.append(event)
        if isinstance(event, library.Scanned):
            (volume / "b.csv").unlink(missing_ok=True)

    settings = library.Settings(
        volume=volume, bucket=s3.bucket, endpoint_url=s3.endpoint_url, layer=layer, date=DATE
    )
    preview = await library.plan(settings, observer=observe, now=NOW)
    assert (preview.counts, preview.exit_code) == ({"upload": 1, "fail": 1}, 3)
    (failed,) = preview.report.failures
    assert failed.path == "b.csv"
    planned = [event.action for event in seen if isinstance(event, library.FilePlanned)]
    assert sorted(planned) == ["fail", "upload"]
    assert sorted(preview.partitions) == [
        (f"{layer}/Local/CSV/{name}/{DAY}/", name) for name in "AB"
    ]
    assert preview.made.puts == 0


def test_datasets_of_one_partition_have_a_line_each(asyncload, volume, target, layer):
    """As a layout without the dataset puts them together; the partition gets one marker."""
    write_files(volume, {"a/1.csv": b"1", "b/2.csv": b"22", "b/3.csv": b"3"})
    layout = ("--layout", "{layer}/{date:%Y}/{path}", "--success-marker")
    lines = asyncload("plan", volume, *target, *layout).out.splitlines()
    place = f"s3://lake/{layer}/{DAY[:4]}/"
    assert lines[:2] == [
        f"A: 1 file, 1 B: 1 to upload -> {place}",
        f"B: 2 files, 3 B: 2 to upload -> {place}",
    ]
    # Three files, the manifest and the marker.
    assert "(5 PUT, " in lines[-1]


@pytest.mark.parametrize(("puts", "price"), [(20_000, "about 0.10 USD"), (1, "less than 0.01 USD")])
def test_the_price_is_in_cents(puts, price):
    """Or as less than one."""
    preview = library.Preview(needed=library.RequestCounts(puts, 2, 1))
    assert list(preview_lines(preview, library.Prices()))[-1].endswith(price)


def test_prices_of_requests_are_those_of_s3_standard():
    """In US East; PUT and LIST cost the same."""
    requests = library.RequestCounts(1000, 1000, 1000)
    assert library.Prices().of(requests) == pytest.approx(0.0104)
