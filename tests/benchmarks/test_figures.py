"""Medians, ratios and verdicts."""

from __future__ import annotations

import pytest

from benchmarks.figures import Run, Target, judge, ratio, summarise


def runs(*walls: float, **others) -> list[Run]:
    return [Run(wall, cpu=2 * wall, rss_mib=others.pop("rss_mib", 10), **others) for wall in walls]


def test_a_summary_has_medians_the_range_and_the_highest_peak():
    summary = summarise(
        10,
        1000,
        [
            Run(wall=3, cpu=6, rss_mib=10, calls=5, lists=1, server_cpu=0.1),
            Run(wall=1, cpu=4, rss_mib=30, calls=7, lists=1, server_cpu=0.3),
            Run(wall=2, cpu=5, rss_mib=20, calls=6, lists=1, server_cpu=0.2, body_bytes=7),
        ],
    )
    assert (summary.wall, summary.wall_least, summary.wall_most) == (2, 1, 3)
    assert (summary.cpu, summary.rss_mib, summary.calls, summary.server_cpu) == (5, 30, 6, 0.2)
    assert (summary.files, summary.size, summary.body_bytes) == (10, 1000, 7)


def test_one_slow_run_does_not_move_the_median():
    assert summarise(10, 1000, runs(1, 1, 1, 1, 50)).wall == 1


def test_what_no_server_counted_stays_unknown():
    summary = summarise(10, 1000, runs(1, 2))
    assert (summary.calls, summary.body_bytes) == (None, None)


def test_nothing_is_not_summarised():
    with pytest.raises(ValueError, match="no run"):
        summarise(10, 1000, [])


def test_a_ratio_is_ours_over_theirs():
    assert ratio(2, 4) == 0.5
    with pytest.raises(ValueError, match="says nothing"):
        ratio(1, 0)


IMAGE = "3.13.5"
ROWS = {
    "asyncload": summarise(20, 1000, runs(2, calls=21, lists=1, body_bytes=5)),
    "asyncload (2 files)": summarise(2, 100, runs(0.2)),
    "s5cmd": summarise(20, 1000, runs(4)),
    "obstore": summarise(20, 1000, runs(1)),
    "boto3 (2 files)": summarise(2, 100, runs(1)),
}


@pytest.mark.parametrize(
    ("target", "reached", "met"),
    [
        (Target("wall", 0.5, ("s5cmd",)), 0.5, True),
        (Target("wall", 0.4, ("s5cmd",)), 0.5, False),
        (Target("cpu", 0.6, ("s5cmd",)), 0.5, True),
        (Target("wall", 2.0, ("s5cmd", "obstore")), 2.0, True),
        (Target("wall", 1.9, ("s5cmd", "obstore")), 2.0, False),
        (Target("wall", 0.2, ("boto3 (2 files)",)), 0.2, True),
        (Target("wall", 0.5, ("asyncload",), ours="obstore"), 0.5, True),
        (Target("rss_mib", 9.0), 10.0, False),
        (Target("files_per_second", 10.0), 10.0, True),
        (Target("files_per_second", 11.0), 10.0, False),
        (Target("calls_per_file", 1.0), 1.0, True),
        (Target("requests_per_file", 1.01), 1.05, False),
        (Target("body_bytes", 0), 5, False),
        # (4 s - 0.4 s) of CPU for 18 files more.
        (Target("cpu_us_per_file", 200_000, ("asyncload (2 files)",)), 200_000, True),
    ],
)
def test_a_target_is_met_at_its_bound(target, reached, met):
    verdict = judge(target, IMAGE, ROWS)
    assert verdict.reached == pytest.approx(reached)
    assert verdict.met is met
    assert verdict.bound == target.bound


def test_what_was_not_measured_is_not_judged():
    ours = {"asyncload": summarise(20, 1000, runs(2))}
    for target in (
        Target("wall", 1.0, ("s5cmd",)),
        Target("wall", 1.0, ("asyncload",), ours="asyncload (unchanged)"),
        Target("calls_per_file", 1.0),
    ):
        verdict = judge(target, IMAGE, ours)
        assert (verdict.reached, verdict.met) == (None, None)


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        (Target("wall", 0.4, ("s5cmd",)), 0.5),
        (Target("cpu_us_per_file", 160, ("asyncload (2 files)",)), 200),
        (Target("wall", 0.4, ("asyncload (in folders)",)), 0.4),
        (Target("rss_mib", 100), 100),
        (Target("files_per_second", 450), 450),
        (Target("body_bytes", 0), 0),
    ],
)
def test_an_older_python_may_take_a_quarter_more_time_than_others_and_no_more_of_all_else(
    target, allowed
):
    assert target.bound_on("3.11.7") == pytest.approx(allowed)
    assert target.bound_on("3.14.0") == target.bound
