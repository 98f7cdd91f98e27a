"""Faults drawn from a seed, the same for any order of requests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tests.faults.proxy.call import Call
from tests.faults.proxy.faults import Fault, Reply, s3_error

_HTML = b"<html><body>the gateway has had enough</body></html>"
_ERRORS = (
    Fault(reply=s3_error(500, "InternalError")),
    Fault(reply=Reply(502, _HTML)),
    Fault(reply=Reply(504, _HTML)),
    Fault(reply=s3_error(400, "RequestTimeout")),
    Fault(cut_request=300),
    Fault(cut_request=300, how="close"),
    Fault(cut_reply=0),
    Fault(early=True, reply=s3_error(500, "InternalError")),
    Fault(early=True, reply=s3_error(503, "ServiceUnavailable"), how="close"),
    Fault(reply=Reply(raw=b"\0\1 this is not HTTP\r\n\r\n")),
    Fault(reply=Reply(raw=b"HTTP/1.1 two hundred\r\n\r\n")),
)
_THROTTLES = (
    Fault(reply=s3_error(503, "SlowDown")),
    Fault(reply=s3_error(503, "ServiceUnavailable")),
    Fault(reply=s3_error(429, "TooManyRequests")),
)
# Any other one would end the run.
_MAY_BE_REJECTED = ("PutObject", "UploadPart", "CompleteMultipartUpload")


@dataclass(frozen=True)
class Rates:
    """Which share of requests meets what; the rest passes."""

    errors: float = 0.15
    throttles: float = 0.20
    delays: float = 0.10
    corruption: float = 0.005
    lost_replies: float = 0.02
    rejections: float = 0.01

    def __post_init__(self) -> None:
        assert 0 <= sum(vars(self).values()) <= 1, "rates are shares of all requests"


def draw(*identity: object) -> float:
    """A number from 0 up to 1 that depends on nothing but its arguments."""
    digest = hashlib.sha256("\0".join(map(str, identity)).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


@dataclass(frozen=True)
class Seeded:
    """Decides by hash of seed, operation, key, part and attempt."""

    seed: int
    rates: Rates = Rates()
    max_delay: float = 0.02

    def __call__(self, call: Call) -> Fault | None:
        identity = (self.seed, *call.identity, call.attempt)
        share = draw(*identity)
        which = draw("which", *identity)
        rates = self.rates
        if (share := share - rates.errors) < 0:
            return _ERRORS[int(which * len(_ERRORS))]
        if (share := share - rates.throttles) < 0:
            return _THROTTLES[int(which * len(_THROTTLES))]
        if (share := share - rates.delays) < 0:
            return Fault(delay=which * self.max_delay)
        if (share := share - rates.corruption) < 0:
            return Fault(flip=int(which * 8 * max(1, call.head.length)))
        if (share := share - rates.lost_replies) < 0:
            return Fault(cut_reply=0)
        if call.operation in _MAY_BE_REJECTED and share - rates.rejections < 0:
            return Fault(reply=s3_error(400, "InvalidArgument"))
        return None
