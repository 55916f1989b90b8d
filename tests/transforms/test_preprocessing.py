"""The encode function alone, and what it has in common with the other one."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from tests import data_generation as data
from transforms import classes, features, masks, summaries
from transforms.preprocessing import (
    LABEL_WORDS,
    MASK_WORDS,
    PIXEL_ALIGNMENT,
    make_encode_fn,
    make_preprocessing_fn,
)

DEPTHS = [1, 2, 8, 9, 16, 17, 32, 33, 64, 65, 150, 255, 256, 301, 1000]
LENGTHS = [1, 8, 9, 64, 91]  # of rows, in pixels


@pytest.mark.parametrize("num_classes", DEPTHS)
@pytest.mark.parametrize("encoding", ["bits", "png", "uint8", "float32"])
def test_encoded_words_are_numpys_one_hot(encoding, num_classes):
    dtype = masks.index_dtype(num_classes)
    rng = np.random.default_rng(0)
    rows = []
    for length in LENGTHS:
        index = rng.integers(0, num_classes, length).astype(dtype.as_numpy_dtype)
        index[:: max(1, length // 3)] = dtype.max
        rows.append(index)
    words = [
        np.pad(row, (0, -len(row) % PIXEL_ALIGNMENT)).view(np.int64) for row in rows
    ]
    encode_fn = make_encode_fn(features.Config(num_classes, encoding))
    found = encode_fn({LABEL_WORDS: tf.ragged.constant(words, dtype=tf.int64)})
    for row, encoded in zip(rows, found[MASK_WORDS], strict=True):
        expected = np.eye(num_classes + 1, dtype=np.uint8)[
            np.where(row == dtype.max, num_classes, row)
        ][:, :-1]
        stored = encoded.numpy()
        if encoding == "float32":
            found_mask = stored.reshape(-1, num_classes)
        elif encoding == "uint8":
            found_mask = stored.view(np.uint8).reshape(-1, num_classes)
        elif encoding == "png":
            np.testing.assert_array_equal(
                stored.view(dtype.as_numpy_dtype)[: len(row)], row
            )
            continue
        else:
            word = masks.word_dtype(num_classes).as_numpy_dtype
            several = masks.words_per_pixel(num_classes)
            per_pixel = stored.view(word).reshape(-1, several).view(np.uint8)
            bits = np.unpackbits(per_pixel, axis=-1, bitorder="little")
            found_mask = bits[:, :num_classes]
        np.testing.assert_array_equal(found_mask[: len(row)], expected)


@pytest.mark.parametrize("num_classes", [1, 8, 9, 33, 65, 256])
@pytest.mark.parametrize("encoding", ["bits", "png", "uint8", "float32"])
def test_rows_without_pixels_stay_apart(encoding, num_classes):
    encode_fn = make_encode_fn(features.Config(num_classes, encoding))
    none = tf.RaggedTensor.from_row_splits(
        tf.zeros([0], tf.int64), tf.constant([0], tf.int64)
    )
    assert encode_fn({LABEL_WORDS: none})[MASK_WORDS].nrows() == 0
    row = tf.zeros([4], tf.int64)
    alone = tf.RaggedTensor.from_row_splits(row, tf.constant([0, 4], tf.int64))
    among = tf.RaggedTensor.from_row_splits(row, tf.constant([0, 0, 4, 4], tf.int64))
    expected = encode_fn({LABEL_WORDS: alone})[MASK_WORDS][0]
    found = encode_fn({LABEL_WORDS: among})[MASK_WORDS]
    assert found.row_lengths().numpy().tolist() == [0, len(expected), 0]
    np.testing.assert_array_equal(found[1], expected)


@pytest.mark.parametrize("encoding", ["bits", "png", "uint8", "float32"])
def test_a_row_is_encoded_alike_in_any_batch(encoding):
    rng = np.random.default_rng(0)
    rows = [rng.integers(-(2**63), 2**63 - 1, n) for n in (1, 5, 2)]
    encode_fn = make_encode_fn(features.Config(9, encoding))

    def encoded(batch):
        return encode_fn({LABEL_WORDS: tf.ragged.constant(batch, dtype=tf.int64)})

    together = encoded(rows)[MASK_WORDS]
    for number, row in enumerate(rows):
        alone = encoded([row])[MASK_WORDS]
        np.testing.assert_array_equal(alone[0], together[number])


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """Label maps of odd sizes, and what the preprocessing function makes of them."""
    rng = np.random.default_rng(0)
    class_map = classes.ClassMap(
        "m",
        (
            classes.LabelClass("a", (7,)),
            classes.LabelClass("b", (0, 300)),
            classes.LabelClass("c", (2,)),  # never occurs
        ),
        ignore=(255,),
    )
    config = features.Config(3, "bits")
    maps = [rng.choice([0, 7, 255, 300], size) for size in data.ODD_SIZES]
    maps[1][:] = 255
    labels = [np.select([m == 7, (m == 0) | (m == 300)], [0, 1], -1) for m in maps]
    rows = [
        {
            "label_bytes": data.png(ids.astype(np.uint16)),
            **summaries.of_row(
                np.array([(label == k).sum() for k in range(3)]),
                int((label < 0).sum()),
                None,
            ),
        }
        for ids, label in zip(maps, labels, strict=True)
    ]
    spec = {"label_bytes": tf.io.FixedLenFeature([], tf.string)} | {
        name: tf.io.FixedLenFeature([length], tf.int64)
        for name, length in summaries.spec(3, with_images=False).items()
    }
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec(spec)
    )
    directory = tmp_path_factory.mktemp("traced")
    with tft_beam.Context(temp_dir=str(directory / "tmp")):
        transform_fn = (rows, metadata) | tft_beam.AnalyzeDataset(
            make_preprocessing_fn(config, class_map)
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(directory / "graph"))
    graph = tft.TFTransformOutput(str(directory / "graph"))
    raw = {"label_bytes": tf.constant([row["label_bytes"] for row in rows])}
    return labels, graph.transform_raw_features(raw, drop_unused_features=True)


@pytest.mark.parametrize("encoding", ["bits", "uint8", "float32"])
def test_both_functions_make_the_same_mask(traced, encoding):
    labels, outputs = traced
    encode_fn = make_encode_fn(features.Config(3, encoding))
    for number, label in enumerate(labels):
        np.testing.assert_array_equal(outputs["label"][number].to_tensor(), label)
        index = np.where(label < 0, 255, label).astype(np.uint8).ravel()
        padded = np.pad(index, (0, -len(index) % PIXEL_ALIGNMENT)).view(np.int64)
        words = tf.ragged.constant([padded], dtype=tf.int64)
        stored = encode_fn({LABEL_WORDS: words})[MASK_WORDS][0].numpy()
        if encoding == "bits":
            pixels = stored.view(np.uint8)[: len(index)]
            encoded = np.stack([(pixels >> k) & 1 for k in range(3)], axis=-1)
        else:
            values = stored if encoding == "float32" else stored.view(np.uint8)
            encoded = values.reshape(-1, 3)[: len(index)]
        mask = outputs["mask"][number].to_tensor().numpy()
        np.testing.assert_array_equal(mask, encoded.reshape(*label.shape, 3))


def test_every_row_has_the_statistics_of_all(traced):
    labels, outputs = traced
    counts = np.array([[(label == k).sum() for k in range(3)] for label in labels])
    pixels = counts.sum(0)
    presence = ((counts > 0) * counts.sum(1, keepdims=True)).sum(0)
    frequency = pixels[:2] / presence[:2]
    expected = {
        "class_pixels": pixels,
        "class_images": (counts > 0).sum(0),
        "presence_pixels": presence,
        "ignored_pixels": [sum((label < 0).sum() for label in labels)],
        "median_frequency": [*(np.median(frequency) / frequency), 0],
        "inverse_frequency": [*(pixels.sum() / (3 * pixels[:2])), 0],
    }
    for name, value in expected.items():
        every = np.tile(value, (len(labels), 1))
        found = outputs[f"stats/{name}"].numpy()
        if name.endswith("frequency"):
            np.testing.assert_allclose(found, every, rtol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(found, every, name)
