"""Kills conversions at random points, and looks at what they leave.

    python -m tests.faults.kills --labels GLOB --classes NAME [--points 100] [--seed 0]

By turns SIGKILL and SIGTERM, of processes that have loaded TensorFlow and Beam before.
There is never a manifest beside missing or wrong files; the next run says what is so;
with --overwrite it is right, and nothing is left over.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

from maskbeam.pipeline import verify_files
from maskbeam.transforms.manifest import read_manifest
from tests.faults.commands import Commands, Done


def main() -> int:
    """Kills, looks, prints what is wrong, and how often each state was met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--labels", required=True)
    parser.add_argument("--classes", required=True)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a run")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    states: dict[str, int] = {}
    wrong = 0
    with tempfile.TemporaryDirectory() as work:
        commands = Commands(Path(work))
        for point in range(arguments.points):
            number = (signal.SIGKILL, signal.SIGTERM)[point % 2]
            seconds = chance.uniform(0.0, arguments.seconds)
            with tempfile.TemporaryDirectory() as own:
                conversion = _Conversion(commands, arguments, Path(own))
                state, fault = conversion.killed(number, seconds)
            states[state] = states.get(state, 0) + 1
            if fault:
                wrong += 1
                print(f"{number.name} after {seconds:.2f} s: {fault}", flush=True)
        commands.close()
    print(f"{arguments.points} points, {states}: {wrong} wrong")
    return 1 if wrong else 0


class _Conversion:
    """A conversion, and what is looked at after it.

    Args:
        commands: runs it.
        arguments: the command line's.
        work: an empty directory.
    """

    def __init__(
        self, commands: Commands, arguments: argparse.Namespace, work: Path
    ) -> None:
        self._commands = commands
        self._output, self._temporary = work / "out", work / "tmp"
        self._temporary.mkdir()
        maps = ["--label_maps", arguments.labels, "--classes", arguments.classes]
        self._arguments = ["convert", *maps, "--output", str(self._output)]

    def killed(self, number: signal.Signals, seconds: float) -> tuple[str, str]:
        """Kills it; returns the state that it leaves, and what is wrong, or ""."""
        done = self._commands.run(self._arguments, self._temporary, (number, seconds))
        if found := self._ended_wrongly(done, number):
            return "ended", found
        there = self._output.exists()
        names = set(os.listdir(self._output)) if there else set()
        state = "unfinished" if names else "none"
        if "manifest.json" in names:
            state = "dataset"
            if found := _differs(self._output):
                return state, found
        if state == "unfinished" and "unfinished.json" in names:
            second = self._commands.run(self._arguments, self._temporary)
            if second.returncode != 2 or "an unfinished run" not in second.stderr:
                return state, f"the next run: {second}"
        third = self._commands.run([*self._arguments, "--overwrite"], self._temporary)
        if third.returncode:
            return state, f"--overwrite: {third}"
        left = [one.name for one in self._output.glob("**/*") if _is_of_a_run(one)]
        return state, _differs(self._output) or (f"left over: {left}" if left else "")

    def _ended_wrongly(self, done: Done, number: signal.Signals) -> str:
        """Says what is wrong with how it ended, or ""."""
        if done.returncode in (0, -number):
            return ""
        if number is signal.SIGKILL or done.returncode != 128 + number:
            return f"it ended so: {done}"
        left = [one.name for one in self._temporary.iterdir()]
        if left or done.stderr.count("\n") != 1:
            return f"it left {left}, and said {done.stderr!r}"
        return ""


def _is_of_a_run(path: Path) -> bool:
    return "unfinished" in path.name or path.suffix == ".tmp"


def _differs(output: Path) -> str:
    found = verify_files.compare(str(output), read_manifest(str(output)))
    return "; ".join([*found.faults, *found.notes])


if __name__ == "__main__":
    sys.exit(main())
