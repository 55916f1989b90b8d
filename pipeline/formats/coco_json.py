"""COCO's JSON of instances, or of stuff: pictures, categories, and annotations of both.

    images         id, file_name, height, width
    categories     id, name
    annotations    image_id, category_id, segmentation: polygons [[x, y, ...], ...], or
                   run lengths {"size": [h, w], "counts": a list, or a code}

A crowd (`iscrowd`) is drawn as any other. Source: COCO's page on its data format;
pycocotools 2.0.11, coco.py (annToRLE).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from maskbeam.pipeline.elements import Overview, Picture, Shape
from maskbeam.pipeline.errors import in_words
from maskbeam.pipeline.formats import drawn
from maskbeam.pipeline.formats.json_bounds import BoundedJson
from maskbeam.pipeline.formats.meanings import Labels
from maskbeam.pipeline.runtime import files

NAME = "COCO JSON"
LABELS: Labels = "ids"
BY_AREA = True

_MAX_ID = 65535
_GAP_BYTES = 16 << 20  # of what has no quotation mark, such as a list of run lengths
_WRONG_FIELDS = (LookupError, TypeError, ValueError)
_SHOWN = 200  # characters of what is wrong


def overview(path: str) -> Overview:
    """Reads a file, however large, and keeps its names.

    Raises:
        ValueError: it is damaged, or not of this format.
        OSError: it cannot be read.
    """
    found = _Reader(path, keeps_shapes=False)
    return Overview(tuple(found.pictures()), found.categories, found.strays)


def pictures(path: str) -> Iterator[Picture]:
    """Reads a file, however large; raises as `overview` does.

    It holds what is drawn on all pictures: annotations stand in any order.
    """
    return _Reader(path, keeps_shapes=True).pictures()


class _Reader:
    """Reads one file from beginning to end.

    Attributes:
        categories: names by id.
        strays: annotations of pictures that are not in the file.
    """

    def __init__(self, path: str, *, keeps_shapes: bool) -> None:
        self._keeps_shapes = keeps_shapes
        self._images: dict[int | str, Picture] = {}
        self._shapes: dict[int | str, list[Shape]] = {}
        self._counts: dict[int | str, int] = {}
        self.categories: dict[int, str] = {}
        try:
            for name, take in (
                ("images", self._take_image),
                ("categories", self._take_category),
                ("annotations", self._take_annotation),
            ):
                for item in _items(path, f"{name}.item"):
                    take(item)
        except (ArithmeticError, *_WRONG_FIELDS) as error:
            words = " ".join(repr(error).split())[:_SHOWN]
            if isinstance(error, KeyError):
                words = f"something in it has no {error}"[:_SHOWN]
            raise ValueError(f"{path} is no JSON of COCO's format: {words}") from error
        if not self._images:
            raise ValueError(f"{path}: its `images` are none, or it is cut off")

    @property
    def strays(self) -> int:
        return sum(
            count
            for number, count in self._counts.items()
            if number not in self._images
        )

    def pictures(self) -> Iterator[Picture]:
        for number, picture in self._images.items():
            shapes = self._shapes.pop(number, ())
            yield picture._replace(shapes=tuple(shapes))

    def _take_image(self, found: Mapping[str, Any]) -> None:
        number, name = _number(found["id"]), found["file_name"]
        if not isinstance(name, str) or not name:
            raise TypeError(f"the file_name of image {number} is {name!r}")
        name.encode()  # half a surrogate pair is no name
        if number in self._images:
            raise ValueError(f"two images have the id {number}")
        height, width = (_side(found.get(side)) for side in ("height", "width"))
        self._images[number] = Picture(name, height, width)

    def _take_category(self, found: Mapping[str, Any]) -> None:
        number, name = found["id"], found["name"]
        if type(number) is not int or not 0 <= number <= _MAX_ID:
            raise ValueError(f"the id of a category is {number!r}, not 0..{_MAX_ID}")
        if not isinstance(name, str):
            raise TypeError(f"the name of category {number} is {name!r}")
        if self.categories.setdefault(number, name) != name:
            raise ValueError(f"two categories have the id {number}")

    def _take_annotation(self, found: Mapping[str, Any]) -> None:
        if "segments_info" in found:
            raise ValueError(
                "it is of COCO's panoptic format: name its PNGs by --label_maps, and "
                "--classes coco_panoptic or a map of that encoding"
            )
        number = _number(found["image_id"])
        self._counts[number] = self._counts.get(number, 0) + 1
        if self._keeps_shapes:
            self._shapes.setdefault(number, []).append(_shape(found))


def _items(path: str, prefix: str) -> Iterator[Any]:
    """Gives the items of one of a JSON's lists; raises ValueError if it is no JSON."""
    import ijson

    try:
        with files.open_raw(path) as file:
            bounded = BoundedJson(file, _GAP_BYTES)
            # To read on for each list is three times as fast as all in one pass.
            yield from ijson.items(bounded, prefix, use_float=True)
    except ijson.JSONError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _number(value: object) -> int | str:
    """An image's id: a whole number, or with some tools a text."""
    if type(value) is int or isinstance(value, str):
        return value
    raise TypeError(f"the id of an image is {value!r}")


def _side(value: object) -> int:
    """A picture's height or width; 0 if it is not said."""
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**31:
        raise TypeError(f"the height or width of an image is {value!r}")
    return value


def _shape(found: Mapping[str, Any]) -> Shape:
    """An annotation; whatever is wrong with it costs its picture, and no other."""
    try:
        label = found["category_id"]
        if type(label) is not int:
            raise ValueError(f"its category_id is {label!r}")
        return Shape(label, *_drawn(found.get("segmentation")))
    except (ArithmeticError, *_WRONG_FIELDS) as error:
        words = in_words(error)
        if isinstance(error, LookupError):
            words = f"it has no {error}"
        return Shape(0, drawn.WRONG, (words[:_SHOWN].encode("utf-8", "replace"),))


def _drawn(found: object) -> tuple[str, tuple[bytes, ...]]:
    """The kind and the parts of a shape."""
    if isinstance(found, Mapping):
        counts, size = found["counts"], _packed(found["size"], np.int64)
        if isinstance(counts, str):
            return "code", (counts.encode("ascii", "replace"), size)
        return "runs", (_packed(counts, np.int64), size)
    if not found:
        raise ValueError(
            "it has a box and no segmentation, so nobody knows which pixels are its"
        )
    if not isinstance(found, list):
        raise ValueError(f"its segmentation is {found!r}")
    if all(type(number) in (int, float) for number in found):
        raise ValueError(
            "its segmentation is a list of numbers, and COCO has a list of polygons: "
            "[[x, y, ...]]"
        )
    return "polygons", tuple(_packed(polygon, np.float64) for polygon in found)


def _packed(numbers: object, dtype: type[np.generic]) -> bytes:
    if not isinstance(numbers, list):
        raise ValueError(f"its segmentation has {numbers!r} in place of numbers")
    for number in numbers:
        if type(number) not in (int, float):
            raise ValueError(f"its segmentation has {number!r} among numbers")
    if dtype is np.int64 and not all(type(number) is int for number in numbers):
        raise ValueError("its run lengths are not whole numbers")
    return np.array(numbers, dtype).tobytes()
