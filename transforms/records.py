"""Reads a dataset: records to the tensors that the transform graph makes.

    from maskbeam.transforms import load

    for row in load("dataset", "train", batch_size=8, shuffle=True):
        row["image"], row["mask"], row["label"]

Neither Beam nor TF Transform is needed. Records are trusted, as their checksums are: of
a dataset from strangers, run `maskbeam verify` first.
"""

import os
from collections.abc import Mapping

import tensorflow as tf

from maskbeam.transforms import features, masks
from maskbeam.transforms.manifest import (
    read_config,
    read_manifest,
    read_stats,
    shards_of,
)
from maskbeam.transforms.record_columns import (
    Constants,
    constants_of,
    decode_columns,
    record_parser,
    with_mask,
)

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
    as_supervised: bool = False,
) -> tf.data.Dataset:
    """Opens one split of a dataset.

    The dataset knows how many elements it has (`cardinality`), from the manifest.

    Args:
        directory: the dataset's directory, on any filesystem of TensorFlow's.
        split: the split's name.
        batch_size: rows in a batch; None for single rows. Rows of several sizes are
            padded to the largest of the batch: label -1, mask and image 0.
        shuffle: whether to shuffle: shards anew in each epoch, rows within a window.
        seed: the shuffle's seed.
        mask_dtype: the mask's dtype; `tf.bool` too.
        class_axis: -1 for [H W K], -3 for [K H W].
        shard: (index, count): this reader's part, if several share the rows.
        packed: return `index`, a byte or two a pixel, in place of `label` and `mask`;
            `expand` makes both from it on the accelerator.
        raw: return the record's columns as they are stored instead.
        as_supervised: return pairs (`image`, `mask`) in place of dicts, as `model.fit`
            takes them; with `packed`, (`image`, `index`).

    Returns:
        A dataset of dicts: `key` string[], `label` i32[H W] with -1 where ignored,
        `mask` [H W K], `image` f32[H W 3] if there are images, and if the dataset has
        them `weight` f32[H W], `presence` f32[K] and `boundary` f32[H W]. Batches have
        one more dimension, and if sizes vary, each row's `height` and `width`, i64[B].
        With `packed`, `index` is `masks.index_dtype`[H W], its largest value ignored.

    Raises:
        FileNotFoundError: there is no dataset.
        ValueError: it has no such split, or an argument is not possible.
    """
    if class_axis not in (-1, -3):
        raise ValueError(f"class_axis {class_axis} must be -1 or -3")
    manifest = read_manifest(directory)
    config = read_config(manifest)
    if as_supervised and (raw or not config.with_images):
        why = "raw columns are" if raw else f"the rows of {directory} have no images"
        raise ValueError(f"as_supervised gives pairs (image, mask), and {why}")
    records = _records(directory, shards_of(manifest, split), shuffle, seed, shard)
    columns = records.map(record_parser(config), tf.data.AUTOTUNE)
    if raw:
        return columns if batch_size is None else columns.ragged_batch(batch_size)
    constants = constants_of(read_stats(directory), config)
    rows = columns.map(
        lambda one: _decoded(one, config, constants, packed, batch_size is not None),
        tf.data.AUTOTUNE,
    )
    if batch_size is not None:
        rows = _batches(rows, batch_size, config)
    if not packed:
        # After batching, which would copy each mask once more.
        rows = rows.map(
            lambda row: with_mask(row, config, mask_dtype, class_axis),
            tf.data.AUTOTUNE,
        )
    if as_supervised:
        target = features.INDEX if packed else features.MASK
        rows = rows.map(lambda row: (row[features.IMAGE], row[target]))
    return rows.prefetch(tf.data.AUTOTUNE)


def _decoded(
    columns: Mapping[str, tf.Tensor],
    config: features.Config,
    constants: Constants,
    packed: bool,
    in_batches: bool,
) -> dict[str, tf.Tensor]:
    """Decodes a row, except a mask that is made after batching."""
    row = decode_columns(columns, config, constants)
    if packed:
        row.pop(features.MASK, None)
        label = row.pop(features.LABEL)
        row[features.INDEX] = masks.index_from_label(label, config.num_classes)
    if in_batches and config.size is None:
        row[features.HEIGHT] = columns[features.IMAGE_HEIGHT]
        row[features.WIDTH] = columns[features.IMAGE_WIDTH]
    return row


def _batches(
    rows: tf.data.Dataset, batch_size: int, config: features.Config
) -> tf.data.Dataset:
    """Batches rows; those of several sizes are padded to the largest of the batch."""
    if config.size is not None:
        return rows.batch(batch_size)
    padding = {name: _padding(name, spec) for name, spec in _spec(rows).items()}
    return rows.padded_batch(batch_size, padding_values=padding)


def _records(
    directory: str,
    shards: Mapping[str, int],
    shuffle: bool,
    seed: int | None,
    shard: tuple[int, int] | None,
) -> tf.data.Dataset:
    """Opens the serialized records of the shards, or of one reader's part of them."""
    index, count = shard or (0, 1)
    if not 0 <= index < count:
        raise ValueError(f"shard {shard} must be (index, count), 0 <= index < count")
    by_file = len(shards) >= count  # else some readers would have nothing
    names = list(shards)[index::count] if by_file else list(shards)
    size = sum(shards[name] for name in names)
    paths = [os.path.join(directory, name) for name in names]
    files = tf.data.Dataset.from_tensor_slices(tf.constant(paths, tf.string))
    if shuffle:
        files = files.shuffle(max(1, len(shards)), seed=seed)
        records = files.interleave(
            tf.data.TFRecordDataset, cycle_length=_SHUFFLE_SHARDS
        )
    else:
        records = files.flat_map(tf.data.TFRecordDataset)
    if not by_file:
        records = records.shard(count, index)
        size = len(range(index, size, count))
    # TensorFlow cannot tell how many records a file has; the manifest can.
    records = records.apply(tf.data.experimental.assert_cardinality(size))
    return records.shuffle(_SHUFFLE_ROWS, seed=seed) if shuffle else records


def _spec(rows: tf.data.Dataset) -> dict[str, tf.TensorSpec]:
    spec: dict[str, tf.TensorSpec] = rows.element_spec
    return spec


def _padding(name: str, spec: tf.TensorSpec) -> tf.Tensor:
    if spec.dtype == tf.string:
        return tf.constant("")
    if name == features.INDEX:
        return tf.constant(spec.dtype.max, spec.dtype)
    return tf.cast(-1 if name == features.LABEL else 0, spec.dtype)
