"""Runs commands of maskbeam in processes that have loaded everything already."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_SECONDS = 60  # to end in


class Done(NamedTuple):
    """How a command ended: its exit code, or -N by signal N; and what it said."""

    returncode: int
    stderr: str


class Commands:
    """The process that runs them, one after the other.

    Args:
        work: where what they print is kept, and their temporary files are.
        environment: beside this process's own.
    """

    def __init__(self, work: Path, environment: Mapping[str, str] = {}) -> None:
        self._work = work
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        arguments: list[str],
        temporary: Path,
        kill: tuple[int, float] | None = None,
    ) -> Done:
        """Runs a command.

        Args:
            arguments: the command's.
            temporary: the directory for its temporary files.
            kill: a signal, and after how many seconds it is sent.
        """
        request = {
            "streams": str(self._work),
            "temporary": str(temporary),
            "arguments": arguments,
            "kill": kill,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(request), file=self._server.stdin, flush=True)
        code = int(self._server.stdout.readline())
        return Done(code, (self._work / "stderr").read_text())

    def close(self) -> None:
        """Ends the process that runs commands."""
        self._server.communicate(timeout=_SECONDS)
