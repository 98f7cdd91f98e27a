"""Medians, ratios and verdicts."""

from __future__ import annotations

import pytest

from benchmarks.figures import Run, Target, judge, ratio, summarise


def runs(*walls: float, **others) -> list[Run]:
    return [Run(wall, cpu=2 * wall, rss_mib=others.pop("rss_mib", 10), **others) for wall in walls]


def test_a_summary_has_medians_the_range_and_the_highest_peak():
    summary = summarise(
        [
            Run(wall=3, cpu=6, rss_mib=10, calls=5, lists=1, server_cpu=0.1),
            Run(wall=1, cpu=4, rss_mib=30, calls=7, lists=1, server_cpu=0.3),
            Run(wall=2, cpu=5, rss_mib=20, calls=6, lists=1, server_cpu=0.2),
        ]
    )
    assert (summary.wall, summary.wall_least, summary.wall_most) == (2, 1, 3)
    assert (summary.cpu, summary.rss_mib, summary.calls, summary.server_cpu) == (5, 30, 6, 0.2)


def test_one_slow_run_does_not_move_the_median():
    assert summarise(runs(1, 1, 1, 1, 50)).wall == 1


def test_what_no_server_counted_stays_unknown():
    assert summarise(runs(1, 2)).calls is None


def test_nothing_is_not_summarised():
    with pytest.raises(ValueError, match="no run"):
        summarise([])


def test_a_ratio_is_ours_over_theirs():
    assert ratio(2, 4) == 0.5
    with pytest.raises(ValueError, match="says nothing"):
        ratio(1, 0)


@pytest.mark.parametrize(
    ("target", "reached", "met"),
    [
        (Target("wall", 0.5, "s5cmd"), 0.5, True),
        (Target("wall", 0.4, "s5cmd"), 0.5, False),
        (Target("cpu", 0.6, "s5cmd"), 0.5, True),
        (Target("rss_mib", 9.0), 10.0, False),
        (Target("files_per_second", 10.0), 10.0, True),
        (Target("files_per_second", 11.0), 10.0, False),
        (Target("calls_per_file", 1.0), 1.0, True),
    ],
)
def test_a_target_is_met_at_its_bound(target, reached, met):
    ours = summarise(runs(2, calls=21, lists=1))
    verdict = judge(target, 20, ours, summarise(runs(4)))
    assert verdict is not None
    assert (verdict.reached, verdict.met) == (reached, met)


def test_what_was_not_measured_is_not_judged():
    ours = summarise(runs(2))
    assert judge(Target("wall", 1.0, "s5cmd"), 20, ours, None) is None
    assert judge(Target("calls_per_file", 1.0), 20, ours, None) is None
