"""NumPy and Pillow in a pool of processes, which write WebDataset tars."""

import glob
import io
import multiprocessing
import os
import pathlib
import tarfile
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from PIL import Image

from tests.benchmarks.job import Job
from tests.benchmarks.rows import training_pair

_ROWS_PER_TAR = 500


def write(job: Job) -> None:
    """Converts all rows."""
    rows = list(zip(job.label_files, job.image_files or job.label_files, strict=True))
    pieces = range(0, len(rows), _ROWS_PER_TAR)
    tasks = [(job, n, rows[at : at + _ROWS_PER_TAR]) for n, at in enumerate(pieces)]
    # Forked processes would share TensorFlow's threads; these do not need it.
    with multiprocessing.get_context("spawn").Pool(job.workers) as pool:
        pool.starmap(_write_tar, tasks, chunksize=1)


def _write_tar(job: Job, number: int, rows: list[tuple[str, str]]) -> None:
    one_hot = np.eye(job.num_classes + 1, job.num_classes, dtype=np.uint8)[job.table]
    with tarfile.open(os.path.join(job.output, f"{number:06}.tar"), "w") as tar:
        for label, image in rows:
            stem = pathlib.Path(label).stem
            buffer = io.BytesIO()
            np.savez_compressed(buffer, mask=one_hot[np.asarray(Image.open(label))])
            _add(tar, f"{stem}.mask.npz", buffer.getvalue())
            if job.images:
                path = pathlib.Path(image)
                _add(tar, f"{stem}{path.suffix}", path.read_bytes())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def read(job: Job, batch: int) -> tf.data.Dataset:
    """What `write` wrote, in batches for training."""

    def rows() -> Iterator[tuple[np.ndarray, bytes]]:
        for path in sorted(glob.glob(os.path.join(job.output, "*.tar"))):
            with tarfile.open(path) as tar:
                members = iter(tar)
                for member in members:
                    mask = np.load(io.BytesIO(_content(tar, member)))["mask"]
                    image = b""
                    if job.images:
                        image = _content(tar, next(members))
                    yield mask, image

    shape = (*job.size, job.num_classes)
    signature = (tf.TensorSpec(shape, tf.uint8), tf.TensorSpec([], tf.string))
    pairs = tf.data.Dataset.from_generator(rows, output_signature=signature).map(
        lambda mask, image: training_pair(mask, image if job.images else None),
        tf.data.AUTOTUNE,
    )
    return pairs.batch(batch).prefetch(2)
