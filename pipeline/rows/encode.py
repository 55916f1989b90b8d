"""Encodes the masks of checked rows.

The runs of a batch's rows go through the graph end to end, as one long row of pixels,
so one trace serves rows of all sizes. It cannot fail: rows that could make it fail were
rejected before.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.rows.batches import CheckedBatch, EncodedBatch
from maskbeam.pipeline.rows.run_lengths import Runs
from maskbeam.transforms import features, masks, stored_masks

Encoder = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]

# A mask beyond is encoded while its record is written, and is never whole in memory.
_WHOLE_BYTES = 64 << 20
_PART_BYTES = 16 << 20


def make_encoder(config: features.Config) -> Encoder:
    """Traces the encode function, from class indices to encoded pixels."""
    index = tf.TensorSpec([None], masks.index_dtype(config.num_classes))
    encode = tf.function(
        stored_masks.of(config).encode, [index], autograph=False
    ).get_concrete_function()
    return lambda values: np.asarray(encode(tf.constant(values)))


def encoded_parts(
    runs: Runs, stored: stored_masks.StoredMask, encode: Encoder
) -> Iterator[npt.NDArray[Any]]:
    """Encodes a large mask, a few pixels at a time: `dtype`[n *depth] each."""
    for part in runs.parts(max(16, _PART_BYTES // stored.bytes_per_pixel)):
        yield part.repeat(encode(part.values))


@dataclasses.dataclass(eq=False)
class EncodeBatch(beam.DoFn):
    """CheckedBatch -> EncodedBatch.

    Attributes:
        config: the encoding.
    """

    config: features.Config

    def setup(self) -> None:
        """Traces the encode function."""
        self._encode = make_encoder(self.config)
        self._stored = stored_masks.of(self.config)

    def process(self, batch: CheckedBatch) -> Iterator[EncodedBatch]:
        """Encodes one batch; a row that is large is alone in it."""
        (first, *others) = batch.rows
        pixels = first.height * first.width
        if not others and pixels * self._stored.bytes_per_pixel > _WHOLE_BYTES:
            yield EncodedBatch(*batch, [None])
            return
        indices = [row.runs.values for row in batch.rows]
        encoded = self._encode(np.concatenate(indices))
        ends = np.cumsum([index.size for index in indices])
        yield EncodedBatch(*batch, np.split(encoded, ends[:-1]))
