"""Contestants of `epoch` that maskbeam does not need, in an environment of their own.

    ENVIRONMENT/bin/python tests/benchmarks/epoch_peers.py CONTESTANT prepare|read TASK

`make_peers.sh` makes it. All decode by OpenCV but Hugging Face datasets, which have
Pillow do it; each is used as its own guide for training says.
"""

import pathlib
import pickle
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.benchmarks.epoch_task import (  # noqa: E402
    Contestants,
    Epochs,
    Task,
    one_hot,
    run_step,
)

Row = tuple[Any, ...]


def _decode(task: Task, label: bytes, image: bytes | None) -> Row:
    """Decodes a row: image u8[H W 3] if there is one, ids [H W]."""
    import cv2

    cv2.setNumThreads(0)  # workers are as many as cores
    ids = cv2.imdecode(np.frombuffer(label, np.uint8), cv2.IMREAD_UNCHANGED)
    sides = task.size[::-1]
    if task.size != task.shape:
        ids = cv2.resize(ids, sides, interpolation=cv2.INTER_NEAREST)
    if image is None:
        return (ids,)
    levels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    if task.size != task.shape:
        levels = cv2.resize(levels, sides, interpolation=cv2.INTER_LINEAR)
    return (cv2.cvtColor(levels, cv2.COLOR_BGR2RGB), ids)


def _finished(task: Task, row: Iterable[Any]) -> Row:
    """Makes of a batch of levels and ids what the model gets."""
    *images, ids = map(np.asarray, row)
    scale, offset = task.scale if task.centred else (np.float32(1 / 255), None)
    scaled = [np.multiply(one, scale) for one in images]
    if offset is not None:
        scaled = [np.add(one, offset, out=one) for one in scaled]
    return (*scaled, one_hot(ids, task.num_classes) if task.one_hot else ids)


def _sources(task: Task) -> list[tuple[str, str | None]]:
    images: list[str | None] = [*task.image_files] or [None] * len(task.label_files)
    return list(zip(task.label_files, images, strict=True))


def _bytes(path: str | None) -> bytes | None:
    return None if path is None else pathlib.Path(path).read_bytes()


def _in_batches(task: Task, dataset: Any) -> Epochs:
    """PyTorch's DataLoader; what is large is made after rows have left the workers."""
    import torch
    from torch.utils.data import DataLoader

    def collate(rows: list[Row]) -> Row:
        return tuple(
            torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)
        )

    loader = DataLoader(
        dataset,
        task.batch,
        num_workers=task.workers,
        collate_fn=collate,
        persistent_workers=True,
        prefetch_factor=4,
    )
    return lambda: (_finished(task, batch) for batch in loader)


def _read_torch(task: Task) -> Epochs:
    from torch.utils.data import Dataset

    rows = _sources(task)

    class Files(Dataset[Row]):
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, number: int) -> Row:
            label, image = map(_bytes, rows[number])
            assert label is not None
            return _decode(task, label, image)

    return _in_batches(task, Files())


def _write_streaming(task: Task) -> None:
    from streaming import MDSWriter

    columns = {"label": "bytes"} | ({"image": "bytes"} if task.images else {})
    with MDSWriter(out=f"{task.work}/mds", columns=columns) as writer:
        for label, image in _sources(task):
            row = {"label": _bytes(label), "image": _bytes(image)}
            writer.write({name: row[name] for name in columns})


def _read_streaming(task: Task) -> Epochs:
    from streaming import StreamingDataset

    class Rows(StreamingDataset):
        def __getitem__(self, at: Any) -> Any:
            found = super().__getitem__(at)
            return _decode(task, found["label"], found.get("image"))

    rows = Rows(local=f"{task.work}/mds", batch_size=task.batch, shuffle=False)
    return _in_batches(task, rows)


def _write_array_records(task: Task) -> None:
    from array_record.python import array_record_module

    writer = array_record_module.ArrayRecordWriter(
        f"{task.work}/rows.array_record", "group_size:1"
    )
    for paths in _sources(task):
        writer.write(pickle.dumps(tuple(map(_bytes, paths))))
    writer.close()


def _read_grain(task: Task) -> Epochs:
    import grain

    source = grain.sources.ArrayRecordDataSource([f"{task.work}/rows.array_record"])
    rows = (
        grain.MapDataset.source(source)
        .map(lambda record: _decode(task, *pickle.loads(record)))
        .to_iter_dataset(grain.ReadOptions(num_threads=4 * task.workers))
        .batch(task.batch)
        .map(lambda row: _finished(task, row))
    )
    return lambda: rows


def _write_hugging_face(task: Task) -> None:
    import datasets

    names = ("label", "image") if task.images else ("label",)
    columns = {
        name: [{"bytes": _bytes(path), "path": None} for path in paths]
        for name, paths in zip(
            ("label", "image"), zip(*_sources(task), strict=True), strict=True
        )
        if name in names
    }
    features = datasets.Features({name: datasets.Image() for name in names})
    datasets.Dataset.from_dict(columns, features).save_to_disk(f"{task.work}/arrow")


def _read_hugging_face(task: Task) -> Epochs:
    import datasets
    from PIL import Image

    rows = datasets.load_from_disk(f"{task.work}/arrow")
    sides = task.size[::-1]

    def decoded(batch: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for name, ways in (
            ("image", Image.Resampling.BILINEAR),
            ("label", Image.Resampling.NEAREST),
        ):
            if name in batch:
                pictures = (
                    one if task.size == task.shape else one.resize(sides, ways)
                    for one in batch[name]
                )
                found[name] = [np.asarray(picture) for picture in pictures]
        return found

    rows = rows.with_transform(decoded)

    def epoch() -> Iterator[Row]:
        for batch in rows.iter(task.batch):
            names = [name for name in ("image", "label") if name in batch]
            yield _finished(task, [np.stack(batch[name]) for name in names])

    return epoch


CONTESTANTS: Contestants = {
    "hugging_face": (_write_hugging_face, _read_hugging_face),
    "grain": (_write_array_records, _read_grain),
    "streaming": (_write_streaming, _read_streaming),
    "torch": (lambda task: None, _read_torch),
}


if __name__ == "__main__":
    run_step(CONTESTANTS)
