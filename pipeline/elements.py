"""What moves through the pipeline: small tuples of names, then rows, then rejections.

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
    """Where in a NumPy file a label map is.

    Attributes:
        member: the array's name in a `.npz` file; empty in a `.npy` file.
        index: the row of a stack; -1 where the array is the map.
    """

    member: str = ""
    index: int = -1

    @property
    def suffix(self) -> str:
        """What the place adds to the file's key: `#member`, `#3`."""
        member = f"#{self.member}" if self.member else ""
        return member if self.index < 0 else f"{member}#{self.index}"


class Segment(NamedTuple):
    """A segment of one picture; `area` in pixels."""

    id: int
    category: int
    area: int


class SkewSample(NamedTuple):
    """Where a row's raw bytes and its record are: they are too large to travel.

    Attributes:
        rank: the smallest are compared.
        split: of the row.
        key: of the record.
        raw_path: of the file that has its raw bytes, pickled as (label map, image).
        path: of the file that has the record.
        offset: of the record in the file, in bytes.
        length: of the record, in bytes.
        pixels: of the mask.
    """

    rank: int
    split: str
    key: str
    raw_path: str
    path: str
    offset: int
    length: int
    pixels: int


Role = Literal["label", "image", "listed", "segments"]


class Entry(NamedTuple):
    """What one source says of a key.

    Attributes:
        role: the file is its label map, or its image; or a split's list names the key;
            or a JSON has the segments of its label map.
        split: the split that it is of.
        path: of the file.
        place: where in a NumPy file; None for the whole of any other.
        segments: of a panoptic label map.
    """

    role: Role
    split: str
    path: str
    place: Place | None = None
    segments: tuple[Segment, ...] = ()

    @property
    def source(self) -> str:
        """Names the place, for messages."""
        return self.path + (self.place.suffix if self.place else "")


class Row(NamedTuple):
    """A label map and its image, by name; not both can be None.

    Attributes:
        key: unique within its split.
        rank: its place in the order of its shard.
        label: the label map; None in a split of images alone.
        image: None where rows have none.
        segments: of a panoptic label map; None for any other.
    """

    key: str
    rank: int
    label: Entry | None
    image: Entry | None
    segments: tuple[Segment, ...] | None = None

    @property
    def source(self) -> str:
        """Where the row is from, for messages: its label map, or else its image."""
        found = self.label or self.image
        return found.source if found else ""


class Span(NamedTuple):
    """Some of the records of a plain TFRecord file.

    Attributes:
        start: the place of the first one in the file, in bytes.
        stop: the place where they end; None for the end of the file.
        first: the number of the first one, from 0.
    """

    start: int = 0
    stop: int | None = None
    first: int = 0


WHOLE = Span()


class Unit(NamedTuple):
    """Rows that are read by one worker in one go.

    Attributes:
        split: the split; empty for a record file whose rows are dealt to several.
        shard: the number of the shard that they land in.
        part: the number of the unit within its shard.
        rows: the rows, by name; none for a record file.
        record_file: the file of many rows to read instead.
        span: what of that file.
    """

    split: str
    shard: int
    part: int
    rows: tuple[Row, ...] = ()
    record_file: str = ""
    span: Span = WHOLE


class RawRow(NamedTuple):
    """A row as read, nothing looked at yet.

    Attributes:
        key: unique within its split.
        source: the label map's file, or the record's.
        image_source: the image's.
        label_bytes: the encoded label map; None in a split of images alone.
        image_bytes: the encoded image; None where rows have none.
    """

    key: str
    source: str
    image_source: str
    label_bytes: bytes | None
    image_bytes: bytes | None

    @property
    def nbytes(self) -> int:
        """The size of the encoded files, in bytes."""
        return len(self.label_bytes or b"") + len(self.image_bytes or b"")


def numbered_key(path: str, number: int) -> str:
    """Returns the key of a row that has none: its file's name, and its number."""
    return f"{path.rpartition('/')[2]}#{number}"


class BadRow(NamedTuple):
    """A row of a record file that cannot be read; those after it can.

    Attributes:
        number: of the row in its file, from 0.
        reason: what is wrong with it.
    """

    number: int
    reason: str


class DamagedError(Exception):
    """A record file is damaged from one row on.

    Attributes:
        row: the number of the first row that is lost, from 0.
        reason: what is wrong there.
    """

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(row, reason)
        self.row = row
        self.reason = reason


class Batch(NamedTuple):
    """Rows of one shard, in order, and where in the shard they belong.

    Attributes:
        split: of all of them.
        shard: the number of the shard.
        part: sorts the shard's batches.
        rows: as read.
    """

    split: str
    shard: int
    part: tuple[int, ...]
    rows: list[RawRow]

    @property
    def nbytes(self) -> int:
        """The size of the encoded files, in bytes."""
        return sum(row.nbytes for row in self.rows)


class Rejection(NamedTuple):
    """A row that is left out, and why."""

    key: str
    split: str
    source: str
    stage: str
    reason: str

    def to_json(self) -> str:
        """Returns the line for `rejected/`."""
        return json.dumps(self._asdict())


class RejectedError(Exception):
    """A row is rejected; `stage` and `reason` are the rejection's."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(stage, reason)
        self.stage = stage
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class WrittenRecords:
    """What is known of records that lie together: of a fragment, or of a shard.

    Attributes:
        part: sorts the fragments of a shard.
        path: of the fragment; of a shard its file name.
        records: how many.
        bytes: of the file.
        sizes: how many masks of each (height, width).
        summary: of all rows.
        sha256: of a shard's file, in hex.
    """

    part: tuple[int, ...]
    path: str
    records: int
    bytes: int
    sizes: Mapping[tuple[int, int], int]
    summary: "summaries.Summary"
    sha256: str = ""


ShardId = tuple[str, int]
