"""Decodes a record's columns to tensors."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from maskbeam.transforms import (
    decode,
    extras,
    features,
    geometry,
    masks,
    normalizing,
    own_records,
    stored_masks,
    summaries,
)

# What is made of class indices; a mask only if it is not stored as such.
_OF_INDEX = {
    features.LABEL,
    features.INDEX,
    features.MASK,
    features.WEIGHT,
    features.PRESENCE,
    features.BOUNDARY,
}


class Constants(NamedTuple):
    """Constants of the training split, which decode the rows of all splits.

    Attributes:
        scale: f32[3], what image levels are multiplied by; None without images.
        offset: f32[3], what is then added (`normalizing.normalization`).
        class_weights: f32[K], for the weight map; 0 for a class that never occurs.
    """

    scale: tf.Tensor | None = None
    offset: tf.Tensor | None = None
    class_weights: tf.Tensor | None = None


def picture_depth(name: str, config: features.Config) -> list[int | None] | None:
    """Returns what follows height and width in a model column's shape.

    Args:
        name: the column's.
        config: the encoding.

    Returns:
        None for a column that is no picture.
    """
    for column in config.own_columns:
        if column.name == name:
            sides = config.size or (None, None)
            return list(column.shape[2:]) if column.shape[:2] == sides else None
    if name in (features.IMAGE, features.LEVELS):
        return [3]
    if name == features.MASK:
        return [config.num_classes]
    return [] if name in (features.LABEL, features.WEIGHT, features.BOUNDARY) else None


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
    for column in own_records.stored(config):
        spec |= own_records.feature_spec(column)
    return spec


def record_parser(config: features.Config, names: Collection[str] | None = None) -> Any:
    """Makes the function from one serialized record to its columns.

    Args:
        config: the encoding.
        names: the model columns that are wanted, which need not all columns of the
            record; None for all of these.
    """
    spec = feature_spec(config)
    if names is not None:
        image = {features.IMAGE_ENCODED, features.IMAGE_FORMAT}
        mask = stored_masks.of(config).feature_spec().keys()
        own = {
            name
            for column in own_records.stored(config)
            if column.name not in names
            for name in own_records.feature_spec(column)
        }
        spec = {
            name: spec[name]
            for name in spec
            if name not in own
            and (features.IMAGE in names or name not in image)
            and (_OF_INDEX & set(names) or name not in mask)
        }
    return lambda record: tf.io.parse_single_example(record, spec)


def model_names(config: features.Config) -> set[str]:
    """Names the model columns of a dataset: `key`, `label`, `mask`, `image`, ..."""
    names = {features.KEY, features.LABEL, features.MASK}
    names |= {features.IMAGE} if config.with_images else set()
    names |= {features.WEIGHT} if config.weight_map != "none" else set()
    names |= {features.PRESENCE} if config.presence else set()
    names |= {column.name for column in config.own_columns}
    return names | ({features.BOUNDARY} if config.boundary else set())


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
) -> dict[str, tf.Tensor]:
    """Adds the mask to a row, or to a batch of rows.

    Args:
        row: as `decode_columns` returns it.
        config: the encoding.
        mask_dtype: the mask's dtype.
    """
    if features.MASK in row:
        mask = tf.cast(row[features.MASK], mask_dtype)
    else:
        mask = masks.of_label(row[features.LABEL], config.num_classes, mask_dtype)
    return {**row, features.MASK: mask}


def decode_columns(
    columns: Mapping[str, tf.Tensor],
    config: features.Config,
    constants: Constants,
    pixels: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """Decodes one record's columns, but makes no mask that is not stored as such.

    Args:
        columns: as `feature_spec` parses them.
        config: the encoding.
        constants: the training split's constants.
        pixels: the mask's encoded pixels, if they are read already.

    Returns:
        `key`, `label`, the other columns of the configuration but those of the user's
        own function, and `mask` if it is stored as such, in the dtype that it is stored
        in.
    """
    row = parts(columns, config, constants, pixels)
    row.pop(features.LEVELS, None)
    return row


def parts(
    columns: Mapping[str, tf.Tensor],
    config: features.Config,
    constants: Constants,
    pixels: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """Decodes as `decode_columns` does, with `levels`: all that functions take."""
    row = compact_columns(columns, config, model_names(config), pixels)
    row[features.LABEL] = masks.label_from_index(row.pop(features.INDEX))
    if config.weight_map != "none":
        row[features.WEIGHT] = extras.weight_map(
            row[features.LABEL], constants.class_weights
        )
    if config.with_images:
        row[features.LEVELS] = row[features.IMAGE]
        row[features.IMAGE] = normalizing.normalize(
            row[features.IMAGE], constants.scale, constants.offset
        )
    return row


def compact_columns(
    columns: Mapping[str, tf.Tensor],
    config: features.Config,
    names: Collection[str],
    pixels: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """Decodes of one record's columns what model columns are made of, and no more.

    All that it returns is small: what is larger, and made pixel by pixel, a reader
    makes of a whole batch.

    Args:
        columns: as `feature_spec` parses them.
        config: the encoding.
        names: the model columns that are wanted; `index` may be one.
        pixels: the mask's encoded pixels, if they are read already.

    Returns:
        `index` [H W], as `StoredMask.index` returns it, unless nothing wanted is made
        of it; `image` as levels u8[H W 3]; `mask` if it is stored as such, in the dtype
        that it is stored in; and `key`, `presence` and `boundary` as the model gets
        them.
    """
    stored = stored_masks.of(config)
    row = {features.KEY: columns[features.KEY]} if features.KEY in names else {}
    if features.IMAGE in names:
        row[features.IMAGE] = _image_levels(columns, config)
    stored_mask = stored.is_one_hot and features.MASK in names
    of_index = set(names) & _OF_INDEX - ({features.MASK} if stored_mask else set())
    if not (stored_mask or of_index):
        return row
    if pixels is None:
        pixels = stored.pixels(columns)
    if stored_mask:
        row[features.MASK] = pixels
    if of_index:
        index = row[features.INDEX] = stored.index(pixels)
        wanted = dataclasses.replace(
            config,
            weight_map="none",  # each pixel's, so it is made of a batch
            presence=features.PRESENCE in names,
            boundary=config.boundary if features.BOUNDARY in names else 0,
        )
        row |= extras.columns(masks.label_from_index(index), wanted, None)
    return row


def _image_levels(
    columns: Mapping[str, tf.Tensor], config: features.Config
) -> tf.Tensor:
    """Decodes a record's image: u8[H W 3], in the size that all rows have."""
    encoded = columns[features.IMAGE_ENCODED]
    if config.image_storage == "raw":
        assert config.size is not None  # as options have it
        return tf.reshape(tf.io.decode_raw(encoded, tf.uint8), [*config.size, 3])
    # Without a look at EXIF data: what it turns is stored turned.
    levels = decode.unturned_levels(encoded)
    if config.image_storage == "original":
        return geometry.fit_image(levels, config.size, config.resize)
    return tf.ensure_shape(levels, [*(config.size or (None, None)), 3])


def constants_of(stats: Mapping[str, Any], config: features.Config) -> Constants:
    """Makes the constants that decode records, from a dataset's statistics."""
    scale = offset = weights = None
    if config.with_images:
        scale, offset = normalizing.normalization(
            config.normalize,
            tf.constant(stats[summaries.IMAGE_MEAN], tf.float64),
            tf.constant(stats[summaries.IMAGE_STD], tf.float64),
        )
    if config.weight_map != "none":
        found = stats["class_weights"][config.weight_map]
        weights = tf.constant([weight or 0.0 for weight in found], tf.float32)
    return Constants(scale, offset, weights)
