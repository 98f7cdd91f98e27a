"""Which tests run without coverage, because others run the same code under it.

Coverage makes most tests a third slower, some three times as slow, and doubles the start of each
program. So the tests below come last, and each process of tests stops measuring when it comes to
them. Code that only they reach counts as not covered: a file is for this table if the total without
it is the same. Tests that mostly wait stay among the others, which use the processor meanwhile.
Repetitions without the fast lane are not measured either.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase

import coverage

from tests.support.selection import is_by_client, parts

UNMEASURED = (
    # Programs that are killed or stopped, with the same requests each time.
    "faults/test_kill.py",
    "faults/test_collect_kill.py",
    "faults/test_process_faults.py",
    "faults/test_syscalls.py",
    "faults/test_watch_kill.py",
    # Faults on the way to the store: what is done about each kind, tests of the store show as well.
    "faults/test_archive_faults.py",
    "faults/test_days_work.py",
    "faults/test_seeds.py",
    "faults/test_server_faults.py",
    "faults/test_simulation.py::test_a_stop_at_any_step_is_obeyed",
    "faults/test_simulation.py::test_no_seed_makes_a_load_lie_leak_or_hang",
    # What others load into other stores, in small, or by other means.
    "integration/test_collect_scale.py",
    "integration/test_credentials.py",
    "integration/test_memory.py",
    "integration/test_scripted.py",
    "integration/test_second_run.py",
    "integration/test_servers.py",
    "integration/test_stores.py",
    "integration/test_versioned.py",
    "pipeline/test_days.py",
    "unit/test_auto_concurrency.py",
    "unit/test_plan.py::test_a_plan_takes_less_than_50_bytes_a_file",
    "unit/test_sigv4.py",
    "smoke/*",
    # They look at files, or run programs that coverage does not see.
    "aws_lambda/test_emulator.py",
    "aws_lambda/test_package.py",
    "aws_lambda/test_templates.py",
    "benchmarks/*",
    "faults/test_catalogue.py",
    "faults/test_proxy.py",
    "test_architecture.py",
    "test_docs.py",
    "test_english.py",
    "test_site.py",
)
"""Paths below tests, some with the name of a test."""


def is_measured(item):
    """Whether coverage counts what this test runs."""
    if is_by_client(item):
        return False
    path, test, _ = parts(item)
    names = (path, f"{path}::{test}")
    return not any(fnmatchcase(name, pattern) for name in names for pattern in UNMEASURED)


def stop_measuring():
    """Measure nothing more, neither here nor in programs that are started from now on."""
    if measured := coverage.Coverage.current():
        measured.stop()
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
