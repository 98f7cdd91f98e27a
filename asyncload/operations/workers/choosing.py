"""Decide how many processes load a plan. Pure."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Self

from asyncload.errors import SourceTooLarge
from asyncload.model.values import Warned
from asyncload.planning.plan import MIB, LoadPlan, lay_out_parts
from asyncload.settings.container import (
    PROCESS,
    WORKER,
    cores,
    memory_limit,
    memory_of,
    task_limit,
)
from asyncload.settings.run import MIN_LIMIT_RATE, MIN_MEMORY, Settings
from asyncload.transfer import TransferPolicy

# What one process needs: in seconds of a core for a small file, and for a byte.
_SECONDS_A_FILE = 130e-6
_SECONDS_A_BYTE = 0.6e-9
# A further process pays if it has work for so many seconds.
_WORTHWHILE_SECONDS = 0.25
# One process sends so many bytes a second of small files.
_RATE_OF_ONE = 128 * MIB
# Processes and threads, also those that resolve names.
_TASKS = 24
# Parts that a process must be able to hold at once.
_MIN_PARTS = 2


class Machine(NamedTuple):
    """What the machine or container allows: cores, bytes of memory, processes and threads."""

    cores: int
    memory: int | None
    tasks: int | None

    @classmethod
    def here(cls) -> Self:
        """Return what this process may use."""
        return cls(cores(), memory_limit(), task_limit())


def choose_processes(
    settings: Settings, policy: TransferPolicy, plan: LoadPlan, machine: Callable[[], Machine]
) -> int:
    """Return the number of processes, this one included.

    `machine` is called only if there is enough to load for several. A number that was asked for is
    lowered only if the shares of the limits would be too small.
    """
    sizes = plan.large_sizes
    small = plan.files - len(plan.failures) - len(sizes)
    most = min(_most(settings, plan), settings.memory // _room(settings, policy, sizes))
    if isinstance(settings.processes, int):
        return max(1, min(settings.processes, most))
    wanted = min(most, _worthwhile(small, plan.size, sizes))
    if settings.limit_rate is not None:
        wanted = min(wanted, settings.limit_rate // _RATE_OF_ONE)
    if wanted <= 1:
        return 1
    # A process that sends parts uses more than a core: its threads read and hash meanwhile. On two
    # cores one of them is faster than two.
    spare = 0 if _is_worthwhile(small) else 1
    return max(1, _fitting(settings, wanted, machine(), spare))


def explain_fewer(settings: Settings, plan: LoadPlan, chosen: int) -> Warned | None:
    """Return a warning if fewer processes load than were asked for, though there are more files."""
    asked = settings.processes
    files = plan.files - len(plan.failures)
    if not isinstance(asked, int) or chosen >= min(asked, files):
        return None
    if chosen == _most(settings, plan):
        reason = "each needs its share of --concurrency and --limit-rate"
    else:
        reason = f"--memory {settings.memory // MIB}MiB has no room for the parts of more"
    return Warned(
        f"--processes {asked}: only {chosen} can be used: {reason}",
        hint="raise that limit, or lower --processes",
    )


def choose_on_cluster(settings: Settings, plan: LoadPlan, workers: int) -> int:
    """Return the number of processes, this one included, on a cluster of so many workers."""
    asked = settings.processes if isinstance(settings.processes, int) else 1 + workers
    return max(1, min(asked, 1 + workers, _most(settings, plan)))


def _most(settings: Settings, plan: LoadPlan) -> int:
    """Return how many processes can have a file, a request and a part of the rate each."""
    most = min(plan.files - len(plan.failures), settings.max_requests)
    if settings.limit_rate is not None:
        most = min(most, settings.limit_rate // MIN_LIMIT_RATE)
    return most


def _fitting(settings: Settings, wanted: int, machine: Machine, spare: int) -> int:
    """Return how many of the wanted processes the machine has cores, memory and tasks for.

    `spare` cores are left for other work.
    """
    wanted = min(wanted, machine.cores - spare)
    if machine.memory is not None:
        fixed = settings.max_requests if isinstance(settings.concurrency, int) else 1
        left = machine.memory - PROCESS - settings.memory
        left -= memory_of(fixed, encrypted=settings.encrypted)
        wanted = min(wanted, 1 + left // WORKER)
    if machine.tasks is not None:
        wanted = min(wanted, machine.tasks // _TASKS)
    return wanted


def _room(settings: Settings, policy: TransferPolicy, sizes: list[int]) -> int:
    """Return the memory that each process needs for file data, in bytes."""
    if sizes:
        # A file that is too large fails in any process.
        with suppress(SourceTooLarge):
            layout = lay_out_parts(max(sizes), min_size=policy.part_size, max_size=settings.memory)
            return max(MIN_MEMORY, _MIN_PARTS * layout.part_size)
    return MIN_MEMORY


def _worthwhile(small: int, size: int, sizes: list[int]) -> int:
    """Return how many processes have enough to do; a large file is loaded by one of them."""
    seconds = small * _SECONDS_A_FILE + size * _SECONDS_A_BYTE
    enough = int(seconds / _WORTHWHILE_SECONDS)
    return enough if _is_worthwhile(small) else min(enough, len(sizes))


def _is_worthwhile(small: int) -> bool:
    """Return whether small files alone are enough work for a further process."""
    return small * _SECONDS_A_FILE >= _WORTHWHILE_SECONDS
