"""TF Transform's preprocessing function: encoded bytes in, model-ready tensors out.

The transform graph is made from it, and so is the function for pipelines of others
(`own_pipelines`): they differ in where the training split's sums come from. Rows on
their way to the records go through `stored_masks` instead. Both use the same row-local
code of this package, and neither ever sees the other's columns.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.transforms import (
    dataset_files,
    extras,
    features,
    masks,
    normalizing,
    own_columns,
    raw_rows,
    summaries,
)
from maskbeam.transforms.classes import IGNORED, ClassMap

Tensors = Mapping[str, tf.Tensor]
# Ragged in height and width, if sizes vary.
Batch: TypeAlias = "tf.Tensor | tf.RaggedTensor"


def make_preprocessing_fn(
    config: features.Config,
    class_map: ClassMap,
    train: summaries.Summary,
    own: tf.Module | None = None,
) -> Callable[[Tensors], dict[str, Any]]:
    """Makes the function from encoded bytes to model-ready tensors.

    Example, 2 x 2 pixels, K = 3, ids 0, 1, 2 and 255 ignored:

        label_bytes  a PNG of      [[0, 1], [2, 255]]
        label        i64[B 2 2]    [[0, 1], [2, -1]]
        mask         f32[B 2 2 3]  [[1 0 0] [0 1 0]] [[0 0 1] [0 0 0]]

    If sizes vary, `label`, `mask` and `image` are ragged in height and width.

    Args:
        config: sizes, images, normalisation.
        class_map: from id to class index.
        train: the sums over the training split.
        own: the model of the user's own function, if the configuration has columns of
            it.

    Returns:
        A function of `label_bytes` string[B], `image_bytes` string[B] if there are
        images, and `key` string[B] if own columns hang on it. It returns `label`,
        `mask`, `image`, the extra columns of the configuration, those of the user's own
        function, and as `stats/...` the training split's sums and their statistics, the
        same in every row.
    """

    def preprocessing_fn(inputs: Tensors) -> dict[str, Any]:
        sums = {name: tf.constant(values) for name, values in train.items()}
        label_bytes = inputs[features.LABEL_BYTES]
        label, levels = label_batch(config, class_map)(label_bytes), None
        if config.with_images:
            levels = image_batch(config)(inputs[features.IMAGE_BYTES])
        statistics = summaries.statistics(sums)
        outputs = model_columns(label, levels, config, statistics)
        if own is not None:
            outputs |= _own_columns(own, config, outputs, levels, inputs)
        rows = tf.size(label_bytes)
        for name, value in (sums | statistics).items():
            outputs[features.STATS_PREFIX + name] = _in_every_row(value, rows)
        return outputs

    return preprocessing_fn


def model_columns(
    label: Batch,
    levels: "Batch | None",
    config: features.Config,
    statistics: Tensors,
) -> dict[str, Batch]:
    """Makes what a model gets of a batch of decoded rows.

    Args:
        label: i64[B H W], class indices, -1 where ignored.
        levels: u8[B H W 3], if there are images.
        config: sizes, images, normalisation, the extra columns.
        statistics: of the training split (`summaries.statistics`).
    """
    columns = {
        features.LABEL: label,
        features.MASK: _map_values(
            lambda values: masks.of_label(values, config.num_classes), label
        ),
        **_extras(label, config, statistics),
    }
    if levels is not None:
        scale, offset = normalizing.normalization(
            config.normalize,
            statistics[summaries.IMAGE_MEAN],
            statistics[summaries.IMAGE_STD],
        )
        columns[features.IMAGE] = _map_values(
            lambda values: normalizing.normalize(values, scale, offset), levels
        )
    return columns


# TF Transform traces a preprocessing function twice for one graph. A `tf.function` in
# it is traced once in a process, and both call it.


@functools.lru_cache(maxsize=8)
def label_batch(config: features.Config, class_map: ClassMap) -> Any:
    """Makes the function from label maps string[B] to class indices i64[B H W]."""
    label_row = raw_rows.label_row(config, class_map)
    row_fn = _unless_empty(
        lambda encoded: tf.cast(label_row(encoded), tf.int64),
        np.full(config.size or (0, 0), IGNORED),
    )
    return tf.function(
        lambda encoded: _map_rows(row_fn, encoded, config.size, tf.int64),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )


@functools.lru_cache(maxsize=8)
def image_batch(config: features.Config) -> Any:
    """Makes the function from images string[B] to levels u8[B H W 3]."""
    row_fn = _unless_empty(
        raw_rows.image_row(config), np.zeros([*(config.size or (0, 0)), 3], np.uint8)
    )
    return tf.function(
        lambda encoded: _map_rows(
            row_fn, encoded, config.size, tf.uint8, channels=(3,)
        ),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )


def _unless_empty(
    row_fn: Callable[[tf.Tensor], tf.Tensor], blank: npt.NDArray[np.generic]
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function return a blank for empty bytes.

    TF Transform's own loader sends empty strings for columns that the caller leaves
    out, and a graph that is called eagerly runs over them.
    """
    return lambda encoded: tf.cond(
        tf.strings.length(encoded) == 0,
        lambda: tf.constant(blank),
        lambda: row_fn(encoded),
    )


