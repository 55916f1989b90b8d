"""A record's columns to tensors."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from maskbeam.transforms import decode, extras, features, geometry, masks, summaries


def make_encode_fn(config: features.Config) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function from class indices to encoded masks.

    Example, K = 3 and `bits`: the indices 0 1 2, and 255, which is ignored, become
    the words 1 2 4 0.

    Nothing in it can fail, whatever the indices are: all checks come before it.

    Args:
        config: the number of classes and the mask encoding.

    Returns:
        A function of `masks.index_dtype`[N] that gives for each pixel: of `bits`
        `masks.pack`'s words, [N] or [N n]; of `png` the index as it is, [N]; of
        `uint8` and `float32` the one-hot vector, [N K].
    """

    def encode_fn(index: tf.Tensor) -> tf.Tensor:
        if config.mask_encoding == "bits":
            return masks.pack(index, config.num_classes)
        if config.mask_encoding == "png":
            return tf.identity(index)
        dtype = tf.uint8 if config.mask_encoding == "uint8" else tf.float32
        if index.dtype == tf.uint16:  # which tf.one_hot does not take
            index = tf.cast(index, tf.int32)
        return masks.of_label(index, config.num_classes, dtype)

    return encode_fn


class Constants(NamedTuple):
    """What the training split gives to the rows of all splits.

    Attributes:
        scale: f32[3], of images: `summaries.normalization`.
        offset: f32[3], likewise.
        class_weights: f32[K], of the weight map; 0 for a class that never occurs.
    """

    scale: tf.Tensor | None = None
    offset: tf.Tensor | None = None
    class_weights: tf.Tensor | None = None


def feature_spec(config: features.Config) -> dict[str, Any]:
    """The record columns, as `tf.io.parse_example` takes them."""
    text = tf.io.FixedLenFeature([], tf.string)
    number = tf.io.FixedLenFeature([], tf.int64)
    spec = {
        features.KEY: text,
        features.IMAGE_HEIGHT: number,
        features.IMAGE_WIDTH: number,
    }
    column, depth = config.mask_column, config.num_classes
    if config.mask_encoding == "png":
        spec[column] = text
    elif config.size is not None:
        spec[column] = (
            tf.io.FixedLenFeature([*config.size, depth], tf.float32)
            if config.mask_encoding == "float32"
            else text
        )
    else:
        spec[column + features.VALUE_SUFFIX] = (
            tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True)
            if config.mask_encoding == "float32"
            else text
        )
        spec[column + features.SHAPE_SUFFIX] = tf.io.FixedLenSequenceFeature(
            [], tf.int64, allow_missing=True
        )
    if config.with_images:
        spec |= {features.IMAGE_ENCODED: text, features.IMAGE_FORMAT: text}
    return spec


def record_parser(config: features.Config) -> Any:
    """The function from one serialized record to its columns."""
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
        constants: of the training split.
        mask_dtype: of the mask.

    Returns:
        `key`, `label`, `mask` [H W K], and what the configuration has of `image`,
        `weight`, `presence` and `boundary`.
    """
    return with_mask(decode_columns(columns, config, constants), config, mask_dtype)


def with_mask(
    row: Mapping[str, tf.Tensor],
    config: features.Config,
    mask_dtype: tf.DType = tf.float32,
    class_axis: int = -1,
) -> dict[str, tf.Tensor]:
    """Completes a row, or a batch of rows, by its mask.

    Args:
        row: as `decode_columns` gives it.
        config: the encoding.
        mask_dtype: of the mask.
        class_axis: -1 or -3.
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
    """Decodes one record's columns, but to no mask that is not stored as such.

    Args:
        columns: as `feature_spec` parses them.
        config: the encoding.
        constants: of the training split.

    Returns:
        `key`, `label`, the other columns of the configuration, and `mask` of `uint8`
        and `float32` as it is stored.
    """
    label, mask = _decode_mask(columns, config)
    row = {features.KEY: columns[features.KEY], features.LABEL: label}
    if mask is not None:
        row[features.MASK] = mask
    row |= extras.columns(label, config, constants.class_weights)
    if config.with_images:
        levels = decode.image_levels(columns[features.IMAGE_ENCODED])
        levels = geometry.fit_image(levels, config.size, config.resize)
        row[features.IMAGE] = summaries.normalize(
            levels, constants.scale, constants.offset
        )
    return row


def _decode_mask(
    columns: Mapping[str, tf.Tensor], config: features.Config
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The label i32[H W], and the mask [H W K] where it is stored as such."""
    classes = config.num_classes
    column = config.mask_column
    height, width = config.size or (
        columns[features.IMAGE_HEIGHT],
        columns[features.IMAGE_WIDTH],
    )
    static = config.size or (None, None)
    if config.mask_encoding == "png":
        index = decode.grey_ids(columns[column], masks.index_dtype(classes))
        return masks.label_from_index(tf.ensure_shape(index, static)), None
    stored = columns[column if config.size else column + features.VALUE_SUFFIX]
    if config.mask_encoding == "bits":
        words = tf.io.decode_raw(
            tf.io.decode_compressed(stored, "ZLIB"), masks.word_dtype(classes)
        )
        several = masks.words_per_pixel(classes)
        shape = [height, width] if several == 1 else [height, width, several]
        label = masks.unpack(tf.reshape(words, shape), classes)
        return tf.ensure_shape(label, static), None
    if config.mask_encoding == "uint8":
        stored = tf.io.decode_raw(tf.io.decode_compressed(stored, "ZLIB"), tf.uint8)
    mask = tf.ensure_shape(
        tf.reshape(stored, [height, width, classes]), [*static, classes]
    )
    return masks.label_from_mask(mask), mask


def constants_of(stats: Mapping[str, Any], config: features.Config) -> Constants:
    """The constants that records are decoded with, by a dataset's statistics."""
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
