"""A TFDS builder with Beam: Pillow and NumPy in `_generate_examples`."""

import pathlib

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import PipelineOptions
from PIL import Image

from tests.benchmarks.job import Job
from tests.benchmarks.rows import training_pair


class Masks(tfds.core.GeneratorBasedBuilder):
    """One split of one-hot masks."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, job: Job, **options: object) -> None:
        self._job = job
        super().__init__(data_dir=job.output, **options)

    def _info(self) -> tfds.core.DatasetInfo:
        job = self._job
        features = {
            "mask": tfds.features.Tensor(
                shape=(*job.size, job.num_classes), dtype=np.uint8, encoding="zlib"
            )
        }
        if job.images:
            features["image"] = tfds.features.Image(shape=(*job.size, 3))
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager: object) -> dict[str, beam.PTransform]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> beam.PTransform:
        job = self._job
        files = [job.label_files]
        if job.images:
            files.append(job.image_files)
        one_hot = np.eye(job.num_classes + 1, job.num_classes, dtype=np.uint8)
        table = one_hot[job.table]  # the last row, of -1, is all zero

        def example(paths: tuple[str, ...]) -> tuple[str, dict[str, object]]:
            row = {"mask": table[np.asarray(Image.open(paths[0]))]}
            if len(paths) > 1:
                row["image"] = paths[1]
            return pathlib.Path(paths[0]).stem, row

        return beam.Create(list(zip(*files, strict=True))) | beam.Map(example)


def write(job: Job) -> None:
    """Converts all rows."""
    options = PipelineOptions(
        direct_running_mode="multi_threading", direct_num_workers=job.workers
    )
    Masks(job).download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            beam_runner="FnApiRunner", beam_options=options
        )
    )


def read(job: Job, batch: int) -> tf.data.Dataset:
    """What `write` wrote, in batches for training."""
    decoders = {"image": tfds.decode.SkipDecoding()} if job.images else None
    rows = Masks(job).as_dataset(split="train", decoders=decoders)
    rows = rows.map(
        lambda row: training_pair(row["mask"], row.get("image")), tf.data.AUTOTUNE
    )
    return rows.batch(batch).prefetch(2)
