"""Annotation files: which formats there are, and which one a file is of."""

import functools
import io
import itertools
from collections.abc import Hashable, Iterator
from typing import Protocol

from maskbeam.pipeline.elements import Entry, Overview, Picture
from maskbeam.pipeline.errors import UsageError, in_words
from maskbeam.pipeline.formats import (
    coco_json,
    cvat_xml,
    labelme_json,
    yolo_polygons,
)
from maskbeam.pipeline.formats.json_bounds import BoundedJson
from maskbeam.pipeline.formats.meanings import Labels
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import texts

EXTENSIONS = (".json", ".xml")  # and .txt, if it is no list

_FORMS = (
    "COCO's instances or stuff, labelme's JSON, CVAT's XML for images, and YOLO's .txt "
    "of polygons"
)
_LOOKED_AT = 1000  # empty texts
_SNIFFED_BYTES = 1 << 20  # for the names in a JSON's outermost object
_FIELDS = {
    **dict.fromkeys(("images", "annotations", "categories"), coco_json.NAME),
    **dict.fromkeys(("shapes", "imagePath", "imageData"), labelme_json.NAME),
}


class Reader(Protocol):
    """A format of annotation files.

    Attributes:
        NAME: what it is called.
        LABELS: what a shape's label is.
        BY_AREA: whether of two shapes the smaller is on top; else the later is.
    """

    NAME: str
    LABELS: Labels
    BY_AREA: bool

    def pictures(self, path: str) -> Iterator[Picture]:
        """Reads a file.

        Raises:
            ValueError: it is damaged, or not of this format.
            OSError: it cannot be read.
        """


class ManyReader(Reader, Protocol):
    """A format of files that are of many pictures, and name them."""

    def overview(self, path: str) -> Overview:
        """Reads a file without its shapes; raises as `pictures` does."""


MANY: dict[str, ManyReader] = {found.NAME: found for found in (coco_json, cvat_xml)}
FORMATS: dict[str, Reader] = {
    **MANY,
    **{found.NAME: found for found in (labelme_json, yolo_polygons)},
}


def overview(path: str, name: str) -> Overview:
    """What a file of many pictures has, without what is drawn on them.

    A command asks several times, and COCO's own files take a minute.

    Args:
        path: the file's.
        name: of its format.

    Raises:
        ValueError: it is damaged, or of another format.
        OSError: it cannot be read.
    """
    if (stamp := files.stamp(path)) is None:
        return MANY[name].overview(path)
    return _overview(path, name, stamp)


@functools.lru_cache(maxsize=8)
def _overview(path: str, name: str, _: Hashable) -> Overview:
    return MANY[name].overview(path)


def picture_of(entry: Entry) -> Picture:
    """What an annotation file says of a row's picture.

    Args:
        entry: of the row's label map.

    Raises:
        ValueError: the file is damaged, or of another format.
        OSError: it cannot be read.
    """
    if entry.picture is not None:
        return entry.picture
    (found,) = FORMATS[entry.annotations].pictures(entry.path)
    return found


def has_polygons(pattern: str) -> bool:
    """Whether text files are of polygons, by the first that is not empty; else lists.

    Raises:
        OSError: they cannot be listed, or the first cannot be read.
        ValueError: Beam has no filesystem of that scheme.
    """
    for file in itertools.islice(files.matches(pattern), _LOOKED_AT):
        if (found := yolo_polygons.is_one(file.path)) is not None:
            return found
    return False


def format_of(path: str) -> str:
    """Finds a file's format, by what is in it.

    Args:
        path: the file's; a text is one that `has_polygons`.

    Raises:
        UsageError: it is of none that is read here, or cannot be read.
    """
    if path.lower().endswith(".txt"):
        return yolo_polygons.NAME
    try:
        head = files.read_some(path, _SNIFFED_BYTES)
        is_xml = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
        names = {cvat_xml.root_of(head)} if is_xml else _outermost(head)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise UsageError(f"{path}: {in_words(error)}") from error
    if is_xml and cvat_xml.ROOT in names:
        return cvat_xml.NAME
    for name in () if is_xml else names & _FIELDS.keys():
        return _FIELDS[name]
    shown = f"it has {texts.listed(sorted(names))}" if names else "it has no fields"
    raise UsageError(
        f"{path} is of no format of annotations that is read here ({shown}): "
        f"those are {_FORMS}"
    )


def _outermost(head: bytes) -> set[str]:
    """The first names in a JSON's outermost object, until one decides.

    Args:
        head: what the file begins with.

    Raises:
        ValueError: it is damaged before there is a name.
    """
    import ijson

    start = io.BytesIO(head)
    names: set[str] = set()
    try:
        for prefix, event, value in ijson.parse(BoundedJson(start, _SNIFFED_BYTES)):
            if not prefix and event == "map_key":
                names.add(value)
                if value in _FIELDS:
                    break
    except (ijson.JSONError, ValueError, ArithmeticError) as error:
        if not names:
            raise ValueError(f"it is no JSON: {in_words(error)}") from error
    return names
