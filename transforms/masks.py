"""One-hot masks, and the words that they are packed into.

A word is a one-hot vector with a bit for each float: 1 << k for class k, and 0 for an
ignored pixel.

    label  0  1      mask  [1 0 0] [0 1 0]      words  1 2      (u8, K = 3)
           2 -1            [0 0 1] [0 0 0]             4 0

`one_hot` stands alone: it needs no dataset, no class map and no files.
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.transforms import mask_dtypes
from maskbeam.transforms.mask_dtypes import LONG_BITS, words_per_pixel

_LOW_BITS = 0x0101010101010101  # the lowest of each byte


def one_hot(
    label: tf.Tensor,
    num_classes: int,
    *,
    ignore_label: int | None = None,
    dtype: tf.DType = tf.float32,
) -> tf.Tensor:
    """One-hot encodes a label map, or a batch of them.

    `tf.one_hot` makes a zero vector of any label out of range. This makes one of the
    ignore label only, and refuses all others.

    Args:
        label: int[H W] or int[B H W] (any shape, in fact): class indices.
        num_classes: K.
        ignore_label: the label that becomes a zero vector, such as 255.
        dtype: the result's dtype; `tf.bool` too.

    Returns:
        dtype[... K].

    Raises:
        tf.errors.InvalidArgumentError: a label is neither in 0..K-1 nor the ignore
            label.
    """
    label = tf.convert_to_tensor(label)
    # i64 holds every label dtype but u64, and compares without wrapping around.
    wide = label if label.dtype == tf.int32 else tf.cast(label, tf.int64)
    valid = (wide >= 0) & (wide < num_classes)
    known = valid
    if ignore_label is not None:  # which may be one of 0..K-1, too
        known = valid | (wide == ignore_label)
        valid &= wide != ignore_label
    known_everywhere = tf.debugging.Assert(
        tf.reduce_all(known),
        [
            f"a label is outside 0..{num_classes - 1} and is not the ignore label "
            f"({ignore_label}); smallest and largest:",
            tf.reduce_min(label),
            tf.reduce_max(label),
        ],
    )
    with tf.control_dependencies([known_everywhere]):
        index = tf.where(valid, wide, -1)
    return of_label(index, num_classes, dtype)


def index_dtype(num_classes: int) -> tf.DType:
    """Returns `mask_dtypes.index_dtype` as a dtype of TensorFlow's."""
    return tf.as_dtype(mask_dtypes.index_dtype(num_classes))


def word_dtype(num_classes: int) -> tf.DType:
    """Returns `mask_dtypes.word_dtype` as a dtype of TensorFlow's."""
    return tf.as_dtype(mask_dtypes.word_dtype(num_classes))


