"""Shows how far a run is, in a line while it runs."""

import collections
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.live import Live

NAMESPACE = "maskbeam"  # of our Beam counters, which runners add up

# Phases.
NAMES, READING, CONVERTING = "reading names", "reading rows", "converting"
GRAPH, CHECKING = "writing the graph", "checking"

_RATE_SECONDS = 15  # rows come in units: shorter, and the rate would leap
_TERMINAL_SECONDS, _LOG_SECONDS = 1.0, 10.0  # between lines


class Tally:
    """Counts of this process, which in-process runners share with the command line.

    Attributes:
        phase: what the run is at.
        names: how many files are listed.
        records: how many records are written.
        rejected: how many rows are rejected.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.phase = ""
        self.names = 0
        self.records = 0
        self.rejected = 0

    def add(self, *, names: int = 0, records: int = 0, rejected: int = 0) -> None:
        """Adds to the counts."""
        with self._lock:
            self.names += names
            self.records += records
            self.rejected += rejected


TALLY = Tally()


class Rate:
    """How fast a count grows, of late."""

    def __init__(self) -> None:
        self._seen: collections.deque[tuple[float, int]] = collections.deque()

    def of(self, count: int, seconds: float) -> float:
        """Takes note of a count, and gives its growth in a second.

        Args:
            count: how many there are by now.
            seconds: when that is; not before the last call's.
        """
        self._seen.append((seconds, count))
        # One that is older than the window stays, or the window would not be full.
        while len(self._seen) > 2 and self._seen[1][0] <= seconds - _RATE_SECONDS:
            self._seen.popleft()
        then, before = self._seen[0]
        return (count - before) / (seconds - then) if seconds > then else 0.0


class ProgressLine:
    """Shows the tally until the block ends.

    On a terminal it shows one line, or two where that is narrow, anew every second;
    elsewhere it writes a new line every ten.

    Args:
        phase: what the run is at, until the tally says otherwise.
        rows: how many rows there will be; None if nobody here counts them.
        is_estimate: whether there may be more or fewer.
        stream: where the line goes; by default the standard error.
        clock: gives seconds.
    """

    def __init__(
        self,
        phase: str,
        rows: int | None = None,
        *,
        is_estimate: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._phase = phase
        self._rows = rows
        self._is_estimate = is_estimate
        self._stream = stream or sys.stderr
        self._clock = clock
        self._is_terminal = (
            self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        )
        self._rate = Rate()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "ProgressLine":
        """Starts showing."""
        TALLY.phase = self._phase
        self._before = TALLY.names, TALLY.records, TALLY.rejected
        self._start = self._clock()
        self._rate.of(0, 0.0)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops, and leaves the terminal's line empty."""
        self._done.set()
        self._thread.join()

    def line(self) -> str:
        """Makes the line, as of now."""
        now = TALLY.names, TALLY.records, TALLY.rejected
        names, records, rejected = (
            count - before for count, before in zip(now, self._before, strict=True)
        )
        seconds = self._clock() - self._start
        elapsed = f"{duration(seconds)} elapsed"
        if self._phase == NAMES:
            rate = self._rate.of(names, seconds)
            parts = [f"{names:,} so far", f"{rate:,.0f} names/s", elapsed]
        elif self._rows is None:
            parts = [elapsed]
        else:
            done = records + rejected
            rate = self._rate.of(done, seconds)
            to_go = duration(max(0, self._rows - done) / rate) if rate else "?"
            parts = [_of_rows(done, self._rows, is_estimate=self._is_estimate)]
            parts += [f"{rate:,.0f} rows/s", f"{rejected:,} rejected", elapsed]
            parts += [f"{to_go} to go"]
            if TALLY.phase != self._phase:  # all rows are through
                del parts[1], parts[-1]
        return f"{TALLY.phase}: {', '.join(parts)}"

    def _run(self) -> None:
        live = None
        every = _TERMINAL_SECONDS if self._is_terminal else _LOG_SECONDS
        while not self._done.wait(every):
            if self._is_terminal:
                live = live or _live(self._stream)
                live.update(self.line(), refresh=True)
            elif self._rows is not None or self._phase == NAMES:
                self._stream.write(f"{self.line()}\n")
                self._stream.flush()
        if live is not None:
            live.stop()


def _of_rows(done: int, rows: int, *, is_estimate: bool) -> str:
    share = f" ({min(100, 100 * done // rows)} %)" if rows else ""
    return f"{done:,} of {'~' if is_estimate else ''}{rows:,} rows{share}"


def _live(stream: TextIO) -> "Live":
    """Makes a few lines of a terminal that are written anew, whatever its width.

    Rich is loaded when there is something to show: short runs do not wait for it.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console(
        file=stream, force_terminal=True, highlight=False, markup=False, emoji=False
    )
    live = Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    live.start()
    console.show_cursor(True)  # a run that is killed would not bring it back
    return live


def duration(seconds: float) -> str:
    """Writes seconds as `1:02:03`, or `2:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
