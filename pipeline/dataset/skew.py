"""Whether serving gives, of a row's raw bytes, what training reads from its record."""

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.transforms import features, masks, record_columns, serving, signatures
from maskbeam.transforms.record_columns import make_encode_fn

_MASK_BYTES = 256_000_000  # larger ones are compared packed only
_ENCODED_PIXELS = 1 << 20  # at once


class SkewCheck:
    """Compares rows.

    Args:
        transform: the serving model.
        config: of the records.
        constants: of the training split.
    """

    def __init__(
        self,
        transform: serving.Transform,
        config: features.Config,
        constants: record_columns.Constants,
    ) -> None:
        self._transform = transform
        self._config = config
        self._parse = record_columns.record_parser(config)
        self._load = tf.function(
            lambda columns: record_columns.decode_columns(columns, config, constants)
        )
        self._encode = make_encode_fn(config)
        text = tf.TensorSpec([None], tf.string)
        # What is not asked for is not computed: a mask may be larger than memory.
        self._packed = tf.function(
            lambda encoded: self._label_map(encoded, with_mask=False), [text]
        )
        self._whole = tf.function(
            lambda encoded: self._label_map(encoded, with_mask=True), [text]
        )

    def _label_map(self, encoded: tf.Tensor, *, with_mask: bool) -> signatures.Tensors:
        row = self._transform(label_bytes=encoded)
        if not with_mask:
            del row[features.MASK]
        return row

    def differences(
        self, label_bytes: bytes | None, image_bytes: bytes | None, record: bytes
    ) -> Iterator[str]:
        """Compares one row, bit for bit; gives what differs, a line each.

        `label` and the packed mask always, `mask` below 256 MB, and what else there is.

        Args:
            label_bytes: the encoded label map, or None.
            image_bytes: the encoded image, or None.
            record: the serialized record.
        """
        columns = self._parse(record)
        height, width = columns[features.IMAGE_HEIGHT], columns[features.IMAGE_WIDTH]
        pixels = int(height) * int(width)
        small = 4 * pixels * self._config.num_classes < _MASK_BYTES
        expected = self._load(columns)
        if small:
            expected = record_columns.with_mask(expected, self._config)
        found: signatures.Tensors = {}
        try:
            if label_bytes is not None:
                label_map = self._whole if small else self._packed
                found |= label_map(tf.constant([label_bytes]))
            if image_bytes is not None:
                found |= self._transform(image_bytes=tf.constant([image_bytes]))
        except tf.errors.InvalidArgumentError as error:
            yield f"serving refuses the raw bytes: {error.message}"
            return
        for name in sorted(expected.keys() & found.keys()):
            # Not `.numpy()`, which copies: a mask may take 256 MB.
            one, other = np.asarray(expected[name]), np.asarray(found[name])[0]
            yield from _difference(name, one, other)
        if features.LABEL in found:
            index = masks.index_from_label(
                found[features.LABEL], self._config.num_classes
            )
            if not self._holds(columns, tf.reshape(index, [-1])):
                yield f"{self._config.mask_column} does not hold serving's label"

    def _holds(self, columns: Mapping[str, tf.Tensor], index: tf.Tensor) -> bool:
        """Whether the record's mask is the encoded index."""
        stored, at = self._stored(columns), 0
        # By parts: packed words of many classes are far larger than their index.
        for start in range(0, index.shape[0], _ENCODED_PIXELS):
            part = self._encode(index[start : start + _ENCODED_PIXELS]).numpy().ravel()
            if not np.array_equal(stored[at : at + part.size], part):
                return False
            at += part.size
        return at == stored.size

    def _stored(self, columns: Mapping[str, tf.Tensor]) -> npt.NDArray[Any]:
        """The mask as it lies in the record, flat."""
        config = self._config
        name = config.mask_column
        if config.size is None and config.mask_encoding != "png":
            name += features.VALUE_SUFFIX
        value = columns[name]
        if config.mask_encoding == "png":
            dtype = masks.index_dtype(config.num_classes)
            return tf.io.decode_png(value, 1, dtype).numpy().ravel()
        if config.mask_encoding == "float32":
            return value.numpy().ravel()
        dtype = tf.uint8
        if config.mask_encoding == "bits":
            dtype = masks.word_dtype(config.num_classes)
        return np.frombuffer(zlib.decompress(value.numpy()), dtype.as_numpy_dtype)


def _difference(
    name: str, expected: npt.NDArray[Any], found: npt.NDArray[Any]
) -> Iterator[str]:
    if expected.shape != found.shape:
        yield (
            f"column {name} is {list(expected.shape)} in the record and "
            f"{list(found.shape)} from serving"
        )
        return
    differs = expected != found
    if differs.any():
        first = np.unravel_index(differs.argmax(), differs.shape)
        place = ", ".join(map(str, first))
        yield (
            f"column {name} differs in {np.count_nonzero(differs)} of {differs.size} "
            f"values, first at [{place}]: {expected[first]} in the record, "
            f"{found[first]} from serving"
        )
