"""Loads heavy packages fast and silently.

TensorFlow and Beam make a million objects that live as long as the process. Python's
collector would walk them again and again while they are made, soon after, and once more
at the end: 2 s in all, to find nothing.
"""

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from maskbeam.pipeline.runtime.quiet import quiet

_own_process = False  # it runs one command of ours; else somebody imported us


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Imports within it print nothing, and wait for no collection of garbage."""
    with uncollected(), quiet():
        try:
            yield
        finally:
            if _own_process:
                gc.freeze()  # in a user's process, garbage of theirs would stay


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Work within it, which must be short, waits for no collection of garbage."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def run_process(main: Callable[[], int]) -> NoReturn:
    """Runs a command, and ends the process with its exit code."""
    global _own_process
    _own_process = True
    code = main()
    gc.freeze()
    sys.exit(code)
