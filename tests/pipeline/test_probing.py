"""What a store that is not AWS's own is worth: found by probing, remembered, and acted on."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from asyncload.errors import AccessDenied, ObjectConflict, Refused, RequestRejected
from asyncload.model.values import Checksum, ObjectKey, StoreJudged, Warned
from asyncload.operations.probing import remembered_worth
from asyncload.reporting.records import run_totals
from asyncload.reporting.text import summary_lines
from asyncload.store.protocol import PutResult, RemoteObject
from asyncload.transfer import StoreWorth
from tests.support.loads import NOW, PREFIX, UNIT, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.usefixtures("small_parts")

FOLDER = f"{PREFIX}/D/2022/05/02"
RECORD = "_asyncload/store.json"


class Foreign(MemoryStore):
    """A store that is not AWS's; `takes` wrong checksums, `ignores` the condition on calls."""

    takes = ()
    ignores = ()
    describes = True

    def __init__(self):
        super().__init__(min_part=1)
        self.foreign_endpoint = "http://127.0.0.1:9"

    def _take(self, body, checksum):
        return bytes(body) if checksum.algorithm in self.takes else super()._take(body, checksum)

    async def put(self, key, body, checksum, *, create_only, digest=None, info=None):
        create_only = create_only and "put" not in self.ignores
        return await super().put(key, body, checksum, create_only=create_only, info=info)

    async def complete_multipart(self, *arguments, create_only):
        create_only = create_only and "complete" not in self.ignores
        return await super().complete_multipart(*arguments, create_only=create_only)

    async def head(self, key):
        remote = await super().head(key)
        if remote is None or self.describes:
            return remote
        kept = {name: c for name, c in remote.checksums.items() if name.startswith("MD5")}
        return RemoteObject(remote.size, kept)


async def load(store, volume, **options):
    recorder = Recorder()
    report = await load_volume(store, volume, recorder, manifest=True, **options)
    return report, recorder


def probes(store):
    return {key for key in store.objects if key.startswith("_asyncload/probe/")}


@pytest.fixture
def three(volume):
    write_files(volume, {f"d/{n}.csv": b"%d" % n for n in range(3)})
    return volume


@pytest.mark.fault("G8")
async def test_a_store_is_probed_once_and_remembered(three):
    """AWS never is; another one by keys of our own beside the manifests, for 30 days."""
    aws = MemoryStore()
    report, _ = await load(aws, three)
    assert probes(aws) == set()
    assert report.store.record["basis"] == "aws"
    store = Foreign()
    report, _ = await load(store, three)
    assert report.store.record == {
        "basis": "probed",
        "checks": {"CRC64NVME": True, "MD5": True},
        "describes": True,
        "etags_are_md5": True,
        "create_only_put": True,
        "create_only_complete": True,
    }
    assert report.store.proofs == ("CRC64NVME", "MD5")
    assert probes(store) == {"_asyncload/probe/create-only"}
    assert store.uploads == {}
    record = json.loads(store.objects[RECORD])
    assert (record["version"], record["endpoint"]) == (1, "http://127.0.0.1:9")
    before = store.calls.copy()
    await load(store, three)
    assert store.calls - before == {"check_bucket": 1, "read": 1, "list_objects": 1, "put": 1}
    assert run_totals(report)["store"]["proofs"] == ["CRC64NVME", "MD5"]


@pytest.mark.parametrize(
    "changed",
    [
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"endpoint":"http://127.0.0.1:9"}',
        {"endpoint": "http://elsewhere"},
        {"probed": (NOW - timedelta(days=400)).isoformat()},
        {"probed": "9999-01-01T00:00:00+00:00"},
        {"probed": "2022-05-02"},
        {"checks": {"CRC64NVME": 1}},
        {"checks": None},
        {"create_only_put": "yes"},
        {"keeps_backslashes": "yes"},
    ],
    ids=str,
)
async def test_unreadable_old_or_foreign_records_are_ignored(three, changed):
    """The store is probed again."""
    store = Foreign()
    await load(store, three)
    good = store.objects[RECORD]
    record = json.loads(good)
    body = changed if isinstance(changed, bytes) else json.dumps(record | changed).encode()
    store.objects[RECORD] = body
    before = store.calls["create_multipart"]
    report, _ = await load(store, three)
    assert report.exit_code == 0
    assert store.calls["create_multipart"] == before + 1
    assert json.loads(store.objects[RECORD])["checks"] == record["checks"]


