"""The encode function alone: no Beam, no files."""

import numpy as np
import pytest
import tensorflow as tf

from transforms import features, masks
from transforms.preprocessing import (
    LABEL_WORDS,
    MASK_WORDS,
    PIXEL_ALIGNMENT,
    make_encode_fn,
)

LENGTHS = [1, 8, 9, 64, 91]  # of rows, in pixels


@pytest.mark.parametrize("num_classes", [1, 8, 9, 33, 65, 255, 256, 301])
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
