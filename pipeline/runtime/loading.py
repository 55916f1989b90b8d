"""Loads heavy packages fast and silently, and leaves a process without a wait.

TensorFlow and Beam make a million objects that live as long as the process. Python's
collector would walk them again and again while they are made, at the first run after
that, and once more at the end: 2 s in all, to find nothing.
"""

import atexit
import contextlib
import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from maskbeam.pipeline.runtime.quiet import quiet

_own_process = False  # it runs one command of ours; else somebody imported us


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Imports within it print nothing, and wait for no collection of garbage."""
    collects = gc.isenabled()
    gc.disable()
    try:
        with quiet():
            yield
    finally:
        if _own_process:
            gc.freeze()  # in a user's process, garbage of theirs would stay for ever
        if collects:
            gc.enable()


def run_process(main: Callable[[], int]) -> NoReturn:
    """Runs a command, and ends the process with its exit code.

    All that is registered for the exit is done; but what was loaded is not taken apart.
    """
    global _own_process
    _own_process = True
    codes: list[int] = []
    atexit.register(_leave, codes)  # as the first, so it is the last to be called
    codes.append(main())
    sys.exit(codes[0])


def _leave(codes: list[int]) -> None:
    if not codes:  # an exception of Python's own, which has its own exit code
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):  # nobody reads on
            stream.flush()
    os._exit(codes[0])
