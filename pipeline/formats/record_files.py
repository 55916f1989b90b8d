"""The kinds of files that hold many rows: one small reader each, and this table.

A reader is a module with two functions:

    resolve(path, keys) -> RecordKeys
        names what the user left to the format, by the first rows of a file; `image`
        becomes empty where rows have no images
    rows(path, keys) -> iterator of RawRow | BadRow
        reads a file from beginning to end; raises DamagedError where it cannot go on

To add another, write the module and give it a line here.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import Protocol

from maskbeam.pipeline.elements import WHOLE, BadRow, RawRow, Span
from maskbeam.pipeline.formats import parquets, tars, tf_examples, tfrecords
from maskbeam.pipeline.options import RecordKeys

SPAN_BYTES = 128 << 20  # of a file, that one worker reads in one go


class Reader(Protocol):
    """Reads one format; see the module's docstring."""

    def resolve(self, path: str, keys: RecordKeys) -> RecordKeys:
        """Names what the user left to the format."""
        ...

    def rows(self, path: str, keys: RecordKeys) -> Iterator[RawRow | BadRow]:
        """Reads a file from beginning to end."""
        ...


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of file that holds many rows.

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


def reader_of(path: str) -> Reader:
    """The reader of a file that is known to be of a format."""
    found = format_of(path)
    assert found is not None, path
    return found.reader


def format_of(path: str) -> Format | None:
    """The format of a file that holds many rows, by its name; None for another."""
    name = path.rpartition("/")[2].lower()
    return next((f for f in FORMATS if f.file_name.search(name)), None)


def can_cut(path: str) -> bool:
    """Whether parts of a file can be read each by itself: of plain TFRecord files.

    Raises:
        OSError: the file cannot be read.
    """
    return reader_of(path) is tf_examples and not tfrecords.is_gzip(path)


def spans(path: str) -> Iterator[Span]:
    """The parts of a file, of about `SPAN_BYTES` each where it can be cut.

    Raises:
        OSError: the file cannot be read.
    """
    if can_cut(path):
        yield from tfrecords.spans(path, SPAN_BYTES)
    else:
        yield WHOLE
