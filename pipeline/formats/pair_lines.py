"""Lines of a list of pairs to paths, however people and their tools write them.

train/01.png trainannot/01.png              blanks, or a tab, between two paths
"My Data/1.jpg" "My Data/1.png"             quotes around those that have blanks
My Data/1.jpg,My Data/1.png                 commas, or semicolons
id,image,mask                               a first line that names the columns
trainannot/01.png train/01.jpg              what is a JPEG is the image
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from maskbeam.pipeline.errors import UsageError
from maskbeam.transforms import texts

_ADDRESSES = ("http://", "https://", "ftp://")
_NO_LETTERS = re.compile(r"[^a-z]")
# What columns are called, in small letters, without what is no letter.
_IMAGES = {"image", "images", "img", "imgs", "imagepath", "imgpath", "imagefile"}
_IMAGES |= {"imagefilename", "imagename", "imageid", "filename", "photo", "input"}
_LABELS = {"mask", "masks", "maskpath", "maskfile", "maskfilename", "maskname"}
_LABELS |= {"label", "labels", "labelpath", "labelfile", "labelmap", "labelmappath"}
_LABELS |= {"annotation", "annotationpath", "seg", "segmap", "segmentation", "target"}
_LABELS |= {"segmentationpath", "groundtruth", "gt", "gtpath"}
_SPLITS = {"split", "subset", "set", "fold"}
_RUN_LENGTHS = {"encodedpixels", "rle"}
_KNOWN = _IMAGES | _LABELS | _SPLITS | _RUN_LENGTHS
_JPEG = (".jpg", ".jpeg")
# A path ends, and another may begin.
_END = re.compile(r"(?<=\.[A-Za-z0-9]{3})\s+|(?<=\.[A-Za-z0-9]{4})\s+")


class Pair(NamedTuple):
    """What a line names.

    Attributes:
        number: of the line, among those that are not blank, from 1.
        image: its image; None for a line of one path.
        label: its label map.
    """

    number: int
    image: str | None
    label: str


def pairs(
    path: str, lines: Iterable[str], *, jpeg_label_maps: bool = False
) -> Iterator[Pair]:
    """Reads the lines of a list that are not blank.

    Where no column has a name, the image is first; unless it is the only JPEG of two,
    for that is no label map.

    Args:
        path: of the list; a `.csv` has commas, or semicolons, or tabs.
        lines: stripped.
        jpeg_label_maps: whether label maps may be JPEG too, so that the image is first.

    Raises:
        UsageError: a line is no pair.
    """
    is_csv = path.lower().endswith(".csv")
    columns: _Columns | None = None
    label_first: bool | None = None
    is_first = True
    for number, line in enumerate(lines, 1):
        if _is_comment(line):
            continue
        what = f"{path}: entry {number}"
        if is_first and (columns := _columns(line, what, is_csv=is_csv)):
            is_first = False
            continue
        is_first = False
        fields = columns.of(line, what) if columns else _fields(line, what)
        _check(fields, line, what)
        if columns is None and len(fields) == 2 and not jpeg_label_maps:
            label_first = _order(fields, label_first, what)
        *image, label = fields[::-1] if label_first else fields
        yield Pair(number, image[0] if image else None, label)


class _Columns(NamedTuple):
    """Where the two paths of a line are, as the first line has it."""

    separator: str
    image: int
    label: int

    def of(self, line: str, what: str) -> list[str]:
        """The image and the label map of a line.

        Raises:
            UsageError: it has too few fields, or quotes that do not close.
        """
        fields = _separated(line, self.separator, what)
        wanted = max(self.image, self.label) + 1
        if len(fields) < wanted:
            raise UsageError(
                f"{what} has {len(fields)} fields, and the first line names {wanted} "
                "or more"
            )
        return [fields[self.image], fields[self.label]]


def _fields(line: str, what: str) -> list[str]:
    """The paths of a line, where columns have no names."""
    separator = _separator(line)
    fields = _separated(line, separator, what)
    if separator == " " and '"' not in line and has_extension(line):
        parts = _END.split(line)
        if len(parts) <= 2:  # other blanks are within paths
            return parts
    bare = [field for field in fields if field]
    return bare if len(bare) > 1 else fields  # tools write commas at the end


def _separator(line: str) -> str:
    """What stands between paths: a comma may be a part of one."""
    for separator in ("\t", ",", ";"):
        fields = _tried(line, separator)
        if len(fields) > 1 and (
            separator == "\t" or all(map(_may_be_path, fields[:2]))
        ):
            return separator
    return " "


def _tried(line: str, separator: str) -> list[str]:
    """The fields of a line; none if its quotes are of another separator."""
    try:
        return _separated(line, separator, "")
    except UsageError:
        return []


def _separated(line: str, separator: str, what: str) -> list[str]:
    if '"' not in line:
        return [f.strip() for f in line.split(None if separator == " " else separator)]
    try:
        (fields,) = csv.reader(
            [line], delimiter=separator, skipinitialspace=True, strict=True
        )
    except csv.Error as error:
        raise UsageError(
            f"{what}, {texts.quoted(line)}: its quotes cannot be read: {error}"
        ) from error
    return [field.strip() for field in fields]


def _is_comment(line: str) -> bool:
    """Whether a line begins with #, as a path with its extension may too."""
    return line.startswith("#") and (line[1:2] in ("", " ") or not has_extension(line))


