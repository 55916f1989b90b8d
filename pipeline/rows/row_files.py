"""The files of a row to pictures that the graph reads, encoded."""

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.elements import Entry, RejectedError, Segment
from maskbeam.pipeline.errors import in_words
from maskbeam.pipeline.formats import arrays, limits, panoptic_png
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import png


def label_map(
    entry: Entry, segments: tuple[Segment, ...] | None, options: Options
) -> bytes:
    """Reads a label map; arrays and panoptic segments become grey PNGs of its values.

    Args:
        entry: of the label map.
        segments: of a panoptic one.
        options: what is converted.

    Raises:
        RejectedError: its file cannot be read.
        StoreError: the store does not answer.
    """
    if entry.place is not None:
        try:
            found = arrays.read(entry.path, entry.place, options.max_pixels)
        except (ValueError, OSError) as error:
            # The names in a damaged archive may be long.
            raise RejectedError("read", in_words(error)) from error
        return encode_ids(found)
    data = _read(entry, options)
    if segments is None:
        return data
    try:
        return panoptic_png.category_map(data, segments, options.max_pixels)
    except ValueError as error:
        raise RejectedError("panoptic", str(error)) from error


def image(entry: Entry, options: Options) -> bytes:
    """Reads an image.

    Args:
        entry: of the image.
        options: what is converted.

    Raises:
        RejectedError: its file cannot be read.
        StoreError: the store does not answer.
    """
    return _read(entry, options)


def _read(entry: Entry, options: Options) -> bytes:
    most = limits.picture_bytes(options.max_pixels)
    try:
        data = files.read_some(entry.path, most + 1)
    except OSError as error:
        reason = f"{entry.source} cannot be read: {error}"
        raise RejectedError("read", reason) from error
    if len(data) > most:
        raise RejectedError(
            "read",
            f"{entry.source} has more than {most} bytes, and no picture of "
            "--max_pixels has more",
        )
    return data


def encode_ids(array: npt.NDArray[np.unsignedinteger]) -> bytes:
    """Encodes an array of ids as a grey PNG: 8 bits deep if they fit, else 16.

    Args:
        array: u8[H W] or u16[H W].
    """
    if array.max() <= 255:
        return png.encode_png(array.astype(np.uint8, copy=False))
    return png.encode_png(array.astype(np.uint16, copy=False))
