"""Dtypes of class indices and of one-hot words, known before TensorFlow is loaded.

`masks` has the operations on them.
"""

from typing import Any

import numpy as np

LONG_BITS = 64  # of a word, if a pixel takes several words
# `tf.io.decode_raw` reads no u32 or u64; the signed twin has the same bits.
_WORDS = ((8, np.uint8), (16, np.uint16), (32, np.int32), (LONG_BITS, np.int64))


def index_dtype(num_classes: int) -> np.dtype[Any]:
    """Returns the dtype of stored class indices: u8 to 255 classes, then u16.

    Its largest value means ignored.
    """
    return np.dtype(np.uint8 if num_classes <= np.iinfo(np.uint8).max else np.uint16)


def word_dtype(num_classes: int) -> np.dtype[Any]:
    """Returns the smallest word with a bit for each class; i64 if one is too few."""
    return np.dtype(
        next((dtype for bits, dtype in _WORDS if num_classes <= bits), np.int64)
    )


def words_per_pixel(num_classes: int) -> int:
    """Returns how many words of `word_dtype` a pixel's one-hot vector takes."""
    return -(-num_classes // LONG_BITS)
