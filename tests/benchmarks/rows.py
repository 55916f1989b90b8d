"""What the peers share: rows as they are read, and as a training loop takes them."""

import tensorflow as tf

from tests.benchmarks.job import Job


def training_pair(mask: tf.Tensor, image: tf.Tensor | None) -> tuple[tf.Tensor, ...]:
    """What a training loop takes.

    Args:
        mask: [H W K].
        image: encoded; None where there are none.

    Returns:
        f32[H W K], and before it where there are images f32[H W 3] in 0..1.
    """
    mask = tf.cast(mask, tf.float32)
    if image is None:
        return (mask,)
    levels = tf.io.decode_image(image, 3, expand_animations=False)
    return (tf.cast(tf.ensure_shape(levels, [None, None, 3]), tf.float32) / 255, mask)


def rows_of(job: Job) -> tf.data.Dataset:
    """The bytes of every row's files: `label`, and `image` where there are images."""
    files = {"label": job.label_files}
    if job.images:
        files["image"] = job.image_files
    return tf.data.Dataset.from_tensor_slices(files).map(
        lambda row: {name: tf.io.read_file(path) for name, path in row.items()},
        tf.data.AUTOTUNE,
    )
