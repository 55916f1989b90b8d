"""Reading, epoch after epoch: maskbeam's `load` beside what one writes by hand.

    python -m tests.benchmarks.epoch --work DIR [--camvid DIR] [--peers ENVIRONMENT]
        [--only NAME,...] [--rounds 3] [--seconds 5] [--json FILE]

Batches as a training loop takes them, from the page cache: ids as they are, or one-hot
f32 masks; with images, these as f32 of mean 0 and deviation 1. Every measurement is a
process of its own, and contestants run in turn; the first three batches are not timed.
Rates are Mpixel/s of the label maps as their files have them, so a smaller `--size` is
faster for all.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from tests.benchmarks import record, scenes
from tests.benchmarks.compare import Figures, empty
from tests.benchmarks.epoch_task import Task

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = "files"  # that all ratios are to
PEERS = ("hugging_face", "grain", "streaming", "torch")
_PIXELS = 100e6  # of all rows
_DISTINCT = 8
_MASK_VALUES = 0.4e9  # larger masks fill the memory


@dataclasses.dataclass(frozen=True)
class Case:
    """What is read.

    Attributes:
        name: of the case.
        shape: (height, width) of label maps and images.
        classes: K.
        images: `jpg`, `png`, or nothing.
        size: what rows are resized to; None if they are not.
        centred: whether images are brought to a mean of 0, or to 0..1.
        peers: whether peers with an environment of their own take part.
    """

    name: str
    shape: tuple[int, int]
    classes: int
    images: str = ""
    size: tuple[int, int] | None = None
    centred: bool = False
    peers: bool = False

    @property
    def kinds(self) -> list[str]:
        """What maskbeam stores: mask encoding and image storage."""
        if not self.images:
            return ["bits original", "png original"]
        storages = ["original", *(["png", "raw"] if self.size else [])]
        return [f"png {storage}" for storage in storages]


CAMVID = (360, 480)
CASES = (
    Case("labels", CAMVID, 11, peers=True),
    Case("jpeg", CAMVID, 11, "jpg", centred=True, peers=True),
    Case("jpeg_unit", CAMVID, 11, "jpg"),
    Case("png", CAMVID, 11, "png", centred=True),
    Case("resized", CAMVID, 11, "jpg", (256, 256), centred=True),
    *(
        Case(f"{side}_{classes}", shape, classes)
        for side, shape in (("512", (512, 512)), ("1024", (1024, 2048)))
        for classes in (2, 19, 150, 1000)
    ),
)


def main() -> None:
    """Measures, prints tables, and saves them where asked."""
    arguments = _parse()
    results = []
    for case in CASES:
        if arguments.only and case.name not in arguments.only.split(","):
            continue
        for one_hot in (False, True):
            pixels = case.shape[0] * case.shape[1]
            if one_hot and pixels * case.classes > _MASK_VALUES:
                continue
            results.append(_compared(case, one_hot, arguments))
            print_table(results[-1])
            if arguments.json:
                record.save(arguments.json, results)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], allow_abbrev=False
    )
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--camvid", type=pathlib.Path, default=os.environ.get("CAMVID"))
    parser.add_argument("--peers", type=pathlib.Path, help="made by make_peers.sh")
    parser.add_argument("--only", help=", ".join(case.name for case in CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    known = {case.name for case in CASES}
    for name in arguments.only.split(",") if arguments.only else ():
        if name not in known:
            parser.error(f"--only {name}: there are {', '.join(sorted(known))}")
    if not arguments.camvid and not (arguments.only or "labels")[0].isdigit():
        parser.error("--camvid DIR: say where CamVid is, or leave it out by --only")
    return arguments


def _compared(
    case: Case, one_hot: bool, arguments: argparse.Namespace
) -> dict[str, Any]:
    """All contestants of a case, in turn."""
    tasks = dict(_tasks(case, one_hot, arguments))
    for name, task in tasks.items():
        if not any(pathlib.Path(task.work).iterdir()):
            _step(name, "prepare", task, arguments.peers)
    rounds = [
        {n: _step(n, "read", task, arguments.peers) for n, task in tasks.items()}
        for _ in range(arguments.rounds)
    ]
    medians: dict[str, Figures] = {}
    for name in tasks:
        own = [found[name] for found in rounds]
        row = {key: statistics.median(one[key] for one in own) for key in own[0]}
        row["late"] = max(one["late"] for one in own)
        row["ratio"] = statistics.median(
            found[name]["rate"] / found[BASE]["rate"] for found in rounds
        )
        row["cpu_ratio"] = statistics.median(
            found[BASE]["cpu_ns"] / found[name]["cpu_ns"] for found in rounds
        )
        medians[name] = row
    return {
        "case": case.name,
        "one_hot": one_hot,
        "classes": case.classes,
        "rounds": rounds,
        "medians": medians,
    }


def _tasks(
    case: Case, one_hot: bool, arguments: argparse.Namespace
) -> Iterator[tuple[str, Task]]:
    """The contestants' tasks, by their names."""
    work: pathlib.Path = arguments.work.resolve() / "epoch" / case.name
    labels, images = _rows(case, work, arguments.camvid)
    names = [BASE, "tfrecords", *(f"maskbeam {kind}" for kind in case.kinds)]
    if arguments.peers and case.peers:
        names += PEERS
    for name in names:
        own = work / name.replace(" ", "_")
        own.mkdir(exist_ok=True)
        yield (
            name,
            Task(
                str(labels),
                str(images) if case.images else "",
                case.classes,
                case.shape,
                case.size or case.shape,
                one_hot,
                str(own),
                arguments.seconds,
                os.cpu_count() or 1,
                name.partition(" ")[2],
                case.centred,
            ),
        )


