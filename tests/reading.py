"""Datasets read back: by our loader, by TFDS and by hand."""

import json
import pathlib

import numpy as np

from transforms import records


def load_all(directory: pathlib.Path, split: str = "train") -> dict[str, dict]:
    """All rows of a split as NumPy, by key."""
    rows = records.load(str(directory), split).as_numpy_iterator()
    return {row["key"].decode(): row for row in rows}


def manifest(directory: pathlib.Path) -> dict:
    """The manifest."""
    return json.loads((directory / "manifest.json").read_text())


def stats(directory: pathlib.Path) -> dict:
    """The statistics."""
    return json.loads((directory / "stats.json").read_text())


def checksums(directory: pathlib.Path) -> dict[str, str]:
    """SHA-256 of every shard, by file name."""
    return {
        shard["file"]: shard["sha256"]
        for split in manifest(directory)["splits"].values()
        for shard in split["shards"]
    }


def rejections(directory: pathlib.Path) -> list[dict]:
    """All lines of `rejected/`."""
    return [
        json.loads(line)
        for path in sorted(directory.glob("rejected/rejected-*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def assert_is_one_hot(row: dict, ids: np.ndarray, index_of: dict[int, int]) -> None:
    """Holds a loaded row against its label map.

    Args:
        row: as `load_all` gives it.
        ids: [H W], the map as an independent reader has it.
        index_of: the class index of each id; -1 for ignored ones.
    """
    expected = np.vectorize(index_of.__getitem__, otypes=[np.int64])(ids)
    valid = expected >= 0
    mask, label = row["mask"], row["label"]
    assert mask.shape[:2] == ids.shape
    np.testing.assert_array_equal(label, expected)
    np.testing.assert_array_equal(mask.argmax(-1)[valid], expected[valid])
    np.testing.assert_array_equal(mask.sum(-1), valid)
    assert set(np.unique(mask)) <= {0.0, 1.0}
