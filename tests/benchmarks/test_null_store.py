"""What the null server can be beside empty: full of earlier days, busy, slow, or loaded before."""

from __future__ import annotations

import random
import socket
import tracemalloc
from datetime import date

import pytest
from botocore.exceptions import ClientError

from benchmarks import servers
from benchmarks.null_server import connection as connections
from benchmarks.null_server.connection import Connection
from benchmarks.null_server.history import History, HistorySpec
from benchmarks.null_server.ledger import Capacity, Ledger
from benchmarks.zones import history_of

FIRST_DAY = date(2021, 12, 30)
DATASETS = {
    # In S3's order "-" is before "/", and every ASCII letter before "é".
    "lake/Raw/Films/": ["b.csv", "a/1.csv"],
    "lake/Raw/Films-2/": ["é.csv", "z.csv", "😀.csv", "\ufb01.csv"],
    "lake/Raw/Éa/": ["a.csv"],
}
SPEC = HistorySpec(FIRST_DAY, 5, DATASETS)
DAYS = ("2021/12/30", "2021/12/31", "2022/01/01", "2022/01/02", "2022/01/03")
NAMES = sorted(
    (
        f"{prefix}{day}/{path}"
        for prefix, paths in DATASETS.items()
        for day in DAYS
        for path in paths
    ),
    key=str.encode,
)
KEYS = [name.removeprefix("lake/") for name in NAMES]


def test_a_history_has_each_path_of_each_dataset_on_each_day_in_the_order_of_bytes():
    history = History(SPEC)
    assert list(history) == NAMES
    assert len(history) == len(NAMES) == 35
    with pytest.raises(IndexError):
        history[35]
    assert all(name in history for name in NAMES)
    for other in ("lake/Raw/Films/2022/01/04/b.csv", "lake/Raw/Films/2022/01/01/c.csv", "", "b"):
        assert other not in history
    assert "lake/Raw/Other/2022/01/01/b.csv" not in history


def test_names_are_found_from_anywhere_on():
    history = History(SPEC)
    draw = random.Random(7)
    starts = ["", *NAMES, *(name[: draw.randrange(len(name))] for name in NAMES), "lake/Z", "z"]
    for start in starts:
        end = draw.choice([*starts[1:], "~"])
        wanted = [name for name in NAMES if start.encode() <= name.encode() < end.encode()]
        for count in (1, 3, 100):
            assert history.names_between(start.encode(), end.encode(), count) == wanted[:count]
    assert History(HistorySpec(FIRST_DAY, 5, {})).names_between(b"", b"~", 10) == []


def test_datasets_whose_keys_would_mingle_are_refused():
    with pytest.raises(ValueError, match="mingle"):
        History(HistorySpec(FIRST_DAY, 2, {"lake/a/": ["1"], "lake/a/b/": ["1"]}))


def test_eight_million_names_take_no_more_memory_than_their_datasets():
    datasets = {f"lake/Raw/Films-{n:05}/": [f"films-{n:05}.csv"] for n in range(20_000)}
    tracemalloc.start()
    history = History(HistorySpec(FIRST_DAY, 400, datasets))
    page = history.names_between(b"lake/Raw/Films-10000/", b"~", 1000)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(history) == 8_000_000
    assert page[0] == "lake/Raw/Films-10000/2021/12/30/films-10000.csv"
    assert page[400] == "lake/Raw/Films-10001/2021/12/30/films-10001.csv"
    assert held < 32 * 1024 * 1024


def test_a_specification_survives_its_file(tmp_path):
    SPEC.write(tmp_path / "history.json")
    assert list(History.read(tmp_path / "history.json")) == NAMES


def test_a_volumes_history_has_the_keys_that_asyncload_gave_it_the_days_before(tmp_path):
    for path in ("movies.csv", "shop/a.csv", "shop/deep/b.csv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    spec = history_of(tmp_path, "lake", 400)
    history = History(spec)
    assert len(history) == 1200
    assert history[0] == "lake/Raw/Local/CSV/Movies/2021/03/28/movies.csv"
    assert "lake/Raw/Local/CSV/Shop/2022/05/01/deep/b.csv" in history
    assert "lake/Raw/Local/CSV/Shop/2022/05/02/deep/b.csv" not in history


@pytest.fixture(scope="module")
def full_server(tmp_path_factory):
    """A null server with a history."""
    conditions = servers.Conditions(history=SPEC)
    with servers.null_server(tmp_path_factory.mktemp("full"), conditions) as server:
        yield server


@pytest.fixture
def full(full_server, client_for):
    """A client for it, before anything is put."""
    full_server.reset()
    return client_for(full_server)


def listed(client, **options):
    """Return the pages of a listing: the keys and then the common prefixes of each."""
    size = options.pop("size", 1000)
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket="lake", PaginationConfig={"PageSize": size}, **options
    )
    return [
        [entry["Key"] for entry in page.get("Contents", ())]
        + [group["Prefix"] for group in page.get("CommonPrefixes", ())]
        for page in pages
    ]


def test_earlier_days_and_what_is_put_are_listed_together_page_by_page(full):
    new = ["Raw/Films/2022/01/04/b.csv", "Raw/Zoo/2022/01/04/z.csv", "A", "é"]
    for key in (*new, KEYS[3]):
        full.put_object(Bucket="lake", Key=key, Body=b"1")
    wanted = sorted([*KEYS, *new], key=str.encode)
    for size in (1, 4, 1000):
        pages = listed(full, size=size)
        assert [key for page in pages for key in page] == wanted
        assert {len(page) for page in pages[:-1]} <= {size}
    below = [key for key in wanted if key.startswith("Raw/Films/2022/")]
    assert [key for page in listed(full, Prefix="Raw/Films/2022/", size=3) for key in page] == below
    for start in ("Raw/Films/2021/12/31/a/1.csv", "Raw/Films/2021/12/31", "Raw/Films0", "zz"):
        after = [key for key in wanted if key.encode() > start.encode()]
        assert [key for page in listed(full, StartAfter=start) for key in page] == after


