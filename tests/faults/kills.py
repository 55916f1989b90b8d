"""Kills conversions at random points, and looks at what they leave.

    python -m tests.faults.kills --labels GLOB --classes NAME [--points 100] [--seed 0]

By turns SIGKILL and SIGTERM. There is never a manifest beside missing or wrong files;
the next run says what is so; with --overwrite it is right, and nothing is left over.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from maskbeam.pipeline import verify_files
from maskbeam.transforms.manifest import read_manifest


def main() -> int:
    """Kills, looks, prints what is wrong, and how often each state was met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--labels", required=True)
    parser.add_argument("--classes", required=True)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=15.0, help="of a whole run")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    states: dict[str, int] = {}
    wrong = 0
    for point in range(arguments.points):
        number = (signal.SIGKILL, signal.SIGTERM)[point % 2]
        seconds = chance.uniform(0.0, arguments.seconds)
        with tempfile.TemporaryDirectory() as work:
            state, fault = _point(arguments, Path(work), number, seconds)
        states[state] = states.get(state, 0) + 1
        if fault:
            wrong += 1
            print(f"{number.name} after {seconds:.2f} s: {fault}", flush=True)
    print(f"{arguments.points} points, {states}: {wrong} wrong")
    return 1 if wrong else 0


def _point(
    arguments: argparse.Namespace, work: Path, number: signal.Signals, seconds: float
) -> tuple[str, str]:
    """Kills one conversion; returns the state it leaves, and what is wrong, or ""."""
    output = work / "out"
    command = [sys.executable, "-m", "maskbeam.pipeline", "convert"]
    command += ["--label_maps", arguments.labels, "--classes", arguments.classes]
    command += ["--output", str(output)]
    first = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        first.wait(seconds)
    except subprocess.TimeoutExpired:
        first.send_signal(number)
    first.wait()
    names = set(os.listdir(output)) if output.exists() else set()
    state = "dataset" if "manifest.json" in names else "unfinished" if names else "none"
    if state == "dataset" and (found := _differs(output)):
        return state, found
    if state == "unfinished" and "unfinished.json" in names:
        second = _run(command)
        said = second.returncode == 2 and "holds an unfinished run" in second.stderr
        if not said:
            return state, f"the next run: {second.returncode}, {second.stderr!r}"
    third = _run([*command, "--overwrite"])
    if third.returncode:
        return state, f"--overwrite: {third.returncode}, {third.stderr!r}"
    left = sorted(one.name for one in output.glob("**/*") if "unfinished" in one.name)
    left += sorted(one.name for one in output.glob("**/*.tmp"))
    return state, _differs(output) or (f"left over: {left}" if left else "")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _differs(output: Path) -> str:
    found = verify_files.compare(str(output), read_manifest(str(output)))
    return "; ".join([*found.faults, *found.notes])


if __name__ == "__main__":
    sys.exit(main())
