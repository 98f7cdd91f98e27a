"""The live view of a run, as a terminal shows it: its screen is read, not its bytes."""

from __future__ import annotations

import io

import pyte
import pytest
from rich.cells import cell_len

from asyncload.cli.streams import can_be_drawn_on
from asyncload.errors import SourceChanged
from asyncload.model.values import (
    Checksum,
    ConcurrencyChanged,
    Failed,
    FileFinished,
    LoadStarted,
    LoadStartedEarly,
    ObjectKey,
    PartKept,
    PartSent,
    RunStarted,
    Scanned,
    Unchanged,
    Uploaded,
    Warned,
)
from asyncload.reporting.live import LiveProgress, Throughput, Watching, spark
from asyncload.reporting.report import Report, RequestsNow
from tests.support.loads import NOW

SUM = Checksum("CRC64NVME", "AAAAAAAAAAE=")
MB = 1_000_000
ROWS = 24


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def __init__(self, encoding="utf-8"):
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return True


class View:
    """A live view on a terminal of so many columns, with a clock that the test sets."""

    def __init__(self, monkeypatch, columns, encoding="utf-8"):
        for name, value in {"TERM": "xterm", "COLUMNS": columns, "LINES": ROWS}.items():
            monkeypatch.setenv(name, str(value))
        self.now, self.report, self.columns = 1000.0, Report(), columns
        self.made = RequestsNow(24, 64, 0)
        self.report.requests_now = lambda: self.made
        self.terminal = Terminal(encoding)
        self.live = LiveProgress(self.terminal, self.report, lambda: self.now)
        # The test says when it draws.
        self.live._live.auto_refresh = False

    def add(self, *events):
        for event in events:
            self.live.observe(event)

    def screen(self):
        """The lines of the screen after a drawing."""
        self.live.refresh()
        return self.shown()

    def shown(self):
        screen = pyte.Screen(self.columns, ROWS)
        # A terminal's driver returns the carriage, too.
        pyte.Stream(screen).feed(self.terminal.getvalue().replace("\n", "\r\n"))
        lines = [line.rstrip() for line in screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines


def uploaded(path, size):
    return FileFinished(Uploaded(path, ObjectKey(path), size, SUM))


def loading(view):
    """Half a minute of a load: small files, two large ones, a failure and retries."""
    view.add(RunStarted("one", "lake", NOW.date(), NOW), Scanned(2_000, 20_000 * MB))
    view.add(LoadStarted(2_000, 20_000 * MB), ConcurrencyChanged(64, 64))
    view.add(PartKept("exports/2022/ratings.csv", 1_000 * MB, 1, 4_000 * MB))
    for second in range(1, 31):
        view.now += 1
        view.add(uploaded(f"{second}.csv", 10 * MB))
        view.add(PartSent("exports/2022/ratings.csv", 40 * MB, 1 + second, 4_000 * MB))
    view.add(PartSent("movies.csv", 100 * MB, 1, 200 * MB))
    view.add(FileFinished(Failed("x.csv", ObjectKey("x.csv"), 1, SourceChanged("it changed"))))
    view.made = RequestsNow(24, 64, 3)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_screen_of_a_load(monkeypatch, columns):
    """Bar, files, time left, throughput of the last minute, requests, and each large file."""
    view = View(monkeypatch, columns)
    with view.live:
        loading(view)
        bar, files, rate, requests, ratings, movies = view.screen()
    done = "  13 % 2.6 GB of 20.0 GB"
    full = int(0.13 * (columns - 1 - len(done)))
    assert bar == "━" * full + "─" * (columns - 1 - len(done) - full) + done
    assert full > 3
    assert files == "31 of 2,000 files (1 failed), 3 min left"
    assert rate == "53.3 MB/s               ▃▆▆▆▆▆▆▆▆▆▆▆▆▆▆█ last minute"
    assert requests == "24 of 64 requests in flight, 3 retries"
    assert ratings.split() == ["exports/2022/ratings.csv", "55", "%", "of", "4.0", "GB"]
    assert movies.split() == ["movies.csv", "50", "%", "of", "200.0", "MB"]
    assert len(ratings) == len(movies) == columns - 1


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_screen_is_empty_after_the_end(monkeypatch, columns):
    """The summary is written where the view was; a warning meanwhile stays above it."""
    view = View(monkeypatch, columns)
    with view.live:
        loading(view)
        view.screen()
        view.live._console.print("warning: odd")
        assert view.screen()[0] == "warning: odd"
        assert len(view.screen()) == 7
    assert view.shown() == ["warning: odd"]


def test_before_the_load_the_view_says_what_it_waits_for(monkeypatch):
    """The store, the scan, the listing."""
    view = View(monkeypatch, 80)
    with view.live:
        assert view.screen() == ["starting"]
        view.add(RunStarted("one", "lake", NOW.date(), NOW))
        assert view.screen() == ["connecting to the store"]
        view.add(Scanned(1_200, MB), Warned("odd"))
        assert view.screen() == ["looking for CSVs: 1,200 found"]
        view.add(LoadStarted(1_200, MB))
        assert view.screen()[-1] == "listing the bucket"


def test_a_load_during_the_scan_counts_what_was_found_so_far(monkeypatch):
    """It is not taken for a scan again; the time left is told once all is known."""
    view = View(monkeypatch, 80)
    with view.live:
        view.add(Scanned(2, 2 * MB), LoadStartedEarly(2, 2 * MB))
        assert view.screen()[-1] == "listing the bucket"
        view.now += 1
        view.add(uploaded("a.csv", MB), Scanned(4, 8 * MB))
        assert view.screen()[1] == "1 of 4 files found so far"
        view.add(*(uploaded(f"{name}.csv", MB) for name in "bcd"))
        assert view.screen()[-1] == "looking for CSVs"
        view.add(LoadStartedEarly(5, 9 * MB), LoadStarted(8, 9 * MB))
        view.now += 1
        assert view.screen()[1] == "4 of 8 files, 2 s left"


def test_a_load_without_progress_says_what_it_waits_for(monkeypatch):
    """The store, if there are requests; else the volume. The end waits for the record."""
    view = View(monkeypatch, 80)
    with view.live:
        view.add(LoadStarted(2, 2 * MB), uploaded("a.csv", MB))
        assert "waiting" not in " ".join(view.screen())
        view.now += 4
        assert view.screen()[-1] == "waiting for the store for 4 s"
        view.made = RequestsNow(0, 64, 1)
        assert view.screen()[-1] == "waiting for the volume for 4 s"
        assert "0 of 64 requests in flight, 1 retry" in view.screen()
        view.report.requests_now = None
        assert view.screen()[-1] == "waiting for the store for 4 s"
        assert len(view.screen()) == 4
        view.add(FileFinished(Unchanged("b.csv", ObjectKey("b.csv"), MB, SUM)))
        assert view.screen()[-1] == "writing the record of the run"


def test_a_store_that_throttles_is_shown(monkeypatch):
    """Until it recovers."""
    view = View(monkeypatch, 80)
    with view.live:
        view.add(LoadStarted(2, 2 * MB), ConcurrencyChanged(8, 32), uploaded("a.csv", MB))
        assert "throttled: 8 of 32 concurrent requests" in " ".join(view.screen())
        view.add(ConcurrencyChanged(32, 32))
        assert "throttled" not in " ".join(view.screen())


def test_without_colours_there_are_no_colours(monkeypatch):
    """NO_COLOR: the cursor moves, and nothing else is controlled."""
    import re

    for wanted in (True, False):
        if not wanted:
            monkeypatch.setenv("NO_COLOR", "1")
        view = View(monkeypatch, 80)
        with view.live:
            loading(view)
            view.screen()
        colours = re.findall(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", view.terminal.getvalue())
        assert bool(colours) is wanted


def test_a_terminal_of_another_encoding_gets_ascii(monkeypatch):
    """As in a C locale."""
    view = View(monkeypatch, 80, "iso8859-1")
    with view.live:
        loading(view)
        view.add(PartSent("x" * 100, MB, 1, 4 * MB))
        screen = view.screen()
    assert all(line.isascii() for line in screen)
    assert screen[0].startswith("#######--")
    assert screen[-1].startswith("  ...xxx")


def test_a_stream_that_is_not_a_terminal_gets_no_control_characters():
    """In a program that passes one."""
    stream = io.StringIO()
    with LiveProgress(stream, Report()) as live:
        live.observe(LoadStarted(2, MB))
    assert "\x1b" not in stream.getvalue()


# Lines, without a terminal


def lines(watching, width, height=ROWS):
    return ["".join(text for text, _ in line) for line in watching.lines(width, height)]


@pytest.mark.parametrize("width", [5, 20, 60, 200, 500])
def test_no_line_is_wider_than_the_terminal(width):
    """However long and wide the names are; a very wide terminal is not filled."""
    watching = Watching(Report(), lambda: 1000.0)
    watching.observe(LoadStarted(2_000, 20_000 * MB))
    for name in ("表" * 200, "a" * 300, "new\nline.csv", "é.csv"):
        watching.observe(PartSent(name, MB, 1, 40 * MB))
    shown = lines(watching, width)
    assert all(line.isprintable() for line in shown)
    assert max(map(cell_len, shown)) <= max(20, min(width, 200))
    assert len(shown) == 3 + 4


@pytest.mark.parametrize(("files", "height", "shown"), [(8, 24, 8), (9, 24, 7), (9, 10, 3)])
def test_files_that_do_not_fit_are_counted(files, height, shown):
    """The other lines stay on the screen."""
    watching = Watching(Report(), lambda: 1000.0)
    watching.observe(LoadStarted(files, files * 40 * MB))
    for number in range(files):
        watching.observe(PartSent(f"{number}.csv", MB, 1, 40 * MB))
    of_files = [line for line in lines(watching, 80, height) if line.startswith("  ")]
    assert len([line for line in of_files if "%" in line]) == shown
    more = f"  and {files - shown} more large files"
    assert (of_files[-1] == more) == (files > shown)


def test_parts_without_sizes_and_runs_without_bytes_are_shown():
    """Sizes that are not known, empty files only, and no files at all."""
    watching = Watching(Report(), lambda: 1000.0)
    watching.observe(LoadStarted(1, 0))
    watching.observe(PartSent("a.csv", 0))
    watching.observe(PartSent("b.csv", 5))
    assert any("100 % of 5 B" in line for line in lines(watching, 80))
    assert "  0 % 5 B of 0 B" in lines(watching, 80)[0]
    empty = Watching(Report(), lambda: 1000.0)
    empty.observe(LoadStarted(0, 0))
    assert "100 % 0 B of 0 B" in lines(empty, 80)[0]


def test_throughput_is_that_of_the_last_minute():
    """Older columns leave on the left; asking changes nothing."""
    throughput = Throughput(100.0)
    throughput.add(100.0, 1)
    throughput.add(101.9, 1)
    throughput.add(104.0, 5)
    assert throughput.columns(104.0)[-3:] == [2, 0, 5]
    assert throughput.columns(108.0)[-5:] == [2, 0, 5, 0, 0]
    assert throughput.columns(104.0)[-3:] == [2, 0, 5]
    throughput.add(103.0, 1)
    assert throughput.columns(104.0)[-3:] == [2, 0, 6]
    assert throughput.columns(1_000.0) == [0] * 30


def test_the_line_of_throughput_shows_any_byte():
    """Its highest column is full; one with a byte is not empty."""
    assert spark([0, 1, 50, 100], " 12345678") == " 148"
    assert spark([0, 0], " 12345678") == "  "


@pytest.mark.parametrize(
    ("variables", "drawn"),
    [
        ({}, True),
        ({"CI": "false"}, True),
        ({"CI": "true"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "unknown"}, False),
    ],
)
def test_the_view_is_for_terminals_that_people_look_at(monkeypatch, variables, drawn):
    """Not for the log of a CI system, even if that has a terminal."""
    for name, value in {"CI": "", "TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    assert can_be_drawn_on(Terminal()) is drawn
    assert not can_be_drawn_on(io.StringIO())
