"""Writes PNGs from arrays, ten times as fast as TensorFlow does.

A PNG is a signature and three chunks around one deflate stream (W3C PNG, 5 and 11.2).
The speed comes from that stream, which `isal` compresses; it also compresses masks that
are not stored as PNGs.
"""

import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from maskbeam.transforms.png_kinds import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    SIGNATURE,
)

_FILTER_NONE, _FILTER_UP = 0, 2
_COLOR_TYPES = {2: GREY_ALPHA, 3: RGB, 4: RGBA}  # by channels
_LEVEL = 1  # isal's levels 0 to 2 are fast, 3 is not

# On x86 the fast loop of levels 1 and 2 begins a stream by hashing a register that it
# has not set: bits of a pointer, in place of the third byte and those behind it. So
# where a stack lies may decide which matches are found (ISA-L to 2.32.1, at
# `.write_first_byte` of igzip_icf_body_h1_gr_bt.asm). Another loop takes up to 16
# bytes, and behind them the fast one goes on as it should.
_HEAD = 16


def encode_png(
    array: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    palette: npt.NDArray[np.uint8] | None = None,
) -> bytes:
    """Encodes one picture.

    Args:
        array: u8[H W] or u16[H W], written as grey; or [H W C], grey with alpha, RGB or
            RGBA, each row as its difference from the row above. Pictures compress
            better so, and label maps as they are.
        palette: u8[N 3], colours: then the array, u8[H W], has indices of them.

    Returns:
        The PNG file.
    """
    rows = np.ascontiguousarray(array.astype(array.dtype.newbyteorder(">"), copy=False))
    height, width = rows.shape[:2]
    samples = rows.view(np.uint8).reshape(height, -1)
    scanlines = np.empty((height, samples.shape[1] + 1), np.uint8)
    if array.ndim == 2:
        color_type = GREY if palette is None else PALETTE
        scanlines[:, 0] = _FILTER_NONE
        scanlines[:, 1:] = samples
    else:
        color_type, scanlines[:, 0] = _COLOR_TYPES[array.shape[2]], _FILTER_UP
        scanlines[0, 1:] = samples[0]
        np.subtract(samples[1:], samples[:-1], out=scanlines[1:, 1:])
    header = struct.pack(
        ">IIBBBBB", width, height, 8 * array.dtype.itemsize, color_type, 0, 0, 0
    )
    colors = b"" if palette is None else _chunk(b"PLTE", palette.tobytes())
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            colors,
            _chunk(b"IDAT", deflate([scanlines])),
            _chunk(b"IEND", b""),
        )
    )


def deflate(parts: Iterable[npt.NDArray[Any]]) -> bytes:
    """Compresses arrays' bytes to one zlib stream (RFC 1950).

    The same arrays always give the same stream.

    Args:
        parts: the arrays, one after the other; the first has 16 bytes, or all.
    """
    stream = isal_zlib.compressobj(_LEVEL)
    compressed: list[bytes] = []
    for part in parts:
        data = part.reshape(-1).view(np.uint8)
        if not compressed:
            compressed.append(stream.compress(data[:_HEAD]))
            compressed.append(stream.flush(isal_zlib.Z_SYNC_FLUSH))
            data = data[_HEAD:]
        compressed.append(stream.compress(data))
    return b"".join((*compressed, stream.flush()))


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
