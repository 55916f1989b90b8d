"""CVAT's XML for images, version 1.1: pictures, labels, and what is drawn on both.

    <annotations>
      <meta>... <label><name>car</name>...
      <image name="a.png" width="31" height="23">
        <polygon label="car" points="1.00,2.00;3.00,4.00;..." z_order="0"/>
        <box label="car" xtl="1" ytl="2" xbr="3" ybr="4" rotation="30"/>
        <mask label="car" rle="3, 5, 7" left="2" top="1" width="5" height="3"/>

Polygons and boxes are filled by pycocotools, as CVAT itself does for its export of
masks. A mask's runs go along the rows of its box. Higher `z_order` is on top, then the
later. Tags are of the whole picture, and draw nothing.

Source: docs.cvat.ai, "XML annotation format"; cvat-ai/cvat@a01a8a8,
cvat/apps/dataset_manager/formats/cvat.py (load_anno), and @0097fd1, mask.py there;
openvinotoolkit/datumaro@08052c6, data_formats/cvat/base.py (masks).
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.parsers import expat

import numpy as np

from maskbeam.pipeline.elements import Overview, Picture, Shape
from maskbeam.pipeline.errors import in_words
from maskbeam.pipeline.formats import drawn
from maskbeam.pipeline.formats.meanings import Labels
from maskbeam.pipeline.runtime import files

NAME = "CVAT XML"
LABELS: Labels = "names"
BY_AREA = False

ROOT = "annotations"

_CHUNK_BYTES = 1 << 18
_TAG_BYTES = 16 << 20  # of one tag, such as a mask's
_NAME_CHARACTERS = 1 << 16
_DEPTH = 100
_NOT_DRAWN = ("polyline", "points", "cuboid", "skeleton", "ellipse")
_DRAWN = ("polygon", "box", "mask", *_NOT_DRAWN)


class _Drawn(NamedTuple):
    """A shape, and what lies below it."""

    z_order: int
    shape: Shape


def overview(path: str) -> Overview:
    """Reads a file, and keeps its names.

    Raises:
        ValueError: it is damaged, or not of this format.
        OSError: it cannot be read.
    """
    reader = _Reader(path, keeps_shapes=False)
    found = tuple(reader.pictures())
    return Overview(found, dict(enumerate(reader.labels, 1)))


def pictures(path: str) -> Iterator[Picture]:
    """Reads a file picture by picture; raises as `overview` does."""
    return _Reader(path, keeps_shapes=True).pictures()


def root_of(head: bytes) -> str:
    """The name of the outermost element of a file that begins so.

    Raises:
        ValueError: it is no XML.
    """
    names: list[str] = []
    parser = _parser()
    parser.StartElementHandler = lambda name, _: names.append(name)
    try:
        parser.Parse(head)
    except expat.ExpatError as error:
        if not names:
            raise ValueError(f"it is no XML: {error}") from error
    if not names:
        raise ValueError("it is no XML: there is no element")
    return names[0]


def _parser() -> expat.XMLParserType:
    """A parser that refuses definitions: entities may be bombs, or read other files."""
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError("it has a DOCTYPE, which CVAT writes none of")

    parser.StartDoctypeDeclHandler = refuse
    return parser


class _Reader:
    """Reads one file from beginning to end.

    Attributes:
        labels: the names that the file declares, then those that it uses besides; a set
            in their order.
    """

    def __init__(self, path: str, *, keeps_shapes: bool) -> None:
        self._path = path
        self._keeps_shapes = keeps_shapes
        self._open: list[str] = []
        self._text = ""
        self._picture: Picture | None = None
        self._shapes: list[_Drawn] = []
        self._done: list[Picture] = []
        self._is_video = False
        self.labels: dict[str, None] = {}

    def pictures(self) -> Iterator[Picture]:
        """The pictures, as they come.

        Raises:
            ValueError: the file is damaged, or not of this format.
            OSError: it cannot be read.
        """
        count = 0
        try:
            for done in self._parsed():
                count += len(done)
                yield from done
        except (expat.ExpatError, LookupError, ValueError) as error:
            words = in_words(error)
            raise ValueError(f"{self._path} is no XML of CVAT's: {words}") from error
        if not count:
            raise ValueError(
                f"{self._path} has tracks and no images: export it as CVAT for images"
                if self._is_video
                else f"{self._path} is no XML of CVAT's: it has no images"
            )

    def _parsed(self) -> Iterator[list[Picture]]:
        parser = _parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        fed = 0
        with files.open_raw(self._path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                parser.Parse(chunk)
                fed += len(chunk)
                if fed - max(0, parser.CurrentByteIndex) > _TAG_BYTES:
                    raise ValueError(f"a tag has more than {_TAG_BYTES} bytes")
                done, self._done = self._done, []
                yield done
            parser.Parse(b"", True)
        yield self._done

    def _start(self, name: str, found: dict[str, str]) -> None:
        if not self._open and name != ROOT:
            raise ValueError(f"its outermost element is {name[:_NAME_CHARACTERS]!r}")
        self._open.append(name)
        if len(self._open) > _DEPTH:
            raise ValueError(f"it is nested more than {_DEPTH} deep")
        self._text = ""
        if name == "track":
            self._is_video = True
        elif name == "image" and len(self._open) == 2:
            sides = _side(found, "height"), _side(found, "width")
            self._picture = Picture(found["name"], *sides)
        elif name in _DRAWN and self._open[:-1] == [ROOT, "image"]:
            self.labels[found["label"]] = None
            if self._keeps_shapes:
                self._shapes.append(
                    _Drawn(_whole(found.get("z_order", "0")), _shape(name, found))
                )

    def _end(self, name: str) -> None:
        self._open.pop()
        if name == "name" and self._open[-1:] == ["label"]:
            self.labels[self._text] = None
        elif name == "image" and self._picture is not None and len(self._open) == 1:
            # Of equal ones the later stays on top.
            drawn_last = sorted(self._shapes, key=lambda one: one.z_order)
            shapes = tuple(one.shape for one in drawn_last)
            self._done.append(self._picture._replace(shapes=shapes))
            self._picture, self._shapes = None, []

    def _characters(self, text: str) -> None:
        if len(self._text) < _NAME_CHARACTERS:
            self._text += text


def _side(found: Mapping[str, str], name: str) -> int:
    """A picture's height or width; 0 if it is not said."""
    value = _whole(found.get(name, "0"))
    if not 0 <= value < 2**31:
        raise ValueError(f"the {name} of {found['name']!r} is {value}")
    return value