def _rows(
    case: Case, work: pathlib.Path, camvid: pathlib.Path | None
) -> tuple[pathlib.Path, pathlib.Path]:
    """The directories of label maps and images: links to few files, over and over."""
    labels, images = work / "labels", work / "images"
    if labels.exists():
        return labels, images
    drawn = empty(work / "drawn")
    pictures: list[pathlib.Path] = []
    if case.shape == CAMVID:
        assert camvid is not None
        found, pictures = scenes.files(
            "camvid", drawn, camvid, images=bool(case.images)
        )
    else:
        found = list(_draw(case, drawn))
    rows = max(len(found), int(_PIXELS / (case.shape[0] * case.shape[1])))
    if case.images == "jpg":
        pictures = [_as_jpeg(path, drawn) for path in pictures]
    scenes.link(found, rows, labels)
    if pictures:
        scenes.link(pictures, rows, images)
    return labels, images


def _draw(case: Case, directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """Draws label maps whose ids are class indices."""
    ignored = 65535 if case.classes > 255 else 255
    ids = (*range(case.classes), ignored)
    kind = scenes.Scenes("", case.shape, ids, min(14, case.classes), "png", 0)
    for number in range(_DISTINCT):
        path = directory / f"{number:03}.png"
        label = scenes.draw(np.random.default_rng(number), kind)
        Image.fromarray(label).save(path)
        yield path


def _as_jpeg(path: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    jpeg = directory / f"{path.stem}.jpg"
    with Image.open(path) as picture:
        picture.convert("RGB").save(jpeg, quality=90)
    return jpeg


def _step(
    name: str, step: str, task: Task, peers: pathlib.Path | None
) -> dict[str, float]:
    """Runs one step of a contestant in a process of its own; returns its figures."""
    if name in PEERS:
        assert peers is not None
        program = [str(peers / "bin/python"), "tests/benchmarks/epoch_peers.py"]
    else:
        program = [sys.executable, "-m", "tests.benchmarks.epoch_tf"]
    done = subprocess.run(
        [*program, name.partition(" ")[0], step, task.to_json()],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    if done.returncode:
        raise RuntimeError(f"{name}, {step}: {done.stderr[-3000:]}")
    if step == "prepare":
        return {}
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


_COLUMNS = (
    ("rate", "Mpixel/s", "{:.1f}"),
    ("ratio", "over files", "{:.2f}"),
    ("cpu_ns", "CPU ns/pixel", "{:.2f}"),
    ("cpu_ratio", "over files", "{:.2f}"),
    ("rss", "peak MB", "{:.0f}"),
    ("late", "late s", "{:.3f}"),
)


def print_table(result: dict[str, Any]) -> None:
    """Prints one case's medians."""
    what = "one-hot" if result["one_hot"] else "ids"
    print(f"\n{result['case']}, {result['classes']} classes, {what}")
    print(f"{'':24}" + "".join(f"{title:>14}" for _, title, _ in _COLUMNS))
    for name, row in result["medians"].items():
        cells = (f.format(row[key]) for key, _, f in _COLUMNS)
        print(f"{name:24}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
