"""`--shard auto`: find the number of this process in the variables of its scheduler."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from asyncload.errors import UsageError
from asyncload.planning.shards import MAX_SHARDS

_HINT = "give the shard itself, such as --shard 3/8 or ASYNCLOAD_SHARD=3/8"
# ECS sets it in every container, but numbers no tasks.
_OF_ECS = ("ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI")


@dataclass(frozen=True)
class _Scheduler:
    """The variables in which a scheduler says which one of several processes this is.

    `count` is "" if it does not say how many there are. `first` and `step` are the variables of the
    first index and of the distance of the next one, "" if indexes count from 0 by 1.
    """

    name: str
    index: str
    count: str = ""
    first: str = ""
    step: str = ""


_SCHEDULERS = (
    _Scheduler("a Kubernetes Indexed Job", "JOB_COMPLETION_INDEX"),
    _Scheduler("an AWS Batch array", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
    _Scheduler(
        "a Slurm array",
        "SLURM_ARRAY_TASK_ID",
        "SLURM_ARRAY_TASK_COUNT",
        "SLURM_ARRAY_TASK_MIN",
        "SLURM_ARRAY_TASK_STEP",
    ),
)


def resolve_shard(text: str, environment: Mapping[str, str]) -> str:
    """Return a shard as `K/N`, from `auto` or `auto/N`; any other text is returned as it is.

    With `auto/N` indexes count from 0: a part of an array that is started again keeps its shards.

    Raises:
        UsageError: the variables do not say which shard this is.
    """
    word, slash, number = (part.strip() for part in text.partition("/"))
    if word.lower() != "auto":
        return text
    scheduler = _find_scheduler(environment)
    index = _number(scheduler.index, environment)
    if slash:
        count = _count(text, number)
    elif scheduler.count and environment.get(scheduler.count):
        count = _number(scheduler.count, environment)
        index = _from_zero(index, scheduler, environment)
    else:
        raise UsageError(
            f"--shard auto: {scheduler.name} does not say how many shards there are",
            hint="give their number, such as --shard auto/8",
        )
    if index >= count:
        raise UsageError(
            f"--shard {text}: {scheduler.index}={environment[scheduler.index]} is not an index of "
            f"{count:,} shards",
            hint=f"indexes must go from 0 to {count - 1:,}, without gaps",
        )
    return f"{index + 1}/{count}"


def _find_scheduler(environment: Mapping[str, str]) -> _Scheduler:
    found = [scheduler for scheduler in _SCHEDULERS if environment.get(scheduler.index)]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(scheduler.index for scheduler in found)
        raise UsageError(f"--shard auto: both {names} are set", hint=_HINT)
    if any(environment.get(name) for name in _OF_ECS):
        raise UsageError(
            "--shard auto: Amazon ECS does not number its tasks",
            hint="set ASYNCLOAD_SHARD=3/8 in the overrides of each task, or use AWS Batch",
        )
    names = ", ".join(scheduler.index for scheduler in _SCHEDULERS)
    raise UsageError(f"--shard auto: none of the variables {names} is set", hint=_HINT)


def _from_zero(index: int, scheduler: _Scheduler, environment: Mapping[str, str]) -> int:
    """Return an index as one that counts from 0 by 1.

    Raises:
        UsageError: the indexes have gaps.
    """
    first = _number(scheduler.first, environment, 0)
    step = max(1, _number(scheduler.step, environment, 1))
    steps, rest = divmod(index - first, step)
    if rest or steps < 0:
        raise UsageError(
            f"--shard auto: {scheduler.index}={index} is not in steps of {step} from {first}",
            hint=_HINT,
        )
    return steps


def _count(text: str, number: str) -> int:
    if not re.fullmatch(r"\d{1,9}", number, re.ASCII) or not 1 <= int(number) <= MAX_SHARDS:
        raise UsageError(
            f"--shard: {text!r}: the number of shards is not between 1 and {MAX_SHARDS:,}",
            hint="use auto/N, such as auto/8",
        )
    return int(number)


def _number(variable: str, environment: Mapping[str, str], default: int | None = None) -> int:
    value = environment.get(variable, "") if variable else ""
    if not value and default is not None:
        return default
    if not re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII):
        raise UsageError(f"variable {variable}: {value!r} is not a number", hint=_HINT)
    return int(value)
