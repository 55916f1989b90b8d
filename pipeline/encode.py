"""Checked rows to encoded masks, through TF Transform.

The rows' class indices go in as 64-bit words and the encoded masks come out as such,
for TF Transform knows no smaller integers. All else that belongs to a row travels past
the graph.
"""

import dataclasses
import pickle
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow_transform.beam as tft_beam
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tensor_adapter

from pipeline.check import CheckedBatch
from pipeline.coders import SizedCoder
from transforms import features, summaries
from transforms.preprocessing import (
    LABEL_WORDS,
    MASK_WORDS,
    PIXEL_ALIGNMENT,
    make_encode_fn,
)

beam.coders.registry.register_coder(pa.RecordBatch, SizedCoder)

_ROW = "row"
_IMAGE = "image_bytes"
PASSTHROUGH_KEYS = {_ROW, _IMAGE}

_WORDS = pa.list_(pa.int64())
_BYTES = pa.list_(pa.binary())


class RowInfo(NamedTuple):
    """What travels past the graph.

    Attributes:
        split: the split.
        shard: the number of the shard.
        part: sorts the shard's rows.
        key: unique within the split.
        height: of the mask, in pixels.
        width: likewise.
        summary: of the row.
        image_format: `png` or `jpeg`; empty where rows have no images.
    """

    split: str
    shard: int
    part: tuple[int, ...]
    key: str
    height: int
    width: int
    summary: summaries.Summary
    image_format: str


class EncodedRow(NamedTuple):
    """A row whose mask is encoded.

    Attributes:
        info: what came past the graph.
        mask: i64[M] or f32[M] as `make_encode_fn` gives it.
        image_bytes: the encoded image, or None.
    """

    info: RowInfo
    mask: npt.NDArray[Any]
    image_bytes: bytes | None


def to_record_batch(batch: CheckedBatch) -> pa.RecordBatch:
    """Checked rows as TF Transform takes them."""
    words = [_words(row.index) for row in batch.rows]
    infos = [
        RowInfo(
            batch.split,
            batch.shard,
            (*batch.part, number),
            row.key,
            row.index.shape[0],
            row.index.shape[1],
            row.summary,
            row.image_format,
        )
        for number, row in enumerate(batch.rows)
    ]
    offsets = np.cumsum([0, *(len(row) for row in words)], dtype=np.int32)
    images = [None if r.image_bytes is None else [r.image_bytes] for r in batch.rows]
    return pa.RecordBatch.from_arrays(
        [
            pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(words))),
            pa.array([[pickle.dumps(info)] for info in infos], _BYTES),
            pa.array(images, _BYTES),
        ],
        [LABEL_WORDS, _ROW, _IMAGE],
    )


def _words(index: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Class indices as i64 words, filled up with zeros."""
    flat = index.ravel()
    missing = -len(flat) % PIXEL_ALIGNMENT
    if missing:
        flat = np.concatenate([flat, np.zeros(missing, flat.dtype)])
    return np.ascontiguousarray(flat).view(np.int64)


def from_record_batch(batch: pa.RecordBatch) -> Iterator[EncodedRow]:
    """Rows as TF Transform gives them."""
    column = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}
    masks = column[MASK_WORDS]
    offsets = masks.offsets.to_numpy()
    values = masks.values.to_numpy(zero_copy_only=True)
    infos = column[_ROW].to_pylist()
    images = column[_IMAGE].to_pylist()
    for number, (info, image) in enumerate(zip(infos, images, strict=True)):
        yield EncodedRow(
            pickle.loads(info[0]),
            values[offsets[number] : offsets[number + 1]],
            image[0] if image else None,
        )


@dataclasses.dataclass(eq=False)
class EncodeMasks(beam.PTransform):
    """Checked batches to record batches of encoded masks.

    It has to stand within a `tft_beam.Context` that passes `PASSTHROUGH_KEYS`.

    Attributes:
        config: the encoding.
    """

    config: features.Config

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        """Runs the encode function over every batch."""
        schema = pa.schema([(LABEL_WORDS, _WORDS), (_ROW, _BYTES), (_IMAGE, _BYTES)])
        words = schema_pb2.TensorRepresentation()
        words.ragged_tensor.feature_path.step.append(LABEL_WORDS)
        words.ragged_tensor.row_partition_dtype = (
            schema_pb2.TensorRepresentation.RowPartitionDType.INT64
        )
        adapter = tensor_adapter.TensorAdapterConfig(schema, {LABEL_WORDS: words})
        # No analyzers, so there is nothing to analyse; this only traces the function.
        nothing = batches.pipeline | "NoData" >> beam.Create([], reshuffle=False)
        encode_fn = (nothing, adapter) | "TraceEncodeFn" >> tft_beam.AnalyzeDataset(
            make_encode_fn(self.config)
        )
        rows = batches | "ToRecordBatch" >> beam.Map(to_record_batch)
        encoded, _ = (
            (rows, adapter),
            encode_fn,
        ) | "RunEncodeFn" >> tft_beam.TransformDataset(output_record_batches=True)
        # (record batch, columns of one value for all rows, of which there are none)
        return encoded | "RecordBatch" >> beam.Map(lambda element: element[0])
