"""The pictures of the documents, from real runs: `python -m tests.support.pictures`.

Each is the screen of a terminal in which a command runs against a store on loopback. The SVG
fetches nothing: its text is in a monospaced font of the system. `make pictures` runs this.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.support.documents import DOCS, REPOSITORY
from tests.support.servers import S3Server, seaweedfs

PICTURES = DOCS / "pictures"
COLUMNS, ROWS = 100, 40
MB = 1_000_000
# What Rich fills in is in the documentation of `Console.export_svg`; its own format has a web font.
_SVG = """\
<svg class="terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
# Words that depend on speed and size, not on the program.
_UNITS = {"kB", "MB", "GB", "min"}
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


class Scene(NamedTuple):
    """A picture: its name, its command, the exit code of that, and how the screen looks then.

    `moment` is a pattern of a line of the screen while the command runs; none: the end.
    """

    name: str
    command: str
    code: int = 0
    moment: str = ""


CALENDAR = Scene("calendar", "asyncload runs --bucket lake --calendar", code=3)
RUN = Scene(
    "run",
    "asyncload run exports --bucket lake --date 2022-05-02 --limit-rate 8MB",
    moment=r" *sales/orders\.csv +[67]\d %",
)
PLAN = Scene("plan", "asyncload plan exports --bucket lake --date 2022-05-02", code=3)
SCENES = (CALENDAR, RUN, PLAN)


class Shell:
    """Runs commands in a folder, in an environment that has nothing of the machine's."""

    def __init__(self, folder: Path, store: S3Server) -> None:
        self._folder = folder
        self._environment = store.environment | {
            "AWS_ENDPOINT_URL": store.endpoint_url,
            "ASYNCLOAD_CONFIG": os.devnull,
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": os.defpath,
            "PYTHONPATH": str(REPOSITORY),
            "TERM": "xterm-256color",
        }

    def start(self, command: str, **options: object) -> subprocess.Popen[bytes]:
        """Start an `asyncload ...`."""
        program = [sys.executable, "-m", *shlex.split(command)]
        return subprocess.Popen(program, cwd=self._folder, env=self._environment, **options)

    def run(self, command: str, code: int = 0) -> None:
        """Run an `asyncload ...`, and show nothing of it."""
        ended = self.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait()
        assert ended == code, (command, ended)

    def screen(self, scene: Scene) -> Text:
        """Run the command of a scene in a terminal, and return its screen at the moment."""
        screen = pyte.Screen(COLUMNS, ROWS)
        stream = pyte.ByteStream(screen)
        stream.feed(f"\x1b[1;32m$\x1b[0m {scene.command}\r\n".encode())
        taken = None
        with _terminal() as (ours, theirs):
            streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
            process = self.start(scene.command, **streams, start_new_session=True)
            os.close(theirs)
            for data in _output_of(ours):
                stream.feed(data)
                seen = scene.moment and any(re.match(scene.moment, d) for d in screen.display)
                if seen and taken is None:
                    taken = drawn(screen)
            code = process.wait()
        taken = taken or (None if scene.moment else drawn(screen))
        assert code == scene.code, f"{scene.command} ended with {code}:\n{drawn(screen).plain}"
        assert taken is not None, f"{scene.command} never showed {scene.moment}"
        return taken


class _terminal:  # noqa: N801  # reads as a verb
    """A terminal of the size of the pictures: its two ends, the second for a program to close."""

    def __enter__(self) -> tuple[int, int]:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        return self._ours, theirs

    def __exit__(self, *_exception: object) -> None:
        os.close(self._ours)


def _output_of(terminal: int) -> Iterator[bytes]:
    """Yield what a program prints, until it has closed its end."""
    while True:
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # Linux says EIO at the end, macOS returns nothing
            return
        if not data:
            return
        yield data


def drawn(screen: pyte.Screen) -> Text:
    """The text of a screen with its colours, without empty lines at the end."""
    last = max(y for y, line in enumerate(screen.display) if line.strip())
    text = Text()
    for y in range(last + 1):
        row = screen.buffer[y]
        for x in range(len(screen.display[y].rstrip())):
            text.append(row[x].data, _style(row[x]))
        text.append("\n")
    text.rstrip()
    return text


def _style(char: pyte.screens.Char) -> Style:
    return Style(color=_colour(char.fg), bgcolor=_colour(char.bg), bold=char.bold or None)


def _colour(name: str) -> str | None:
    """Rich's name of a colour, or its hex, from pyte's, which calls yellow brown."""
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return re.sub("^bright", "bright_", name.replace("brown", "yellow"))


def svg(text: Text, name: str) -> str:
    """A screen as an SVG that stands alone."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
    console.print(text, no_wrap=True, overflow="crop", highlight=False)
    exported = console.export_svg(title="", code_format=_SVG, unique_id=name)
    return re.sub(r"[ \t]+$", "", exported, flags=re.MULTILINE)


def lines_of(picture: str) -> list[str]:
    """The lines of the text in an SVG."""
    lines: dict[float, str] = {}
    for element in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        y = float(element.get("y", 0))
        lines[y] = lines.get(y, "") + (element.text or "").replace("\xa0", " ")
    return [line.rstrip() for _, line in sorted(lines.items())]


def words_of(picture: str) -> set[str]:
    """The words in an SVG that are the same in each run: without figures, units and runs."""
    text = _RUN_ID.sub("", "\n".join(lines_of(picture)))
    return set(re.findall(r"[A-Za-z]{2,}", text)) - _UNITS


def take(folder: Path) -> dict[str, str]:
    """Run the commands of all scenes in a new folder, and return their pictures by name."""
    taken = {}
    with seaweedfs() as store:
        shell = Shell(folder, store)
        for scene, prepare in ((CALENDAR, _past), (RUN, _large), (PLAN, _changed)):
            prepare(shell, folder / "exports")
            taken[scene.name] = svg(shell.screen(scene), scene.name)
    return taken


def _past(shell: Shell, exports: Path) -> None:
    """Load each of the last days but one; of another, a file that a later run can't replace."""
    for name in ("movies", "sales/orders", "users/brazil", "users/portugal"):
        _write(exports / f"{name}.csv", 1_000)
    today = datetime.now(UTC).date()
    for days in range(10, 0, -1):
        if days == 3:
            continue
        if days == 6:
            _write(exports / "sales/orders.csv", 500)
        run = f"asyncload run exports --bucket lake --date {today - timedelta(days)}"
        shell.run(run)
        if days == 6:
            _write(exports / "sales/orders.csv", 1_000)
            shell.run(run, code=3)


def _large(_shell: Shell, exports: Path) -> None:
    """Let one file take seconds at the rate of the scene, beside many small ones."""
    _write(exports / "sales/orders.csv", 200 * MB)
    for number in range(200):
        _write(exports / f"users/part-{number:05}.csv", 50_000)


def _changed(_shell: Shell, exports: Path) -> None:
    """Change a file after its load, and add another."""
    _write(exports / "movies.csv", 2_000)
    _write(exports / "reviews.csv", 30_000)


def _write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    row = b"1|a value|2022-05-02\n"
    path.write_bytes((row * (size // len(row) + 1))[:size])


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="asyncload-pictures-") as temporary:
        for title, content in take(Path(temporary)).items():
            (PICTURES / f"{title}.svg").write_text(content)
            print(PICTURES / f"{title}.svg")