def pack(index: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Packs class indices into one-hot words.

    Args:
        index: `index_dtype`[...]: class indices; K and above mean ignored.
        num_classes: K.

    Returns:
        `word_dtype`[...] to 64 classes, i64[... n] beyond: class k is bit k % 64 of
        word k // 64.
    """
    if words_per_pixel(num_classes) > 1:
        row = tf.minimum(tf.cast(index, tf.int32), num_classes)
        return tf.gather(_long_words(num_classes), row)
    dtype = word_dtype(num_classes)
    # Shifts are defined for unsigned words only; the signed twin has the same bits.
    unsigned = {tf.int32: tf.uint32, tf.int64: tf.uint64}.get(dtype, dtype)
    # One bit for a class and none for an ignored pixel, without a selection.
    bit = tf.cast(index < num_classes, unsigned)
    shift = tf.cast(tf.minimum(index, dtype.size * 8 - 1), unsigned)
    return tf.bitcast(tf.bitwise.left_shift(bit, shift), dtype)


def _long_words(num_classes: int) -> npt.NDArray[np.int64]:
    """Makes the words of every class, and of an ignored pixel: i64[K + 1 n]."""
    words = np.zeros([num_classes + 1, words_per_pixel(num_classes)], np.uint64)
    index = np.arange(num_classes)
    word, bit = np.divmod(index, LONG_BITS)
    words[index, word] = np.uint64(1) << bit.astype(np.uint64)
    return words.view(np.int64)


def unpack(words: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Unpacks one-hot words; undoes `pack`.

    Below the bit that is set there are as many bits as the class index says, and
    subtracting one sets exactly those.

    Args:
        words: as `pack` returns them.
        num_classes: K.

    Returns:
        i32[...]: class indices, -1 where ignored.
    """
    one = tf.ones([], words.dtype)
    index = tf.cast(tf.raw_ops.PopulationCount(x=words - one), tf.int32)
    occupied = words != 0
    if words_per_pixel(num_classes) == 1:
        return tf.where(occupied, index, -1)
    base = LONG_BITS * tf.range(words_per_pixel(num_classes))
    return tf.reduce_max(tf.where(occupied, base + index, -1), axis=-1)


def index_from_words(words: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Unpacks one-hot words to what `index_from_label` makes of `unpack`'s labels.

    To 64 classes it does so without labels, which take four times the bytes.

    Args:
        words: as `pack` returns them.
        num_classes: K.

    Returns:
        `index_dtype`[...]: class indices, the largest value where ignored.
    """
    if words_per_pixel(num_classes) > 1:
        return index_from_label(unpack(words, num_classes), num_classes)
    index = tf.raw_ops.PopulationCount(x=words - tf.ones([], words.dtype))
    # Of no bit this is the number of a word's bits, 8 to 64. That bit becomes all bits,
    # in eight pixels at once: `tf.where` takes as long as the rest.
    flat = tf.reshape(index, [-1])
    count = tf.size(flat)
    if (flat.shape[0] or 1) % 8:
        flat = tf.pad(flat, [[0, -count % 8]])
    lanes = tf.bitcast(tf.reshape(flat, [-1, 8]), tf.uint64)
    bit = (words.dtype.size * 8).bit_length() - 1
    ignored = tf.bitwise.right_shift(lanes, tf.constant(bit, tf.uint64))
    ignored = tf.bitwise.bitwise_and(ignored, tf.constant(_LOW_BITS, tf.uint64))
    lanes = tf.bitwise.bitwise_or(lanes, ignored * tf.constant(255, tf.uint64))
    marked = tf.reshape(tf.bitcast(lanes, tf.uint8), [-1])[:count]
    return tf.ensure_shape(tf.reshape(marked, tf.shape(words)), words.shape)


def label_from_index(index: tf.Tensor) -> tf.Tensor:
    """Makes labels i32[...] of stored class indices: the largest value becomes -1."""
    # Which plus one is 0. A selection takes twice as long.
    return tf.cast(index + tf.ones([], index.dtype), tf.int32) - 1


def index_from_label(label: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Undoes `label_from_index`."""
    dtype = index_dtype(num_classes)
    return tf.cast(tf.where(label < 0, dtype.max, label), dtype)


def of_label(
    label: tf.Tensor, num_classes: int, dtype: tf.DType = tf.float32, axis: int = -1
) -> tf.Tensor:
    """One-hot encodes class indices without checking them.

    Args:
        label: int[...]: class indices; those outside 0..K-1 become zero vectors.
        num_classes: K.
        dtype: the result's dtype; `tf.bool` too.
        axis: the axis of the classes in the result.

    Returns:
        dtype[... K], or with the classes where `axis` says.
    """
    on, off = (True, False) if dtype == tf.bool else (1, 0)
    return tf.one_hot(label, num_classes, on, off, axis, dtype)


def expand(
    index: tf.Tensor, num_classes: int, dtype: tf.DType = tf.float32
) -> tuple[tf.Tensor, tf.Tensor]:
    """Makes label and mask of the `index` that `load(..., packed=True)` returns.

    Do this on the accelerator, in the training step or as a model's first layer: then
    a byte or two a pixel cross to it, in place of 4 K.

    Args:
        index: `index_dtype`[...], the largest value ignored.
        num_classes: K.
        dtype: the mask's dtype.

    Returns:
        The label, i32[...] with -1 where ignored, and the mask, dtype[... K].
    """
    # Not `label_from_index`: accelerators need not know how to add bytes.
    label = tf.where(index == index.dtype.max, -1, tf.cast(index, tf.int32))
    return label, of_label(label, num_classes, dtype)


def label_from_mask(mask: tf.Tensor) -> tf.Tensor:
    """Makes class indices i32[...] of one-hot vectors [... K]; -1 of zero vectors."""
    label = tf.argmax(mask, axis=-1, output_type=tf.int32)
    return tf.where(tf.reduce_any(mask != 0, axis=-1), label, -1)
