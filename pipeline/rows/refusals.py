"""What is said of a rejected row: what was found, and what can be done about it.

Wording alone: nothing is decoded or judged here.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.formats.limits import RECORD_BYTES
from maskbeam.pipeline.formats.pictures import LOSSY
from maskbeam.pipeline.formats.pixels import too_many_pixels as too_many_pixels
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.png_kinds import CHANNELS, KINDS, PALETTE, Encoding, Kind

_SHOWN_VALUES = 4
_USUAL_IGNORE_LABELS = (255, 65535)

# What `decode.require` fails with comes after this.
_OWN = "could not correctly convert string: "


_WAYS_OUT: Mapping[Encoding, str] = {
    "index": "colours are no class ids: give a class map that says how they hold them, "
    "by `encoding: color` or another",
    "ade20k": "the *_seg.png of the full ADE20K are RGB; SceneParsing's label maps are "
    "grey, and of preset ade20k",
    "panoptic": "a palette file holds class ids, and is of `encoding: index`",
    "instance": "a palette file holds class ids, and is of `encoding: index`",
}


def mask_too_large(encoding: str, shape: tuple[int, ...], size: int) -> str:
    """A mask, as its encoding has it before it is deflated, is more than is made.

    Args:
        encoding: of the mask.
        shape: of the encoded mask.
        size: of the encoded mask, in bytes.
    """
    return (
        f"the {encoding} mask [{' '.join(map(str, shape))}] takes {size} bytes before "
        f"it is deflated, and at most {RECORD_BYTES} are encoded: use another "
        "--mask_encoding, --tile or --size"
    )


def other_kind(kind: Kind | None, class_map: ClassMap) -> str:
    """A label map is of a kind that the encoding does not read.

    Args:
        kind: of the PNG; None for a JPEG.
        class_map: of the encoding.
    """
    if kind is None:
        way_out = LOSSY
    elif kind in KINDS[class_map.encoding]:
        way_out = _of_keys(kind, class_map)
    else:
        way_out = _WAYS_OUT.get(class_map.encoding, "")
    said = f"{_of_encoding(kind, class_map)} does not read"
    return said + (f"; {way_out}" if way_out else "")


def _of_encoding(kind: Kind | None, class_map: ClassMap) -> str:
    keys = f" with `channel: {class_map.channel}`" if class_map.channel else ""
    keys += f" with `threshold: {class_map.threshold}`" if class_map.threshold else ""
    return (
        f"{'JPEG' if kind is None else kind}, which encoding {class_map.encoding} of "
        f"class map {class_map.name}{keys}"
    )


def _of_keys(kind: Kind, class_map: ClassMap) -> str:
    """How to read what `encoding: index` reads, but not with the map's keys."""
    if class_map.channel == "alpha":
        return (
            "it has no alpha of 8 bits: leave `channel` out where ids are the samples"
        )
    if kind.color_type == PALETTE:
        return (
            "samples of palette files are no levels: read those of their colours, by "
            "`channel: red`, or leave `threshold` out"
        )
    return "a threshold is of 8-bit levels: save it with 8 bits, or leave it out"


def other_channels(
    levels: npt.NDArray[np.uint8],
    is_unequal: npt.NDArray[np.bool_],
    kind: Kind,
    class_map: ClassMap,
) -> str:
    """A label map has colours where greys are read.

    Args:
        levels: u8[H W 4].
        is_unequal: bool[H W], where red, green and blue are not all equal.
        kind: of the PNG.
        class_map: of `encoding: index`.
    """
    row, column = divmod(int(is_unequal.argmax()), is_unequal.shape[1])
    first = levels[row, column, :3].tolist()
    used = [CHANNELS[number] for number in range(3) if levels[..., number].any()]
    way_out = _WAYS_OUT["index"]
    if len(used) == 1:
        (name,) = used
        way_out += f"; if {name}, which alone is not 0, has ids, add `channel: {name}`"
    return (
        f"{_of_encoding(kind, class_map)} reads where red, green and blue are equal; "
        f"{np.count_nonzero(is_unequal)} pixels have other colours, the first "
        f"{first} in row {row}, column {column}; {way_out}"
    )


