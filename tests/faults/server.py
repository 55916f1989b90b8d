"""Runs commands in processes that have loaded everything, one after the other.

    python -m tests.faults.server

`commands.py` sends it a request in a line of JSON, and gets the exit code in a line.
Loading takes longer than a conversion of two rows, and is done once here.
"""

import json
import os
import sys
import tempfile
import time
from typing import NoReturn

from maskbeam.pipeline.runtime.loading import loading


def main() -> None:
    """Reads, runs and answers until its input ends."""
    with loading():
        import apache_beam  # noqa: F401
        import tensorflow  # noqa: F401
        import tensorflow_transform.beam  # noqa: F401

        import maskbeam.pipeline.command_line
        import maskbeam.pipeline.conversion  # noqa: F401
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            _redirect(request["streams"])
            os.environ["TMPDIR"] = tempfile.tempdir = request["temporary"]
            sys.argv = ["maskbeam", *request["arguments"]]
            _run()
        status = _killed(child, *request["kill"]) if request["kill"] else None
        if status is None:
            status = os.waitpid(child, 0)[1]
        print(os.waitstatus_to_exitcode(status), flush=True)


def _killed(child: int, number: int, seconds: float) -> int | None:
    """Sends a signal after some time; returns the status of a child that was faster."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.002)
    os.kill(child, number)
    return None


def _redirect(directory: str) -> None:
    """Sends the standard streams to files."""
    names = (os.devnull, f"{directory}/stdout", f"{directory}/stderr")
    for number, name in enumerate(names):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
        os.dup2(os.open(name, flags), number)


def _run() -> NoReturn:
    from maskbeam.pipeline.__main__ import run

    run()


if __name__ == "__main__":
    main()
