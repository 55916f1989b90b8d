"""The layers of a label map, a file for each class, to one label map of ids."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.elements import Entry, RejectedError
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.formats.pixels import check_pixels
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.rows import refusals, row_files
from maskbeam.transforms import decode
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.png_kinds import GREY_ALPHA, PALETTE, RGB, RGBA, Kind
from maskbeam.transforms.texts import listed

Bools = npt.NDArray[np.bool_]

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
    canvas: _Canvas | None = None
    for entry in layers:
        mask = _mask(entry, options)
        if canvas is None:
            canvas = _Canvas(mask.shape, class_map.under_layers)
        if mask.shape != canvas.ids.shape:
            sides = [" x ".join(map(str, one.shape)) for one in (mask, canvas.ids)]
            raise RejectedError(
                "layers",
                f"{entry.source} has {sides[0]} pixels, and {layers[0].source} has "
                f"{sides[1]}: layers of one label map have one size",
            )
        canvas.draw(mask, values[entry.layer])
    assert canvas is not None
    overlapping = int(np.count_nonzero(canvas.overlapping))
    return Composed(row_files.encode_ids(canvas.ids), overlapping)


class _Canvas:
    """A label map while it is drawn.

    Args:
        shape: height and width, in pixels.
        value: of pixels on which nothing is drawn.

    Attributes:
        ids: u16[H W].
        overlapping: bool[H W], where several classes were drawn.
    """

    def __init__(self, shape: tuple[int, ...], value: int) -> None:
        self.ids = np.full(shape, value, np.uint16)
        self.overlapping = np.zeros(shape, np.bool_)
        self._drawn = np.zeros(shape, np.bool_)

    def draw(self, mask: Bools, value: int) -> None:
        """Draws where a mask is true."""
        self.overlapping |= mask & self._drawn & (self.ids != value)
        self._drawn |= mask
        self.ids[mask] = value


def _canonical(value: int, class_map: ClassMap) -> int:
    """The first id of the class that has an id, or of those that are ignored."""
    owners = (c.ids for c in class_map.classes if value in c.ids)
    return next(owners, class_map.ignore)[0]


def _mask(entry: Entry, options: Options) -> Bools:
    """Where a layer is: bool[H W].

    Raises:
        RejectedError: its file cannot be read, or has several values besides 0.
    """
    data = row_files.label_map(entry, None, options)
    try:
        header = picture_header.read_header(data)
        if header.kind is None:
            raise ValueError(refusals.JPEG)
        check_pixels(header.height, header.width, options.max_pixels)
        samples = _samples(data, header.kind)
        if samples.shape != (header.height, header.width):
            promised = (header.height, header.width)
            raise ValueError(refusals.other_than_promised(promised, samples.shape))
        mask: Bools = samples != 0
        _check_values(samples, mask)
    except tf.errors.InvalidArgumentError as error:
        reason = f"layer {entry.source}: {refusals.damaged(error.message)}"
        raise RejectedError("layers", reason) from error
    except ValueError as error:
        raise RejectedError("layers", f"layer {entry.source}: {error}") from error
    return mask


def _samples(data: bytes, kind: Kind) -> npt.NDArray[np.integer]:
    """The values of a PNG, or the codes of its colours: [H W]; without alpha.

    Raises:
        tf.errors.InvalidArgumentError: it is damaged.
        ValueError: what it shows is in its alpha alone, or colours have 16 bits.
    """
    if kind.color_type in (RGB, RGBA) and kind.depth != 8:
        raise ValueError(f"{kind}: save it with 8 bits a channel, or as grey")
    if kind.color_type == PALETTE:
        found: npt.NDArray[np.integer] = decode.palette_indices(data, kind).numpy()
        return found
    levels = decode.with_alpha(data, kind).numpy()
    alpha = None
    if kind.color_type in (GREY_ALPHA, RGBA):
        levels, alpha = levels[..., :-1], levels[..., -1]
    samples = levels[..., 0]
    if levels.shape[-1] == 3:
        samples = decode.color_codes(levels).numpy()
    if alpha is not None and np.ptp(samples) == 0 and np.ptp(alpha) != 0:
        raise ValueError(
            "it has one colour, and its shape is in its alpha, which is not read: save "
            "it as a grey PNG of 0 and 255"
        )
    return samples


def _check_values(samples: npt.NDArray[np.integer], mask: Bools) -> None:
    """Refuses a layer of several values.

    Raises:
        ValueError: it is one.
    """
    inside = samples[mask]
    if inside.size and (inside != inside[0]).any():
        values = np.unique(samples)
        shown = [str(value) for value in values[:_SHOWN_VALUES]]
        more = f", ... ({len(values)} in all)" if len(values) > _SHOWN_VALUES else ""
        raise ValueError(
            f"it has the values {listed(shown)}{more}, and a layer has 0 and one "
            "other: if saving has blurred its edges, save it as PNG of 0 and 255; if "
            "it holds several classes, it is a label map, and no class map of `layers` "
            "reads it"
        )