async def test_another_checksum_is_probed_besides(three):
    """And what is known of the first one stays known."""
    store = Foreign()
    store.takes = ("CRC32",)
    await load(store, three)
    await load(store, three, checksum="crc32", overwrite=True)
    assert json.loads(store.objects[RECORD])["checks"] == {
        "CRC64NVME": True,
        "MD5": True,
        "CRC32": False,
    }


@pytest.mark.fault("G8")
@pytest.mark.parametrize("size", [1, 17 * UNIT], ids=["small", "large"])
async def test_if_wrong_crcs_are_accepted_the_md5_is_the_proof(volume, size):
    """Of puts, parts and second runs alike; and the report says so."""
    write_files(volume, {"d/a.csv": b"1" * size})
    store = Foreign()
    store.takes = ("CRC64NVME",)
    report, recorder = await load(store, volume)
    proof = recorder.outcomes["d/a.csv"].checksum.algorithm
    assert proof == "MD5"
    assert set(recorder.outcomes["d/a.csv"].checksums) >= {"CRC64NVME", "MD5"}
    assert report.store.proofs == ("MD5",)
    assert "verified by the MD5 in ETags" in "\n".join(summary_lines(report, 1.0))
    key = next(key for key in store.objects if key.endswith("a.csv"))
    store.objects[key] = b"2" * size
    _, recorder = await load(store, volume)
    assert "the bytes differ" in recorder.outcomes["d/a.csv"].error.message


@pytest.mark.fault("G8")
@pytest.mark.parametrize(("choice", "word"), [("auto", "checks"), ("crc64nvme", "auto")])
async def test_a_store_that_can_prove_nothing_fails_files(three, choice, word):
    """Wrong checksums are taken and ETags say nothing: exit code 0 would be trust."""

    class Echoes(Foreign):
        takes = ("CRC64NVME", "MD5")

        async def put(self, *arguments, **options):
            return PutResult('"opaque"', (await super().put(*arguments, **options)).checksum)

        async def head(self, key):
            remote = await super().head(key)
            return remote and RemoteObject(
                remote.size, {"CRC64NVME": Checksum("CRC64NVME", "AAAAAAAAAAA=")}
            )

    store = Echoes()
    if choice == "crc64nvme":
        store = Foreign()
        store.takes = ("CRC64NVME",)
    report, recorder = await load(store, three, checksum=choice)
    assert report.exit_code == 3
    assert report.counts["failed"] == 3
    (warned,) = [event for event in recorder.events if isinstance(event, Warned)]
    assert "files will fail" in warned.message
    assert word in warned.hint
    assert "accepts wrong CRC64NVMEs" in recorder.outcomes["d/0.csv"].error.message


async def test_a_checksum_that_is_checked_and_not_kept_goes_with_an_md5(three):
    """So that the manifest holds what HEAD will say."""
    store = Foreign()
    store.describes = False
    _, recorder = await load(store, three)
    outcome = recorder.outcomes["d/0.csv"]
    assert outcome.checksum.algorithm == "CRC64NVME"
    assert set(outcome.checksums) == {"CRC64NVME", "MD5"}


async def test_an_md5_that_was_sent_along_may_be_an_echo(three):
    """With --checksum md5 an ETag proves something only where wrong ones are refused."""
    store = Foreign()
    store.takes = ("MD5",)
    report, _ = await load(store, three, checksum="md5")
    assert not report.store.record["etags_are_md5"]
    assert report.store.proofs == ()
    assert report.counts == {"failed": 3}


@pytest.mark.parametrize("error", [AccessDenied, RequestRejected])
async def test_if_probing_is_denied_a_run_continues_and_reports_it(three, error):
    """As it does without a manifest; --require-create-only needs to know."""

    class Denies(Foreign):
        async def put(self, key, *arguments, **options):
            if key.startswith("_asyncload/probe/"):
                raise error("no probes")
            return await super().put(key, *arguments, **options)

    store = Denies()
    report, recorder = await load(store, three)
    assert (report.exit_code, report.store.record["basis"]) == (0, "assumed")
    (warned,) = [event for event in recorder.events if isinstance(event, Warned)]
    assert "no probes" in warned.message
    assert ("allow s3:PutObject" in warned.hint) == (error is AccessDenied)
    with pytest.raises(Refused, match="could not determine"):
        await load(store, three, require_create_only=True)


