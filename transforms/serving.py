"""Uses a dataset's serving model: as a callable, or in front of a trained model.

`signatures` says what it can do, and writes it.
"""

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from maskbeam.transforms import (
    dataset_files,
    features,
    known_ops,
    saved_models,
    signatures,
)
from maskbeam.transforms.manifest import READ_ELSEWHERE, exists
from maskbeam.transforms.signatures import Tensors


class Transform(tf.Module):
    """A serving model as a callable, in any program or in a graph.

    Args:
        path: the model's directory.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._model = saved_models.load(path)

    @property
    def has_images(self) -> bool:
        """Whether the model has the signature `image`."""
        return signatures.IMAGE in self._model.signatures

    @property
    def num_classes(self) -> int:
        """How many classes a mask of the dataset has."""
        to_png = self._model.signatures[signatures.TO_PNG]
        return int(to_png.structured_input_signature[1]["scores"].shape[-1])

    def __call__(self, **raw_columns: tf.Tensor) -> Tensors:
        """Decodes raw rows to model-ready tensors.

        Args:
            **raw_columns: `image_bytes`, `label_bytes` or both: string[B].

        Returns:
            `image` from `image_bytes`; `label`, `mask` and the extra columns from
            `label_bytes`.
        """
        row: Tensors = {}
        for name, value in raw_columns.items():
            signature = (
                signatures.IMAGE
                if name == features.IMAGE_BYTES
                else signatures.LABEL_MAP
            )
            row |= self._model.signatures[signature](**{name: value})
        return row

    def decode_record(self, serialized: tf.Tensor) -> Tensors:
        """Decodes records string[B] to the tensors that `load` makes of them."""
        return self._model.signatures[signatures.DECODE_RECORD](records=serialized)

    def to_png(self, scores: tf.Tensor) -> Tensors:
        """Makes `label`, `png_bytes` and `color_png_bytes` of scores f32[B H W K]."""
        return self._model.signatures[signatures.TO_PNG](scores=scores)


def load_transform(directory: str) -> Transform:
    """Loads a dataset's serving model.

    Args:
        directory: the dataset's directory.

    Raises:
        FileNotFoundError: the dataset has no serving model.
        ValueError: it has operations that no model of ours has, and is not run; or
            TensorFlow has no filesystem for it.
    """
    return Transform(find_model(directory))


def find_model(directory: str) -> str:
    """Returns the path of a dataset's serving model, which runs what ours run.

    Raises:
        DamagedDatasetError: it has operations that no model of ours has.
        FileNotFoundError: the dataset has no serving model.
        ValueError: TensorFlow has no filesystem for it.
    """
    path = model_path(directory)
    if not exists(path, READ_ELSEWHERE):
        raise FileNotFoundError(f"{path} is missing: {directory} has no serving model")
    own = os.path.join(directory, dataset_files.PREPROCESSING)
    known_ops.check(path, of_user=exists(own, READ_ELSEWHERE))
    return path


def model_path(directory: str) -> str:
    """Returns the path that a dataset's serving model has, if there is one."""
    return os.path.join(
        directory, dataset_files.SERVING, str(dataset_files.SERVING_VERSION)
    )


def attach(model: Any, directory: str, path: str) -> None:
    """Exports a Keras model that takes encoded images and returns PNGs.

    The dataset's serving model stands in front of it and behind it. The export's
    `serving_default` takes `image_bytes` string[B], and returns `label` i32[B H W],
    `png_bytes` with the original ids, and `color_png_bytes`. If rows keep their own
    sizes, each PNG has the size of its image. To load the export takes TensorFlow only.

    Args:
        model: a model of Keras 3 with TensorFlow's backend, or of tf_keras: from
            f32[B H W 3] to scores [B H W K].
        directory: the directory of the dataset that the model was trained on.
        path: where the export goes, such as `models/street/1`.

    Raises:
        FileNotFoundError: the dataset has no serving model.
        ValueError: the dataset's rows have no images, or the model gives something else
            than a score for each of its classes.
    """
    transform = load_transform(directory)
    if not transform.has_images:
        raise ValueError(f"the rows of {directory} have no images to predict from")

    def predict(image_bytes: tf.Tensor) -> Tensors:
        row = transform(image_bytes=image_bytes)
        scores = tf.cast(model(row[features.IMAGE], training=False), tf.float32)
        _check_scores(scores, transform.num_classes, directory)
        if features.HEIGHT not in row:
            return transform.to_png(scores)
        return _cropped_png(transform, scores, row)

    spec = tf.TensorSpec([None], tf.string, features.IMAGE_BYTES)
    serve = tf.function(predict, [spec], autograph=False)
    export = tf.Module()
    export.transform = transform
    # Not the model itself: each variable of Keras 3 would then be in the graph twice,
    # and model servers would fill the one that nothing reads (keras issue 20095).
    export.parameters = serve.get_concrete_function().variables
    tf.saved_model.save(export, path, {signatures.DEFAULT: serve})


def _check_scores(scores: tf.Tensor, num_classes: int, directory: str) -> None:
    """Refuses a model of another number of classes than the dataset's."""
    if not scores.shape.is_compatible_with([None, None, None, num_classes]):
        raise ValueError(
            f"the model gives {scores.shape}, and {directory} has {num_classes} "
            f"classes: its last layer must give scores of [B H W {num_classes}]"
        )


def _cropped_png(
    transform: Transform, scores: tf.Tensor, row: Mapping[str, tf.Tensor]
) -> Tensors:
    """Makes each row's PNGs without its padding; the label stays padded."""
    sides = tf.stack([row[features.HEIGHT], row[features.WIDTH]], axis=1)
    names = (features.PNG_BYTES, features.COLOR_PNG_BYTES)

    def one(part: tuple[tf.Tensor, tf.Tensor]) -> Tensors:
        whole, (height, width) = part[0], tf.unstack(part[1])
        found = transform.to_png(whole[tf.newaxis, :height, :width])
        return {name: found[name][0] for name in names}

    cropped = tf.map_fn(
        one,
        (scores, sides),
        fn_output_signature={name: tf.TensorSpec([], tf.string) for name in names},
    )
    label = transform.to_png(scores)[features.LABEL]
    height, width = row[features.HEIGHT], row[features.WIDTH]
    inside = tf.sequence_mask(height, tf.shape(label)[1])[:, :, tf.newaxis]
    inside &= tf.sequence_mask(width, tf.shape(label)[2])[:, tf.newaxis, :]
    return cropped | {
        features.LABEL: tf.where(inside, label, -1),
        features.HEIGHT: height,
        features.WIDTH: width,
    }
