"""Standard streams that nobody may read, or that lie on a full disk.

Beam's worker prints why a step failed before it answers, and where the print fails
nobody gets the answer: the run hangs. Nor does a conversion end because nobody reads
what it says.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class Unfailing:
    """A text stream whose writing never fails: what cannot be written is lost.

    Args:
        stream: where text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes text, if that is possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Writes what is buffered, if that is possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Asks the stream for all that is no writing."""
        return getattr(self._stream, name)


def open_closed() -> None:
    """Opens those of the standard streams that the process was started without.

    The next file that is opened would be taken for one of them.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, nowhere)


def protect_errors() -> None:
    """Makes the standard error one that never fails, from now on."""
    if not isinstance(sys.stderr, Unfailing):
        sys.stderr = Unfailing(sys.stderr)


@contextlib.contextmanager
def unfailing_output() -> Iterator[None]:
    """Makes the standard output one that never fails, while the block runs."""
    stream = sys.stdout
    sys.stdout = Unfailing(stream)
    try:
        yield
    finally:
        sys.stdout = stream
        try:
            stream.flush()
        except OSError:
            to_nowhere(stream)


def to_nowhere(stream: TextIO) -> None:
    """Lets go of what a stream cannot write, or the interpreter's end would fail."""
    with contextlib.suppress(OSError, ValueError):
        number = os.open(os.devnull, os.O_WRONLY)
        os.dup2(number, stream.fileno())
        os.close(number)
