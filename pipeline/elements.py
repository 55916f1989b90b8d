"""What moves through the pipeline: small tuples of names, then rows; and rejections.

Entry --pair--> Row --cut--> Unit --read--> Batch of RawRow --check--> ...
                 |                   |                 |
                 +----- Rejection ---+-----------------+
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # it loads TensorFlow
    from maskbeam.transforms import summaries


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """Where in a NumPy file a label map is, or in a TIFF of several pictures.

    Attributes:
        member: the array's name in a `.npz` file; empty in a `.npy` file.
        index: the map's number in a stack; -1 if the array is the map.
    """

    member: str = ""
    index: int = -1

    @property
    def suffix(self) -> str:
        """The text that the place adds to the file's key: `#member`, `#3`."""
        member = f"#{self.member}" if self.member else ""
        return member if self.index < 0 else f"{member}#{self.index}"


class Window(NamedTuple):
    """A part of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


class Segment(NamedTuple):
    """A segment of one picture; `area` in pixels."""

    id: int
    category: int
    area: int


class Shape(NamedTuple):
    """Something drawn on a picture, as an annotation file has it.

    Attributes:
        label: what it is: a category's id, or a name.
        kind: how `parts` are drawn, see `formats/drawn.py`.
        parts: numbers or codes, packed.
    """

    label: int | str
    kind: str
    parts: tuple[bytes, ...]


class Picture(NamedTuple):
    """A picture, as an annotation file has it.

    Attributes:
        name: the picture's path, as the file says it.
        height: in pixels; 0 where the file does not say it.
        width: in pixels; 0 likewise.
        shapes: what is drawn on it, in the file's order.
    """

    name: str
    height: int
    width: int
    shapes: tuple[Shape, ...] = ()


class Overview(NamedTuple):
    """What an annotation file of many pictures has, without what is drawn on them.

    Attributes:
        pictures: without shapes.
        classes: names of classes by id, or by their order.
        strays: annotations of pictures that the file does not have.
    """

    pictures: tuple[Picture, ...]
    classes: Mapping[int, str]
    strays: int = 0


class SkewSample(NamedTuple):
    """Where a row's raw bytes and its record are: the bytes are too many to travel.

    Attributes:
        rank: the row's rank; rows of the smallest ranks are compared.
        split: the row's split.
        key: the record's key.
        raw_path: the file that has the raw bytes: the label map's, then the image's.
        raw_lengths: how many bytes each of the two has; None if the row lacks it.
        path: the file that has the record.
        offset: where the record begins in that file, in bytes.
        length: the record's length, in bytes.
        pixels: how many pixels the mask has.
    """

    rank: int
    split: str
    key: str
    raw_path: str
    raw_lengths: tuple[int | None, int | None]
    path: str
    offset: int
    length: int
    pixels: int


def printable(text: str) -> str:
    """Returns text that has to be printed and sent, such as a path.

    Bytes of a file name that are not UTF-8 are escaped.
    """
    if text.isascii():  # most are
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


Role = Literal["label", "image", "listed", "segments"]


class Entry(NamedTuple):
    """One thing that is known about a key.

    Attributes:
        role: what the file is to the key: its label map, its image, a split's list that
            names it, or a JSON that has the segments of its label map.
        split: the split that the file belongs to.
        path: the file's path.
        place: where in a NumPy file, or which picture of several in a TIFF; None for
            any other file.
        window: the part of a big TIFF that is the row's tile; None for all of it.
        segments: the segments of a panoptic label map, from the JSON.
        unmatched: why the file's name says no key, in words; empty if it says one. The
            key is else that of the file.
        layer: the name of the layer of a label map that the file is; empty for none.
        annotations: the format of an annotation file, from which the label map is
            drawn; empty for any other file.
        picture: what that file says of the row's picture; None if it has one alone.
    """

    role: Role
    split: str
    path: str
    place: Place | None = None
    window: Window | None = None
    segments: tuple[Segment, ...] = ()
    unmatched: str = ""
    layer: str = ""
    annotations: str = ""
    picture: Picture | None = None

    @property
    def has_own_file(self) -> bool:
        """Whether an annotation file is of the row's picture alone."""
        return bool(self.annotations) and self.picture is None

    @property
    def is_first_of_several(self) -> bool:
        """Whether a file holds several pictures, of which it is the first."""
        is_first = self.window is None or self.window[:2] == (0, 0)
        return self.place is not None and self.place.index == 0 and is_first

    @property
    def source(self) -> str:
        """The file and the place in it, for messages."""
        place = self.place.suffix if self.place else ""
        if self.picture is not None:
            place = f"#{self.picture.name}"
        return printable(self.path + place)


class Row(NamedTuple):
    """A label map and its image, by name; not both can be None.

    Attributes:
        key: unique within its split.
        rank: what the rows of a shard are ordered by.
        label: the label map; None in a split of images only.
        image: the image; None if rows have none.
        segments: the segments of a panoptic label map; None for any other.
        layers: the files of a label map that is in several, in drawing order; `label`
            is the first of them. None for a label map in one file.
    """

    key: str
    rank: int
    label: Entry | None
    image: Entry | None
    segments: tuple[Segment, ...] | None = None
    layers: tuple[Entry, ...] = ()

    @property
    def entries(self) -> list[Entry]:
        """All files of the row."""
        labels = self.layers or (self.label,)
        return [entry for entry in (*labels, self.image) if entry]

    @property
    def source(self) -> str:
        """The row's file, for messages: its label map, or else its image."""
        found = self.label or self.image
        return found.source if found else ""


