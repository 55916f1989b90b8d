"""Servers that tests start, and stop."""

import contextlib
import pathlib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def serving(
    command: Sequence[object], port: int, log: pathlib.Path, **options: Any
) -> Iterator[subprocess.Popen]:
    """Runs a server, from when it listens until the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=output, **options
        )
    try:
        end = time.monotonic() + 600
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("localhost", port), timeout=1),
            ):
                break
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
