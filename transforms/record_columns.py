"""Decodes a record's columns to tensors."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from maskbeam.transforms import (
    decode,
    extras,
    features,
    geometry,
    masks,
    stored_masks,
    summaries,
)


class Constants(NamedTuple):
    """Constants of the training split, which decode the rows of all splits.

    Attributes:
        scale: f32[3], what image levels are multiplied by; None without images.
        offset: f32[3], what is then added (`summaries.normalization`).
        class_weights: f32[K], for the weight map; 0 for a class that never occurs.
    """

    scale: tf.Tensor | None = None
    offset: tf.Tensor | None = None
    class_weights: tf.Tensor | None = None


def feature_spec(config: features.Config) -> dict[str, Any]:
    """Describes the record columns for `tf.io.parse_example`."""
    text = tf.io.FixedLenFeature([], tf.string)
    number = tf.io.FixedLenFeature([], tf.int64)
    spec: dict[str, Any] = {
        features.KEY: text,
        features.IMAGE_HEIGHT: number,
        features.IMAGE_WIDTH: number,
        **stored_masks.of(config).feature_spec(),
    }
    if config.with_images:
        spec |= {features.IMAGE_ENCODED: text, features.IMAGE_FORMAT: text}
    return spec


def record_parser(config: features.Config) -> Any:
    """Makes the function from one serialized record to its columns."""
    spec = feature_spec(config)
    return lambda record: tf.io.parse_single_example(record, spec)


def decode_record(
    columns: Mapping[str, tf.Tensor],
    config: features.Config,
    constants: Constants,
    mask_dtype: tf.DType = tf.float32,
) -> dict[str, tf.Tensor]:
    """Decodes one record's columns to model-ready tensors.

    Args:
        columns: as `feature_spec` parses them.
        config: the encoding.
        constants: the training split's constants.
        mask_dtype: the mask's dtype.

    Returns:
        `key`, `label`, `mask` [H W K], and those of `image`, `weight`, `presence` and
        `boundary` that the configuration has.
    """
    return with_mask(decode_columns(columns, config, constants), config, mask_dtype)


def with_mask(
    row: Mapping[str, tf.Tensor],
    config: features.Config,
    mask_dtype: tf.DType = tf.float32,
    class_axis: int = -1,
) -> dict[str, tf.Tensor]:
    """Adds the mask to a row, or to a batch of rows.

    Args:
        row: as `decode_columns` returns it.
        config: the encoding.
        mask_dtype: the mask's dtype.
        class_axis: -1 for [... H W K], -3 for [... K H W].
    """
    label = row[features.LABEL]
    if features.MASK in row:
        mask = tf.cast(row[features.MASK], mask_dtype)
        if class_axis == -3:
            rank = mask.shape.rank
            mask = tf.transpose(mask, [*range(rank - 3), rank - 1, rank - 3, rank - 2])
    else:
        axis = -1 if class_axis == -1 else label.shape.rank - 2
        mask = masks.of_label(label, config.num_classes, mask_dtype, axis)
    return {**row, features.MASK: mask}


def decode_columns(
    columns: Mapping[str, tf.Tensor], config: features.Config, constants: Constants
) -> dict[str, tf.Tensor]:
    """Decodes one record's columns, but makes no mask that is not stored as such.

    Args:
        columns: as `feature_spec` parses them.
        config: the encoding.
        constants: the training split's constants.

    Returns:
        `key`, `label`, the other columns of the configuration, and `mask` if it is
        stored as such, in the dtype that it is stored in.
    """
    label, mask = stored_masks.of(config).read(columns)
    return row_of(label, mask, columns, config, constants)


def row_of(
    label: tf.Tensor,
    mask: tf.Tensor | None,
    columns: Mapping[str, tf.Tensor],
    config: features.Config,
    constants: Constants,
) -> dict[str, tf.Tensor]:
    """Does as `decode_columns`, of a label and a mask that have been read."""
    row = {features.KEY: columns[features.KEY], features.LABEL: label}
    if mask is not None:
        row[features.MASK] = mask
    row |= extras.columns(label, config, constants.class_weights)
    if config.with_images:
        levels = decode.image_levels(columns[features.IMAGE_ENCODED], config.exif)
        levels = geometry.fit_image(levels, config.size, config.resize)
        row[features.IMAGE] = summaries.normalize(
            levels, constants.scale, constants.offset
        )
    return row


def constants_of(stats: Mapping[str, Any], config: features.Config) -> Constants:
    """Makes the constants that decode records, from a dataset's statistics."""
    scale = offset = weights = None
    if config.with_images:
        scale, offset = summaries.normalization(
            config.normalize,
            tf.constant(stats[summaries.IMAGE_MEAN], tf.float64),
            tf.constant(stats[summaries.IMAGE_STD], tf.float64),
        )
    if config.weight_map != "none":
        found = stats["class_weights"][config.weight_map]
        weights = tf.constant([weight or 0.0 for weight in found], tf.float32)
    return Constants(scale, offset, weights)
