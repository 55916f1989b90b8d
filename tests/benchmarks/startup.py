"""How long until the first rows are written, beside TensorFlow's own import.

    python -m tests.benchmarks.startup --work DIR [--rounds 5]

The three commands run in turn; the time to the first rows ends when the first fragment
of a shard appears.
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np
from PIL import Image

from tests.benchmarks import compare, scenes

_ROWS = 64
_POLL_SECONDS = 0.01


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    labels = compare.empty(arguments.work.resolve() / "startup")
    drawn = labels / "0.png"
    kind = scenes.KINDS["ade20k"]
    Image.fromarray(scenes.draw(np.random.default_rng(0), kind)).save(drawn)
    for number in range(1, _ROWS):
        (labels / f"{number}.png").symlink_to(drawn)
    rounds = [
        (
            _seconds(["-c", "import tensorflow"]),
            _seconds(["-m", "maskbeam.pipeline", "--help"]),
            seconds_to_first_rows(labels, arguments.work.resolve() / "output"),
        )
        for _ in range(arguments.rounds)
    ]
    imports, helps, first = map(statistics.median, zip(*rounds, strict=True))
    ratio = statistics.median(row / tf for tf, _, row in rounds)
    print(
        f"medians of {len(rounds)}: TensorFlow's import {imports:.2f} s, --help "
        f"{helps:.2f} s, first rows written {first:.2f} s, {ratio:.2f} x the import"
    )


def _seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - start


def seconds_to_first_rows(labels: pathlib.Path, output: pathlib.Path) -> float:
    """From the start of the command until a fragment is there."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "maskbeam.pipeline", "convert", "--label_maps"]
    flags = [f"{labels}/*", "--classes=ade20k", f"--output={output}"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not any(output.glob("*/fragments/*")):
            if process.poll() is not None:
                raise RuntimeError(f"the exit code is {process.returncode}")
            time.sleep(_POLL_SECONDS)
        return time.perf_counter() - start
    finally:
        process.wait()


if __name__ == "__main__":
    main()
