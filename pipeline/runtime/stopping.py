"""Stops a command at once when it is told to, by Ctrl-C or by SIGTERM.

The main thread may be anywhere in TensorFlow or Beam, which would wait for their
workers and print what these say. So a thread of its own listens: it undoes what lies
outside the output, says in one line what is so, and ends the process.
"""

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
_publishing = threading.Lock()


def listen() -> None:
    """Listens for signals from now on; one that is ignored stays so, as by `nohup`."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # the wake-up is enough
    # While something is loaded, 2 leads nowhere.
    errors = os.dup(2)
    threading.Thread(target=_wait, args=(read, errors), daemon=True).start()


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
def whole() -> Iterator[None]:
    """What the block does is done whole, or not at all, if the command is stopped."""
    with _publishing:
        yield


def _wait(read: int, errors: int) -> None:
    (number,) = os.read(read, 1)
    # A second signal means: now.
    threading.Thread(target=lambda: os._exit(128 + os.read(read, 1)[0])).start()
    _stop(number, errors)


def _stop(number: int, errors: int) -> None:
    end = time.monotonic() + _SECONDS
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
    parts = [f"stopped by {signal.Signals(number).name}", *filter(None, said)]
    with contextlib.suppress(OSError):
        # On a terminal a line of progress may be there.
        start = "\n" if os.isatty(errors) else ""
        line = f"{start}maskbeam: {'; '.join(parts)}\n"
        os.write(errors, line.encode(errors="backslashreplace"))
    os._exit(128 + number)


def _end_children() -> None:
    """Ends worker processes, which would go on, and publish."""
    if "subprocess" not in sys.modules:  # nobody has started any
        return
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
