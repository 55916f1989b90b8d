"""Trains a tiny U-Net on a dataset, and exports it with the graph in front.

    python launch_scripts/train_sample.py --dataset sample/dataset --to models/street

It shows how the parts fit, on a processor and in a minute: `load`, the class weights
in `stats.json`, a mask whose ignored pixels are zero vectors and so do not count, and
`attach`, after which a model server takes JPEG or PNG and returns PNG.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.transforms import records, serving

_FILTERS = (16, 32, 64)


class LikeSkip(keras.layers.Layer):
    """Resizes features to the size of those that skipped the levels below."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Concatenates both: [B H W C] and [B h w c] to [B H W C + c]."""
        skip, low = inputs
        return tf.concat([skip, tf.image.resize(low, tf.shape(skip)[1:3])], axis=-1)


def u_net(num_classes: int) -> keras.Model:
    """Makes a U-Net for pictures of any size: f32[B H W 3] to logits [B H W K]."""

    def block(features: keras.KerasTensor, filters: int) -> keras.KerasTensor:
        for _ in range(2):
            features = keras.layers.Conv2D(filters, 3, padding="same")(features)
            features = keras.layers.GroupNormalization(8)(features)
            features = keras.layers.ReLU()(features)
        return features

    inputs = keras.Input((None, None, 3))
    features, skips = inputs, []
    for filters in _FILTERS:
        features = block(features, filters)
        skips.append(features)
        features = keras.layers.MaxPooling2D(padding="same")(features)
    features = block(features, 2 * _FILTERS[-1])
    for filters, skip in zip(reversed(_FILTERS), reversed(skips), strict=True):
        features = block(LikeSkip()([skip, features]), filters)
    return keras.Model(inputs, keras.layers.Conv2D(num_classes, 1)(features))


def train(
    model: keras.Model,
    dataset: str,
    class_weights: npt.NDArray[np.float32],
    minutes: float,
) -> None:
    """Trains for a while.

    Args:
        model: from images to logits.
        dataset: the dataset's directory.
        class_weights: f32[K].
        minutes: how long to train.
    """
    optimizer = keras.optimizers.Adam(2e-3)
    optimizer.build(model.trainable_variables)
    batches = records.load(dataset, "train", batch_size=8, shuffle=True, seed=0)

    @tf.function(reduce_retracing=True)
    def step(image: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(image, training=True)
            # An ignored pixel's mask is zero, and so is its loss.
            weight = tf.linalg.matvec(mask, class_weights)
            losses = tf.nn.softmax_cross_entropy_with_logits(mask, logits) * weight
            loss = tf.reduce_sum(losses) / tf.reduce_sum(weight)
        variables = model.trainable_variables
        optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )
        return loss

    end = time.monotonic() + 60 * minutes
    for number, batch in enumerate(batches.repeat()):
        loss = step(batch["image"], batch["mask"])
        if number % 20 == 0:
            print(f"step {number}: loss {float(loss):.3f}", flush=True)
        if time.monotonic() > end:
            return


def mean_iou(model: keras.Model, dataset: str, split: str, num_classes: int) -> float:
    """Computes the mean IoU of the classes that occur or are predicted."""
    confusion = np.zeros((num_classes, num_classes), np.int64)
    for batch in records.load(dataset, split, batch_size=4):
        label = batch["label"].numpy()
        predicted = np.argmax(model(batch["image"], training=False), axis=-1)
        pairs = label[label >= 0] * num_classes + predicted[label >= 0]
        confusion += np.bincount(pairs, minlength=num_classes**2).reshape(
            num_classes, num_classes
        )
    both = np.diag(confusion)
    either = confusion.sum(0) + confusion.sum(1) - both
    return float((both[either > 0] / either[either > 0]).mean())


def main() -> None:
    """Trains the model, judges it and exports it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", default="sample/dataset")
    parser.add_argument("--to", type=pathlib.Path, default="sample/models/street")
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.0)
    arguments = parser.parse_args()

    stats = json.loads((pathlib.Path(arguments.dataset) / "stats.json").read_text())
    weights = stats["class_weights"]["median_frequency"]
    # A class that never occurs has no weight.
    class_weights = np.array([weight or 0.0 for weight in weights], np.float32)
    keras.utils.set_random_seed(0)
    model = u_net(len(weights))
    train(model, arguments.dataset, class_weights, arguments.minutes)
    for split in stats["splits"]:
        iou = mean_iou(model, arguments.dataset, split, len(weights))
        print(f"{split}: mean IoU {iou:.3f}")
    path = arguments.to / str(arguments.version)
    serving.attach(model, arguments.dataset, str(path))
    print(f"exported to {path}")


if __name__ == "__main__":
    main()
