"""What `load` gives, of records made by hand, held against NumPy bit by bit."""

import json
import zlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from maskbeam.transforms import load, stored_masks
from tests import data_generation as data

K = 5
SIZES = [(6, 10), (3, 7), (6, 9)]
SCALING: dict[str, tuple[Any, Any]] = {
    "unit": (1 / 255, 0.0),
    "symmetric": (2 / 255, -1.0),
    "zscore": ([1 / (0.2 * 255), 1 / (0.3 * 255), 0], [-2.0, -1.0, 0]),
}
_COUNTS = [1, 1, 1, 0, 1]
STATS = {
    "classes": list("abcde"),
    "splits": {
        "train": {
            "class_pixels": _COUNTS,
            "class_images": _COUNTS,
            "ignored_pixels": 0,
        }
    },
    "image_mean": [0.4, 0.3, 0.2],
    "image_std": [0.2, 0.3, 0.0],
    "class_weights": {
        "median_frequency": [0.5, 1.0, 2.25, None, 0.1],
        "inverse_frequency": [None] * 5,
    },
}
ROWS = 8
SHARD = "made-train.tfrecord-00000-of-00001"


def _rows(fixed):
    rng = np.random.default_rng(0)
    for number in range(ROWS):
        size = SIZES[0] if fixed else SIZES[number % 3]
        label = rng.integers(-1, K, size)
        yield b"%d" % number, label, rng.integers(0, 256, (*size, 3), np.uint8)


def _mask_columns(encoding, label, fixed):
    one_hot = (label[..., np.newaxis] == np.arange(K)).astype(np.uint8)
    if encoding == "png":
        return {"mask/png": data.png(np.where(label < 0, 255, label).astype(np.uint8))}
    if encoding == "bits":
        pixels = np.packbits(one_hot, -1, bitorder="little")[..., 0]
    else:
        pixels = one_hot
    value: Any = zlib.compress(pixels.tobytes())
    if encoding == "float32":
        value = stored_masks.Floats(pixels.size, [pixels.astype(np.float32)])
    if fixed:
        return {f"mask/{encoding}": value}
    shape = np.array(pixels.shape, np.int64)
    return {f"mask/{encoding}/value": value, f"mask/{encoding}/shape": shape}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Makes datasets: manifest, statistics and a shard."""

    def make(encoding, fixed, normalize):
        directory = tmp_path_factory.mktemp("made")
        options = {"num_classes": K, "mask_encoding": encoding, "with_images": True}
        options |= {"size": SIZES[0] if fixed else None, "normalize": normalize}
        options |= {"weight_map": "median_frequency", "presence": True, "boundary": 1}
        shards = [{"file": SHARD, "records": ROWS}]
        manifest = {"format": 1, "options": options}
        manifest["splits"] = {"train": {"records": ROWS, "shards": shards}}
        (directory / "manifest.json").write_text(json.dumps(manifest))
        (directory / "stats.json").write_text(json.dumps(STATS))
        with tf.io.TFRecordWriter(str(directory / SHARD)) as writer:
            for key, label, image in _rows(fixed):
                columns = {
                    "key": key,
                    "image/height": label.shape[0],
                    "image/width": label.shape[1],
                    "image/encoded": data.png(image),
                    "image/format": "png",
                    **_mask_columns(encoding, label, fixed),
                }
                writer.write(data.serialized(columns))
        return str(directory)

    return make


def _near_another_class(label):
    near = np.zeros(label.shape, np.float32)
    for place in np.ndindex(label.shape):
        around = label[tuple(slice(max(0, at - 1), at + 2) for at in place)]
        near[place] = label[place] >= 0 and (around[around >= 0] != label[place]).any()
    return near


def _expected(fixed, normalize):
    """The rows' model columns, by NumPy."""
    scale, offset = (np.array(one, np.float32) for one in SCALING[normalize])
    weights = np.array(
        [0.5, 1.0, 2.25, 0.0, 0.1, 0.0], np.float32
    )  # the last one: ignored
    for key, label, image in _rows(fixed):
        mask = (label[..., np.newaxis] == np.arange(K)).astype(np.float32)
        yield {
            "key": key,
            "label": label.astype(np.int32),
            "index": np.where(label < 0, 255, label).astype(np.uint8),
            "mask": mask,
            "image": image.astype(np.float32) * scale + offset,
            "weight": weights[label],
            "presence": mask.max((0, 1)),
            "boundary": _near_another_class(label),
            "height": np.int64(label.shape[0]),
            "width": np.int64(label.shape[1]),
        }


def _batch(rows, name):
    """Pads rows to the largest, and stacks them."""
    values = [np.asarray(row[name]) for row in rows]
    shape = np.max([value.shape for value in values], axis=0).astype(int)
    beyond = {"label": -1, "index": 255}.get(name, 0)
    batch: Any = np.full((len(rows), *shape), beyond, values[0].dtype)
    for number, value in enumerate(values):
        place = (number, *(slice(side) for side in value.shape))
        batch[place] = value
    return batch


