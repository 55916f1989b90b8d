"""What is said of a rejected row: what was found, and what can be done about it.

Wording alone: nothing is decoded or judged here.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.formats.pixels import too_many_pixels as too_many_pixels
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.png_kinds import Encoding, Kind

PROTOBUF_BYTES = 2**31 - 1  # the largest message, and so the largest record
_SHOWN_VALUES = 4
_USUAL_IGNORE_LABEL = 255

_JPEG = "JPEG changes label values: save label maps as PNG"
_WAYS_OUT: Mapping[Encoding, str] = {
    "index": "colours are no class ids: give a class map that says how they hold them, "
    "by `encoding: color` or another",
    "ade20k": "the *_seg.png of the full ADE20K are RGB; SceneParsing's label maps are "
    "grey, and of preset ade20k",
    "panoptic": "a palette file holds class ids, and is of `encoding: index`",
    "instance": "a palette file holds class ids, and is of `encoding: index`",
}


def record_too_large(encoding: str, shape: tuple[int, ...], size: int) -> str:
    """A mask, as its encoding stores it, is more than a record holds.

    Args:
        encoding: of the mask.
        shape: of the stored mask.
        size: of the record, in bytes, at least.
    """
    return (
        f"the {encoding} mask [{' '.join(map(str, shape))}] takes {size} bytes, and a "
        f"record holds {PROTOBUF_BYTES}: use another --mask_encoding, or --size"
    )


def other_kind(kind: Kind | None, class_map: ClassMap) -> str:
    """A label map is of a kind that the encoding does not read.

    Args:
        kind: of the PNG; None for a JPEG.
        class_map: of the encoding.
    """
    encoding = class_map.encoding
    way_out = _JPEG if kind is None else _WAYS_OUT.get(encoding, "")
    return (
        f"{'JPEG' if kind is None else kind}, which encoding {encoding} of class map "
        f"{class_map.name} does not read"
    ) + (f"; {way_out}" if way_out else "")


def damaged(message: str) -> str:
    """A file cannot be decoded.

    Args:
        message: TensorFlow's, from which its own place names are taken out.
    """
    cause = message.split(" [Op:")[0].split("{{")[-1].split("}} ")[-1]
    return f"damaged or cut off: {cause}"


def unknown_values(
    values: npt.NDArray[np.integer], pixels: npt.NDArray[np.int64], class_map: ClassMap
) -> str:
    """A label map holds values that the class map does not name.

    Args:
        values: the unknown ids, or colours as `color_code` has them: [N], sorted.
        pixels: how many pixels have each: i64[N].
        class_map: that does not name them.
    """
    shown = ", ".join(
        f"{class_map.describe(int(value))} at {count} pixels"
        for value, count in zip(
            values[:_SHOWN_VALUES], pixels[:_SHOWN_VALUES], strict=True
        )
    )
    hidden = values.size - _SHOWN_VALUES
    more = f" and {hidden} more values" if hidden > 0 else ""
    hint = "if it is meant, name it there, under a class or under `ignore`"
    if class_map.encoding == "color":
        hint += "; `others: ignore` leaves all unknown colours out"
    elif _USUAL_IGNORE_LABEL in values:
        hint = "255 often is the ignore label: if so, add it to `ignore`"
    return (
        f"label value {shown}{more}, outside class map {class_map.name}, "
        f"which has {class_map.describe_ids()}; {hint}"
    )


def other_size(
    label: tuple[int, int], image: tuple[int, int], turn: int, what: str
) -> str:
    """A label map and its image differ in size.

    Args:
        label: height and width, in pixels.
        image: height and width of the upright image, in pixels.
        turn: the image's EXIF orientation, 1 to 8.
        what: the image, in words.
    """
    reason = (
        f"label map and image differ in size: {label[0]} x {label[1]} and "
        f"{image[0]} x {image[1]} (height x width), {what}"
    )
    if label == image[::-1] and turn > 4:
        reason += (
            f"; the image's EXIF orientation, {turn}, turns it on its side, and the "
            "label map was drawn as if it did not: turn the label map, or take the tag "
            "out of the image"
        )
    return reason
