"""Skilled tf.data that deflates with isal in its Python loop.

What maskbeam is slower than this by is the price of Beam and of its checks.
"""

import tensorflow as tf
from isal import isal_zlib

from tests.benchmarks import peer_tf_data
from tests.benchmarks.job import Job


def write(job: Job) -> None:
    """Converts all rows."""
    convert(job, peer_tf_data.look_up(job))


def convert(job: Job, classify: peer_tf_data.Encode) -> None:
    """Converts all rows by a function from ids to words or indices."""
    peer_tf_data.convert(
        job,
        classify,
        lambda pixels: pixels,
        lambda pixels: isal_zlib.compress(pixels, 1),
    )


def read(job: Job, batch: int) -> tf.data.Dataset:
    """What `write` wrote, in batches for training."""
    dtype = tf.uint16 if peer_tf_data.is_packed(job) else tf.uint8

    def decode(data: tf.Tensor) -> tf.Tensor:
        pixels = tf.io.decode_raw(tf.io.decode_compressed(data, "ZLIB"), dtype)
        return tf.reshape(pixels, job.size)

    return peer_tf_data.read_back(job, decode, batch)