def _assert_same(found, expected):
    found = np.asarray(found)
    assert (found.dtype.kind, found.shape) == (expected.dtype.kind, expected.shape) or (
        expected.dtype.kind == "S"
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "native"])
@pytest.mark.parametrize(
    ("encoding", "normalize"),
    [
        ("bits", "unit"),
        *(("png", normalize) for normalize in SCALING),
        ("uint8", "symmetric"),
        ("float32", "zscore"),
    ],
)
def test_every_column_is_numpys(dataset, encoding, fixed, normalize):
    directory = dataset(encoding, fixed, normalize)
    rows = list(_expected(fixed, normalize))
    sides = set() if fixed else {"height", "width"}
    for packed, absent in ((False, {"index"}), (True, {"label", "mask"})):
        names = rows[0].keys() - absent
        singles = load(directory, "train", packed=packed)
        for single, row in zip(singles, rows, strict=True):
            assert single.keys() == names - {"height", "width"}
            for name, value in single.items():
                _assert_same(value, np.asarray(row[name]))
        batches = load(directory, "train", packed=packed, batch_size=3)
        for number, batch in enumerate(batches):
            assert batch.keys() == names - {"height", "width"} | sides
            for name, value in batch.items():
                _assert_same(value, _batch(rows[3 * number : 3 * number + 3], name))
        assert number == 2


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "native"])
@pytest.mark.parametrize("encoding", ["png", "uint8"])
def test_columns_are_those_that_are_named(dataset, encoding, fixed):
    directory = dataset(encoding, fixed, "zscore")
    every = next(iter(load(directory, "train", batch_size=ROWS)))
    index = next(iter(load(directory, "train", batch_size=ROWS, packed=True)))["index"]
    for names in (["mask"], ["image"], ["key", "weight"], {"boundary"}, ("label",)):
        (batch,) = load(directory, "train", batch_size=ROWS, columns=names)
        assert batch.keys() == set(names)
        for name in names:
            np.testing.assert_array_equal(batch[name], every[name])
    (batch,) = load(
        directory, "train", batch_size=ROWS, packed=True, columns=["index", "image"]
    )
    np.testing.assert_array_equal(batch["index"], index)
    (row, *_) = load(directory, "train", raw=True, columns=["key", "image/height"])
    assert row.keys() == {"key", "image/height"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"columns": ["maks"]},
            "no column 'maks' .* boundary, image, key, label, mask",
        ),
        ({"columns": ["index"]}, "no column 'index'"),
        ({"columns": ["label"], "packed": True}, "no column 'label' .* index"),
        ({"columns": []}, "names none"),
        ({"columns": ["height"]}, "no column 'height'"),
        ({"columns": ["mask"], "raw": True}, "no column 'mask' .* mask/png"),
        ({"columns": ["mask"], "as_supervised": True}, "leave out one"),
    ],
)
def test_a_column_that_is_not_there_is_told_the_others(
    dataset, options: dict[str, Any], message
):
    with pytest.raises(ValueError, match=message):
        load(dataset("png", True, "unit"), "train", batch_size=2, **options)


def test_what_is_not_asked_for_is_not_decoded(dataset):
    """A damaged image is no hindrance to who wants none."""
    directory = dataset("png", True, "unit")
    records = []
    for record in tf.data.TFRecordDataset(f"{directory}/{SHARD}"):
        example = tf.train.Example.FromString(record.numpy())
        example.features.feature["image/encoded"].bytes_list.value[:] = [b"no picture"]
        records.append(example.SerializeToString())
    with tf.io.TFRecordWriter(f"{directory}/{SHARD}") as writer:
        for record in records:
            writer.write(record)
    assert len(list(load(directory, "train", columns=["mask", "label"]))) == ROWS
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(load(directory, "train", columns=["image"]))


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize("value", [K, 254])
def test_a_class_that_the_dataset_has_not_is_refused(dataset, value, batch_size):
    directory = dataset("png", True, "unit")
    *records, last = (
        one.numpy() for one in tf.data.TFRecordDataset(f"{directory}/{SHARD}")
    )
    example = tf.train.Example.FromString(last)
    label = np.full(SIZES[0], 255, np.uint8)
    label[-1, -1] = value
    example.features.feature["mask/png"].bytes_list.value[:] = [data.png(label)]
    with tf.io.TFRecordWriter(f"{directory}/{SHARD}") as writer:
        for record in [*records, example.SerializeToString()]:
            writer.write(record)
    for columns in (["label"], ["mask"], ["weight"]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="beyond the 5 of the"):
            list(load(directory, "train", batch_size=batch_size, columns=columns))
    # The accelerator gets what is stored.
    *_, row = load(directory, "train", packed=True, columns=["index"])
    assert row["index"][-1, -1] == value
