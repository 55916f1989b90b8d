"""What a picture says about itself in its first bytes, before it is decoded."""

import dataclasses
import struct
from typing import Literal

from maskbeam.pipeline.formats import first_bytes
from maskbeam.transforms.png_kinds import SIGNATURE, Kind

ENOUGH_BYTES = 1 << 16  # of nearly every file, to read its header
_PNG_HEADER_BYTES = 33
_PNG_HEADER_START = b"\0\0\0\x0dIHDR"
JPEG_START = b"\xff\xd8\xff"
# Markers that begin a frame (JPEG, ITU-T T.81, table B.1): all SOFn but DHT, JPG, DAC.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
# Between the start and the first frame none of these can stand: 0xFF00 is a byte of
# compressed data; SOI, EOI and SOS come before it or after it.
_MISPLACED_MARKERS = frozenset({0x00, 0xD8, 0xD9, 0xDA})


@dataclasses.dataclass(frozen=True)
class Header:
    """What the header promises.

    Attributes:
        format: of the file.
        height: in pixels.
        width: in pixels.
        kind: of a PNG; None of a JPEG.
    """

    format: Literal["png", "jpeg"]
    height: int
    width: int
    kind: Kind | None

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.height * self.width


def read_header(data: bytes) -> Header:
    """Reads the header of a PNG or JPEG.

    Args:
        data: the file, or enough of its beginning.

    Raises:
        ValueError: it is neither, or it ends before its header does; the message can
            be shown as it is.
    """
    if not data:
        raise ValueError("the file is empty (0 bytes)")
    if data.startswith(SIGNATURE):
        return _png_header(data)
    if data.startswith(JPEG_START):
        return _jpeg_header(data)
    raise ValueError(
        f"neither PNG nor JPEG: {first_bytes.beginning(data)}; what else there is has "
        "to be saved as PNG"
    )


def _png_header(data: bytes) -> Header:
    if len(data) < _PNG_HEADER_BYTES:
        raise ValueError(f"the PNG ends within its header ({len(data)} bytes)")
    if data[8:16] != _PNG_HEADER_START:
        raise ValueError("the PNG is damaged: it does not begin with its header")
    width, height, depth, color_type = struct.unpack(">IIBB", data[16:26])
    if not width or not height:
        raise ValueError(f"the PNG's header says {height} x {width} pixels")
    return Header("png", height, width, Kind(color_type, depth))


def _jpeg_header(data: bytes) -> Header:
    """Walks the segments to the first frame.

    Where two parsers could walk differently the file is refused: one would judge
    another picture than the other decodes.
    """
    at = 2
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker in _MISPLACED_MARKERS:
            raise ValueError(f"the JPEG is damaged: no segment begins at byte {at}")
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        elif marker in _FRAME_MARKERS:
            if at + 10 > len(data):
                break
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            if not height or not width:
                raise ValueError(f"the JPEG's header says {height} x {width} pixels")
            return Header("jpeg", height, width, None)
        else:
            length = struct.unpack(">H", data[at + 2 : at + 4])[0]
            if length < 2:
                raise ValueError(
                    f"the JPEG is damaged: the segment at byte {at} has {length} bytes"
                )
            at += 2 + length
    raise ValueError(f"the JPEG ends before its size is said ({len(data)} bytes)")
