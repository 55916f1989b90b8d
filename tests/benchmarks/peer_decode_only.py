"""The limit: the files are read and decoded, and nothing is made of them."""

import tensorflow as tf

from tests.benchmarks.job import Job
from tests.benchmarks.rows import rows_of


def write(job: Job) -> None:
    """Decodes all rows."""

    def decode(row: dict[str, tf.Tensor]) -> tf.Tensor:
        pixels = tf.size(tf.io.decode_png(row["label"], channels=1))
        if "image" in row:
            levels = tf.io.decode_image(row["image"], 3, expand_animations=False)
            pixels += tf.size(levels)
        return pixels

    pixels = rows_of(job).map(decode, tf.data.AUTOTUNE)
    pixels.reduce(tf.constant(0, tf.int64), lambda sum, n: sum + tf.cast(n, tf.int64))