def in_alpha(kind: Kind, class_map: ClassMap) -> str:
    """A label map has one colour, and its values in alpha."""
    return (
        f"{_of_encoding(kind, class_map)} reads by its colour, which is the same in "
        "all pixels, while alpha varies; if alpha holds the ids, add `channel: alpha`"
    )


def damaged(message: str) -> str:
    """A file cannot be decoded.

    Args:
        message: TensorFlow's, from which its own place names are taken out; or ours.
    """
    cause = message.split(" [Op:")[0].split("{{")[-1].split("}} ")[-1]
    if _OWN in cause:
        return cause.partition(_OWN)[2]
    return f"damaged or cut off: {cause}"


def other_than_promised(promised: tuple[int, ...], found: tuple[int, ...]) -> str:
    """A picture is not of the size that its header promises.

    Args:
        promised: height and width, in pixels.
        found: height and width of the decoded picture, in pixels.
    """
    return (
        f"damaged: its header promises {promised[0]} x {promised[1]} pixels, and "
        f"{found[0]} x {found[1]} are decoded"
    )


def beyond_palette(index: int, pixels: int, colors: int) -> str:
    """A palette file has pixels that its palette has no colour for."""
    return (
        f"damaged: its palette has {colors} colours, and {pixels} pixels have an index "
        f"beyond them, up to {index}, which has no colour; if the index is the class "
        "id, use `encoding: index`"
    )


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
    hint = _hint(values, class_map)
    return (
        f"label value {shown}{more}, outside class map {class_map.name}, "
        f"which has {class_map.describe_ids()}; {hint}"
    )


def _hint(values: npt.NDArray[np.integer], class_map: ClassMap) -> str:
    """What may mend it: the flag, or the field, that fits what is there."""
    if class_map.encoding == "color":
        return (
            "if it is meant, name it under a class or under `ignore`; `others: ignore` "
            f"leaves all unknown colours out{_hint_of_moves(class_map)}"
        )
    # As `classes.numbered` names its maps, which have no file.
    is_numbered = class_map.name == f"classes{class_map.num_classes}"
    if values.tolist() == [255] and is_numbered and class_map.num_classes <= 2:
        return (
            "if label maps are 0 and 255 only, 255 is the foreground: use --classes "
            "binary; if it marks pixels to leave out, add --ignore_label 255"
        )
    hints = []
    if class_map.encoding == "index" and class_map.num_classes == 2 < values.size:
        hints.append(
            "if saving has blurred 0 and 255, use a class map of `base: binary` and "
            "`threshold: 128`"
        )
    usual = [value for value in _USUAL_IGNORE_LABELS if value in values]
    if len(usual) < values.size:
        hints.append(
            "if it is a class, raise --num_classes; ids with gaps are named in a class "
            "map, by --classes FILE"
            if is_numbered
            else "if it is meant, name it there, under a class or under `ignore`"
        )
    for value in usual:
        way = f"by --ignore_label {value}" if is_numbered else "in `ignore`"
        hints.append(f"{value} often marks pixels to leave out: if so, name it {way}")
    return "; ".join(hints)


def _hint_of_moves(class_map: ClassMap) -> str:
    if class_map.moves is None:
        return "; `nearest: 40` takes those of blurred edges for the nearest"
    if class_map.moves == "threshold":
        return ""
    return (
        f"; none is within `nearest: {class_map.nearest}`, and a larger one takes more"
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
            "label map was drawn as if it did not: if all were drawn so, add --exif "
            "ignore; else turn the label map, or take the tag out of the image"
        )
    else:
        reason += (
            "; if they are of one scene, scale one of them before, and a label map by "
            "nearest neighbour alone"
        )
    return reason
