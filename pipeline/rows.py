"""What moves through the pipeline: small tuples of names, then rows, then rejections.

Entry --pair--> Row --cut--> Unit --read--> Batch of RawRow --check--> ...
                 |                   |                 |
                 +----- Rejection ---+-----------------+
"""

import json
from typing import NamedTuple

from pipeline.arrays import Place


class Entry(NamedTuple):
    """A file, or a part of one, that a glob matched.

    Attributes:
        is_image: the image's side, not the label map's.
        split: the split that it is of.
        path: of the file.
        place: where in a NumPy file; None for the whole of any other.
    """

    is_image: bool
    split: str
    path: str
    place: Place | None

    @property
    def source(self) -> str:
        """The place in words, for messages."""
        return self.path + (self.place.suffix if self.place else "")


class Row(NamedTuple):
    """A label map and its image, by name."""

    key: str
    rank: int
    label: Entry
    image: Entry | None


class Unit(NamedTuple):
    """Rows that are read by one worker in one go.

    Attributes:
        split: the split; empty for a record file whose rows are dealt to several.
        shard: the number of the shard that they land in.
        part: the number of the unit within its shard.
        rows: the rows, by name; none for a record file.
        record_file: the TFRecord file to read instead.
    """

    split: str
    shard: int
    part: int
    rows: tuple[Row, ...] = ()
    record_file: str = ""


class RawRow(NamedTuple):
    """A row as read, nothing looked at yet.

    Attributes:
        key: unique within its split.
        source: the label map's file, or the record's.
        image_source: the image's.
        label_bytes: the encoded label map.
        image_bytes: the encoded image; None where rows have none.
    """

    key: str
    source: str
    image_source: str
    label_bytes: bytes
    image_bytes: bytes | None


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


class Rejection(NamedTuple):
    """A row that is left out, and why."""

    key: str
    split: str
    source: str
    stage: str
    reason: str

    def to_json(self) -> str:
        """One line of `rejected/`."""
        return json.dumps(self._asdict())


class RejectedError(Exception):
    """A row is rejected; `stage` and `reason` are the rejection's."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(stage, reason)
        self.stage = stage
        self.reason = reason
