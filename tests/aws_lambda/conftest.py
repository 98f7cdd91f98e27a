"""Invocations of the handler in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from tests.support.vocabulary import check_record


@dataclass
class Context:
    """As Lambda's runtime makes it, whose memory is a text."""

    aws_request_id: str = "2f5e1a9c-1b7e-4a59-9a1f-0a2b3c4d5e6f"
    memory_limit_in_mb: str = "512"
    remaining: int = 900_000

    def get_remaining_time_in_millis(self):
        return self.remaining


@dataclass
class Log:
    """The lines of JSON that an invocation wrote."""

    text: str
    records: list = field(init=False)

    def __post_init__(self):
        self.records = [json.loads(line) for line in self.text.splitlines()]
        for record in self.records:
            assert record.pop("timestamp")
            assert record["level"] in ("INFO", "WARN", "ERROR")
            assert record.pop("request_id") == Context.aws_request_id
            described = {name: value for name, value in record.items() if name != "level"}
            check_record(described)

    def of(self, kind):
        return [record for record in self.records if record["type"] == kind]


@pytest.fixture
def log(capsys):
    """What was logged since the last look, each record as the page on records describes it."""
    return lambda: Log(capsys.readouterr().out)
