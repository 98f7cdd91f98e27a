"""The HTML page of a run, and the figures in it: bounded, safe, and readable without anything."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest

from asyncload.errors import AccessDenied
from asyncload.model.checksums import by_algorithm
from asyncload.model.values import Checksum, ConcurrencySettled, ObjectKey, Warned
from asyncload.reporting.manifest_reading import ManifestEntry
from asyncload.reporting.page.charts import area_chart, duration, step_chart
from asyncload.reporting.page.figures import BUCKETS, Figures, Series
from asyncload.reporting.page.page import MAX_TABLE_BYTES, ObjectTable, render_page
from asyncload.reporting.page.reading import CutLineError, RecordReader
from asyncload.reporting.recorded import OddRecordError, PastRun
from asyncload.reporting.report import MAX_LIMITS, FailureGroup, Report

START = datetime(2022, 5, 2, 6, tzinfo=UTC)
SUM = by_algorithm(Checksum("CRC64NVME", "I5Whw0YbvtI="))


def entry(number=1, *, path=None, status="uploaded", size=1000, begin=0.0, seconds=1.0, **fields):
    path = path or f"sales/{number:05}.csv"
    partition = "Raw/Local/CSV/Sales/2022/05/02/"
    key = None if status == "failed" else ObjectKey(partition + path.rpartition("/")[2])
    end = START + timedelta(seconds=begin + (seconds or 0))
    known = {"partition": partition, "seconds": seconds, "finished": end.isoformat()}
    made = ManifestEntry(path, key, status, size, SUM, "", dataset="Sales", **known)
    return made._replace(**fields)


def past(**fields):
    report = Report("20220502T060000Z-1", "lake", date(2022, 5, 2), START)
    report.files, report.size, report.sent = 3, 3000, 3000
    report.counts.update({"uploaded": 2, "failed": 1})
    return PastRun(report, 2.0, START, 3, ObjectKey("_asyncload/x.json"), **fields)


def figures(*entries):
    made = Figures(START)
    for each in entries:
        made.add(each)
    return made


class Page(HTMLParser):
    """Collects the elements and the texts of a page."""

    VOID = ("meta", "link", "input", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.texts, self.addresses = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def data_of(page):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_amounts_are_spread_over_the_time_that_they_took():
    """And none is lost as periods become longer."""
    series = Series()
    series.add(0.0, 1.0, 10)
    assert series.rates == pytest.approx([10] * 10 + [0])
    series.add(-1.0, 0.05, 7)
    series.add(100.0, 3000.0, 29)
    assert sum(series.amounts) == pytest.approx(46)
    assert len(series.amounts) <= BUCKETS
    assert series.width == 25.6
    series.add(5.0, 5.0, 1)
    assert sum(series.amounts) == pytest.approx(47)


def test_files_are_counted_by_size_and_time():
    """The first rows, failed files and slowest files are kept."""
    made = figures(
        entry(1, size=0, seconds=0.001),
        entry(2, size=999, seconds=0.05),
        entry(3, size=1_000, seconds=100.0),
        entry(4, size=2_000_000_000, status="failed"),
        entry(5, seconds=None, status="unchanged"),
    )
    assert made.sizes == [1, 1, 2, 0, 0, 0, 0, 0, 1]
    assert made.times == [1, 0, 1, 0, 0, 1, 0, 0, 1]
    assert [seconds for seconds, _ in made.slowest] == [100.0, 1.0, 0.05, 0.001]
    assert (made.files, made.size, made.uploaded) == (5, 2_000_002_999, 1_999)
    assert sum(made.sent.amounts) == pytest.approx(1_999)
    many = figures(*(entry(n, seconds=n / 1000, status="failed") for n in range(150)))
    assert len(many.failed) == 100
    assert [round(seconds * 1000) for seconds, _ in many.slowest] == [*range(149, 129, -1)]


@pytest.mark.parametrize("finished", ["", "soon", "2022-05-02T06:00:00"])
def test_an_odd_time_is_no_error(finished):
    """The other figures of the file count."""
    made = figures(entry(finished=finished))
    assert made.times[5] == 1
    assert Figures(None).sent.amounts == [0.0]
    unknown = Figures(None)
    unknown.add(entry())
    assert not any(unknown.busy.amounts)


def test_a_page_shows_the_run_and_its_files():
    """Totals, charts, groups, failures with hints, slowest files, datasets, objects."""
    run = past(error=AccessDenied("no <more>", hint="ask for it"))
    report = run.report
    report.warnings.append(Warned("odd clock", "set it"))
    report.failure_groups["ObjectConflict", "use --overwrite"] = FailureGroup(
        "ObjectConflict", "use --overwrite", 1
    )
    report.count_in("Sales", "uploaded", 1000)
    report.verified_by["CRC64NVME"] = 2
    report.requests, report.retries, report.processes = 12, 3, 2
    report.excluded["hidden"] = 4
    report.concurrency = ConcurrencySettled(96, 64, "throughput")
    report.limits = [(0.0, 64, "enough"), (0.5, 128, "enough"), (1.0, 32, "throttled")]
    page = render_page(
        run,
        figures(
            entry(1),
            entry(2, begin=0.5),
            entry(3, status="failed", error="the key already holds <b>"),
        ),
    )
    seen = Page(page)
    for text in (
        "Run 20220502T060000Z-1 incomplete , exit code 3 Bucket lake, date 2022-05-02, started ",
        " started 2022-05-02 06:00:00 UTC no <more> ask for it odd clock set it",
        "Files 3 Size 3.0 kB Uploaded 2 Failed 1 Sent 3.0 kB Duration 2.0 s Rate 1.5 kB/s",
        "Requests 12 Retries 3 Verified by CRC64NVME Processes 2 Excluded 4",
        "Throughput of uploaded files: up to 2.0 kB/s 0 s 1.6 s",
        "Files in work: up to 3.0",
        "Limit on concurrent requests (red: throttled by the store): up to 128 0 s 2.0 s",
        "At most 64 requests at once; up to 96 concurrent requests: more did not increase",
        "Size Files 1 kB to 10 kB 3",
        "Time per file Files 1 s to 3 s 3",
        "Failures 1 file (ObjectConflict): use --overwrite File Error ",
        " Error sales/00003.csv the key already holds <b>",
        "Slowest files File Bytes Seconds sales/00001.csv 1,000 1.000",
        "Datasets Dataset Files Size Results Sales 1 1.0 kB 1 uploaded",
    ):
        assert text in seen.text, text
    assert data_of(page) == {
        "statuses": ["uploaded", "unchanged", "present", "skipped", "failed"],
        "partitions": ["", "Raw/Local/CSV/Sales/2022/05/02/"],
        "rows": [
            ["sales/00001.csv", 0, 1000, 1.0, 1, 9],
            ["sales/00002.csv", 0, 1000, 1.0, 1, 9],
            ["sales/00003.csv", 4, 1000, 1.0, None, None],
        ],
    }
    assert seen.addresses == ["data:,"]
    assert "http:" not in page
    assert "https:" not in page
    images = [attributes for tag, attributes in seen.found if attributes.get("role") == "img"]
    assert all(attributes["aria-label"] for attributes in images)
    assert len(images) == 3


def test_a_page_of_little_is_a_page():
    """Without files, times, or a start."""
    run = past()
    run.report.started = None
    run.report.counts.clear()
    seen = Page(render_page(run, Figures(None), note="cut short"))
    assert "started an unknown time cut short" in seen.text
    assert "Not reached 3" in seen.text
    assert "The record has no times of files." in seen.text
    assert "Failures" not in seen.text


def test_names_can_not_break_out_of_their_place():
    """Neither in the text, nor in the data of the script."""
    odd = "</script><script>alert(1)</script>\udcff\x07é😀.csv"
    page = render_page(past(), figures(entry(path=odd, status="failed", error=odd)))
    assert page.encode()
    assert "alert(1)</script>" not in page
    seen = Page(page)
    assert "</script><script>alert(1)</script>\\xff\\x07é😀.csv" in seen.text
    assert data_of(page)["rows"][0][0] == odd


def test_the_page_of_any_run_has_a_bounded_size():
    """Below 1 MB for 10,000 files, and for more and longer names as well."""
    usual = figures(*(entry(n, begin=n / 1000) for n in range(10_000)))
    assert len(data_of(render_page(past(), usual))["rows"]) == 10_000
    assert len(render_page(past(), usual).encode()) < 600_000
    long = "x" * 900
    worst = figures(
        *(
            entry(
                path=f"{n}/{long}&.csv",
                status="failed",
                error="<" * 1000,
                partition=f"{n}/{long}",
                key=ObjectKey(f"{n}/{long}/k.csv"),
            )
            for n in range(12_000)
        )
    )
    page = render_page(past(), worst)
    assert len(page.encode()) < 1_000_000
    seen = Page(page)
    rows = len(data_of(page)["rows"])
    assert f"The first {rows:,} of 12,000 files; the manifest has all of them." in seen.text
    assert "and 11,900 more files; see the manifest" in seen.text
    assert sum(map(len, ObjectTable(worst).rows)) <= MAX_TABLE_BYTES


def test_keys_are_shortened_without_loss():
    """By their partition, and by the end of the path that they repeat."""
    odd = entry(path="a/b.csv", key=ObjectKey("elsewhere/c.csv"))
    table = json.loads(ObjectTable(figures(entry(), odd, entry(path="q/😀.csv"))).json())
    assert table["partitions"] == ["", "Raw/Local/CSV/Sales/2022/05/02/"]
    assert [row[4:] for row in table["rows"]] == [[1, 9], [0, "elsewhere/c.csv"], [1, 6]]


def test_charts_have_a_shape_for_any_values():
    """Also for none, and for a run that took no time."""
    assert "maximum 1, over 0.0 s" in area_chart("A & b", [], 0.1, lambda v: f"{v:.0f}")
    assert "A &amp; b" in area_chart("A & b", [0.0], 0.1, str)
    drawn = step_chart("L", [(0.0, 0, False), (5.0, 0, True)], 0.0, str)
    assert '<path class="step" d="M0 100.0H600.0V100.0H600"/>' in drawn
    assert drawn.count('class="mark"') == 1
    texts = ["0.4 s", "12 s", "4 min", "3.5 h"]
    assert [duration(s) for s in (0.4, 12, 240, 12_600)] == texts


def test_limits_are_thinned_out():
    """A long run with a limit that changes often has no long list of it."""
    report = Report()
    for number in range(1000):
        report.add_limit(number, number // 2, "throttled")
    assert len(report.limits) <= MAX_LIMITS
    assert report.limits[-1][1] == 499
    assert report.limits == sorted(report.limits)


HEAD = (
    b'{"run":{"version":1,"run_id":"20220502T060000Z-1","bucket":"lake","date":null,'
    b'"started":"2022-05-02T06:00:00+00:00","settings":{"layer":"Raw"}},"files":[\n'
)
FAILED = (
    b'{"status":"failed","path":"a.csv","key":null,"size":5,"seconds":0.5,'
    b'"finished":"2022-05-02T06:00:01+00:00","error":{"message":"no"}}'
)
LINE = b'{"version":1,"type":"file","run_id":"20220502T060000Z-1","bucket":"lake","date":null,'


def read(*lines):
    reader = RecordReader()
    for line in lines:
        reader.feed(line)
    return reader


def test_a_record_that_ends_early_has_the_totals_of_its_files():
    """A manifest, or lines; the length is that up to the last file."""
    for lines in ((HEAD, FAILED + b",\n", b"\n"), (LINE + FAILED[1:],)):
        reader = read(*lines)
        assert reader.is_cut
        run = reader.past_run()
        assert (run.report.files, run.report.counts["failed"], run.seconds) == (1, 1, 1.0)
        assert (run.exit_code, run.result, run.report.manifest) == (1, "not recorded", None)
    assert read(HEAD).past_run().seconds == 0.0
    odd = read(HEAD, FAILED.replace(b"2022-05-02T06:00:01+00:00", b"soon"))
    assert odd.past_run().seconds == 0.0


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([b"a,b\n"], "line 1 is not valid JSON"),
        ([b"[]\n"], "line 1: "),
        ([b'{"type":"check","version":1}\n'], "the type 'check' is not known"),
        ([b'{"type":"summary","command":"verify"}'], "the lines are those of 'verify', not of a"),
        ([HEAD.replace(b'"version":1', b'"version":2')], "its version is 2, and this"),
        ([LINE.replace(b":1", b":7", 1) + FAILED[1:]], "its version is 7"),
        ([HEAD, b'],"summary":{"version":2}}'], "its version is 2"),
        ([HEAD, b'{"status":"odd"}'], "line 2: unknown status 'odd'"),
        ([LINE.replace(b"20220502T060000Z-1", b"never") + FAILED[1:]], "line 1: time data"),
    ],
)
def test_what_is_not_a_record_of_a_run_is_an_error(lines, message):
    """With the number of the line."""
    with pytest.raises(OddRecordError, match=re.escape(message)):
        read(*lines)


def test_an_empty_file_and_a_cut_line_are_errors():
    """Of which a caller may ignore the second."""
    with pytest.raises(OddRecordError, match="no record of a run"):
        RecordReader().past_run()
    with pytest.raises(CutLineError):
        read(HEAD, FAILED[:20])


def test_a_finished_manifest_is_read_to_its_end():
    """Its totals are those of the run."""
    summary = (
        b'],"summary":{"version":1,"command":"run","exit_code":3,"result":"incomplete","error":null,'
        b'"seconds":2.5,"finished":"2022-05-02T06:00:02.500+00:00","files":7,"manifest":null}}'
    )
    reader = read(HEAD, FAILED + b"\n", summary + b"\n", b"\n")
    run = reader.past_run()
    assert (run.report.files, run.seconds, run.result) == (7, 2.5, "incomplete")


def summary_of(run_id, files):
    return (
        b'{"version":1,"type":"summary","command":"run","bucket":"lake","run_id":"%s","files":%d,'
        b'"started":"2022-05-03T06:00:00+00:00","finished":"2022-05-03T06:00:00+00:00","seconds":1,'
        b'"error":null,"exit_code":0,"result":"complete","manifest":null}'
    ) % (run_id, files)


def test_lines_of_several_runs_are_not_mixed():
    """As `>>` collects them: the last run counts, also after one that was killed."""
    first, second = LINE + FAILED[1:], LINE.replace(b"Z-1", b"Z-2") + FAILED[1:]
    ended = summary_of(b"20220502T060000Z-1", 1)
    for before, runs in (((first, ended), 2), ((first,), 2), ((first, ended, first), 3)):
        reader = read(*before, second, second, summary_of(b"20220502T060000Z-2", 2))
        assert (reader.runs, reader.figures.files, reader.is_cut) == (runs, 2, False)
        assert reader.past_run().run_id == "20220502T060000Z-2"
        reader = read(*before, second)
        assert (reader.runs, reader.figures.files, reader.is_cut) == (runs, 1, True)
        assert reader.past_run().run_id == "20220502T060000Z-2"
    # A run that ended before it had an id.
    refused = summary_of(b"", 0).replace(b'""', b"null")
    for before, runs in (((first, ended), 2), ((first,), 2)):
        reader = read(*before, refused)
        assert (reader.runs, reader.figures.files) == (runs, 0)
        assert reader.past_run().run_id == "unknown"
    watch = read(b'{"type":"progress","version":1}', first, second)
    assert (watch.runs, watch.figures.files) == (1, 2)


def test_other_lines_of_a_run_are_passed_over():
    """Excluded entries, and the progress of a watch, whose summary does not count what it found."""
    reader = read(
        b'{"type":"progress","version":1}\n',
        LINE + FAILED[1:] + b"\n",
        LINE + FAILED[1:] + b"\n",
        b'{"type":"excluded"}\n\n',
        b'{"version":1,"type":"summary","command":"watch","bucket":"lake","seconds":9.5,'
        b'"exit_code":3,"result":"incomplete","started":"2022-05-02T06:00:00+00:00",'
        b'"finished":"2022-05-02T06:00:10+00:00","error":null,"manifest":"m.json"}',
    )
    run = reader.past_run()
    assert (run.report.files, run.seconds, run.report.manifest) == (2, 9.5, "m.json")
    assert not reader.is_cut
    alone = read(
        b'{"version":1,"type":"summary","command":"run","bucket":null,"run_id":null,'
        b'"started":"2022-05-02T06:00:00+00:00","finished":"2022-05-02T06:00:00+00:00",'
        b'"error":null,"exit_code":2,"result":"usage error","seconds":0.0}'
    )
    assert alone.past_run().run_id == "unknown"
