"""Label maps in the graph against plain `tf.io.decode_png`, by kind of PNG.

    python -m tests.benchmarks.decode [--rounds 7] [--json FILE]

Both decode the same files in a `tf.function`, in turn, in one process. Plain decoding
gives samples, and of palettes, of few bits and of colours not the ids; what it is
beaten or missed by is the price of the ids.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from maskbeam.transforms import classes, decode
from maskbeam.transforms.classes import ClassMap, LabelClass, color_code
from maskbeam.transforms.png_kinds import KINDS, RGB, RGBA, Encoding, Kind
from tests import data_generation as data
from tests import png_kinds

_SIZE = (1024, 2048)
_FILES = 4


def main() -> None:
    """Measures, prints a table, and saves it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    rows = [
        measure(encoding, kind, arguments.rounds)
        for encoding in ("index", "color", "panoptic", "ade20k")
        for kind in KINDS[encoding]
        if encoding == "index" or kind.color_type in (RGB, RGBA)
    ]
    print(f"{_SIZE[0]} x {_SIZE[1]}, medians of {arguments.rounds} rounds, Mpixel/s")
    for row in rows:
        print(
            f"{row['encoding']:9} {row['kind']:22} plain {row['plain']:6.0f}  "
            f"ids {row['ids']:6.0f}  ratio {row['ratio']:.2f}"
        )
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=1)


def measure(encoding: Encoding, kind: Kind, rounds: int) -> dict[str, object]:
    """Times both ways over the same files, in turn."""
    rng = np.random.default_rng(0)
    top = min(2**kind.depth, 19)
    maps = [data.regions(rng, *_SIZE, list(range(top))) for _ in range(_FILES)]
    colors = rng.integers(0, 256, (top, 3))
    if encoding == "index":  # which reads greys alone
        colors = np.repeat(np.arange(top)[:, np.newaxis], 3, axis=1)
    files = [tf.constant(_encode(ids, kind, colors)) for ids in maps]
    class_map = _class_map(encoding, colors)
    dtype = tf.uint16 if kind.depth == 16 else tf.uint8
    channels = 3 if kind.color_type in (RGB, RGBA) else 1
    spec = [tf.TensorSpec([], tf.string)]
    plain = tf.function(
        lambda d: tf.io.decode_png(d, channels=channels, dtype=dtype), spec
    )
    ids = tf.function(lambda d: decode.label_ids(d, class_map), spec)
    pairs = [(_rate(plain, files), _rate(ids, files)) for _ in range(rounds + 1)][1:]
    return {
        "encoding": encoding,
        "kind": str(kind),
        "plain": statistics.median(a for a, _ in pairs),
        "ids": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(b / a for a, b in pairs),
    }


def _encode(ids: np.ndarray, kind: Kind, colors: np.ndarray) -> bytes:
    samples = ids[..., np.newaxis].astype(np.int64)
    if kind.color_type in (RGB, RGBA):
        samples = colors[ids] * (257 if kind.depth == 16 else 1)
    missing = png_kinds.CHANNELS[kind.color_type] - samples.shape[-1]
    alpha = np.full((*_SIZE, missing), 2**kind.depth - 1)
    return png_kinds.encode(np.concatenate([samples, alpha], axis=-1), *kind)


def _class_map(encoding: Encoding, colors: np.ndarray) -> ClassMap:
    if encoding == "index":
        return classes.numbered(19)
    if encoding == "color":
        named = enumerate(sorted({color_code(color) for color in colors.tolist()}))
        return ClassMap(
            "colors",
            tuple(LabelClass(str(i), (code,)) for i, code in named),
            encoding="color",
        )
    divisor = 1000 if encoding == "panoptic" else 0
    return ClassMap("m", (LabelClass("a", (1,)),), (), "ignore", encoding, divisor)


def _rate(function: Callable[[tf.Tensor], tf.Tensor], files: list[tf.Tensor]) -> float:
    start = time.perf_counter()
    for file in files:
        function(file)
    return len(files) * _SIZE[0] * _SIZE[1] / (time.perf_counter() - start) / 1e6


if __name__ == "__main__":
    main()
