"""Encoded bytes to ids and image, one row at a time, exactly.

The converter calls the leaf functions on the very rows that it writes; the transform
graph maps the same functions over its batch.
"""

import tensorflow as tf

# In a PNG, after the 8-byte signature: 4 bytes length, "IHDR", 4 bytes width, 4 bytes
# height, then one byte each of bit depth and colour type. Source: W3C PNG, 11.2.1.
_BIT_DEPTH_AT = 24
_GREY = 0


def grey_ids(encoded: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Decodes a grey PNG whose bit depth is known.

    Args:
        encoded: string[], a PNG of colour type 0.
        dtype: u8 or u16, by the file's own bit depth: TensorFlow truncates a 16-bit
            file read as u8, and scales an 8-bit file read as u16 by 257.

    Returns:
        The file's own samples: dtype[H W].

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no whole PNG.
    """
    return tf.io.decode_png(encoded, channels=1, dtype=dtype)[..., 0]


def label_ids(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a label map by what its own header says.

    Args:
        encoded: string[], a grey PNG of 8 or 16 bits.

    Returns:
        i32[H W]: the file's own samples.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no whole PNG, or a PNG of another
            kind, which TensorFlow would decode to something else than ids.
    """
    # Filled up, for `substr` fails on short strings with a message that holds them.
    filled = tf.strings.join([encoded, "\0" * (_BIT_DEPTH_AT + 2)])
    header = tf.io.decode_raw(tf.strings.substr(filled, _BIT_DEPTH_AT, 2), tf.uint8)
    depth, color_type = header[0], header[1]
    deep = tf.equal(depth, 16)
    is_index = (color_type == _GREY) & (deep | tf.equal(depth, 8))
    ids = tf.cond(
        deep,
        lambda: tf.cast(grey_ids(encoded, tf.uint16), tf.int32),
        lambda: tf.cast(grey_ids(encoded, tf.uint8), tf.int32),
    )
    return require(is_index, "the label map is no 8- or 16-bit grey PNG", ids)


def require(
    condition: tf.Tensor, message: tf.Tensor | str, value: tf.Tensor
) -> tf.Tensor:
    """Gives `value` where a condition holds, and fails with the message elsewhere.

    An assertion is an effect: a graph runs it even when nobody asks for what it
    guards, so a serving graph that holds one wants a label map with every image.
    Reading a number from the message is no effect, and fails with it.

    Args:
        condition: bool[].
        message: string[], for the error.
        value: integers of any shape, returned as they are.

    Raises:
        tf.errors.InvalidArgumentError: the condition does not hold.
    """
    zero = tf.strings.to_number(tf.where(condition, "0", message), tf.int32)
    return value + tf.cast(zero, value.dtype)


def image_levels(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes an image: string[], a JPEG or PNG -> u8[H W 3].

    JPEG's inverse transform is the exact integer one, which is also Pillow's: the
    default differs from it by up to 6 levels.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are neither.
    """
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(encoded, channels=3),
    )
