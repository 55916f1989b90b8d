"""Stops a command at once when it is told to, by Ctrl-C or by SIGTERM.

The main thread may be anywhere in TensorFlow or Beam, which would wait for their
workers and print what these say. So a thread of its own listens: it undoes what lies
outside the output, says in one line what is so, and ends the process.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS = 2.0  # for all that is undone

_acts: list[Callable[[], str]] = []
_last_acts: list[Callable[[], None]] = []
_publishing = threading.Lock()
_stopped = threading.Event()


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Listens for signals; one that is ignored stays so, as by `nohup`.

    The block is a command's whole work. A cancelled job, or a worker that is gone, lets
    it fail: it is the stop that says what is so, and ends the process.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # the wake-up is enough
    # What is registered first is done last: then nothing is left that may hang, and the
    # rest of the interpreter's end would die of a signal, and say nothing.
    atexit.register(_ignore)
    # While something is loaded, 2 leads nowhere.
    errors = os.dup(2)
    threading.Thread(target=_wait, args=(read, errors), daemon=True).start()
    try:
        yield
    finally:
        while _stopped.is_set():
            time.sleep(_SECONDS)


@contextlib.contextmanager
def acting(act: Callable[[], str]) -> Iterator[None]:
    """Has something done if the command is stopped within the block.

    Args:
        act: does it, and returns what the user should know, or "".
    """
    _acts.append(act)
    try:
        yield
    finally:
        _acts.remove(act)


@contextlib.contextmanager
def ending(act: Callable[[], None]) -> Iterator[None]:
    """Has something done if the command is stopped, when its worker processes are gone.

    Args:
        act: does it; it waits for nobody.
    """
    _last_acts.append(act)
    try:
        yield
    finally:
        _last_acts.remove(act)


@contextlib.contextmanager
def whole() -> Iterator[None]:
    """What the block does is done whole, or not at all, if the command is stopped."""
    with _publishing:
        yield


def _ignore() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _wait(read: int, errors: int) -> None:
    (number,) = os.read(read, 1)
    # A second signal means: now.
    threading.Thread(target=lambda: os._exit(128 + os.read(read, 1)[0])).start()
    try:
        _stop(number, errors)
    finally:
        os._exit(128 + number)


def _stop(number: int, errors: int) -> None:
    end = time.monotonic() + _SECONDS
    _stopped.set()
    # Other threads go on, and complain of what is undone under them.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    _publishing.acquire(timeout=_SECONDS)
    said: list[str] = []

    def undo() -> None:
        for act in reversed(_acts):
            with contextlib.suppress(Exception):
                said.append(act())

    # An act may wait for an engine that does not answer.
    thread = threading.Thread(target=undo, daemon=True)
    thread.start()
    thread.join(max(0.0, end - time.monotonic()))
    _end_children()
    for act in reversed(_last_acts):
        act()
    parts = [f"stopped by {signal.Signals(number).name}", *filter(None, said)]
    with contextlib.suppress(OSError):
        # On a terminal a line of progress may be there.
        start = "\n" if os.isatty(errors) else ""
        line = f"{start}maskbeam: {'; '.join(parts)}\n"
        os.write(errors, line.encode(errors="backslashreplace"))


def _end_children() -> None:
    """Ends worker processes, which would go on, and publish."""
    if "subprocess" not in sys.modules:  # nobody has started any
        return
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
