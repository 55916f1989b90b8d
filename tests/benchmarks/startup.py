"""What everybody waits for, however few the rows: seconds, and ratios to bare imports.

    python -m tests.benchmarks.startup --work DIR [--camvid DIR] [--rounds 10]
        [--json FILE]

Everything is timed from the start of a process to its exit, in turn, round by round.
The rows are CamVid's 468 label maps; without --camvid they are drawn.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.benchmarks import compare, record, scenes

_ROWS = 468
_POLL_SECONDS = 0.01
_TWICE = """
import shutil, sys, time
from maskbeam.pipeline import convert
for _ in range(2):
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    start = time.perf_counter()
    convert(label_maps=sys.argv[1], classes="camvid11", output=sys.argv[2])
print(time.perf_counter() - start)
"""
_MAIN = "from maskbeam.pipeline.__main__ import run; run()"
_PLAN_MODULES = "import maskbeam.pipeline.commands, maskbeam.pipeline.planning.survey"

# (what is timed, beside what, what the ratio says).
RATIOS = (
    ("convert", "import tensorflow_transform.beam"),
    ("validate", "import apache_beam, tensorflow"),
    ("plan", _PLAN_MODULES),
)


def main() -> None:
    """Measures, prints, and saves it where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], allow_abbrev=False
    )
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--camvid", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    labels, output = _labels(work, arguments.camvid), work / "output"
    timed = _timed(f"{labels}/*", output)
    rounds = [
        {name: measure() for name, measure in timed.items()}
        for _ in range(arguments.rounds)
    ]
    results = summarise(rounds)
    for name, figures in results.items():
        print(f"{name:72}" + "  ".join(f"{k} {v:.2f}" for k, v in figures.items()))
    if arguments.json:
        record.save(arguments.json, results)


def summarise(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Medians of seconds, and of the ratios within rounds."""
    results = {
        name: {"seconds": statistics.median(one[name] for one in rounds)}
        for name in rounds[0]
    }
    for name, beside in RATIOS:
        ratios = [one[name] / one[beside] for one in rounds]
        results[name] |= {
            "ratio": statistics.median(ratios),
            "lowest": min(ratios),
            "highest": max(ratios),
        }
    return results


def _timed(pattern: str, output: pathlib.Path) -> dict[str, Callable[[], float]]:
    """What is timed, by name."""
    rows = ["--label_maps", pattern, "--classes", "camvid11"]
    written = [*rows, "--output", str(output)]
    wrong = ["--label_maps", "/nowhere/*.png", *written[2:]]
    imports = {
        code: lambda code=code: seconds(["-c", code])
        for code in ("import tensorflow", *(beside for _, beside in RATIOS))
    }
    return imports | {
        "convert": lambda: seconds(["-c", _MAIN, "convert", *written], fresh=output),
        "first rows of convert": lambda: seconds_to_first_rows(written, output),
        "second convert() in a process": lambda: second(pattern, output),
        "validate": lambda: seconds(["-c", _MAIN, "validate", *rows]),
        "plan": lambda: seconds(["-c", _MAIN, "plan", *rows]),
        "a glob without a match": lambda: seconds(
            ["-c", _MAIN, "convert", *wrong], code=2
        ),
        "--help": lambda: seconds(["-c", _MAIN, "--help"]),
    }


def _labels(work: pathlib.Path, camvid: pathlib.Path | None) -> pathlib.Path:
    """A directory of links to the label maps."""
    labels = compare.empty(work / "startup")
    if camvid is not None:
        paths = sorted(camvid.glob("*annot/*.png"))
    else:
        drawn = compare.empty(work / "drawn_startup") / "0.png"
        kind = scenes.Scenes("camvid11", (360, 480), tuple(range(12)), 8, "png", 1)
        Image.fromarray(scenes.draw(np.random.default_rng(0), kind)).save(drawn)
        paths = [drawn] * _ROWS
    for number, path in enumerate(paths):
        (labels / f"{number:03}.png").symlink_to(path.resolve())
    return labels


def seconds(
    arguments: list[str], *, code: int = 0, fresh: pathlib.Path | None = None
) -> float:
    """How long a process of Python's takes; `fresh` is removed before.

    Raises:
        RuntimeError: its exit code is another.
    """
    if fresh is not None:
        shutil.rmtree(fresh, ignore_errors=True)
    os.sync()
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - start
    if done.returncode != code:
        raise RuntimeError(f"{arguments}: exit code {done.returncode}: {done.stderr}")
    return took


def second(pattern: str, output: pathlib.Path) -> float:
    """How long a second conversion takes, in the process of the first."""
    done = subprocess.run(
        [sys.executable, "-c", _TWICE, pattern, str(output)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def seconds_to_first_rows(written: list[str], output: pathlib.Path) -> float:
    """From the start of a conversion until a fragment of a shard is there."""
    shutil.rmtree(output, ignore_errors=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _MAIN, "convert", *written],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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
