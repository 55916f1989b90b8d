"""The encode function alone, and what it has in common with the other one."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from maskbeam.pipeline.dataset import transform_graph
from maskbeam.transforms import classes, features, masks, stored_masks, summaries
from tests import data_generation as data
from tests import oracles

DEPTHS = [1, 2, 8, 9, 16, 17, 32, 33, 64, 65, 150, 255, 256, 301, 1000]


@pytest.mark.parametrize("num_classes", DEPTHS)
@pytest.mark.parametrize("encoding", ["bits", "png", "uint8", "float32"])
def test_encoded_masks_are_numpys_one_hot(encoding, num_classes):
    dtype = masks.index_dtype(num_classes)
    rng = np.random.default_rng(0)
    index = rng.integers(0, num_classes, 91).astype(dtype.as_numpy_dtype)
    index[::3] = dtype.max
    encode_fn = stored_masks.of(features.Config(num_classes, encoding)).encode
    encoded = encode_fn(tf.constant(index)).numpy()
    if encoding == "png":
        assert encoded.dtype == index.dtype
        np.testing.assert_array_equal(encoded, index)
        return
    expected = np.eye(num_classes + 1, dtype=np.uint8)[
        np.where(index == dtype.max, num_classes, index)
    ][:, :-1]
    if encoding == "bits":
        assert encoded.dtype == masks.word_dtype(num_classes).as_numpy_dtype
        words = encoded.reshape(91, -1).view(np.uint8)
        bits = np.unpackbits(words, axis=-1, bitorder="little")
        assert not bits[:, num_classes:].any()
        encoded = bits[:, :num_classes]
    else:
        assert encoded.dtype == encoding
    np.testing.assert_array_equal(encoded, expected)


@pytest.mark.parametrize("encoding", ["bits", "png", "uint8", "float32"])
@pytest.mark.parametrize("num_classes", [1, 8, 9, 65, 256])
def test_no_index_at_all_makes_the_encode_function_fail(encoding, num_classes):
    dtype = masks.index_dtype(num_classes)
    encode_fn = stored_masks.of(features.Config(num_classes, encoding)).encode
    every = np.arange(dtype.max + 1, dtype=dtype.as_numpy_dtype)
    assert len(encode_fn(tf.constant(every))) == dtype.max + 1
    assert len(encode_fn(tf.zeros([0], dtype))) == 0


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
    rows = (
        oracles.dense_summary(
            np.array([(label == k).sum() for k in range(3)]),
            int((label < 0).sum()),
            None,
        )
        for label in labels
    )
    directory = tmp_path_factory.mktemp("traced")
    transform_graph.write(
        str(directory), config, class_map, summaries.add(rows, 3, with_images=False)
    )
    graph = tft.TFTransformOutput(str(directory / "transform_graph"))
    encoded = [data.png(ids.astype(np.uint16)) for ids in maps]
    raw = {"label_bytes": tf.constant(encoded)}
    return labels, graph.transform_raw_features(raw, drop_unused_features=True)


@pytest.mark.parametrize("encoding", ["bits", "uint8", "float32"])
def test_both_functions_make_the_same_mask(traced, encoding):
    labels, outputs = traced
    encode_fn = stored_masks.of(features.Config(3, encoding)).encode
    for number, label in enumerate(labels):
        np.testing.assert_array_equal(outputs["label"][number].to_tensor(), label)
        index = np.where(label < 0, 255, label).astype(np.uint8).ravel()
        stored = encode_fn(tf.constant(index)).numpy()
        encoded = stored
        if encoding == "bits":
            encoded = np.stack([(stored >> k) & 1 for k in range(3)], axis=-1)
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
