"""The line that says how far a run is."""

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

import pytest

from maskbeam.pipeline.runtime import progress


@pytest.fixture(autouse=True)
def tally(monkeypatch):
    fresh = progress.Tally()
    monkeypatch.setattr(progress, "TALLY", fresh)
    return fresh


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3723, "1:02:03")]
)
def test_durations(seconds, text):
    assert progress.duration(seconds) == text


def _line(clock=time.monotonic, rows: int | None = 1000, **more):
    phase = more.pop("phase", progress.CONVERTING)
    return progress.ProgressLine(phase, rows, stream=io.StringIO(), clock=clock, **more)


def test_it_says_how_far_and_how_long(tally):
    clock = Clock()
    with _line(clock) as shown:
        assert "0 of 1,000 rows (0 %), 0 rows/s" in shown.line()
        assert "? to go" in shown.line()
        tally.add(records=40, rejected=10)
        clock.seconds = 10
        assert shown.line() == (
            "converting: 50 of 1,000 rows (5 %), 5 rows/s, 10 rejected, 0:10 elapsed, "
            "3:10 to go"
        )


def test_the_rate_is_of_the_last_seconds(tally):
    """A slow hour does not hide that it is fast now, nor a fast one that it stands."""
    clock = Clock()
    with _line(clock, 100_000) as shown:
        for second in range(1, 3601):
            clock.seconds = second
            tally.add(records=1 if second <= 3540 else 100)
            text = shown.line()
        assert "9,540 of 100,000 rows (9 %), 100 rows/s" in text
        assert text.endswith("15:05 to go")  # 90,460 / 100
        for second in range(3601, 3631):
            clock.seconds = second
            text = shown.line()
        assert "0 rows/s" in text
        assert text.endswith("? to go")


def test_an_estimate_is_said_to_be_one(tally):
    with _line(rows=17, is_estimate=True) as shown:
        tally.add(records=4)
        assert "4 of ~17 rows (23 %)" in shown.line()
        tally.add(records=40)
        assert "44 of ~17 rows (100 %)" in shown.line()


def test_phases(tally):
    clock = Clock()
    with _line(clock, None, phase=progress.NAMES) as shown:
        tally.add(names=3000)
        clock.seconds = 2
        names = "reading names: 3,000 so far, 1,500 names/s, 0:02 elapsed"
        assert shown.line() == names
    with _line(clock, 10) as shown:
        tally.add(records=9, rejected=1)
        clock.seconds = 5
        assert shown.line().startswith("converting: 10 of 10 rows (100 %), 3 rows/s")
        tally.phase = progress.GRAPH
        after = "10 of 10 rows (100 %), 1 rejected, 0:03 elapsed"
        assert shown.line() == f"writing the graph: {after}"
        tally.phase = progress.CHECKING
        assert shown.line() == f"checking: {after}"


def test_of_other_engines_only_the_time_is_known():
    clock = Clock()
    with _line(clock, None) as shown:
        clock.seconds = 61
        assert shown.line() == "converting: 1:01 elapsed"


def _screens(written: str) -> list[list[str]]:
    """What stands on the terminal, each time that it is written anew."""
    plain = re.sub(r"\x1b\[\?25[lh]", "", written)
    screens = re.split(r"\r(?:\x1b\[1A)?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*", plain)
    return [screen.split("\n") for screen in screens if screen.strip()]


@pytest.mark.parametrize(("width", "height"), [(30, 4), (60, 2), (120, 1)])
def test_it_fits_the_terminal_and_loses_nothing(width, height, tally, monkeypatch):
    monkeypatch.setattr(progress, "_TERMINAL_SECONDS", 0.01)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    stream, clock = Terminal(), Clock()
    with progress.ProgressLine("converting", 10_000, stream=stream, clock=clock):
        tally.add(records=2400, rejected=100)
        clock.seconds = 100
        _wait_for(lambda: "2,500" in stream.getvalue())
    written = stream.getvalue()
    screens = _screens(written)
    assert all(len(line) <= width for screen in screens for line in screen)
    last = [line.rstrip() for line in screens[-1] if line]
    assert len(last) == height
    assert " ".join(last) == (
        "converting: 2,500 of 10,000 rows (25 %), 25 rows/s, 100 rejected, "
        "1:40 elapsed, 5:00 to go"
    )
    assert written.endswith("\x1b[2K")  # the terminal is left empty
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")  # with its cursor


def _wait_for(happens, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal], ids=["log", "dumb"])
def test_elsewhere_it_writes_plain_lines(stream, tally, monkeypatch):
    monkeypatch.setattr(progress, "_LOG_SECONDS", 0.01)
    monkeypatch.setenv("TERM", "dumb")
    log = stream()
    with progress.ProgressLine("converting", 10, stream=log):
        tally.add(records=5)
        _wait_for(lambda: "\nconverting: 5 of 10 rows" in log.getvalue())
    assert "\x1b" not in log.getvalue()
    assert "\r" not in log.getvalue()


def test_a_log_has_no_lines_of_what_is_not_known(monkeypatch):
    monkeypatch.setattr(progress, "_LOG_SECONDS", 0.01)
    log = io.StringIO()
    with progress.ProgressLine("converting", None, stream=log):
        time.sleep(0.1)
    assert log.getvalue() == ""


def test_a_short_run_writes_nothing_and_loads_nothing(run_python):
    run_python(
        "import io, sys\n"
        "from maskbeam.pipeline.runtime import progress\n"
        "class Terminal(io.StringIO):\n"
        "    isatty = lambda self: True\n"
        "stream = Terminal()\n"
        "with progress.ProgressLine('converting', 3, stream=stream):\n"
        "    progress.TALLY.add(records=3)\n"
        "assert stream.getvalue() == ''\n"
        "assert 'rich' not in sys.modules\n"
    )


def test_a_run_that_fails_ends_the_line(monkeypatch):
    monkeypatch.setattr(progress, "_TERMINAL_SECONDS", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with (
        contextlib.suppress(RuntimeError),
        progress.ProgressLine("converting", 3, stream=stream),
    ):
        _wait_for(lambda: "converting" in stream.getvalue())
        raise RuntimeError
    assert stream.getvalue().endswith("\x1b[2K")


def test_the_width_is_the_terminals_own():
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    code = (
        "import time\n"
        "from maskbeam.pipeline.runtime import progress\n"
        "progress._TERMINAL_SECONDS = 0.01\n"
        "with progress.ProgressLine('converting', 10):\n"
        "    time.sleep(0.5)\n"
    )
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env=environment,
        check=True,
    )
    written = os.read(master, 4096).decode().replace("\r\n", "\n")
    os.close(slave)
    os.close(master)
    first = _screens(written)[0]
    assert 2 <= len(first) <= 3
    assert all(len(line) <= 40 for line in first)
    assert " ".join(line.strip() for line in first).endswith("to go")
