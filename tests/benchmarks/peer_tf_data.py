"""Skilled tf.data: the content of maskbeam's default records, without its checks.

To 16 classes the mask is packed in words, beyond it is class indices; both deflated.
With images their sums are counted too, for their mean and deviation.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tests.benchmarks.job import Job
from tests.benchmarks.rows import rows_of, training_pair

_FILE = "data.tfrecord"
Encode = Callable[[tf.Tensor], tf.Tensor]
Finish = Callable[[Any], bytes]


def is_packed(job: Job) -> bool:
    """Whether masks are words, u16; else they are indices, u8, 255 ignored."""
    return job.num_classes <= 16


def table(job: Job) -> npt.NDArray[Any]:
    """From id to word or index: u16[256] or u8[256]."""
    if is_packed(job):
        words = np.where(job.table < 0, 0, 1 << np.clip(job.table, 0, 15))
        return words.astype(np.uint16)
    return np.where(job.table < 0, 255, job.table).astype(np.uint8)


def look_up(job: Job) -> Encode:
    """Makes the function from ids u8[H W] to words or indices, by a table."""
    values = tf.constant(table(job))
    return lambda label: tf.gather(values, tf.cast(label, tf.int32))


def convert(job: Job, classify: Encode, encode: Encode, finish: Finish) -> None:
    """Converts all rows.

    Args:
        job: the rows.
        classify: in the graph, from ids u8[H W] to words or indices.
        encode: in the graph, what becomes of these.
        finish: after the graph, from that to the bytes of the record.
    """

    def work(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        label = tf.io.decode_png(row["label"], channels=1)[..., 0]
        done = {"mask": encode(classify(label))}
        if "image" in row:
            levels = tf.io.decode_image(row["image"], 3, expand_animations=False)
            levels = tf.cast(levels, tf.float32)
            sums = [tf.reduce_sum(levels, [0, 1]), tf.reduce_sum(levels**2, [0, 1])]
            done |= {"image": row["image"], "sums": tf.stack(sums)}
        return done

    rows = rows_of(job).map(work, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    sums = np.zeros([2, 3])
    with tf.io.TFRecordWriter(os.path.join(job.output, _FILE)) as writer:
        for number, row in enumerate(rows.as_numpy_iterator()):
            feature = {
                "key": _bytes(str(number).encode()),
                "image/height": _int(job.size[0]),
                "image/width": _int(job.size[1]),
                "mask": _bytes(finish(row["mask"])),
            }
            if "image" in row:
                feature["image/encoded"] = _bytes(row["image"])
                sums += row["sums"]
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    np.save(os.path.join(job.output, "sums.npy"), sums)


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _int(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def read_back(job: Job, decode: Encode, batch: int) -> tf.data.Dataset:
    """What `convert` wrote, for training.

    Args:
        job: the rows.
        decode: from the record's bytes to the words or indices [H W].
        batch: how many rows make one.
    """
    spec = {"mask": tf.io.FixedLenFeature([], tf.string)}
    if job.images:
        spec["image/encoded"] = tf.io.FixedLenFeature([], tf.string)

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        row = tf.io.parse_single_example(record, spec)
        index = decode(row["mask"])
        if is_packed(job):
            # The bits below the one that is set are as many as the index.
            index = tf.raw_ops.PopulationCount(x=index - tf.constant(1, tf.uint16))
        mask = tf.one_hot(tf.ensure_shape(index, job.size), job.num_classes)
        return training_pair(mask, row.get("image/encoded"))

    path = os.path.join(job.output, _FILE)
    rows = tf.data.TFRecordDataset(path).map(parse, tf.data.AUTOTUNE)
    return rows.batch(batch).prefetch(2)