def _extras(
    label: Batch, config: features.Config, statistics: Tensors
) -> dict[str, Batch]:
    """Makes the extra columns of the configuration, for a batch of labels."""
    columns: dict[str, Batch] = {}
    if config.weight_map != "none":
        weights = tf.cast(statistics[config.weight_map], tf.float32)
        columns[features.WEIGHT] = _map_values(
            lambda values: extras.weight_map(values, weights), label
        )
    if config.presence:
        columns[features.PRESENCE] = tf.map_fn(
            lambda row: extras.presence(_dense(row), config.num_classes),
            label,
            fn_output_signature=tf.TensorSpec([config.num_classes], tf.float32),
        )
    if config.boundary:
        columns[features.BOUNDARY] = _map_rows(
            lambda row: extras.boundary(_dense(row), config.boundary),
            label,
            config.size,
            tf.float32,
        )
    return columns


def _own_columns(
    own: tf.Module,
    config: features.Config,
    outputs: Mapping[str, Batch],
    levels: "Batch | None",
    inputs: Tensors,
) -> dict[str, Batch]:
    """Makes the columns of the user's own function, for one row after the other."""
    import tensorflow_transform as tft

    tft.make_and_track_object(lambda: own, name=dataset_files.PREPROCESSING)
    functions = own_columns.functions_of(own, config)
    parts = {features.LABEL: outputs[features.LABEL]}
    if levels is not None:
        parts |= {features.LEVELS: levels, features.IMAGE: outputs[features.IMAGE]}
    if features.KEY in inputs:
        parts[features.KEY] = inputs[features.KEY]
    given = {
        name: tf.strings.length(inputs[raw_name]) > 0
        for name, raw_name in (
            (features.LABEL, features.LABEL_BYTES),
            (features.IMAGE, features.IMAGE_BYTES),
            (features.KEY, features.KEY),
        )
        if raw_name in inputs
    }
    signature = {
        column.name: tf.RaggedTensorSpec(column.shape, column.dtype, ragged_rank=1)
        if column.is_picture
        else tf.TensorSpec(column.shape, column.dtype)
        for column in config.own_columns
    }

    def of_row(row: tuple[Mapping[str, Batch], Tensors]) -> dict[str, Batch]:
        dense = {name: _dense(value) for name, value in row[0].items()}
        found = own_columns.of_given(functions, dense, config, row[1])
        return {
            column.name: tf.RaggedTensor.from_tensor(found[column.name])
            if column.is_picture
            else found[column.name]
            for column in config.own_columns
        }

    return tf.map_fn(of_row, (parts, given), fn_output_signature=signature)


def _dense(row: Batch) -> tf.Tensor:
    """Makes one row of a batch dense; by itself it is rectangular."""
    return row.to_tensor() if isinstance(row, tf.RaggedTensor) else row


def _map_rows(
    row_fn: Callable[[tf.Tensor], tf.Tensor],
    rows: Batch,
    size: tuple[int, int] | None,
    dtype: tf.DType,
    *,
    channels: tuple[int, ...] = (),
) -> Batch:
    """Maps a function from one row to a picture over a batch.

    If sizes vary, the result is ragged in height and width.
    """
    if size is not None:
        spec = tf.TensorSpec([*size, *channels], dtype)
        return tf.map_fn(
            lambda one: tf.ensure_shape(row_fn(one), spec.shape),
            rows,
            fn_output_signature=spec,
        )
    return tf.map_fn(
        lambda one: tf.RaggedTensor.from_tensor(
            tf.ensure_shape(row_fn(one), [None, None, *channels])
        ),
        rows,
        fn_output_signature=tf.RaggedTensorSpec(
            [None, None, *channels], dtype, ragged_rank=1
        ),
    )


def _map_values(fn: Callable[[tf.Tensor], tf.Tensor], tensor: Batch) -> Batch:
    """Maps a function of single pixels over a tensor, ragged or not."""
    return tf.ragged.map_flat_values(fn, tensor)


def _in_every_row(value: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Makes a constant [n] a column [B n]: TF Transform outputs nothing else."""
    if value.dtype == tf.float64:
        value = tf.cast(value, tf.float32)
    column = tf.tile(value[tf.newaxis], [rows, 1])
    return tf.ensure_shape(column, [None, value.shape[0]])
