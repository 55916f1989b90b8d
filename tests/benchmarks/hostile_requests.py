"""What a serving model does with hostile requests, and the memory that it takes.

    python -m tests.benchmarks.hostile_requests [--requests 2000] [--seed 0] [NAME ...]

Each request is answered or is an INVALID_ARGUMENT; the table counts what else came, a
process that ended among it. Each signature of each model has a process of its own, and
the peak of that one's resident memory is what it had over all of its requests.
"""

import argparse
import collections
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from maskbeam.pipeline.command_line import main as maskbeam
from maskbeam.transforms import serving
from tests import data_generation as data
from tests import peaks
from tests.fuzz import requests

_K = 12
_ENDED = "the process ended"
MODELS = {
    "native-bits": (),
    "native-png": ("--mask_encoding=png",),
    "native-uint8": ("--mask_encoding=uint8",),
    "native-float32": ("--mask_encoding=float32",),
    "sized-bits": ("--size=12x16",),
    "sized-png": ("--size=12x16", "--mask_encoding=png", "--normalize=zscore"),
}
Counts = collections.Counter[str]


def main() -> int:
    """Prints a table; 1 if anything came but answers and INVALID_ARGUMENT."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", default=list(MODELS))
    arguments = parser.parse_args()
    if arguments.child:
        model, signature, first = arguments.child
        _send(pathlib.Path(model), signature, arguments, int(first))
        return 0
    print(
        f"{'model':15}{'signature':15}{'answers':>8}{'invalid':>8}{'else':>6}  peak MiB"
    )
    bad = 0
    with tempfile.TemporaryDirectory(prefix="maskbeam-requests-") as work:
        for name in arguments.names:
            out = make_dataset(pathlib.Path(work) / name, MODELS[name])
            for signature in requests.INPUTS:
                counts, peak = _run(out, signature, arguments)
                others = {k: n for k, n in counts.items() if k not in _RIGHT}
                bad += sum(others.values())
                print(
                    f"{name:15}{signature:15}{counts[requests.ANSWER]:8}"
                    f"{counts[requests.INVALID]:8}{sum(others.values()):6}{peak:10}",
                    flush=True,
                )
                for what, count in others.items():
                    print(f"    {count} x {what}")
    return int(bool(bad))


_RIGHT = (requests.ANSWER, requests.INVALID)


def make_dataset(work: pathlib.Path, options: tuple[str, ...]) -> pathlib.Path:
    """Converts a few rows; returns the dataset."""
    data.label_tree(work, 8, [*range(_K)], images=True)
    sources = ("--label_maps", f"{work}/labels/*.png", "--images", f"{work}/images/*")
    code = maskbeam(
        ["convert", *sources, f"--num_classes={_K}", *options, f"--output={work}/out"]
    )
    assert code == 0
    return work / "out"


def makers(out: pathlib.Path, *, large: bool) -> dict[str, requests.Maker]:
    """Makes what makes hostile requests for a dataset's model, by signature."""
    work, shards = out.parent, list(out.glob("*.tfrecord-*"))
    records = [
        record
        for shard in shards
        for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    ]
    labels = [path.read_bytes() for path in sorted((work / "labels").iterdir())]
    images = [path.read_bytes() for path in sorted((work / "images").iterdir())]
    examples = [
        data.serialized(
            {"image/segmentation/class/encoded": one, "image/encoded": other}
        )
        for one, other in zip(labels, images, strict=True)
    ]
    more = requests.sound_pictures()
    return requests.makers(
        {
            "image": images + more["image"],
            "label_map": labels + more["label_map"],
            "example": examples,
            "decode_record": records,
        },
        _K,
        large=large,
    )


def _run(
    out: pathlib.Path, signature: str, arguments: argparse.Namespace
) -> tuple[Counts, int]:
    """Sends the requests, in a new process wherever one ends; counts what came."""
    counts: Counts = collections.Counter()
    sent, peak = 0, 0
    while sent < arguments.requests:
        command = [sys.executable, "-m", "tests.benchmarks.hostile_requests"]
        command += ["--requests", str(arguments.requests)]
        command += ["--seed", str(arguments.seed)]
        child = subprocess.run(
            [*command, "--child", str(out), signature, str(sent)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        for line in child.stdout.splitlines():
            if line.startswith("came "):
                counts[line[5:]] += 1
                sent += 1
            elif line.startswith("peak "):
                peak = max(peak, int(line[5:]))
        if sent < arguments.requests:
            counts[f"{_ENDED} by {child.returncode}, request {sent}"] += 1
            sent += 1
    return counts, peak


def _send(
    out: pathlib.Path, signature: str, arguments: argparse.Namespace, first: int
) -> None:
    """Sends requests from the given one on, and prints a line for each."""
    server = requests.Server(pathlib.Path(serving.model_path(str(out))))
    make = makers(out, large=True)[signature]
    for number in range(first, arguments.requests):
        rng = np.random.default_rng([arguments.seed, number])
        came = server.send(signature, make(rng)).replace("\n", " ")
        print(f"came {came}", flush=True)
    print(f"peak {peaks.peak_bytes() >> 20}", flush=True)


def send_a_few(work: pathlib.Path, name: str, count: int) -> Counts:
    """Sends each signature of a model some requests, none of them large."""
    out = make_dataset(work, MODELS[name])
    server = requests.Server(pathlib.Path(serving.model_path(str(out))))
    counts: Counts = collections.Counter()
    for signature, make in makers(out, large=False).items():
        for number in range(count):
            counts[server.send(signature, make(np.random.default_rng(number)))] += 1
    return counts


if __name__ == "__main__":
    sys.exit(main())
