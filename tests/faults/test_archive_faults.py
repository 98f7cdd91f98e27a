"""Archives before a real store: through faults of the network, by the fast lane and without it."""

from __future__ import annotations

import random

import pytest

from tests.faults.lake import DATE, LEAST, fail_first
from tests.faults.proxy import Fault, Oracle, no_fault
from tests.support.archives import DEFLATED, STORED, Made, make_zip, zip_of
from tests.support.loads import write_files

SMALL = {"movies.csv": b"id|titulo\n1|x\n", "coração/séries.csv": b"id|titulo\n"}


@pytest.fixture
def loaded(lake, small_and_large, volume, lane):
    """Load the members of an archive, with others below the given names; returns how it ended."""
    for path in volume.iterdir():
        path.unlink()

    def load(files, decide=no_fault, *, archive):
        write_files(volume, {"Filmes+e+Series.zip": archive})
        oracle = Oracle()
        for name, body in files.items():
            oracle.register_version(name, body)
        proxy = lake.proxy(decide, oracle=oracle)
        return lake.load(None, "--archives", lane=lane, proxy=proxy)

    return load


def large_member():
    """Three parts that no shifted, cut or mixed copy equals."""
    return random.Random(1).randbytes(LEAST + 8).hex().encode()


@pytest.mark.fault("J1")
@pytest.mark.parametrize(
    ("method", "fault"),
    [(STORED, Fault(flip=9)), (DEFLATED, Fault(flip=9)), (DEFLATED, Fault(cut_request=900))],
)
def test_members_land_whole_through_faults_of_the_network(loaded, lake, method, fault):
    """By put and in parts; `verify` compares them, and a second run sends nothing."""
    files = SMALL | {"l/large.csv": large_member()}
    faults = fail_first({"PutObject", "UploadPart"}, fault)
    landed = loaded(files, faults, archive=zip_of(files, method))
    assert landed.code == 0
    assert landed.statuses == dict.fromkeys(
        (f"Filmes+e+Series.zip//{name}" for name in files), "uploaded"
    )
    day = DATE.replace("-", "/")
    expected = {
        f"{lake.layer}/Local/CSV/Movies/{day}/movies.csv": SMALL["movies.csv"],
        f"{lake.layer}/Local/CSV/Coração/{day}/séries.csv": SMALL["coração/séries.csv"],
        f"{lake.layer}/Local/CSV/L/{day}/large.csv": files["l/large.csv"],
    }
    assert landed.by_key == expected
    again = loaded(files, archive=zip_of(files, method))
    assert set(again.statuses.values()) == {"unchanged"}
    assert again.summary["bytes_sent"] == 0
    arguments = lake.arguments(lake.server.endpoint_url, "--archives")
    arguments.remove("--no-manifest")
    verified = lake.program("verify", *[a for a in arguments[1:] if a != "--no-fast-lane"])
    assert verified.code == 0, verified.out


@pytest.mark.fault("J2", "J4")
def test_refused_and_damaged_members_leave_nothing_behind(loaded):
    """The others land; each failure has its reason in its record."""
    large = large_member()
    archive = make_zip(
        Made(b"good.csv", b"good"),
        Made(b"secret.csv", b"1", flags=1),
        Made(b"damaged.csv", b"12345", crc=1),
        Made(b"large.csv", large, crc=1),
    )
    landed = loaded({"good.csv": b"good", "large.csv": large}, archive=archive)
    assert landed.code == 3
    assert list(landed.by_key.values()) == [b"good"]
    assert landed.open_uploads == []
    kinds = {
        path.partition("//")[2]: record["error"]["kind"]
        for path, record in landed.files.items()
        if record["status"] == "failed"
    }
    assert kinds == {
        "secret.csv": "MemberRefused",
        "damaged.csv": "MemberDamaged",
        "large.csv": "MemberDamaged",
    }
