"""Reads a dataset: records to the tensors that the transform graph makes.

    from maskbeam.transforms import load

    for row in load("dataset", "train", batch_size=8, shuffle=True):
        row["image"], row["mask"], row["label"]

Neither Beam nor TF Transform is needed. Records are trusted, as their checksums are: of
a dataset from strangers, run `maskbeam verify` first.
"""

import os
from collections.abc import Collection, Mapping

import tensorflow as tf

from maskbeam.transforms import (
    features,
    model_columns,
    normalization_names,
    own_columns,
    record_columns,
)
from maskbeam.transforms.manifest import (
    read_config,
    read_manifest,
    read_stats,
    shards_of,
)

_SHUFFLE_ROWS = 1024
_SHUFFLE_SHARDS = 8  # read at once, so that rows of several shards meet
# Batches that are made at once. TensorFlow spreads each over all cores, and they are
# the most of what reading holds in memory.
_BATCHES = 2


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
    columns: Collection[str] | None = None,
    raw: bool = False,
    as_supervised: bool = False,
) -> tf.data.Dataset:
    """Opens one split of a dataset.

    The dataset knows how many elements it has (`cardinality`), from the manifest. It
    reads in as many threads as there are cores, and `tf.data`'s autotuning is off, in
    what you put behind it too: with it an epoch may end seconds after its last batch.

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
        columns: return these only, and compute nothing else; None for all. With `raw`
            they are the record's.
        raw: return the record's columns as they are stored instead.
        as_supervised: return pairs (`image`, `mask`) in place of dicts, as `model.fit`
            takes them; with `packed`, (`image`, `index`).

    Returns:
        A dataset of dicts: `key` string[], `label` i32[H W] with -1 where ignored,
        `mask` [H W K], `image` f32[H W 3] if there are images, and if the dataset has
        them `weight` f32[H W], `presence` f32[K], `boundary` f32[H W], and what the
        user's own function made. Batches have one more dimension, and if sizes vary,
        each row's `height` and `width`, i64[B].
        With `packed`, `index` is `masks.index_dtype`[H W], its largest value ignored.

    Raises:
        FileNotFoundError: there is no dataset.
        ValueError: it has no such split or column, or an argument is not possible.
        tf.errors.InvalidArgumentError: while it is read, a record has a class that the
            dataset has not; `packed` does not look.
    """
    if class_axis not in (-1, -3):
        raise ValueError(f"class_axis {class_axis} must be -1 or -3")
    manifest = read_manifest(directory)
    config = read_config(manifest)
    pair = (features.IMAGE, features.INDEX if packed else features.MASK)
    if as_supervised:
        _check_pairs(directory, config, raw, columns)
        columns = pair
    records = _records(directory, shards_of(manifest, split), shuffle, seed, shard)
    if raw:
        return _tuned(_raw_columns(records, config, columns, batch_size))
    names = _names(columns, _all_names(config, packed, batch_size is not None))
    model = model_columns.ModelColumns(
        config,
        record_columns.constants_of(read_stats(directory, manifest, config), config),
        names,
        mask_dtype,
        class_axis,
    )
    own = own_columns.Reader(directory, config, names, model.scaled)
    rows = _compact_rows(records, config, own)
    if batch_size is not None:
        rows = _batches(rows, batch_size, config, model)
    rows = rows.map(model, _threads() if batch_size is None else _BATCHES)
    if as_supervised:
        rows = rows.map(lambda row: tuple(row[name] for name in pair))
    return _tuned(rows)


def _check_pairs(
    directory: str,
    config: features.Config,
    raw: bool,
    columns: Collection[str] | None,
) -> None:
    """Checks whether there can be pairs.

    Raises:
        ValueError: there are none.
    """
    if raw:
        raise ValueError("as_supervised gives pairs (image, mask), and raw columns are")
    if not config.with_images:
        why = f"the rows of {directory} have no images"
        raise ValueError(f"as_supervised gives pairs (image, mask), and {why}")
    if columns is not None:
        raise ValueError("as_supervised says which columns; leave out one of the two")


def _all_names(config: features.Config, packed: bool, in_batches: bool) -> set[str]:
    """Names all columns that a row, or a batch, may have."""
    names = record_columns.model_names(config)
    if packed:
        names = names - {features.LABEL, features.MASK} | {features.INDEX}
    if in_batches and config.size is None:
        names |= {features.HEIGHT, features.WIDTH}
    return names


def _names(columns: Collection[str] | None, known: Collection[str]) -> Collection[str]:
    """Returns the columns that are asked for.

    Raises:
        ValueError: there is no such column.
    """
    if columns is None:
        return known
    if not columns:
        raise ValueError("columns names none; leave it out for all")
    for name in columns:
        if name not in known:
            there = ", ".join(sorted(known))
            raise ValueError(f"there is no column {name!r} to load; there are {there}")
    return columns


def _raw_columns(
    records: tf.data.Dataset,
    config: features.Config,
    columns: Collection[str] | None,
    batch_size: int | None,
) -> tf.data.Dataset:
    """Parses records, and decodes nothing."""
    spec = record_columns.feature_spec(config)
    spec = {name: spec[name] for name in _names(columns, spec)}
    rows = records.map(lambda one: tf.io.parse_single_example(one, spec), _threads())
    return rows if batch_size is None else rows.ragged_batch(batch_size)


def _compact_rows(
    records: tf.data.Dataset, config: features.Config, own: own_columns.Reader
) -> tf.data.Dataset:
    """Decodes records to compact columns, and the sides of the row where asked for."""
    names = own.names
    parse = record_columns.record_parser(config, names)
    sides = {
        features.HEIGHT: features.IMAGE_HEIGHT,
        features.WIDTH: features.IMAGE_WIDTH,
    }

    def decoded(record: tf.Tensor) -> dict[str, tf.Tensor]:
        columns = parse(record)
        row = record_columns.compact_columns(columns, config, names)
        found = {name: columns[sides[name]] for name in sides if name in names}
        return own(row, columns) | found

    return records.map(decoded, _threads())


def _batches(
    rows: tf.data.Dataset,
    batch_size: int,
    config: features.Config,
    model: model_columns.ModelColumns,
) -> tf.data.Dataset:
    """Batches rows; those of several sizes are padded to the largest of the batch."""
    if config.size is not None:
        return rows.batch(batch_size)
    if features.IMAGE in _spec(rows) and config.normalize != normalization_names.UNIT:
        # Padding is 0, and level 0 something else.
        rows = rows.map(
            lambda row: row | {features.IMAGE: model.scaled(row[features.IMAGE])},
            _threads(),
        )
    padding = {name: _padding(name, spec) for name, spec in _spec(rows).items()}
    return rows.padded_batch(batch_size, padding_values=padding)


def _threads() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tuned(rows: tf.data.Dataset) -> tf.data.Dataset:
    """Prefetches, and switches autotuning off.

    At an epoch's end the autotuner is waited for. It wakes up in rounds, the next one
    twice as far away as the last, up to a minute (TensorFlow 2.21).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return rows.prefetch(1).with_options(options)


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
    beyond = spec.dtype.max if name == features.INDEX else 0
    return tf.constant(beyond, spec.dtype)
