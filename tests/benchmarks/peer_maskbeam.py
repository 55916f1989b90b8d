"""maskbeam, by its command line: statistics, checks, graph and all."""

import tensorflow as tf

from maskbeam.transforms.records import load
from tests.benchmarks.job import Job


def write(job: Job) -> None:
    """Converts all rows."""
    from maskbeam.pipeline.command_line import main

    images = ["--images", f"{job.images}/*"] if job.images else []
    code = main(
        [
            "convert",
            "--label_maps",
            f"{job.label_maps}/*",
            *images,
            "--classes",
            job.classes,
            "--output",
            f"{job.output}/dataset",
            "--direct_num_workers",
            str(job.workers),
            *(["--preprocessing_fn", job.function] if job.function else []),
            *job.options,
        ]
    )
    if code:
        raise RuntimeError(f"maskbeam's exit code is {code}")


def read(job: Job, batch: int) -> tf.data.Dataset:
    """What `write` wrote, in batches for training."""

    def pair(row: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        return (row["image"], row["mask"]) if job.images else (row["mask"],)

    return load(f"{job.output}/dataset", "train", batch_size=batch).map(pair)


def read_ids(job: Job, batch: int) -> tf.data.Dataset:
    """The same, with class indices in place of masks, and no images."""
    rows = load(
        f"{job.output}/dataset",
        "train",
        batch_size=batch,
        packed=True,
        columns=["index"],
    )
    return rows.map(lambda row: (row["index"],))
