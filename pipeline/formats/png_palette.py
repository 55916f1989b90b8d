"""How many colours a palette PNG has, which may be fewer than its pixels ask for."""

import struct

from maskbeam.transforms.png_kinds import SIGNATURE

_CHUNK = struct.Struct(">I4s")  # length and type; a CRC-32 follows the content


def palette_colors(data: bytes) -> int:
    """Returns how many colours are in a PNG's palette; 0 if it has none.

    Source: W3C PNG, 5.3 and 11.2.2: the palette stands before the pixels.

    Args:
        data: the file.
    """
    at = len(SIGNATURE)
    while at + _CHUNK.size <= len(data):
        length, kind = _CHUNK.unpack_from(data, at)
        if kind == b"PLTE":
            return int(length) // 3
        if kind == b"IDAT":
            break
        at += _CHUNK.size + length + 4
    return 0
