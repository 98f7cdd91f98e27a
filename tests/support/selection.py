"""Which tests only `make test-nightly` runs, beside those with the mark: more of the same kind.

`make test` runs each case of a fault once, by the fast lane or by the client in turn, and of the
slow tests below the cases that are kept. The others get the mark `nightly` here, in one place. Some
loads into SeaweedFS, which show whether the client stores the same, are repeated without the fast
lane; at night, all that take a server are.

`make test-fast` is for a quick answer while one edits. It leaves out those of its tests that take
long; they get the mark `slow` here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from fnmatch import fnmatchcase

import pytest

_BY_CLIENT = "no-fast-lane"
_WAY = re.compile(r"\b(lane|client)\b")
KEPT = {
    # Each seed, and each moment of a kill, is another sample of one behaviour.
    "faults/test_simulation.py::test_no_seed_makes_a_load_lie_leak_or_hang": ["0"],
    "faults/test_simulation.py::test_a_stop_at_any_step_is_obeyed": ["0"],
    "faults/test_simulation.py::test_a_refusal_at_any_request_ends_the_run": ["0"],
    "faults/test_seeds.py::test_a_load_through_chaos_*": ["lane-0", "client-1"],
    "faults/test_kill.py::test_a_kill_at_any_request_*": ["0"],
    "faults/test_worker_faults.py::test_a_killed_worker_loses_nothing": [
        "before-9",
        "after-1",
        "after-33",
    ],
    "faults/test_worker_faults.py::test_a_signal_to_all_processes_ends_the_run_as_one": ["15"],
    "faults/test_collect_kill.py::test_killed_at_a_request_to_the_api": ["2-after", "60-before"],
    "faults/test_collect_kill.py::test_killed_at_a_request_to_the_store": ["40-after"],
    "faults/test_watch_kill.py::test_each_quiet_version_is_loaded_once": ["events"],
    # Programs of their own: these differ in one redirection, name or setting.
    "faults/test_stream_faults.py::test_a_load_continues_if_its_output_fails": [
        ">&- 2>&-",
        ">/dev/full 2>&-",
    ],
    "faults/test_stream_faults.py::test_a_json_report_that_is_cut_short_is_never_a_success": [
        "2>/dev/full",
        "<&- >&- 2>&-",
        ">/dev/full",
    ],
    "faults/test_stream_faults.py::test_other_commands_whose_records_are_cut_short_*": ["verify"],
    "faults/test_stream_faults.py::test_a_command_that_sends_nothing_ends_as_ever": [
        "help-*",
        "option->&-",
        "volume-2>&-",
        "plan->/dev/full 2>/dev/full",
    ],
    "faults/test_scan_faults.py::test_an_excluded_folder_need_not_be_readable": [
        "lost+found-*",
        "d/.cache-*",
        "private-options4",
        "d/private-options7",
    ],
    "faults/test_name_faults.py::test_names_are_the_same_keys_in_any_locale": [
        "lane-C",
        "client-Latin-1",
    ],
    "faults/test_syscalls.py::test_a_read_that_fails_or_ends_too_soon_fails_its_file_alone": [
        "lane-EIO-*",
        "client-eof-*",
    ],
    "faults/test_ownership_faults.py::test_a_killed_runs_upload_is_resumed_by_*": [
        "same",
        "metadata",
    ],
    "faults/test_ownership_faults.py::test_a_damaged_or_huge_record_*": ["record0"],
    "faults/test_chain_faults.py::test_a_variable_that_is_empty_is_not_set": ["-*"],
    "faults/test_network_faults.py::test_a_body_that_is_never_read_*": ["lane-*"],
    # What they load is large; the other server, or number, makes no difference to it.
    "integration/test_processes.py::test_*": ["seaweedfs", "seaweedfs-*"],
    "integration/test_second_run.py::test_*": ["seaweedfs", "seaweedfs-*"],
    "cli/test_watch.py::test_files_are_loaded_until_a_signal": ["moto-poll0", "seaweedfs-poll1"],
    "cli/test_watch.py::test_several_folders_are_watched": ["moto"],
    "unit/test_auto_concurrency.py::test_a_store_that_serves_500_a_second_*": [
        "model0-0.005",
        "model1-0.1",
        "model2-0.005",
    ],
    "unit/test_auto_concurrency.py::test_it_is_as_fast_as_the_best_number": ["0.005-*", "0.03-*"],
}
"""The cases that `make test` keeps of a test, by its path below tests; a test without cases, and
what is not named here, is kept."""


AGAIN = (
    # What a store is asked for and keeps.
    "contract/test_object_store.py::*",
    "integration/test_clock.py::*",
    "integration/test_library.py::*",
    "integration/test_memory.py::test_peak_memory_is_the_buffers_and_a_base",
    "integration/test_servers.py::*",
    "integration/test_stores.py::*",
    "integration/test_versioned.py::*",
    "faults/test_doctor.py::*",
    "faults/test_object_lock.py::*",
    "faults/test_proof_faults.py::*",
    # Requests and results that a plan, a second run or a report has told.
    "integration/test_second_run.py::test_it_*",
    "cli/test_doctor.py::*",
    "cli/test_plan.py::test_the_run_does_as_planned",
    "cli/test_verify.py::test_a_volume_that_was_loaded_matches",
    "cli/test_verify.py::test_what_is_not_as_it_should_be_is_named",
    # The ways in: each passes the option on.
    "aws_lambda/test_invocation.py::test_an_invocation_loads_and_returns_the_summary",
    "cli/test_collect.py::test_a_collection_from_token_to_objects",
    "cli/test_run.py::*",
    "cli/test_selection.py::test_verified_files_are_moved_out_of_the_volume",
    "cli/test_shards.py::test_a_complete_run_of_shards_is_quiet",
    "cli/test_watch.py::test_files_are_loaded_until_a_signal",
    "integration/test_processes.py::test_members_and_disposal_work_in_all_processes",
)
"""The tests that `make test` also runs without the fast lane, with SeaweedFS."""


SLOW = (
    # Thousands of puts in virtual time.
    "unit/test_auto_concurrency.py::*",
    "unit/test_growth.py::test_successes_bring_the_ceiling_back",
    # Thousands of files, to see what one takes.
    "unit/test_plan.py::test_a_plan_takes_less_than_50_bytes_a_file",
    "unit/test_partitions.py::test_a_partition_takes_a_few_bytes",
    "unit/test_page.py::test_the_page_of_any_run_has_a_bounded_size",
    "unit/test_check_files.py::test_many_columns",
    "pipeline/test_flat.py::test_*_histor*",
    "pipeline/test_flat.py::test_a_zone_that_was_loaded_costs_a_page_for_a_thousand_files",
    "pipeline/test_flat.py::test_an_empty_zone_costs_one_listing",
    "pipeline/test_flat.py::test_many_folders_of_few_files_share_pages",
    "pipeline/test_flat.py::test_markers_of_a_flat_volume_cost_a_put_each",
    "pipeline/test_collect*.py::test_a_query_with_*",
    "pipeline/test_collect.py::test_a_search_with_too_many_pages_*",
    "pipeline/test_collect_apis.py::test_queries_of_a_file_may_be_for_tmdb",
    "pipeline/test_collect_faults.py::test_a_day_with_too_many_results_*",
    "pipeline/test_days.py::test_two_runs_at_once_write_each_object_once",
    # Archives of large files.
    "pipeline/test_archives.py::test_*_resumed*",
    "pipeline/test_archives.py::test_a_member_is_inflated_once",
    "pipeline/test_archives.py::test_more_members_than_threads_are_read_at_once",
    # Many examples.
    "unit/test_archives.py::test_a_member_lands_whole_or_fails_if_any_byte_is_damaged",
    "unit/test_endpoints.py::test_any_text_is_judged",
    "pipeline/test_flat.py::test_the_state_of_each_key_is_right_for_any_bucket",
    # Programs of their own.
    "unit/test_public_api.py::test_dask_is_not_imported_without_need",
    "unit/test_public_api.py::test_help_does_not_wait_for_s3",
    "unit/test_public_api.py::test_an_offline_plan_is_made_without_the_s3_libraries",
    "unit/test_s3_models.py::test_opening_a_store_imports_no_file_transfers",
    # Large files.
    "pipeline/test_deadline.py::test_a_large_file_*",
    "pipeline/test_deadline.py::test_an_upload_that_could_not_be_recorded_is_aborted",
    "pipeline/test_load.py::test_file_bytes_in_memory_stay_within_the_option",
    "pipeline/test_shards.py::test_a_long_manifest_is_sent_in_parts",
    "pipeline/test_stalls.py::test_more_stalls_than_memory_hold_nothing_up",
)
"""The tests that `make test-fast` leaves out; `make test` runs them all."""


def repeat_by_client(metafunc):
    """Make each case a second time, for the generic client; `_lane` is the fixture of all tests.

    The first keeps its name, the second ends in `no-fast-lane`.
    """
    path = metafunc.definition.nodeid.split("::")[0].partition("tests/")[2]
    name = f"{path}::{metafunc.function.__name__}"
    if any(fnmatchcase(name, pattern) for pattern in AGAIN):
        ways = [pytest.param(True, id=pytest.HIDDEN_PARAM), pytest.param(False, id=_BY_CLIENT)]
        metafunc.parametrize("_lane", ways, indirect=True)


def is_by_client(item):
    """Whether this is the second one of a case that is run twice."""
    return _params(item).get("_lane") is False


def repeated_in_vain(items):
    """Return those by the client that repeat no test of SeaweedFS that `make test` runs.

    At night the whole suite is run without a fast lane. What takes `lane` is run by both anyway.
    """
    by_day = {
        item.nodeid
        for item in items
        if item.get_closest_marker("seaweedfs") and not item.get_closest_marker("nightly")
    }
    return [
        item
        for item in items
        if is_by_client(item) and ("lane" in _params(item) or _by_lane(item.nodeid) not in by_day)
    ]


def _by_lane(nodeid):
    alone = f"[{_BY_CLIENT}]"
    if nodeid.endswith(alone):
        return nodeid.removesuffix(alone)
    return nodeid.removesuffix(f"-{_BY_CLIENT}]") + "]"


def mark_slow(items):
    """Give the mark `slow` to what takes too long for `make test-fast`."""
    for item in items:
        path, test, _ = parts(item)
        if any(fnmatchcase(f"{path}::{test}", pattern) for pattern in SLOW):
            item.add_marker(pytest.mark.slow)


def mark_repetitions(items):
    """Give the mark `nightly` to all that repeats what another test shows."""
    tests, ways = defaultdict(list), defaultdict(list)
    for item in items:
        path, test, case = parts(item)
        if is_by_client(item):
            continue
        if cases_kept(path, test):
            tests[path, test].append(item)
        elif "lane" in _params(item) and _WAY.search(case):
            ways[path, test].append(item)
    for (path, test), cases in tests.items():
        mark_other_cases(cases, cases_kept(path, test))
    for cases in ways.values():
        mark_other_ways(cases)


def mark_other_cases(items, kept):
    """Keep the cases that these patterns match; all, if none is among them."""
    others = [
        item
        for item in items
        if (case := parts(item)[2]) and not any(fnmatchcase(case, pattern) for pattern in kept)
    ]
    if len(others) < len(items):
        for item in others:
            item.add_marker(pytest.mark.nightly)


def mark_other_ways(items):
    """Keep each case of a test by lane or client in turn; one that has no other cases, by both."""
    by_case = defaultdict(list)
    for item in items:
        by_case[_WAY.sub("", parts(item)[2])].append(item)
    if len(by_case) == 1:
        return
    for number, case in enumerate(by_case.values()):
        for item in case:
            if len(case) > 1 and item.callspec.params["lane"] != (number % 2 == 0):
                item.add_marker(pytest.mark.nightly)


def _params(item):
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


def cases_kept(path, test):
    """The patterns of the cases that are kept; None if all are."""
    found = (kept for name, kept in KEPT.items() if fnmatchcase(f"{path}::{test}", name))
    return next(found, None)


def parts(item):
    """Its file below tests, its function, and its case."""
    path = item.nodeid.split("::")[0].partition("tests/")[2]
    case = item.name[len(item.originalname) + 1 : -1]
    return path, item.originalname, case
