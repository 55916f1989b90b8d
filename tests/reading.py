"""Datasets read back: by our loader, by TFDS and by hand."""

import hashlib
import json
import pathlib
import re

import numpy as np

from maskbeam.transforms import records


def load_all(directory: pathlib.Path, split: str = "train") -> dict[str, dict]:
    """All rows of a split as NumPy, by key."""
    rows = records.load(str(directory), split).as_numpy_iterator()
    return {row["key"].decode(): row for row in rows}


def load_raw(directory: pathlib.Path, split: str = "train") -> dict[str, dict]:
    """The columns of all records of a split, by key."""
    rows = records.load(str(directory), split, raw=True).as_numpy_iterator()
    return {row["key"].decode(): row for row in rows}


def manifest(directory: pathlib.Path) -> dict:
    """The manifest."""
    return json.loads((directory / "manifest.json").read_text())


def reseal(directory: pathlib.Path) -> None:
    """Makes the manifest agree with its files again, as a forger would."""
    path = directory / "manifest.json"
    tree = json.loads(path.read_text())
    del tree["self_sha256"]
    tree["files"] = {
        str(file.relative_to(directory)): {
            "bytes": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in directory.rglob("*")
        if file.is_file() and file != path
    }
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    tree["self_sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(tree))


def stats(directory: pathlib.Path) -> dict:
    """The statistics."""
    return json.loads((directory / "stats.json").read_text())


def report(directory: pathlib.Path) -> str:
    """The report's page, without what differs by run: the time and the command."""
    page = (directory / "report.html").read_text(encoding="utf-8")
    page = re.sub(r"<dt>made</dt><dd>[^<]*</dd>", "", page)
    return re.sub(r"(?s)<pre>.*?</pre>", "", page)


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


def graph_rows(out: pathlib.Path, **columns: list[bytes]) -> dict[str, list]:
    """What the transform graph alone makes of raw bytes; ragged rows as arrays."""
    found = graph_outputs(out, **columns)
    return {n: rows for n, rows in found.items() if not n.startswith("stats/")}


def graph_outputs(out: pathlib.Path, **columns: list[bytes]) -> dict[str, list]:
    """All that the transform graph gives, its constants too."""
    import tensorflow as tf
    import tensorflow_transform as tft

    graph = tft.TFTransformOutput(str(out / "transform_graph"))
    raw = {name: tf.constant(values) for name, values in columns.items()}
    found = graph.transform_raw_features(raw, drop_unused_features=True)
    return {
        name: [
            row.to_tensor().numpy() if hasattr(row, "to_tensor") else row.numpy()
            for row in tensor
        ]
        for name, tensor in found.items()
    }


def assert_same_graphs(out, expected, **columns: list[bytes]) -> None:
    """Holds transform graph and serving model against those of another dataset."""
    for outputs in (graph_outputs, serving_rows):
        found, wanted = outputs(out, **columns), outputs(expected, **columns)
        assert found.keys() == wanted.keys()
        for name, rows in wanted.items():
            for row, other in zip(found[name], rows, strict=True):
                np.testing.assert_array_equal(row, other, name)


def serving_rows(out: pathlib.Path, **columns: list[bytes]) -> dict[str, list]:
    """What the serving model makes of raw bytes, in one batch, without its padding."""
    import tensorflow as tf

    model = tf.saved_model.load(str(out / "serving/1"))
    signatures = {"image_bytes": "image", "label_bytes": "label_map"}
    rows: dict[str, list] = {}
    for column, values in columns.items():
        signature = model.signatures[signatures[column]]
        found = signature(**{column: tf.constant(values)})
        rows |= {name: list(value.numpy()) for name, value in found.items()}
    if "height" in rows:
        sides = list(zip(rows.pop("height"), rows.pop("width"), strict=True))
        rows = {
            name: [
                value[:height, :width] if value.ndim > 1 else value
                for value, (height, width) in zip(values, sides, strict=True)
            ]
            for name, values in rows.items()
        }
    return rows


def assert_graph_equals_load(out, rows, **columns):
    """Holds both graphs, over raw bytes, by key, against the records."""
    names = {"labels": "label_bytes", "images": "image_bytes"}
    keys = sorted(rows)
    raw = {names[n]: [files[key] for key in keys] for n, files in columns.items()}
    for found in (graph_rows(out, **raw), serving_rows(out, **raw)):
        for number, key in enumerate(keys):
            for name, values in rows[key].items():
                if name != "key":
                    np.testing.assert_array_equal(found[name][number], values, key)
