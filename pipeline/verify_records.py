"""Loads every record of a shard as training would, and adds up what its pixels say."""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.elements import DamagedError
from maskbeam.pipeline.formats import tf_examples, tfrecords
from maskbeam.pipeline.rows import looks
from maskbeam.pipeline.rows.looks import Look
from maskbeam.pipeline.rows.profile import Profile
from maskbeam.transforms import (
    arrays,
    example_parser,
    features,
    own_columns,
    own_records,
    raw_rows,
    record_columns,
    stored_masks,
    summaries,
)

_PART_BYTES = 16 << 20  # of a mask that is looked at at once
_PARSED_BYTES = 128 << 20  # of a record that TensorFlow parses whole

Columns = dict[str, tf.Tensor]
Pixels = Any  # encoded, [H W *depth]: of TensorFlow, or of NumPy
OwnCheck = Callable[[Columns, Pixels], None]


def check_records(
    path: str,
    count: int,
    config: features.Config,
    total: summaries.Summary,
    profile: Profile,
    keys: collections.Counter[bytes],
    check_own: OwnCheck = lambda *_: None,
) -> Iterator[str]:
    """Loads every record, and adds its summary to the total; yields what is wrong.

    Args:
        path: the shard's.
        count: how many records it has.
        config: the encoding.
        total: the sum of all records' summaries.
        profile: what a report says of all of them.
        keys: how often each key was there.
        check_own: raises ValueError if a stored column of the user's own is another
            than its function computes.
    """
    parse = _parser(config)
    found = 0
    try:
        for record in tfrecords.records(path):
            found += 1
            if isinstance(record, tfrecords.BadRecord):
                yield f"record {found - 1}: {record.reason}"
                continue
            try:
                columns, pixels = parse(record)
                keys[columns[features.KEY].numpy()] += 1
                row = _read(columns, pixels, config)
            except (
                tf.errors.InvalidArgumentError,
                tf.errors.DataLossError,
                LookupError,
                ValueError,
            ) as error:
                yield f"record {found - 1} does not load: {error}"
                continue
            try:
                check_own(columns, pixels)
            except (ValueError, tf.errors.OpError) as error:
                yield f"record {found - 1}: {error}"
            summaries.add_row(total, row.summary)
            profile.add_rows([row])
    except DamagedError as error:
        yield f"damaged at record {error.row}: {error.reason}"
    if found != count:
        yield f"{found} records, and the manifest says {count}"


def own_check(
    directory: str, config: features.Config, constants: record_columns.Constants
) -> OwnCheck:
    """Makes `check_own` of `check_records`.

    Args:
        directory: the dataset's.
        config: the encoding, with stored columns of the user's own.
        constants: the training split's constants.
    """
    functions = own_columns.load(directory, config)
    stored = {column.name: column for column in own_records.stored(config)}

    def check(columns: Columns, pixels: Pixels) -> None:
        parts = record_columns.parts(columns, config, constants, tf.constant(pixels))
        found = own_columns.of_row(functions, parts, config, stored)
        for name, column in stored.items():
            value = arrays.array_of(own_records.read(column, columns))
            wanted = arrays.array_of(found[name])
            if value.shape != wanted.shape or arrays.differs(value, wanted).any():
                raise ValueError(f"its {name} is not what the user's function computes")

    return check


def _parser(config: features.Config) -> Callable[[bytes], tuple[Columns, Pixels]]:
    """Makes the function from a record to its columns, and its mask's encoded pixels.

    What wrote the record may be anything.
    """
    stored = stored_masks.of(config)
    spec = record_columns.feature_spec(config)
    in_tensorflow = _parse_function(spec)
    small = {n: s for n, s in spec.items() if n not in stored.feature_spec()}
    without_mask = _parse_function(small)
    (name, *_) = stored.feature_spec()

    def parse(record: bytes) -> tuple[Columns, Pixels]:
        if not stored.stores_floats or len(record) <= _PARSED_BYTES:
            columns = in_tensorflow(tf.constant(record))
            return columns, stored.pixels(columns)
        # TensorFlow would copy the mask at each of five levels.
        rest, floats = tf_examples.without_floats(record, name)
        columns = without_mask(tf.constant(rest))
        height, width = (int(columns[n]) for n in features.SIDES)
        if floats is None:
            raise ValueError(f"the record has no feature {name!r}")
        return columns, floats.reshape(height, width, config.num_classes)

    return parse


def _parse_function(spec: Mapping[str, Any]) -> Callable[[tf.Tensor], Columns]:
    return raw_rows.traced(lambda record: example_parser.parse(record, spec))


class _Read(NamedTuple):
    """What a record counts for."""

    height: int
    width: int
    summary: summaries.RowSummary
    look: Look


def _read(columns: Columns, pixels: Pixels, config: features.Config) -> _Read:
    """Summarises a record, from the tensors that the model would get.

    Raises:
        ValueError: the mask is not the one-hot encoding of the label.
    """
    constants = record_columns.Constants()
    plain = dataclasses.replace(
        config, with_images=False, weight_map="none", presence=False, boundary=0
    )
    height, width = pixels.shape[:2]
    # The mask of a whole picture takes 4 K times its pixels.
    lines = max(1, _PART_BYTES // (4 * config.num_classes * max(1, width)))
    counts = np.zeros(config.num_classes + 1, np.int64)
    down, right = looks.step(height), looks.step(width)
    sampled = []
    for top in range(0, height, lines):
        part = tf.constant(pixels[top : top + lines])
        row = record_columns.decode_columns(columns, plain, constants, part)
        mask = record_columns.with_mask(row, plain)[features.MASK].numpy()
        label = row[features.LABEL].numpy()
        if not _is_one_hot(mask, label):
            raise ValueError("the mask is not the one-hot encoding of the label")
        counts += np.bincount(label.ravel() + 1, minlength=counts.size)
        sampled.append(label[-top % down :: down, ::right])
    image = None
    if config.with_images:
        names = {features.IMAGE}
        image = record_columns.compact_columns(columns, config, names)[features.IMAGE]
        image = image.numpy()
    summary = summaries.of_row(counts[1:], int(counts[0]), image)
    index = np.concatenate(sampled)
    index = np.where(index < 0, config.num_classes, index)
    return _Read(height, width, summary, Look(index))


def _is_one_hot(mask: npt.NDArray[np.float32], label: npt.NDArray[np.int32]) -> bool:
    """Checks whether a mask has a 1 where its label says, and nothing else."""
    is_counted = label >= 0
    at_label = np.take_along_axis(mask, np.maximum(label, 0)[..., np.newaxis], -1)
    ones = np.count_nonzero(mask)
    return bool(
        ones == np.count_nonzero(is_counted) and (at_label[..., 0] == is_counted).all()
    )
