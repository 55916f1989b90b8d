"""Holds the output while a run lives, so that no two runs write into one.

On a disk the holder has a lock on the directory, which the kernel drops with the
process. Where there are no locks, such as in an object store, it writes every minute
that it lives: after ten minutes of silence it is taken for dead.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files

_BEAT = "alive"  # in the run's own directory
_BEAT_SECONDS, _SILENT_SECONDS = 60, 600


def who() -> dict[str, Any]:
    """Says in a run's note who it is: host, process, and when it began."""
    started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return {"host": socket.gethostname(), "process": os.getpid(), "started": started}


def holds(directory: str, temporary: str) -> bool:
    """Checks whether an output is still a run's own.

    Args:
        directory: the output.
        temporary: the run's own directory in it.

    Raises:
        Exception: the run's note is there and cannot be read, which each store says in
            its own way. Then nobody can tell.
    """
    if not files.exists(files.join(directory, dataset_files.UNFINISHED)):
        return False
    return files.join(directory, _temporary(_read_note(directory))) == temporary


def check_free(directory: str) -> None:
    """Checks that no living run holds an output.

    Raises:
        UsageError: one does.
    """
    with _lock(directory) as locked:
        if locked is None and _beats(directory):
            raise _held(directory)


@contextlib.contextmanager
def hold(directory: str) -> Iterator[bool]:
    """Holds an output, which is there, while the block runs.

    Yields:
        Whether a lock says so; if not, `beating` has to.

    Raises:
        UsageError: another living run holds it.
    """
    with _lock(directory) as locked:
        if locked is None and _beats(directory):
            raise _held(directory)
        yield bool(locked)


@contextlib.contextmanager
def beating(temporary: str) -> Iterator[None]:
    """Says that a run lives while the block runs.

    Args:
        temporary: the run's own directory in the output.
    """
    done = threading.Event()
    path = files.join(temporary, _BEAT)

    def beat() -> None:
        while True:
            with contextlib.suppress(Exception):  # the next beat may arrive
                files.write(path, str(time.time()).encode())
            if done.wait(_BEAT_SECONDS):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with contextlib.suppress(Exception):  # it is taken for dead after a while
            files.remove(path)


@contextlib.contextmanager
def _lock(directory: str) -> Iterator[bool | None]:
    """Locks a directory, if it is there, until the block ends.

    Yields:
        Whether it is locked; None where there are no locks.

    Raises:
        UsageError: another process has locked it.
    """
    if not files.is_local(directory) or not os.path.isdir(directory):
        yield None
        return
    import fcntl

    try:
        number = os.open(directory, os.O_RDONLY)
    except OSError:  # to write there will say why
        yield None
        return
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _held(directory) from error
        except OSError:  # a network's filesystem may have none
            yield None
            return
        yield True
    finally:
        with contextlib.suppress(OSError):  # it is closed all the same
            os.close(number)


def _beats(directory: str) -> bool:
    name = _temporary(_note(directory))
    if not dataset_files.is_temporary(name):
        return False
    path = files.join(directory, name, _BEAT)
    try:
        return time.time() - float(files.read(path)) < _SILENT_SECONDS
    except Exception:  # each store has errors of its own; mostly it is not there
        return False


def _note(directory: str) -> Mapping[str, Any]:
    """Reads the note of the run that has the output; {} for none, or a mangled one."""
    try:
        return _read_note(directory)
    except Exception:  # each store has errors of its own
        return {}


def _read_note(directory: str) -> Mapping[str, Any]:
    """Reads the note of the run that has the output; {} if it is mangled."""
    try:
        note = files.read_json(files.join(directory, dataset_files.UNFINISHED))
    except (ValueError, RecursionError):  # anybody may have written it
        return {}
    return note if isinstance(note, dict) else {}


def _temporary(note: Mapping[str, Any]) -> str:
    """Returns the name of a run's own directory, by its note; "" if it has none."""
    found = note.get("temporary")
    return str(found[0]) if isinstance(found, list) and found else ""


def _held(directory: str) -> UsageError:
    note = _note(directory)
    of = ""
    if {"host", "process", "started"} <= note.keys():
        of = f": process {note['process']} on {note['host']}, since {note['started']}"
    return UsageError(
        f"another run writes into {directory}{of}; wait for it, stop it, or choose "
        "another --output"
    )