class Span(NamedTuple):
    """A range of records of a plain TFRecord file.

    Attributes:
        start: where the first record begins, in bytes.
        stop: where the last one ends, in bytes; None for the end of the file.
        first: the number of the first record, from 0.
    """

    start: int = 0
    stop: int | None = None
    first: int = 0


WHOLE = Span()


class Unit(NamedTuple):
    """Rows that one worker reads in one go.

    Attributes:
        split: the split; empty for a record file whose rows are dealt to several.
        shard: the number of the shard that they go to.
        part: the number of the unit within its shard.
        rows: the rows, by name; none for a record file.
        record_file: the file of many rows to read instead.
        file_bytes: how large that file was when it was counted.
        span: the part of that file to read.
    """

    split: str
    shard: int
    part: int
    rows: tuple[Row, ...] = ()
    record_file: str = ""
    file_bytes: int = 0
    span: Span = WHOLE


class RawRow(NamedTuple):
    """A row as read; nothing is checked yet.

    Attributes:
        key: unique within its split.
        source: the label map's file, or the record's.
        image_source: the image's file, or the record's.
        label_bytes: the encoded label map; None in a split of images only.
        image_bytes: the encoded image; None if rows have none.
        is_tile: whether the row is a tile already, cut out of a big picture.
        overlapping: pixels that several classes claimed, of a label map that was drawn;
            None for any other.
    """

    key: str
    source: str
    image_source: str
    label_bytes: bytes | None
    image_bytes: bytes | None
    is_tile: bool = False
    overlapping: int | None = None

    @property
    def nbytes(self) -> int:
        """The size of the encoded files, in bytes."""
        return len(self.label_bytes or b"") + len(self.image_bytes or b"")


def numbered_key(path: str, number: int) -> str:
    """Makes the key of a row that has none of its own: file name and number."""
    return f"{path.rpartition('/')[2]}#{number}"


class BadRow(NamedTuple):
    """A row of a record file that cannot be read; those after it can.

    Attributes:
        number: the row's number in its file, from 0.
        reason: what is wrong with it.
    """

    number: int
    reason: str


class DamagedError(Exception):
    """A record file is damaged from one row on.

    Attributes:
        row: the number of the first row that is lost, from 0.
        reason: what is wrong there.
        lost: how many rows are lost; None if nobody can say.
        is_estimate: whether `lost` is an estimate.
    """

    def __init__(
        self,
        row: int,
        reason: str,
        lost: int | None = None,
        *,
        is_estimate: bool = True,
    ) -> None:
        super().__init__(row, reason)
        self.row = row
        self.reason = reason
        self.lost = lost
        self.is_estimate = is_estimate


class Rejection(NamedTuple):
    """A row that is left out, and why; or the rest of a damaged file.

    Attributes:
        key: the row's key; empty if it is not known.
        split: the row's split; empty if it is not known.
        source: its file, for messages.
        stage: what rejected it.
        reason: why, in words.
        rows: how many rows are left out, maybe by an estimate; None if nobody can say.
        rank: the row's rank, if it was counted before it was read.
    """

    key: str
    split: str
    source: str
    stage: str
    reason: str
    rows: int | None = 1
    rank: int | None = None

    def to_json(self) -> str:
        """Returns the rejection as one line of a file in `rejected/`."""
        tree = self._asdict()
        del tree["rank"]
        if self.rows == 1:
            del tree["rows"]
        return json.dumps(tree)


class RejectedError(Exception):
    """A row is rejected; `stage` and `reason` are the rejection's."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(stage, reason)
        self.stage = stage
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Origins:
    """What some records were made of, to be held against what was to be converted.

    Attributes:
        rows: how many rows.
        ranks: the sum of the rows' ranks, modulo 2**64, in whatever order.
        turned: how many images were turned upright.
    """

    rows: int = 0
    ranks: int = 0
    turned: int = 0

    def __add__(self, other: "Origins") -> "Origins":
        """Adds both up."""
        return Origins(
            self.rows + other.rows,
            (self.ranks + other.ranks) % 2**64,
            self.turned + other.turned,
        )


@dataclasses.dataclass(frozen=True)
class WrittenRecords:
    """What is known about the records in one file: a fragment, or a shard.

    Attributes:
        part: sorts the fragments of a shard.
        path: the fragment's path, or the shard's file name.
        records: how many records there are.
        bytes: the file's size, in bytes.
        sizes: how many masks there are of each (height, width).
        summary: the sum of all rows' summaries.
        origins: the rows that the records were made of.
        sha256: a shard's SHA-256, in hex; empty for a fragment.
    """

    part: tuple[int, ...]
    path: str
    records: int
    bytes: int
    sizes: Mapping[tuple[int, int], int]
    summary: "summaries.Summary"
    origins: Origins = Origins()
    sha256: str = ""


ShardId = tuple[str, int]