def _may_be_path(field: str) -> bool:
    return not field or has_extension(field)


def has_extension(path: str) -> bool:
    """Whether a path ends as files do."""
    return bool(os.path.splitext(path)[1])


def _columns(line: str, what: str, *, is_csv: bool) -> _Columns | None:
    """The columns that a first line names; None if it is one of paths.

    Raises:
        UsageError: none, or several, are of images or of label maps; or one says what
            is not read here.
    """
    found = [
        (separator, fields)
        for separator in (",", ";", "\t", " ")
        if len(fields := _tried(line, separator)) > 1
    ]
    for separator, fields in found:
        plain = [_NO_LETTERS.sub("", field.lower()) for field in fields]
        if any(has_extension(field) or "/" in field for field in fields):
            continue
        if not is_csv and not _KNOWN.intersection(plain):
            continue
        _check_columns(plain, texts.listed(fields), what)
        image, label = (
            next(at for at, name in enumerate(plain) if name in known)
            for known in (_IMAGES, _LABELS)
        )
        return _Columns(separator, image, label)
    return None


def _check_columns(plain: Sequence[str], names: str, what: str) -> None:
    """Refuses columns that are not one of images and one of label maps."""
    if _RUN_LENGTHS.intersection(plain):
        raise UsageError(
            f"{what} names the columns {names}: run lengths, which are not read here; "
            "draw them into PNGs of label values first"
        )
    for side, known in (("image", _IMAGES), ("label map", _LABELS)):
        count = sum(name in known for name in plain)
        if count != 1:
            raise UsageError(
                f"{what} names the columns {names}, {'several' if count else 'none'} "
                f"of which is of the {side} by its name: call them image and mask"
            )
    if _SPLITS.intersection(plain):
        raise UsageError(
            f"{what} names the columns {names}, and rows of one list are of one split: "
            "write a list for each, and name them train=LIST val=LIST"
        )


def _order(fields: Sequence[str], before: bool | None, what: str) -> bool | None:
    """Whether the label map is first; None where no line has told yet.

    Raises:
        UsageError: another line has told otherwise.
    """
    first, last = (field.lower().endswith(_JPEG) for field in fields)
    if first == last or last == before:
        return before
    if before is None:
        return last
    raise UsageError(
        f"{what} has its JPEG {'last' if last else 'first'}, and those before do not: "
        "write `IMAGE LABEL_MAP` in all lines"
    )


def _check(fields: Sequence[str], line: str, what: str) -> None:
    """Refuses what is no path, or no pair.

    Raises:
        UsageError: it is one of these.
    """
    if not all(fields):
        raise UsageError(f"{what}, {texts.quoted(line)}, lacks a path")
    if len(fields) > 2:
        raise UsageError(
            f"{what} has {len(fields)} paths, and a list of pairs has `IMAGE "
            "LABEL_MAP`; put a tab between two paths that have spaces"
        )
    if any(field.startswith(_ADDRESSES) for field in fields):
        raise UsageError(
            f"{what} is an address, {texts.quoted(line)}: files are not downloaded; "
            "list where they lie"
        )
    if any("\\" in field for field in fields):
        raise UsageError(
            f"{what}, {texts.quoted(line)}: write paths with / between names"
        )
