"""How much is read of what a file promises, which may be anything."""

import math

# The largest message of protobuf's, and so the largest record.
RECORD_BYTES = 2**31 - 1

_BYTES_PER_PIXEL = 8  # of RGBA of 16 bits, not compressed
_HEADERS_BYTES = 1 << 20


def picture_bytes(max_pixels: int) -> int:
    """Returns the most bytes that an encoded picture takes, of so many pixels."""
    return _BYTES_PER_PIXEL * max_pixels + _HEADERS_BYTES


def estimate_lost(rows: int, read_bytes: int, all_bytes: int) -> int | None:
    """Estimates how many rows are in the rest of a file; None if nothing was read.

    Args:
        rows: how many were read.
        read_bytes: what those took of the file.
        all_bytes: what the file has.
    """
    if rows <= 0 or read_bytes <= 0:
        return None
    return max(1, math.ceil((all_bytes - read_bytes) * rows / read_bytes))
