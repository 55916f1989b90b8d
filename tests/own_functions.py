"""Functions of users for tests, and where their columns have to agree."""

import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from maskbeam.transforms import arrays, features, load, load_transform, signatures

DOCS = pathlib.Path(__file__).parents[1] / "docs/your_function.md"

Row = Mapping[str, np.ndarray]


def documented(directory: pathlib.Path) -> dict[str, pathlib.Path]:
    """Writes the examples of the documentation as they stand; gives files by name."""
    found = {}
    text = DOCS.read_text("utf-8")
    for match in re.finditer(r"```python\n(# (\w+)\.py\n.*?)```", text, re.DOTALL):
        found[match[2]] = directory / f"{match[2]}.py"
        found[match[2]].write_text(match[1], "utf-8")
    return found


# All kinds of columns, of inputs and of operations; two passes.
EVERYTHING = """
import tensorflow as tf
import tensorflow_transform as tft

SIZES = {"small": 1, "large": 2}


@tf.function
def lighter(picture):
    tf.debugging.assert_greater(tf.reduce_min(picture), -9.0)
    if tf.reduce_mean(picture) > 0.5:
        return picture
    return tf.sqrt(tf.abs(picture)) / 3 * 7


def preprocessing_fn(inputs):
    image, label, mask = inputs["image"], inputs["label"], inputs["mask"]
    light = tf.reduce_mean(inputs["image"], axis=[1, 2, 3])
    scaled = tft.scale_to_z_score(light)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(list(SIZES), list(SIZES.values())), -1
    )
    kind = tf.where(tf.reduce_mean(mask[..., 1], [1, 2]) < 0.3, "small", "large")
    last = tf.strings.substr(inputs["key"], -1, 1)
    outputs = dict(inputs)
    outputs["image"] = (inputs["image"] * 255 - 7) / 3
    outputs["lighter"] = tf.map_fn(lighter, image)
    outputs["both"] = image[..., 0] * tf.cast(label, tf.float32)
    outputs["levels_sum"] = tf.reduce_sum(tf.cast(inputs["levels"], tf.int64), [1, 2])
    outputs["nothing"] = tf.reduce_mean(image[..., 0], [1, 2]) * 0.0 / 0.0
    outputs["bytes"] = tf.strings.join([inputs["key"], "\\0\\0"])
    outputs["size"] = tf.cast(table.lookup(kind), tf.int64)
    outputs["kind"] = tf.strings.join([kind, last], "-")
    outputs["classes"] = tf.reduce_max(mask, axis=[1, 2])
    outputs["scaled"] = scaled
    outputs["of_scaled"] = tft.scale_to_0_1(scaled * 3)
    outputs["last"] = tft.compute_and_apply_vocabulary(last, vocab_filename="last")
    outputs["where"] = tf.stack([light - tft.mean(mask), light], axis=1)
    return outputs
"""
STORED = ("both", "levels_sum", "kind", "size", "bytes", "nothing")


def rows_of(directory: pathlib.Path, split: str) -> dict[str, Row]:
    """The rows of a split, by key, read one by one."""
    return {
        row["key"].numpy().decode(): {n: arrays.array_of(v) for n, v in row.items()}
        for row in load(str(directory), split)
    }


def _cut(value: Any, like: np.ndarray) -> np.ndarray:
    """A value without the padding of its batch."""
    dense = value.to_tensor() if isinstance(value, tf.RaggedTensor) else value
    if like.dtype == object and not like.shape:
        return np.array(dense.numpy(), dtype=object)
    return np.asarray(dense)[tuple(slice(size) for size in like.shape)]


def _compare(where: str, found: Mapping[str, Any], rows: list[Row]) -> set[str]:
    """Holds a batch against rows, bit for bit; gives the columns that both have."""
    shared = found.keys() & rows[0].keys()
    for name in shared:
        values = found[name]
        for place, row in enumerate(rows):
            np.testing.assert_array_equal(
                _cut(values[place], row[name]), row[name], f"{where}: {name}"
            )
    return shared


def _example(label: bytes, image: bytes, key: str) -> bytes:
    values = {
        features.EXAMPLE_LABEL: label,
        features.EXAMPLE_IMAGE: image,
        features.EXAMPLE_KEY: key.encode(),
    }
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    features_ = tf.train.Features(feature=feature)
    return bytes(tf.train.Example(features=features_).SerializeToString())


def check_everywhere(
    directory: pathlib.Path,
    split: str,
    labels: Mapping[str, bytes],
    images: Mapping[str, bytes],
) -> dict[str, Row]:
    """Holds batches, graph and serving against rows; gives the rows.

    Args:
        directory: the dataset.
        split: the split.
        labels: the encoded label maps of some rows, by key.
        images: their images.
    """
    rows = rows_of(directory, split)
    for batch in load(str(directory), split, batch_size=3):
        keys = [key.decode() for key in batch["key"].numpy()]
        _compare("a batch", batch, [rows[key] for key in keys])
    manifest = json.loads((directory / "manifest.json").read_text())
    own = {c["name"]: set(c["inputs"]) for c in manifest["options"]["own_columns"]}
    assert own
    keys = sorted(labels)
    some = [rows[key] for key in keys]
    label_bytes = tf.constant([labels[key] for key in keys])
    image_bytes = tf.constant([images[key] for key in keys])
    raw = {"label_bytes": label_bytes, "image_bytes": image_bytes}

    graph = tft.TFTransformOutput(str(directory / "transform_graph"))
    if "key" in graph.raw_feature_spec():
        raw["key"] = tf.constant(keys)
    found = graph.transform_raw_features(raw)
    assert own.keys() <= _compare("the graph", found, some)
    served = load_transform(str(directory))
    image, label = {"image", "levels"}, {"label", "mask"}
    for where, found, inputs in (
        ("image", served(image_bytes=image_bytes), image),
        ("label_map", served(label_bytes=label_bytes), label),
        (
            "example",
            served._model.signatures[signatures.EXAMPLE](
                examples=tf.constant(
                    [_example(labels[key], images[key], key) for key in keys]
                )
            ),
            image | label | {"key"},
        ),
        (
            "decode_record",
            served.decode_record(tf.constant(_records(directory, split, keys))),
            image | label | {"key"},
        ),
    ):
        shared = _compare(where, found, some)
        assert {n for n in own if own[n] <= inputs} == own.keys() & shared, where
    # A part is left out, as TF Transform's own loader does.
    alone = graph.transform_raw_features(
        raw | {"label_bytes": tf.constant([""] * len(keys))}
    )
    of_image = {name for name in own if own[name] <= image}
    _compare("images alone", {n: alone[n] for n in of_image}, some)
    return rows


def _records(directory: pathlib.Path, split: str, keys: list[str]) -> list[bytes]:
    """The records of some keys, in their order."""
    manifest = json.loads((directory / "manifest.json").read_text())
    shards = [shard["file"] for shard in manifest["splits"][split]["shards"]]
    found = {}
    for shard in shards:
        for record in tf.data.TFRecordDataset(str(directory / shard)):
            example = tf.train.Example.FromString(record.numpy())
            key = example.features.feature["key"].bytes_list.value[0].decode()
            found[key] = record.numpy()
    return [found[key] for key in keys]
