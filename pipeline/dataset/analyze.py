"""Makes the transform graph from the training split's summaries.

TF Transform's analyzers run over the shards' summaries, a few integers each. They are
sums, so the graph is the one that a pass over all pixels would have made.
"""

import dataclasses

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.beam.tft_beam_io import beam_metadata_io
from tfx_bsl.tfxio import tensor_adapter

from maskbeam.pipeline.runtime import files
from maskbeam.transforms import features, summaries
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.preprocessing import make_preprocessing_fn


def raw_feature_spec(config: features.Config) -> dict[str, tf.io.FixedLenFeature]:
    """Describes what the graph's callers send: encoded bytes, and no summaries."""
    names = [features.LABEL_BYTES]
    if config.with_images:
        names.append(features.IMAGE_BYTES)
    return {name: tf.io.FixedLenFeature([], tf.string) for name in names}


def _adapter(config: features.Config) -> tensor_adapter.TensorAdapterConfig:
    """Tells TF Transform that the data has summaries, and the graph more columns."""
    lengths = summaries.spec(config.num_classes, config.with_images)
    representations = {}
    for name, length in lengths.items():
        representation = schema_pb2.TensorRepresentation()
        representation.dense_tensor.column_name = name
        representation.dense_tensor.shape.dim.add().size = length
        representations[name] = representation
    raw = {n: tf.TensorSpec([None], tf.string) for n in raw_feature_spec(config)}
    return tensor_adapter.TensorAdapterConfig(
        pa.schema([(name, pa.list_(pa.int64())) for name in lengths]),
        representations,
        original_type_specs=raw
        | {n: tf.TensorSpec([None, k], tf.int64) for n, k in lengths.items()},
    )


def to_record_batch(summary: summaries.Summary) -> pa.RecordBatch:
    """Makes a summary one row, as TF Transform takes it."""
    column = pa.list_(pa.int64())
    return pa.RecordBatch.from_arrays(
        [pa.array([values], column) for values in summary.values()], list(summary)
    )


@dataclasses.dataclass(eq=False)
class WriteTransformGraph(beam.PTransform):
    """Summary -> one element, once `transform_graph/` is written.

    `tft.TFTransformOutput` opens it. Apply this within a `tft_beam.Context`.

    TensorFlow writes the graph, and has fewer filesystems than Beam: so it is made in
    one place and copied to another.

    Attributes:
        directory: the graph's directory, on any of Beam's filesystems.
        scratch: a directory that all workers reach, on one of TensorFlow's filesystems.
        config: sizes, images, normalisation.
        class_map: from id to class index.
    """

    directory: str
    scratch: str
    config: features.Config
    class_map: ClassMap

    def expand(self, totals: beam.PCollection) -> beam.PCollection:
        """Analyses the summaries, and writes graph and metadata."""
        batches = totals | "ToRecordBatch" >> beam.Map(to_record_batch)
        transform_fn = (
            batches,
            _adapter(self.config),
        ) | "AnalyzeSummaries" >> tft_beam.AnalyzeDataset(
            make_preprocessing_fn(self.config, self.class_map)
        )
        graph = transform_fn | "WriteTransformFn" >> tft_beam.WriteTransformFn(
            self.scratch
        )
        raw = tft.DatasetMetadata.from_feature_spec(raw_feature_spec(self.config))
        metadata = raw | "WriteRawMetadata" >> beam_metadata_io.WriteMetadata(
            f"{self.scratch}/{tft.TFTransformOutput.RAW_METADATA_DIR}",
            totals.pipeline,
        )
        written = (graph, metadata) | "Written" >> beam.Flatten()
        return (
            totals.pipeline
            | "OnceWritten" >> beam.Create([None], reshuffle=False)
            | "CopyGraph"
            >> beam.Map(
                lambda _, done: files.copy_directory(self.scratch, self.directory),
                beam.pvalue.AsList(written),
            )
        )
