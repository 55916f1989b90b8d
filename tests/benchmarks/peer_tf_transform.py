"""TF Transform as its guide does it: analyse and transform, float32 out.

The analyzers are what a user of masks asks for: the pixels of each class, and with
images their mean. Images are stored as they came.
"""

import glob
import os
import pathlib
import runpy

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tfx_bsl.coders.example_coder import RecordBatchToExamples

from tests.benchmarks import peer_tutorial
from tests.benchmarks.job import Job

_BATCH_BYTES = 64 << 20  # of float32 masks; TF Transform's own size is by time


def write(job: Job) -> None:
    """Converts all rows."""
    files = {"label": job.label_files}
    if job.images:
        files["image"] = job.image_files
    metadata = tft.DatasetMetadata.from_feature_spec(
        {name: tf.io.FixedLenFeature([], tf.string) for name in files}
    )
    rows = [
        dict(zip(files, row, strict=True)) for row in zip(*files.values(), strict=True)
    ]
    mask_bytes = 4 * job.size[0] * job.size[1] * job.num_classes
    options = PipelineOptions(
        direct_running_mode="multi_threading", direct_num_workers=job.workers
    )
    with (
        beam.Pipeline("FnApiRunner", options=options) as root,
        tft_beam.Context(
            temp_dir=os.path.join(job.output, "tmp"),
            desired_batch_size=max(1, _BATCH_BYTES // mask_bytes),
        ),
    ):
        raw = root | beam.Create(rows) | beam.Map(_read)
        (transformed, _), transform_fn = (
            raw,
            metadata,
        ) | tft_beam.AnalyzeAndTransformDataset(
            _preprocessing_fn(job), output_record_batches=True
        )
        _ = (
            transformed
            | beam.FlatMapTuple(lambda batch, _: RecordBatchToExamples(batch))
            | beam.io.WriteToTFRecord(os.path.join(job.output, "data"))
        )
        _ = transform_fn | tft_beam.WriteTransformFn(os.path.join(job.output, "graph"))


def _read(row: dict[str, str]) -> dict[str, bytes]:
    return {name: pathlib.Path(path).read_bytes() for name, path in row.items()}


def _preprocessing_fn(job: Job):
    table, size, num_classes = job.table, job.size, job.num_classes
    function = job.function

    def decode_label(encoded: tf.Tensor) -> tf.Tensor:
        label = tf.io.decode_png(encoded, channels=1)[..., 0]
        return tf.ensure_shape(label, size)

    def decode_image(encoded: tf.Tensor) -> tf.Tensor:
        levels = tf.io.decode_image(encoded, 3, expand_animations=False)
        return tf.cast(tf.ensure_shape(levels, [*size, 3]), tf.float32) / 255

    def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        label = tf.map_fn(decode_label, inputs["label"], fn_output_signature=tf.uint8)
        label = tf.ensure_shape(label, [None, *size])
        index = tf.gather(tf.constant(table), tf.cast(label, tf.int32))
        mask = tf.one_hot(index, num_classes)
        rows = tf.shape(label)[0]
        pixels = tft.sum(tf.reduce_sum(mask, [1, 2]), reduce_instance_dims=False)
        outputs = {"mask": mask, "pixels": tf.repeat(pixels[tf.newaxis], rows, axis=0)}
        if function:
            own = runpy.run_path(function)["preprocessing_fn"]
            outputs |= own({"mask": mask, "label": tf.cast(index, tf.int64)})
        if "image" in inputs:
            image = tf.map_fn(
                decode_image, inputs["image"], fn_output_signature=tf.float32
            )
            channels = tf.reduce_mean(tf.ensure_shape(image, [None, *size, 3]), [1, 2])
            mean = tft.mean(channels, reduce_instance_dims=False)
            outputs["image"] = inputs["image"]
            outputs["mean"] = tf.repeat(mean[tf.newaxis], rows, axis=0)
        return outputs

    return preprocessing_fn


def read(job: Job, batch: int) -> tf.data.Dataset:
    """What `write` wrote, in batches for training."""
    paths = sorted(glob.glob(os.path.join(job.output, "data-*")))
    return peer_tutorial.read_floats(paths, job, batch)
