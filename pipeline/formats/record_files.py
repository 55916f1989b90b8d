"""The formats of files that hold many rows: one small reader each, and this table.

A reader is a module with four functions:

    resolve(path, keys) -> RecordKeys
        names what the user left to the format, by the first rows of a file; `image`
        becomes empty where rows have no images
    can_cut(path) -> bool
        whether parts of a file can be read by themselves; it may open the file, and
        reads no row
    spans(path, size) -> iterator of Span
        the parts of a file, in order, of about `size` bytes each; only `WHOLE` if the
        file cannot be cut, or is no larger than that
    rows(path, keys, span) -> iterator of RawRow | BadRow
        reads a part from beginning to end; raises DamagedError if it cannot go on

To add another, write the module and give it a line here. One whose files cannot be cut
takes `can_cut` and `spans` from `uncut`.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import Protocol

from maskbeam.pipeline.elements import BadRow, RawRow, Span
from maskbeam.pipeline.formats import parquets, tars, tf_examples
from maskbeam.pipeline.values import RecordKeys

SPAN_BYTES = 128 << 20  # of a file, that one worker reads in one go


class Reader(Protocol):
    """Reads one format; see the module's docstring."""

    def resolve(self, path: str, keys: RecordKeys) -> RecordKeys:
        """Names what the user left to the format."""
        ...

    def can_cut(self, path: str) -> bool:
        """Whether parts of a file can be read by themselves."""
        ...

    def spans(self, path: str, size: int) -> Iterator[Span]:
        """The parts of a file, in order."""
        ...

    def rows(
        self, path: str, keys: RecordKeys, span: Span = ...
    ) -> Iterator[RawRow | BadRow]:
        """Reads a part of a file; by default all of it."""
        ...


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of files that hold many rows.

    Attributes:
        name: for messages.
        file_name: finds it in the lower-case name of such a file.
        reader: of it.
    """

    name: str
    file_name: re.Pattern[str]
    reader: Reader


FORMATS = (
    Format("Parquet", re.compile(r"\.parquet$"), parquets),
    Format("WebDataset tar", re.compile(r"\.(tar|tar\.gz|tgz)$"), tars),
    Format(
        "TFRecord",
        re.compile(r"\.(tfrecords?|tfrec|records?)\b|-\d{5,}-of-\d{5,}"),
        tf_examples,
    ),
)


def format_of(path: str) -> Format | None:
    """The format of a file that holds many rows, by its name; None for another."""
    name = path.rpartition("/")[2].lower()
    return next((f for f in FORMATS if f.file_name.search(name)), None)


def reader_of(path: str) -> Reader:
    """The reader of a file that is known to be of a format."""
    found = format_of(path)
    assert found is not None, path
    return found.reader