async def test_a_store_that_does_not_answer_probes_is_not_waited_for_long(three, monkeypatch):
    """And what can't be remembered is probed again."""
    monkeypatch.setattr("asyncload.operations.probing._PATIENCE", 0.05)

    class Hangs(Foreign):
        async def put(self, key, *arguments, **options):
            if key.startswith("_asyncload/probe/"):
                await asyncio.Event().wait()
            return await super().put(key, *arguments, **options)

    report, recorder = await load(Hangs(), three)
    assert report.exit_code == 0
    (warned,) = [event for event in recorder.events if isinstance(event, Warned)]
    assert "no answer in time" in warned.message


@pytest.mark.parametrize("step", ["create_multipart", "upload_part", "complete_multipart"])
async def test_a_run_that_is_cancelled_while_it_probes_leaves_no_upload(three, step):
    """At any step of the one upload that it tries."""

    class Hangs(Foreign):
        async def _answer(self, call, body=b""):
            await super()._answer(call, body)
            if call == step:
                task.cancel()
                await asyncio.sleep(0)

    store = Hangs()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(load(store, three))
    assert task.cancelled()
    assert store.uploads == {}


@pytest.mark.fault("G5")
@pytest.mark.parametrize("overwrite", [True, False])
async def test_if_create_only_is_ignored_each_key_is_looked_up_before(three, overwrite):
    """What another program lands after the listing is kept; unless it is to be replaced."""

    class Overtaken(Foreign):
        ignores = ("put", "complete")

        async def list_objects(self, prefix, after=None, **where):
            page = await super().list_objects(prefix, after, **where)
            self.objects[f"{FOLDER}/0.csv"] = b"theirs"
            return page

    store = Overtaken()
    report, recorder = await load(store, three, overwrite=overwrite)
    warned = [event for event in recorder.events if isinstance(event, Warned)]
    if overwrite:
        assert (report.exit_code, warned) == (0, [])
        return
    assert isinstance(recorder.outcomes["d/0.csv"].error, ObjectConflict)
    assert store.objects[f"{FOLDER}/0.csv"] == b"theirs"
    assert report.counts == {"failed": 1, "uploaded": 2}
    assert "ignores If-None-Match on PutObject and CompleteMultipartUpload" in warned[0].message


@pytest.mark.fault("G5")
@pytest.mark.parametrize("denied", [True, False])
async def test_if_complete_ignores_it_the_key_is_looked_up_before(volume, denied):
    """An object that another program writes during the upload is kept, unless HEAD is denied."""
    write_files(volume, {"d/large.csv": b"1" * (17 * UNIT), "d/1.csv": b"1", "d/2.csv": b"1"})
    key = f"{FOLDER}/large.csv"

    class Overtaken(Foreign):
        ignores = ("complete",)

        async def upload_part(self, upload_key, *arguments, **options):
            if upload_key == key:
                self.objects[key] = b"theirs"
            return await super().upload_part(upload_key, *arguments, **options)

        async def head(self, looked):
            if denied and looked == key:
                raise AccessDenied("no head")
            return await super().head(looked)

    store = Overtaken()
    report, recorder = await load(store, volume)
    if denied:
        # The listing called it free, and HEAD is denied.
        assert recorder.statuses["d/large.csv"] == "uploaded"
        return
    assert isinstance(recorder.outcomes["d/large.csv"].error, ObjectConflict)
    assert store.objects[key] == b"theirs"
    assert store.uploads == {}
    assert report.counts == {"failed": 1, "uploaded": 2}


@pytest.mark.fault("G5")
@pytest.mark.parametrize("size", [1, 17 * UNIT], ids=["small", "large"])
@pytest.mark.parametrize("listed", [True, False])
async def test_a_key_that_may_not_be_looked_at_is_not_written_over(volume, listed, size):
    """By a store that ignores the condition: only what a listing called free is written."""
    write_files(volume, {f"d/{n}.csv": b"1" * size for n in range(3 if listed else 1)})

    class Denies(Foreign):
        ignores = ("put", "complete")

        async def head(self, key):
            if key.endswith(".csv"):
                raise AccessDenied("no head")
            return await super().head(key)

    report, _ = await load(Denies(), volume)
    assert report.counts == ({"uploaded": 3} if listed else {"failed": 1})


