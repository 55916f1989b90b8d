"""COCO's panoptic format: RGB PNGs of segment ids, and a JSON that says what they are.

    annotations/panoptic_val2017/000000000139.png   R + 256 G + 65536 B: segment
    annotations/panoptic_val2017.json               segment: category, area

Source: cocodataset/panopticapi, panopticapi/utils.py (rgb2id), and COCO's page on the
format of its results.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from maskbeam.pipeline.elements import Segment
from maskbeam.pipeline.formats.json_bounds import BoundedJson
from maskbeam.pipeline.runtime import files

_WRONG_FIELDS = (LookupError, TypeError, ValueError)
_SHOWN = 200  # characters of what is wrong


def json_of(path: str) -> str:
    """The JSON of a label map: beside its directory, and of the same name."""
    return f"{path.rpartition('/')[0]}.json"


def annotations(path: str) -> Iterator[tuple[str, tuple[Segment, ...]]]:
    """Reads a JSON, however large, picture by picture.

    Returns:
        (the label map's file name, its segments) for each picture.

    Raises:
        ValueError: it is no JSON, or not of this format.
    """
    import ijson

    with files.open_raw(path) as file:
        try:
            for picture in ijson.items(BoundedJson(file), "annotations.item"):
                yield _picture(picture)
        # ArithmeticError: a decimal number that is none.
        except (ijson.JSONError, ArithmeticError, *_WRONG_FIELDS) as error:
            words = " ".join(repr(error).split())[:_SHOWN]
            raise ValueError(
                f"{path} is no JSON of COCO's panoptic format: {words}"
            ) from error


def _picture(found: Mapping[str, Any]) -> tuple[str, tuple[Segment, ...]]:
    name = found["file_name"]
    if not isinstance(name, str):
        raise TypeError(f"a picture's file_name is {name!r}")
    name.encode()  # half a surrogate pair is no name
    segments = (
        Segment(*(_whole(segment[field]) for field in ("id", "category_id", "area")))
        for segment in found["segments_info"]
    )
    return name, tuple(segments)


def _whole(value: object) -> int:
    """A number as it should be: ijson gives others as decimals, which may be huge."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise TypeError(f"{value!r} is no whole number from 0 to 2^63")
    return value
