"""The recipe of most tutorials: `tf.one_hot`, a `FloatList`, one TFRecord file."""

import os

import tensorflow as tf

from tests.benchmarks.job import Job
from tests.benchmarks.rows import rows_of, training_pair

_FILE = "data.tfrecord"


def write(job: Job) -> None:
    """Converts all rows."""
    table = tf.constant(job.table)

    def encode(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        label = tf.io.decode_png(row["label"], channels=1)[..., 0]
        index = tf.gather(table, tf.cast(label, tf.int32))
        return {**row, "mask": tf.one_hot(index, job.num_classes)}

    with tf.io.TFRecordWriter(os.path.join(job.output, _FILE)) as writer:
        for row in rows_of(job).map(encode):
            mask = row["mask"].numpy().flatten()
            feature = {
                "mask": tf.train.Feature(float_list=tf.train.FloatList(value=mask))
            }
            if job.images:
                image = tf.train.BytesList(value=[row["image"].numpy()])
                feature["image"] = tf.train.Feature(bytes_list=image)
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def read(job: Job, batch: int) -> tf.data.Dataset:
    """What `write` wrote, in batches for training."""
    return read_floats([os.path.join(job.output, _FILE)], job, batch)


def read_floats(paths: list[str], job: Job, batch: int) -> tf.data.Dataset:
    """Records of float32 masks, for training."""
    spec = {"mask": tf.io.FixedLenFeature([*job.size, job.num_classes], tf.float32)}
    if job.images:
        spec["image"] = tf.io.FixedLenFeature([], tf.string)

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        row = tf.io.parse_single_example(record, spec)
        return training_pair(row["mask"], row.get("image"))

    rows = tf.data.TFRecordDataset(paths).map(parse, tf.data.AUTOTUNE)
    return rows.batch(batch).prefetch(2)
