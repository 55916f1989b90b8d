"""Encodes the masks of checked rows.

The runs of a batch's rows go through the graph end to end, as one long row of pixels,
so one trace serves rows of all sizes. It cannot fail: rows that could make it fail were
rejected before.
"""

import dataclasses
from collections.abc import Iterator

import apache_beam as beam
import numpy as np
import tensorflow as tf

from maskbeam.pipeline.rows.batches import CheckedBatch, EncodedBatch
from maskbeam.transforms import features, masks, stored_masks


@dataclasses.dataclass(eq=False)
class EncodeBatch(beam.DoFn):
    """CheckedBatch -> EncodedBatch.

    Attributes:
        config: the encoding.
    """

    config: features.Config

    def setup(self) -> None:
        """Traces the encode function."""
        index = tf.TensorSpec([None], masks.index_dtype(self.config.num_classes))
        self._encode = tf.function(
            stored_masks.of(self.config).encode, [index], autograph=False
        ).get_concrete_function()

    def process(self, batch: CheckedBatch) -> Iterator[EncodedBatch]:
        """Encodes one batch."""
        indices = [row.runs.values for row in batch.rows]
        encoded = np.asarray(self._encode(tf.constant(np.concatenate(indices))))
        ends = np.cumsum([index.size for index in indices])
        yield EncodedBatch(*batch, np.split(encoded, ends[:-1]))
