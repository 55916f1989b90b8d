"""Checks that serving decodes raw bytes to what training reads from the record."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.errors import reason_of
from maskbeam.transforms import (
    arrays,
    features,
    masks,
    own_columns,
    own_records,
    raw_rows,
    record_columns,
    serving,
    signatures,
    stored_masks,
)

_MASK_BYTES = 256_000_000  # larger masks are compared only as they are stored
_ENCODED_BYTES = 16 << 20  # encoded at once


class SkewCheck:
    """Compares rows.

    Args:
        transform: the serving model.
        config: the records' encoding.
        constants: the training split's constants.
        own: the functions of the user's own columns.
    """

    def __init__(
        self,
        transform: serving.Transform,
        config: features.Config,
        constants: record_columns.Constants,
        own: own_columns.Functions | None = None,
    ) -> None:
        self._transform = transform
        self._config = config
        self._parse = record_columns.record_parser(config)
        self._own = own or {}
        self._constants = constants
        self._read = raw_rows.traced(self._read_record)
        self._stored = stored_masks.of(config)
        self._without_mask = tf.function(
            self._label_map_without_mask,
            [tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def _read_record(self, record: tf.Tensor) -> signatures.Tensors:
        """Reads a record as training does, but for a mask that is not stored."""
        columns = self._parse(record)
        parts = record_columns.parts(columns, self._config, self._constants)
        row = {n: parts[n] for n in parts if n != features.LEVELS}
        row |= own_columns.of_row(self._own, parts, self._config)
        for column in own_records.stored(self._config):
            row[column.name] = own_records.read(column, columns)
        return row

    def _failing(self, record: bytes) -> str:
        """Names the first column of the user's own that cannot be computed."""
        parts = record_columns.parts(self._parse(record), self._config, self._constants)
        for column in self._config.own_columns:
            try:
                own_columns.of_row(self._own, parts, self._config, {column.name})
            except tf.errors.OpError:
                return f"column {column.name}"
        return "the record"

    def _label_map_without_mask(self, encoded: tf.Tensor) -> signatures.Tensors:
        """Serves label maps, without computing the mask.

        Called by itself, the serving model computes all of its outputs. Called while a
        function is traced, it becomes a part of that function's graph, and TensorFlow
        runs no more of that than the function's own outputs need.
        """
        row = self._transform(label_bytes=encoded)
        return {name: row[name] for name in row if name != features.MASK}

    def differences(
        self, label_bytes: bytes | None, image_bytes: bytes | None, record: bytes
    ) -> Iterator[str]:
        """Compares one row, bit for bit; yields the differences, a line each.

        It compares all columns that both sides have, and the mask as it is stored;
        `mask` as the model gets it only below 256 MB.

        Args:
            label_bytes: the encoded label map, or None.
            image_bytes: the encoded image, or None.
            record: the serialized record.
        """
        columns = self._parse(record)
        height, width = columns[features.IMAGE_HEIGHT], columns[features.IMAGE_WIDTH]
        pixels = int(height) * int(width)
        small = 4 * pixels * self._config.num_classes < _MASK_BYTES
        try:
            expected = self._read(tf.constant(record))
        except tf.errors.OpError as error:
            reason = reason_of(str(error.message))
            yield f"{self._failing(record)} cannot be computed: {reason}"
            return
        if small:
            expected = record_columns.with_mask(expected, self._config)
        found: signatures.Tensors = {}
        try:
            if label_bytes is not None:
                encoded = tf.constant([label_bytes])
                found |= (
                    self._transform(label_bytes=encoded)
                    if small
                    else self._without_mask(encoded)
                )
            if image_bytes is not None:
                found |= self._transform(image_bytes=tf.constant([image_bytes]))
        except tf.errors.OpError as error:
            yield f"serving refuses the raw bytes: {reason_of(str(error.message))}"
            return
        for name in sorted(expected.keys() & found.keys()):
            # A mask may take 256 MB, and is not copied.
            one = arrays.array_of(expected[name])
            other = arrays.array_of(found[name])[0]
            other = np.array(other, dtype=object) if one.dtype == object else other
            yield from _difference(name, one, other)
        if features.LABEL in found:
            index = masks.index_from_label(
                found[features.LABEL], self._config.num_classes
            )
            if not self._holds(columns, tf.reshape(index, [-1])):
                yield f"{self._stored.column} does not hold serving's label"

    def _holds(self, columns: Mapping[str, tf.Tensor], index: tf.Tensor) -> bool:
        """Checks whether the record's mask is the encoded index."""
        stored, at = np.asarray(self._stored.pixels(columns)).ravel(), 0
        # In parts: packed words of many classes are far larger than their index.
        pixels = max(1, _ENCODED_BYTES // self._stored.bytes_per_pixel)
        for start in range(0, index.shape[0], pixels):
            part = self._stored.encode(index[start : start + pixels])
            values = part.numpy().ravel()
            if not np.array_equal(stored[at : at + values.size], values):
                return False
            at += values.size
        return at == stored.size


def _difference(
    name: str, expected: npt.NDArray[Any], found: npt.NDArray[Any]
) -> Iterator[str]:
    if expected.shape != found.shape:
        yield (
            f"column {name} is {list(expected.shape)} in the record and "
            f"{list(found.shape)} from serving"
        )
        return
    differs = arrays.differs(expected, found)
    if differs.any():
        first = np.unravel_index(differs.argmax(), differs.shape)
        place = ", ".join(map(str, first))
        yield (
            f"column {name} differs in {np.count_nonzero(differs)} of {differs.size} "
            f"values, first at [{place}]: {expected[first]} in the record, "
            f"{found[first]} from serving"
        )
