"""Reading a dataset: records to the tensors that the transform graph gives.

    from transforms.records import load

    for row in load("dataset", "train", batch_size=8, shuffle=True):
        row["image"], row["mask"], row["label"]

Neither Beam nor TF Transform is needed.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from transforms import decode, extras, features, geometry, layout, masks, summaries


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


READ_ELSEWHERE = "copy the dataset to a disk, or to gs://, and read it there"
_SHUFFLE_ROWS = 1024
_SHUFFLE_SHARDS = 8  # read at once, so that rows of several shards meet


def load(
    directory: str,
    split: str,
    *,
    batch_size: int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    mask_dtype: tf.DType = tf.float32,
    class_axis: int = -1,
    shard: tuple[int, int] | None = None,
    packed: bool = False,
    raw: bool = False,
) -> tf.data.Dataset:
    """Opens one split of a dataset.

    Args:
        directory: of the dataset, on any filesystem of TensorFlow's.
        split: which one.
        batch_size: rows in a batch; None for single rows. Rows of several sizes are
            padded to the largest of the batch: label -1, mask and image 0.
        shuffle: shards anew in each epoch, and rows within a window.
        seed: of the shuffle.
        mask_dtype: of the mask; `tf.bool` too.
        class_axis: -1 for [H W K], -3 for [K H W].
        shard: (index, count): this reader's part, where several read.
        packed: in place of `label` and `mask` give `index`, a byte or two a pixel, for
            `transforms.masks.expand` to make both of on the accelerator.
        raw: the record's columns as they lie there instead.

    Returns:
        A dataset of dicts: `key` string[], `label` i32[H W] with -1 where ignored,
        `mask` [H W K], `image` f32[H W 3] where there are images, and where they were
        asked for `weight` f32[H W], `presence` f32[K] and `boundary` f32[H W]; in
        batches a dimension more, and where sizes vary `height` and `width`, i64[B], of
        each row. With `packed`, `index` is `masks.index_dtype`[H W], its largest value
        ignored.

    Raises:
        FileNotFoundError: there is no dataset.
        ValueError: it has no such split, or an argument cannot be.
    """
    if class_axis not in (-1, -3):
        raise ValueError(f"class_axis {class_axis} must be -1 or -3")
    manifest = read_manifest(directory)
    config = read_config(manifest)
    records = _records(directory, _shards(manifest, split), shuffle, seed, shard)
    parse = record_parser(config)
    rows = records.map(parse, tf.data.AUTOTUNE)
    if raw:
        return rows if batch_size is None else rows.ragged_batch(batch_size)
    constants = constants_of(read_stats(directory), config)

    def decode_row(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        row = decode_columns(columns, config, constants)
        if packed:
            row.pop(features.MASK, None)
            label = row.pop(features.LABEL)
            row[features.INDEX] = masks.index_from_label(label, config.num_classes)
        if batch_size is not None and config.size is None:
            row[features.HEIGHT] = columns[features.IMAGE_HEIGHT]
            row[features.WIDTH] = columns[features.IMAGE_WIDTH]
        return row

    rows = rows.map(decode_row, tf.data.AUTOTUNE)
    if batch_size is not None:
        if config.size is not None:
            rows = rows.batch(batch_size)
        else:
            padding = {name: _padding(name, spec) for name, spec in _spec(rows).items()}
            rows = rows.padded_batch(batch_size, padding_values=padding)
    if not packed:
        # After batching, which would copy each mask once more.
        rows = rows.map(
            lambda row: with_mask(row, config, mask_dtype, class_axis),
            tf.data.AUTOTUNE,
        )
    return rows.prefetch(tf.data.AUTOTUNE)


def read_manifest(directory: str) -> dict[str, Any]:
    """Reads a dataset's manifest.

    Raises:
        FileNotFoundError: there is none, so there is no dataset.
        ValueError: it is of a format that this version does not know, or where
            TensorFlow does not reach.
    """
    path = os.path.join(directory, layout.MANIFEST)
    if not exists(path, READ_ELSEWHERE):
        unfinished = os.path.join(directory, layout.UNFINISHED)
        why = "an unfinished run" if tf.io.gfile.exists(unfinished) else "no dataset"
        raise FileNotFoundError(
            f"{directory} holds {why}: {layout.MANIFEST} is missing"
        )
    manifest = _read_json(path)
    if manifest["format"] != layout.FORMAT:
        raise ValueError(
            f"{path} is of format {manifest['format']}; this version reads "
            f"{layout.FORMAT}"
        )
    return manifest


def exists(path: str, advice: str) -> bool:
    """Whether a file or directory is there.

    Args:
        path: of it.
        advice: what to do where TensorFlow does not reach.

    Raises:
        ValueError: TensorFlow does not reach there.
    """
    try:
        there: bool = tf.io.gfile.exists(path)
    except tf.errors.UnimplementedError as error:
        raise ValueError(
            f"TensorFlow has no filesystem for {path}: {advice}"
        ) from error
    return there


def read_config(manifest: Mapping[str, Any]) -> features.Config:
    """What the graph, the records and their reader agree on, by the manifest."""
    options = manifest["options"]
    size = options["size"]
    return features.Config(
        num_classes=options["num_classes"],
        mask_encoding=options["mask_encoding"],
        size=None if size is None else (size[0], size[1]),
        with_images=options["with_images"],
        normalize=options["normalize"],
        image_storage=options["image_storage"],
        resize=options["resize"],
        overlap=options["overlap"],
        weight_map=options["weight_map"],
        presence=options["presence"],
        boundary=options["boundary"],
    )


def read_stats(directory: str) -> dict[str, Any]:
    """Reads a dataset's statistics."""
    return _read_json(os.path.join(directory, layout.STATS))


