"""How long `serving_default` takes an image, beside bare decoding and resizing.

    python -m tests.benchmarks.latency [--rounds 200]

Both take one encoded image of a drawn street and give f32[1 H W 3] in 0..1, in turn, in
one process. The bare one trusts its bytes; serving also finds out what they are, and
turns photos by their EXIF data.
"""

import argparse
import dataclasses
import io
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image

from maskbeam.transforms import classes, features, record_columns, signatures
from tests.benchmarks import scenes

_SIZES = (((360, 480), (180, 240)), ((1024, 2048), (512, 1024)))


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    print(f"medians of {arguments.rounds} calls, ms")
    for sides, size in _SIZES:
        for name in ("JPEG", "PNG"):
            encoded = tf.constant([_picture(sides, name)])
            both = _bare(name, size), _serving(size)
            bare, serving = _milliseconds(both, encoded, arguments.rounds)
            print(
                f"{name:4} {sides[0]:4} x {sides[1]:4} to {size[0]} x {size[1]:4}  "
                f"bare {bare:6.2f}  serving {serving:6.2f}  ratio {serving / bare:.2f}"
            )


def _picture(sides: tuple[int, int], name: str) -> bytes:
    rng = np.random.default_rng(0)
    kind = dataclasses.replace(scenes.KINDS["cityscapes"], size=sides)
    levels = scenes.picture(rng, scenes.draw(rng, kind))
    file = io.BytesIO()
    Image.fromarray(levels).save(file, name, quality=90)
    return file.getvalue()


def _bare(name: str, size: tuple[int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    decode = tf.io.decode_jpeg if name == "JPEG" else tf.io.decode_png

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def bare(encoded: tf.Tensor) -> tf.Tensor:
        levels = decode(encoded[0], channels=3)[tf.newaxis]
        return tf.image.resize(levels, size, antialias=True) / 255

    return bare


def _serving(size: tuple[int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    config = features.Config(19, "png", size=size, with_images=True)
    constants = record_columns.Constants(tf.fill([3], 1 / 255), tf.zeros([3]))
    with tempfile.TemporaryDirectory() as path:
        signatures.save(
            path, config, classes.numbered(19), constants, signatures.ExampleKeys()
        )
        serving = tf.saved_model.load(path).signatures["serving_default"]
    return lambda encoded: serving(image_bytes=encoded)["image"]


def _milliseconds(
    functions: tuple[Callable[[tf.Tensor], tf.Tensor], ...],
    encoded: tf.Tensor,
    rounds: int,
) -> list[float]:
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds + 10):
        for function, found in zip(functions, times, strict=True):
            start = time.perf_counter()
            function(encoded).numpy()
            found.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(found[10:]) for found in times]


if __name__ == "__main__":
    main()
