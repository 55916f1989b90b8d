"""Skilled tf.data with TensorFlow's own PNG writer: stock ops alone."""

import tensorflow as tf

from tests.benchmarks import peer_tf_data
from tests.benchmarks.job import Job


def write(job: Job) -> None:
    """Converts all rows."""
    peer_tf_data.convert(
        job,
        peer_tf_data.look_up(job),
        lambda pixels: tf.io.encode_png(pixels[..., tf.newaxis], compression=1),
        lambda png: png,
    )


def read(job: Job, batch: int) -> tf.data.Dataset:
    """What `write` wrote, in batches for training."""
    dtype = tf.uint16 if peer_tf_data.is_packed(job) else tf.uint8
    return peer_tf_data.read_back(
        job, lambda png: tf.io.decode_png(png, channels=1, dtype=dtype)[..., 0], batch
    )