def _read_json(path: str) -> dict[str, Any]:
    with tf.io.gfile.GFile(path) as file:
        tree: dict[str, Any] = json.load(file)
    return tree


def _shards(manifest: Mapping[str, Any], split: str) -> list[str]:
    splits = manifest["splits"]
    if split not in splits:
        raise ValueError(f"no split {split!r}; there are {', '.join(sorted(splits))}")
    return [shard["file"] for shard in splits[split]["shards"] if shard["records"]]


def _records(
    directory: str,
    shards: list[str],
    shuffle: bool,
    seed: int | None,
    shard: tuple[int, int] | None,
) -> tf.data.Dataset:
    """Serialized records of the shards, or of a reader's part of them."""
    paths = [os.path.join(directory, name) for name in shards]
    index, count = shard or (0, 1)
    if not 0 <= index < count:
        raise ValueError(f"shard {shard} must be (index, count), 0 <= index < count")
    by_file = len(paths) >= count  # else some readers would have nothing
    files = tf.data.Dataset.from_tensor_slices(
        tf.constant(paths[index::count] if by_file else paths, tf.string)
    )
    if shuffle:
        files = files.shuffle(max(1, len(paths)), seed=seed)
        records = files.interleave(
            tf.data.TFRecordDataset, cycle_length=_SHUFFLE_SHARDS
        )
    else:
        records = files.flat_map(tf.data.TFRecordDataset)
    if not by_file:
        records = records.shard(count, index)
    return records.shuffle(_SHUFFLE_ROWS, seed=seed) if shuffle else records


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


def _spec(rows: tf.data.Dataset) -> dict[str, tf.TensorSpec]:
    spec: dict[str, tf.TensorSpec] = rows.element_spec
    return spec


def _padding(name: str, spec: tf.TensorSpec) -> tf.Tensor:
    if spec.dtype == tf.string:
        return tf.constant("")
    if name == features.INDEX:
        return tf.constant(spec.dtype.max, spec.dtype)
    return tf.cast(-1 if name == features.LABEL else 0, spec.dtype)