def test_a_start_before_the_prefix_changes_nothing_and_no_page_has_no_keys(full):
    assert listed(full, Prefix="Raw/Films/", StartAfter="A")[0][0] == KEYS[10 * 2]
    page = full.list_objects_v2(Bucket="lake", MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)


def test_a_delimiter_passes_over_the_days_below(full):
    full.put_object(Bucket="lake", Key="Raw/readme", Body=b"1")
    groups = ["Raw/Films-2/", "Raw/Films/", "Raw/Éa/"]
    whole = listed(full, Prefix="Raw/", Delimiter="/")
    assert whole == [["Raw/readme", *groups]]
    by_ones = listed(full, Prefix="Raw/", Delimiter="/", size=1)
    assert sorted(key for page in by_ones for key in page) == sorted(whole[0])
    days = listed(full, Prefix="Raw/Films/2021/12/", Delimiter="/")
    assert days == [["Raw/Films/2021/12/30/", "Raw/Films/2021/12/31/"]]


def test_the_first_listing_continues_after_a_marker(full):
    pages = full.get_paginator("list_objects").paginate(
        Bucket="lake", PaginationConfig={"PageSize": 4}
    )
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == KEYS


def test_earlier_objects_are_there_for_head_and_for_a_create_only_put(full_server, full):
    assert full.head_object(Bucket="lake", Key=KEYS[0])["ContentLength"] == 17_000
    with pytest.raises(ClientError) as raised:
        full.head_object(Bucket="lake", Key="Raw/Films/2022/01/04/b.csv")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError) as raised:
        full.put_object(Bucket="lake", Key=KEYS[0], Body=b"1", IfNoneMatch="*")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    full.put_object(Bucket="lake", Key=KEYS[0], Body=b"1")
    assert full.head_object(Bucket="lake", Key=KEYS[0])["ContentLength"] == 1
    assert full_server.stats()["objects"] == 1
    full_server.reset()
    assert full.head_object(Bucket="lake", Key=KEYS[0])["ContentLength"] == 17_000


def test_counts_can_be_reset_while_objects_stay(server, client):
    client.put_object(Bucket="lake", Key="a", Body=b"12345", Metadata={"mtime": "7"})
    server.reset(counts_only=True)
    stats = server.stats()
    assert (stats["requests"], stats["body_bytes"], stats["objects"]) == (0, 0, 1)
    assert client.head_object(Bucket="lake", Key="a")["Metadata"] == {"mtime": "7"}


def test_an_etag_can_be_the_md5(tmp_path, client_for):
    with servers.null_server(tmp_path, servers.Conditions(md5=True)) as server:
        client = client_for(server)
        put = client.put_object(Bucket="lake", Key="a", Body=b"abc")
        assert put["ETag"] == '"900150983cd24fb0d6963f7d28e17f72"'
        client.close()


def test_a_capacity_serves_its_rate_however_often_it_is_asked():
    capacity = Capacity(500, now=0.0)
    assert sum(capacity.serves(0.0) for _ in range(1000)) == 50
    served = sum(capacity.serves(step / 2000) for step in range(1, 20_001))
    assert 4990 <= served <= 5001
    # What was not asked for in time is lost.
    assert sum(capacity.serves(100.0) for _ in range(1000)) == 50


def test_beyond_its_capacity_a_store_says_slow_down_and_takes_nothing(tmp_path, client_for):
    with servers.null_server(tmp_path, servers.Conditions(capacity=0.001)) as server:
        client = client_for(server)
        client.put_object(Bucket="lake", Key="a", Body=b"1")
        with pytest.raises(ClientError) as raised:
            client.put_object(Bucket="lake", Key="b", Body=b"1")
        assert raised.value.response["Error"]["Code"] == "SlowDown"
        stats = server.stats()
        assert (stats["objects"], stats["statuses"]) == (1, {"200": 1, "503": 1})
        client.close()


def test_a_connection_of_limited_rate_is_read_a_little_at_a_time(monkeypatch):
    """On a clock of the test's own: 40 MB/s are 200 kB in 5 ms."""
    now = 1000.0
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2_000_000)
    here.setblocking(False)
    there.setblocking(False)
    ledger = Ledger()
    connection = Connection(there, ledger, digests=False, rate=40e6)
    body = bytes(500_000)
    head = b"PUT /lake/a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    unsent = memoryview(head + body)
    unsent = unsent[here.send(unsent) :]
    steps = 0
    while not (answer := connection.take_answer()):
        connection.receive()
        steps += 1
        before = connection.rests_until
        connection.receive()  # too early: nothing is read
        assert connection.rests_until == before
        now = connection.rests_until
        if unsent:
            unsent = unsent[here.send(unsent) :]
    assert answer.startswith(b"HTTP/1.1 200")
    assert ledger.objects["lake/a"].size == 500_000
    assert steps >= 3
    # All bytes were paid for.
    assert now - 1000.0 == pytest.approx((len(head) + len(body)) / 40e6)
    here.close()
    there.close()


def test_a_server_of_limited_rate_takes_whole_bodies_on_many_connections(tmp_path, client_for):
    with servers.null_server(tmp_path, servers.Conditions(rate=50e6, delay=0.001)) as server:
        client = client_for(server)
        for size in (0, 17_000, 3_000_000):
            client.put_object(Bucket="lake", Key=str(size), Body=bytes(size))
        stats = server.stats()
        assert (stats["objects"], stats["object_bytes"]) == (3, 3_017_000)
        client.close()
