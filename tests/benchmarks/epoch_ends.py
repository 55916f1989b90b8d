"""How long an epoch takes to end after its last batch.

    python -m tests.benchmarks.epoch_ends --work DIR [--epochs 40]

A user's loop over `load` waits for it, epoch after epoch. Of two lengths, drawn label
maps are read in a loop, by `model.fit`, and by iterators that are left half way; the
table has the longest time of each, in seconds.
"""

import argparse
import pathlib
import time
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from maskbeam.pipeline import convert
from maskbeam.transforms import load
from tests.benchmarks import scenes
from tests.benchmarks.compare import empty

_SHAPE = (360, 480)
_CLASSES = 11
_ROWS = (800, 8000)  # of an epoch, half a second and some seconds
_BATCH = 8
_LEFT = 20  # batches that are taken of an epoch that is left


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], allow_abbrev=False
    )
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    print("| rows | an epoch | loop | model.fit | left half way |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for rows in _ROWS:
        output = _converted(arguments.work.resolve() / "epoch_ends", rows)
        batches = load(output, "train", batch_size=_BATCH, columns=["mask"])
        seconds, ends = _loop(batches, arguments.epochs)
        found = (ends, _fit(batches, arguments.epochs), _leave(batches))
        cells = " | ".join(f"{late:.3f}" for late in found)
        print(f"| {rows} | {seconds:.2f} | {cells} |", flush=True)


def _converted(work: pathlib.Path, rows: int) -> str:
    """Draws label maps, converts them, and returns the dataset's directory."""
    drawn, folder = empty(work / "drawn"), work / str(rows)
    kind = scenes.Scenes("", _SHAPE, (*range(_CLASSES), 255), 9, "png", 0)
    paths = []
    for number in range(8):
        paths.append(drawn / f"{number}.png")
        label = scenes.draw(np.random.default_rng(number), kind)
        Image.fromarray(label).save(paths[-1])
    scenes.link(paths, rows, empty(folder) / "labels")
    convert(
        label_maps={"train": f"{folder}/labels/*"},
        num_classes=_CLASSES,
        ignore_label=255,
        size=_SHAPE,
        output=f"{folder}/dataset",
    )
    return f"{folder}/dataset"


def _loop(batches: tf.data.Dataset, epochs: int) -> tuple[float, float]:
    """Reads epochs; returns what one takes, and the longest end."""
    late, start = 0.0, time.perf_counter()
    for _ in range(epochs):
        for _ in batches:
            last = time.perf_counter()
        late = max(late, time.perf_counter() - last)
    return (time.perf_counter() - start) / epochs, late


class _Clock(tf.keras.callbacks.Callback):
    """Times what lies between the last batch of an epoch and its end."""

    late = last = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.last = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.late = max(self.late, time.perf_counter() - self.last)


def _fit(batches: tf.data.Dataset, epochs: int) -> float:
    """Fits a model that does next to nothing; returns the longest end."""
    model = tf.keras.Sequential(
        [tf.keras.Input((*_SHAPE, _CLASSES)), tf.keras.layers.Rescaling(0.0)]
    )
    model.compile(loss=lambda true, found: tf.reduce_mean(found))
    clock = _Clock()
    pairs = batches.map(lambda row: (row["mask"], row["mask"][..., :1]))
    model.fit(pairs, epochs=epochs, verbose=0, callbacks=[clock])
    return clock.late


def _leave(batches: tf.data.Dataset) -> float:
    """Leaves epochs half way; returns the longest end."""
    late = 0.0
    for _ in range(10):
        reader = iter(batches)
        for _ in range(_LEFT):
            next(reader)
        start = time.perf_counter()
        del reader
        late = max(late, time.perf_counter() - start)
    return late


if __name__ == "__main__":
    main()
