"""Runs one command: `maskbeam`, or `python -m maskbeam.pipeline`.

Little is imported before it listens for signals: loading can take seconds.
"""

import sys
from typing import NoReturn

from maskbeam.pipeline.runtime import loading, stopping, streams, temporary


def run() -> NoReturn:
    """Runs the command that this process was started for."""
    streams.open_closed()
    streams.protect_errors()
    with stopping.listening():
        from maskbeam.pipeline.command_line import ended, main
        from maskbeam.pipeline.errors import RUNNER_FAILED, one_line

        try:
            directory = temporary.own_directory()
        except OSError as error:
            line = f"no temporary directory: {one_line(error)}"
            sys.exit(ended(RUNNER_FAILED, line))
        with directory:
            loading.run_process(main)


if __name__ == "__main__":
    run()
