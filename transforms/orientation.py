"""Which way up a JPEG is meant to be seen, by its EXIF data.

A camera writes a picture as its sensor sees it, and notes how it was held. Viewers and
labelling tools turn the picture by that note; decoders do not.

Source: EXIF 2.32 (CIPA DC-008), 4.5.2 and 4.6.4 A (tag 0x0112); TIFF 6.0, section 2;
JPEG, ITU-T T.81, B.1.
"""

import tensorflow as tf

# In bytes. EXIF data is one segment of at most 64 KiB, before the picture's own.
LOOKED_AT = 1 << 17
# What is said where the orientation is 0.
DAMAGED = "the JPEG is damaged: it does not begin with a row of segments"
_MAX_SEGMENTS = 32
_JPEG_START = b"\xff\xd8\xff"
_APP1, _START_OF_SCAN = 0xE1, 0xDA
_BARE_MARKERS = [0x01, *range(0xD0, 0xD8)]
_MISPLACED_MARKERS = [0x00, 0xD8, 0xD9]  # data, the start and the end of a picture
_EXIF = [*b"Exif\0\0"]
_TAG, _SHORT = 0x0112, 3
_ENTRY_BYTES = 12


# It has hundreds of nodes. They are traced once in a process; a graph gets one, a call.
@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Reads the orientation: string[] -> i32[], 1 to 8.

    It is 1, upright, if the file is no JPEG, or has no such tag, or its EXIF data is
    damaged. EXIF data that points outside its own segment counts as damaged. It is 0 if
    what stands before the EXIF data is no row of segments: parsers differ then.
    """
    start = tf.strings.substr(encoded, 0, LOOKED_AT)
    # Many times faster than matching all of it, which cannot skip to an "E".
    without = tf.strings.regex_replace(start, r"Exif\x00\x00", "", replace_global=False)
    has_exif = tf.strings.length(without) < tf.strings.length(start)
    is_jpeg = tf.strings.substr(encoded, 0, len(_JPEG_START)) == _JPEG_START
    return tf.cond(is_jpeg & has_exif, lambda: _of_jpeg(start), lambda: tf.constant(1))


def _of_jpeg(start: tf.Tensor) -> tf.Tensor:
    """Walks the segments to the EXIF data, and reads its orientation.

    Before a marker there may be any number of 0xFF: they are skipped one by one.
    """
    data = tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int32)
    length = tf.size(data)

    def is_exif(at: tf.Tensor) -> tf.Tensor:
        head = _bytes(data, at, 4 + len(_EXIF))
        return tf.reduce_all(head[:2] == [0xFF, _APP1]) & tf.reduce_all(
            head[4:] == _EXIF
        )

    def goes_on(at: tf.Tensor) -> tf.Tensor:
        is_scan = _bytes(data, at + 1, 1)[0] == _START_OF_SCAN
        return is_segment(at) & ~is_scan & ~is_exif(at)

    def is_segment(at: tf.Tensor) -> tf.Tensor:
        head = _bytes(data, at, 2)
        is_marker = (head[0] == 0xFF) & _is_none_of(head[1], _MISPLACED_MARKERS)
        return (at + 4 < length) & is_marker & (end(at) > at)

    def end(at: tf.Tensor) -> tf.Tensor:
        marker = _bytes(data, at + 1, 1)[0]
        size = _number(_bytes(data, at + 2, 2), big=True)
        step = tf.where(size < 2, 0, 2 + size)
        step = tf.where(_is_none_of(marker, _BARE_MARKERS), step, 2)
        return at + tf.where(marker == 0xFF, 1, step)

    at, segments = tf.while_loop(
        lambda at, segments: goes_on(at),
        lambda at, segments: [end(at), segments + 1],
        [tf.constant(2), tf.constant(0)],
        maximum_iterations=_MAX_SEGMENTS,
    )
    value = _of_tiff(data[at + 4 + len(_EXIF) : end(at)])
    stopped = (segments < _MAX_SEGMENTS) & (at + 4 < length) & ~is_segment(at)
    return tf.where(is_exif(at), value, tf.where(stopped, 0, 1))


def _is_none_of(byte: tf.Tensor, values: list[int]) -> tf.Tensor:
    return tf.reduce_all(byte != tf.constant(values))


def _of_tiff(data: tf.Tensor) -> tf.Tensor:
    """Reads the tag from the entries of the first directory."""
    head = _bytes(data, 0, 8)
    big = head[0] == ord("M")
    is_tiff = tf.reduce_all(head[:4] == [*b"II*\0"]) | tf.reduce_all(
        head[:4] == [*b"MM\0*"]
    )
    directory = _number(head[4:], big)
    count = _number(_bytes(data, directory, 2), big)
    entries = tf.reshape(
        _bytes(data, directory + 2, _ENTRY_BYTES * count), [count, _ENTRY_BYTES]
    )
    # Tag, type, number of values; a SHORT stands at the beginning of the value's field.
    is_tag = (
        (_number(entries[:, :2], big) == _TAG)
        & (_number(entries[:, 2:4], big) == _SHORT)
        & (_number(entries[:, 4:8], big) == 1)
    )
    value = tf.reduce_max(tf.where(is_tag, _number(entries[:, 8:10], big), 0))
    is_sound = is_tiff & (directory >= 8) & (value >= 1) & (value <= 8)
    return tf.where(is_sound, value, 1)


def _bytes(data: tf.Tensor, at: tf.Tensor | int, count: tf.Tensor | int) -> tf.Tensor:
    """Takes some bytes: i32[count]; zeros beyond the end."""
    some = data[at : at + count]
    return tf.reshape(tf.pad(some, [[0, count - tf.size(some)]]), [count])


def _number(digits: tf.Tensor, big: tf.Tensor | bool) -> tf.Tensor:
    """Reads bytes i32[... n], in either byte order, as numbers i32[...]."""
    ordered = tf.where(big, digits, tf.reverse(digits, [-1]))
    number = tf.zeros_like(ordered[..., 0])
    for place in range(digits.shape[-1]):
        number = number * 256 + ordered[..., place]
    return number


def upright(levels: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Turns a picture upright: u8[H W 3] -> u8[h w 3].

    Args:
        levels: the picture as decoded.
        value: i32[], the orientation, 1 to 8.
    """

    def turned() -> tf.Tensor:
        # 5 to 8 are 1 to 4 of the picture mirrored at its diagonal.
        diagonal = tf.where(value > 4, [1, 0, 2], [0, 1, 2])
        flips_rows = (value == 3) | (value == 4) | (value == 7) | (value == 8)
        flips_columns = (value == 2) | (value == 3) | (value == 6) | (value == 7)
        axes = tf.boolean_mask([0, 1], tf.stack([flips_rows, flips_columns]))
        return tf.reverse(tf.transpose(levels, diagonal), axes)

    # Both operations copy, even where they change nothing.
    upright_levels = tf.cond(value > 1, turned, lambda: levels)
    return tf.ensure_shape(upright_levels, [None, None, 3])