@pytest.mark.fault("G5")
@pytest.mark.parametrize("ignores", ["put", "complete"])
async def test_a_store_that_ignores_the_condition_can_be_refused(three, ignores):
    """Before anything is sent."""
    store = Foreign()
    store.ignores = (ignores,)
    with pytest.raises(Refused, match="--require-create-only: the store ignores If-None-Match"):
        await load(store, three, require_create_only=True)
    assert not [key for key in store.objects if key.endswith(".csv")]
    store.ignores = ()
    del store.objects[RECORD]
    assert (await load(store, three, require_create_only=True))[0].exit_code == 0


async def test_a_comparison_uses_the_record_and_writes_nothing():
    """Of AWS, and where nothing is remembered, nothing is held against it."""
    aws, store = MemoryStore(), Foreign()
    assert (await remembered_worth(aws, "_asyncload", NOW)).basis == "aws"
    assert await remembered_worth(store, "_asyncload", NOW) == StoreWorth()
    assert store.objects == {}


def test_judgements_are_events_with_their_findings():
    """For programs and people alike."""
    judged = StoreJudged("CRC64NVME", ("MD5",), StoreWorth("probed").record())
    assert StoreWorth.from_record(judged.record).basis == "probed"


class Slashes(Foreign):
    """Stores a key with a slash for each backslash."""

    async def put(self, key, *arguments, **options):
        return await super().put(ObjectKey(key.replace("\\", "/")), *arguments, **options)

    async def delete(self, key):
        await super().delete(ObjectKey(key.replace("\\", "/")))


@pytest.mark.fault("L20")
@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("size", [2, 17 * UNIT])
async def test_a_key_that_the_store_does_not_keep_is_not_written(volume, manifest, size):
    """The store is asked once; the file fails, and the object of another one stays."""
    write_files(volume, {"d/x\\y.csv": bytes(size), "d/x/y.csv": b"1"})
    store = Slashes()
    for _ in range(2):
        recorder = Recorder()
        report = await load_volume(store, volume, recorder, manifest=manifest, overwrite=True)
        assert (report.exit_code, report.counts) == (3, {"uploaded": 1, "failed": 1})
        assert recorder.outcomes["d/x\\y.csv"].error.hint.startswith("rename the file or folder")
        store.objects.pop(f"{FOLDER}/x/y.csv")
    assert not any("slash" in key for key in store.objects)
    if manifest:
        assert json.loads(store.objects[RECORD])["keeps_backslashes"] is False
        assert report.store.record["keeps_backslashes"] is False
        assert store.calls["delete"] == 1


@pytest.mark.parametrize("manifest", [True, False])
async def test_a_store_that_keeps_all_keys_is_asked_only_if_one_has_a_backslash(three, manifest):
    """By one test key, which is removed."""
    store = Foreign()
    await load_volume(store, three, manifest=manifest)
    assert store.calls["delete"] == 0
    write_files(three, {"d/x\\y.csv": b"1", "d/x/y.csv": b"2"})
    report = await load_volume(store, three, manifest=manifest)
    assert (report.exit_code, store.calls["delete"]) == (0, 1)
    assert f"{FOLDER}/x\\y.csv" in store.objects
    aws = MemoryStore()
    assert (await load_volume(aws, three, manifest=manifest)).exit_code == 0
    assert aws.calls["delete"] == 0


@pytest.mark.parametrize("manifest", [True, False])
async def test_if_the_store_can_not_be_asked_for_a_key_its_file_fails(volume, manifest):
    """With a warning that says why; the other files land."""

    class Denies(Foreign):
        async def put(self, key, *arguments, **options):
            if "\\" in key:
                raise AccessDenied("denied")
            return await super().put(key, *arguments, **options)

    write_files(volume, {"d/x\\y.csv": b"1", "d/x/y.csv": b"2"})
    recorder = Recorder()
    store = Denies()
    report = await load_volume(store, volume, recorder, manifest=manifest)
    assert (report.exit_code, report.counts) == (3, {"uploaded": 1, "failed": 1})
    (warned,) = [event for event in recorder.events if isinstance(event, Warned)]
    assert warned.message.startswith("the store could not be asked whether it keeps a backslash")
    assert warned.hint == "allow s3:PutObject and s3:GetObject below _asyncload/"
    if manifest:
        # The other answers count.
        assert report.store.record["basis"] == "probed"
        assert "keeps_backslashes" not in json.loads(store.objects[RECORD])
