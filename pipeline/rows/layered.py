"""The layers of a label map, a file for each class, to one label map of ids."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.elements import Entry, RejectedError
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.formats.drawn import Canvas
from maskbeam.pipeline.formats.pixels import check_pixels
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.rows import refusals, row_files
from maskbeam.pipeline.runtime import turns
from maskbeam.transforms import decode
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.png_kinds import GREY_ALPHA, PALETTE, RGBA, Kind

Bools = npt.NDArray[np.bool_]

_BYTES_PER_PIXEL = 14  # of what is drawn so far, and of the layer that is decoded
_SHOWN_VALUES = 4


class Composed(NamedTuple):
    """A label map that was put together.

    Attributes:
        encoded: a grey PNG of ids.
        overlapping: how many pixels layers of several classes claimed.
    """

    encoded: bytes
    overlapping: int


def label_map(layers: tuple[Entry, ...], options: Options) -> Composed:
    """Draws layers over each other, each where its file is not 0.

    Args:
        layers: in drawing order, one or more.
        options: what is converted.

    Raises:
        RejectedError: a file cannot be read, is no layer, or is of another size than
            the first.
        StoreError: the store does not answer.
    """
    class_map = options.class_map
    values = {one.name: _canonical(one.value, class_map) for one in class_map.layers}
    first = _read(layers[0], options)
    with turns.DECODE.take(_BYTES_PER_PIXEL * first.height * first.width):
        is_deep = max(class_map.under_layers, *values.values()) > 255
        canvas = Canvas(first.height, first.width, class_map.under_layers, is_deep)
        for entry in layers:
            file = first if entry is layers[0] else _read(entry, options)
            if (file.height, file.width) != canvas.ids.shape:
                raise RejectedError(
                    "layers",
                    f"{entry.source} has {file.height} x {file.width} pixels, and "
                    f"{layers[0].source} has {first.height} x {first.width}: layers of "
                    "one label map have one size",
                )
            canvas.paint(values[entry.layer], _mask(entry, file))
        return Composed(row_files.encode_ids(canvas.ids), canvas.overlapping)


class _File(NamedTuple):
    """A layer's file, as a PNG, and what its header promises."""

    data: bytes
    kind: Kind
    height: int
    width: int


def _canonical(value: int, class_map: ClassMap) -> int:
    """The first id of the class that has an id, or of those that are ignored."""
    owners = (c.ids for c in class_map.classes if value in c.ids)
    return next(owners, class_map.ignore)[0]


def _read(entry: Entry, options: Options) -> _File:
    """Reads a layer's file; nothing is decoded.

    Raises:
        RejectedError: it cannot be read, is no PNG, or promises too many pixels.
        StoreError: the store does not answer.
    """
    data = row_files.label_map(entry, None, options)
    try:
        header = picture_header.read_header(data)
        if header.kind is None:
            raise ValueError("JPEG changes values: save layers as PNG")
        check_pixels(header.height, header.width, options.max_pixels)
    except ValueError as error:
        raise RejectedError("layers", f"layer {entry.source}: {error}") from error
    return _File(data, header.kind, header.height, header.width)


def _mask(entry: Entry, file: _File) -> Bools:
    """Where a layer is: bool[H W].

    Raises:
        RejectedError: its file is damaged, or has several values besides 0.
    """
    try:
        levels = _levels(file)
        if levels.shape[:2] != (file.height, file.width):
            promised = (file.height, file.width)
            raise ValueError(refusals.other_than_promised(promised, levels.shape))
        mask = levels[..., 0] != 0
        for channel in range(1, levels.shape[2]):
            mask |= levels[..., channel] != 0
        _check_values(levels, mask)
    except tf.errors.InvalidArgumentError as error:
        reason = f"layer {entry.source}: {refusals.damaged(error.message)}"
        raise RejectedError("layers", reason) from error
    except ValueError as error:
        raise RejectedError("layers", f"layer {entry.source}: {error}") from error
    return mask


def _levels(file: _File) -> npt.NDArray[np.unsignedinteger]:
    """The samples of a PNG, [H W 1] or [H W 3], without alpha; of a palette indices.

    Raises:
        tf.errors.InvalidArgumentError: it is damaged.
        ValueError: what it shows is in its alpha alone.
    """
    if file.kind.color_type == PALETTE:
        indices: npt.NDArray[np.uint8] = decode.palette_indices(file.data, file.kind)
        return np.asarray(indices)[..., np.newaxis]
    found: npt.NDArray[np.unsignedinteger] = np.asarray(
        decode.with_alpha(file.data, file.kind)
    )
    if file.kind.color_type not in (GREY_ALPHA, RGBA):
        return found
    levels, alpha = found[..., :-1], found[..., -1]
    if np.ptp(alpha) != 0 and not np.ptp(levels, axis=(0, 1)).any():
        raise ValueError(
            "it has one colour, and its shape is in its alpha, which is not read: save "
            "it as a grey PNG of 0 and 255"
        )
    return levels


def _check_values(levels: npt.NDArray[np.unsignedinteger], mask: Bools) -> None:
    """Refuses a layer of several values.

    Raises:
        ValueError: it is one.
    """
    channels = [levels[..., channel][mask] for channel in range(levels.shape[2])]
    if not mask.any() or not any(np.ptp(inside) for inside in channels):
        return
    values = np.unique(levels.reshape(-1, levels.shape[2]), axis=0).tolist()
    shown = [str(v if len(v) > 1 else v[0]) for v in values[:_SHOWN_VALUES]]
    more = f", ... ({len(values)} in all)" if len(values) > _SHOWN_VALUES else ""
    raise ValueError(
        f"it has the values {', '.join(shown)}{more}, and a layer has 0 and one other: "
        "if saving has blurred its edges, save it as PNG of 0 and 255; if it holds "
        "several classes, it is a label map, and no class map of `layers` reads it"
    )