def _whole(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"{text[:20]!r}... is no whole number that is meant")
    return int(text)


def _shape(name: str, found: Mapping[str, str]) -> Shape:
    """A shape; whatever is wrong with it costs its picture, and no other."""
    try:
        return Shape(found["label"], *_parts(name, found))
    except (LookupError, ValueError, OverflowError) as error:
        words = in_words(error)
        if isinstance(error, LookupError):
            words = f"its {name} has no {error}"
        return Shape(found["label"], drawn.WRONG, (words.encode("utf-8", "replace"),))


def _parts(name: str, found: Mapping[str, str]) -> tuple[str, tuple[bytes, ...]]:
    """The kind and the parts of a shape."""
    if name in _NOT_DRAWN:
        raise ValueError(
            f"it is a {name}, of which nobody knows the pixels: draw it as a polygon "
            "or a mask"
        )
    if name == "mask":
        runs = np.array([_whole(run) for run in found["rle"].split(",")], np.int64)
        box = [_whole(found[side]) for side in ("left", "top", "width", "height")]
        return "rows", (runs.tobytes(), np.array(box, np.int64).tobytes())
    if name == "polygon":
        pairs = [pair.split(",") for pair in found["points"].split(";")]
        points = np.array([[float(x), float(y)] for x, y in pairs])
    else:
        points = _corners(found)
    return "polygons", (points.tobytes(),)


def _corners(
    found: Mapping[str, str],
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """The corners of a box: f64[4 2]; it is turned clockwise about its middle."""
    left, top, right, bottom = (float(found[n]) for n in ("xtl", "ytl", "xbr", "ybr"))
    points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    angle = math.radians(float(found.get("rotation", "0")))
    if not angle:
        return points
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    turn = np.array(
        [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    )
    return (points - middle) @ turn + middle
