"""Shows how far a conversion is, in a line while it runs."""

import sys
import threading
import time
from types import TracebackType
from typing import TextIO

NAMESPACE = "maskbeam"  # of our Beam counters, which runners add up


class Tally:
    """Counts of this process, which in-process runners share with the command line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.records = 0
        self.rejected = 0

    def add(self, *, records: int = 0, rejected: int = 0) -> None:
        """Adds to the counts."""
        with self._lock:
            self.records += records
            self.rejected += rejected


TALLY = Tally()


class ProgressLine:
    """Shows the tally until the block ends.

    On a terminal it overwrites one line every second; elsewhere it writes a new line
    every ten.

    Args:
        rows: how many rows there will be.
        stream: where the line goes; by default the standard error.
    """

    def __init__(self, rows: int, stream: TextIO | None = None) -> None:
        self._rows = rows
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        """Starts showing."""
        self._start = time.monotonic()
        self._before = (TALLY.records, TALLY.rejected)
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops, and leaves the terminal's line empty."""
        self._done.set()
        self._thread.join()
        if self._live:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def _run(self) -> None:
        while not self._done.wait(1 if self._live else 10):
            records = TALLY.records - self._before[0]
            rejected = TALLY.rejected - self._before[1]
            line = describe(
                records, rejected, self._rows, time.monotonic() - self._start
            )
            self._stream.write(f"\r\033[K{line}" if self._live else f"{line}\n")
            self._stream.flush()


def describe(records: int, rejected: int, rows: int, seconds: float) -> str:
    """Makes the line: rows, rate, rejected, elapsed, estimate to go.

    Args:
        records: how many records are written so far.
        rejected: how many rows are rejected so far.
        rows: how many rows there will be, as far as is known.
        seconds: how many have passed since the start.
    """
    done = records + rejected
    rate = done / seconds if seconds else 0.0
    share = f" ({min(100, 100 * done // rows)} %)" if rows else ""
    to_go = duration(max(0, rows - done) / rate) if rate else "?"
    return (
        f"{done:,} of {rows:,} rows{share}, {rate:,.0f} rows/s, {rejected:,} rejected, "
        f"{duration(seconds)} elapsed, {to_go} to go"
    )


def duration(seconds: float) -> str:
    """Writes seconds as `1:02:03`, or `2:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
