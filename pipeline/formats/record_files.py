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
    rows(path, keys, span, most) -> iterator of RawRow | BadRow
        reads a part from beginning to end, and no picture of more than `most` bytes;
        raises DamagedError if it cannot go on

What else they raise is damage too: `rows`, `resolve` and `spans` here are the boundary
that makes it so, and what the pipeline calls.

To add another format, write the module and give it a line here. One whose files cannot
be cut takes `can_cut` and `spans` from `uncut`.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import Protocol

from maskbeam.pipeline.elements import WHOLE, BadRow, DamagedError, RawRow, Span
from maskbeam.pipeline.errors import StoreError, in_words
from maskbeam.pipeline.formats import first_bytes, parquets, tars, tf_examples
from maskbeam.pipeline.formats.limits import RECORD_BYTES
from maskbeam.pipeline.runtime import files
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
        self, path: str, keys: RecordKeys, span: Span = ..., most: int = ...
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


def rows(
    path: str, keys: RecordKeys, span: Span = WHOLE, most: int = RECORD_BYTES
) -> Iterator[RawRow | BadRow]:
    """Reads a part of a record file, by its reader.

    Args:
        path: of the file.
        keys: the names of a row's parts, all named.
        span: what to read; by default all of it.
        most: the largest encoded picture that is read, in bytes.

    Raises:
        DamagedError: after the rows before the damage, whatever that does to a reader.
        StoreError: the store does not answer.
    """
    number = span.first
    try:
        for row in reader_of(path).rows(path, keys, span, most):
            yield row
            number += 1
    except StoreError:
        raise
    except DamagedError as error:
        if error.row:
            raise
        raise DamagedError(
            0, f"{error.reason}{_what_it_is(path)}", error.lost, is_estimate=False
        ) from error
    except Exception as error:  # a reader of files that may be anything
        reason = f"{in_words(error)}{_what_it_is(path)}"
        raise DamagedError(number, reason) from error


def resolve(path: str, keys: RecordKeys) -> RecordKeys:
    """Names what the user left to the format, by the first rows of a file.

    Raises:
        ValueError: nothing can be known of it; the message can be shown as it is.
        StoreError: the store does not answer.
    """
    try:
        return reader_of(path).resolve(path, keys)
    except (StoreError, ValueError):
        raise
    except Exception as error:  # likewise
        reason = f"{in_words(error)}{_what_it_is(path)}"
        raise ValueError(f"{path} cannot be read: {reason}") from error


def spans(path: str) -> list[Span]:
    """Cuts a file; one that cannot be read is one part, whose reader says why.

    Raises:
        StoreError: the store does not answer.
    """
    try:
        return list(reader_of(path).spans(path, SPAN_BYTES))
    except StoreError:
        raise
    except Exception:  # likewise
        return [WHOLE]


def _what_it_is(path: str) -> str:
    """What a file is by its first bytes, as the end of a message."""
    try:
        with files.open_raw(path) as file:
            found = first_bytes.what_it_is(file.read(first_bytes.ENOUGH_BYTES))
    except OSError:
        return ""
    return f"; by its first bytes the file is {found}" if found else ""
