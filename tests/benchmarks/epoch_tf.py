"""Contestants of `epoch` that read by tf.data: files, TFRecords of files, maskbeam.

python -m tests.benchmarks.epoch_tf CONTESTANT prepare|read TASK
"""

import os
from collections.abc import Callable

import tensorflow as tf

from maskbeam.transforms import load
from tests.benchmarks.epoch_task import Contestants, Epochs, Task, run_step

Row = tuple[tf.Tensor, ...]
_RECORDS = "rows.tfrecord"


def _decode(task: Task, label: tf.Tensor, image: tf.Tensor | None) -> Row:
    """Decodes a row as a skilled user does: by what he knows of his files."""
    dtype = tf.uint16 if task.is_deep else tf.uint8
    ids = tf.io.decode_png(label, channels=1, dtype=dtype)
    if task.size != task.shape:
        ids = tf.image.resize(ids, task.size, "nearest")
    row: Row = (tf.ensure_shape(ids, [*task.size, 1])[..., 0],)
    if image is None:
        return row
    levels = tf.io.decode_jpeg(image, channels=3)  # which decodes PNGs, too
    if task.size != task.shape:
        levels = tf.image.resize(levels, task.size)
    levels = tf.cast(levels, tf.float32)
    if not task.centred:
        return (levels / 255.0, *row)
    scale, offset = task.scale
    return (levels * scale + offset, *row)


def _batched(task: Task, rows: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of rows; one-hot vectors are made of a whole batch, which is faster."""
    batches = rows.batch(task.batch, num_parallel_calls=tf.data.AUTOTUNE)
    if task.one_hot:

        def encode(*row: tf.Tensor) -> Row:
            *image, ids = row
            ids = tf.cast(ids, tf.int32) if task.is_deep else ids
            return (*image, tf.one_hot(ids, task.num_classes))

        batches = batches.map(encode, tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def _read_files(task: Task) -> tf.data.Dataset:
    paths = (task.label_files, task.image_files)
    names = tf.data.Dataset.from_tensor_slices(tuple(filter(None, paths)))

    def row(*names: tf.Tensor) -> Row:
        label, image = [*map(tf.io.read_file, names), None][:2]
        return _decode(task, label, image)

    return _batched(task, names.map(row, tf.data.AUTOTUNE))


def _write_records(task: Task) -> None:
    with tf.io.TFRecordWriter(os.path.join(task.work, _RECORDS)) as writer:
        images = task.image_files or [""] * len(task.label_files)
        for paths in zip(task.label_files, images, strict=True):
            example = tf.train.Example()
            for name, path in zip(("label", "image"), paths, strict=True):
                if path:
                    with open(path, "rb") as file:
                        value = example.features.feature[name].bytes_list.value
                        value.append(file.read())
            writer.write(example.SerializeToString())


def _read_records(task: Task) -> tf.data.Dataset:
    names = ("label", "image") if task.images else ("label",)
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in names}

    def row(record: tf.Tensor) -> Row:
        found = tf.io.parse_single_example(record, spec)
        return _decode(task, found["label"], found.get("image"))

    records = tf.data.TFRecordDataset(os.path.join(task.work, _RECORDS))
    return _batched(task, records.map(row, tf.data.AUTOTUNE))


def _convert(task: Task) -> None:
    from maskbeam.pipeline import convert

    encoding, storage = task.option.split(" ")
    convert(
        label_maps={"train": f"{task.label_maps}/*"},
        images={"train": f"{task.images}/*"} if task.images else {},
        num_classes=task.num_classes,
        # Void is 11 in CamVid, and the largest value of drawn label maps.
        ignore_label=(task.num_classes, 65535 if task.is_deep else 255),
        size=task.size,
        mask_encoding=encoding,
        image_storage=storage,
        normalize="zscore" if task.centred else "unit",
        output=f"{task.work}/dataset",
        overwrite=True,
    )


def _load(task: Task) -> tf.data.Dataset:
    target = "mask" if task.one_hot else "index"
    names = ["image", target] if task.images else [target]
    rows = load(
        f"{task.work}/dataset",
        "train",
        batch_size=task.batch,
        packed=not task.one_hot,
        columns=names,
    )
    return rows.map(lambda row: tuple(row[name] for name in names))


def _epochs(read: Callable[[Task], tf.data.Dataset]) -> Callable[[Task], Epochs]:
    """Opens a dataset once, and reads it again and again."""

    def opened(task: Task) -> Epochs:
        rows = read(task)
        return lambda: rows

    return opened


CONTESTANTS: Contestants = {
    "files": (lambda task: None, _epochs(_read_files)),
    "tfrecords": (_write_records, _epochs(_read_records)),
    "maskbeam": (_convert, _epochs(_load)),
}


if __name__ == "__main__":
    run_step(CONTESTANTS)
