"""TFRecord files: reads them, plain or GZIP, by their checksums; frames records.

    uint64  length of the record in bytes
    uint32  masked CRC-32C of the length
    bytes   the record
    uint32  masked CRC-32C of the record

Source of the format: tensorflow/core/lib/io/record_writer.h; a file is such records
one after the other, so files concatenate.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

import google_crc32c

from maskbeam.pipeline.elements import WHOLE, DamagedError, Span
from maskbeam.pipeline.formats.limits import RECORD_BYTES, estimate_lost
from maskbeam.pipeline.runtime import files
from maskbeam.transforms.protobuf_wire import Buffer, Content, of_bytes

_GZIP_START = b"\x1f\x8b"
_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
HEAD_BYTES = _LENGTH.size + _CHECKSUM.size  # before a record
TAIL_BYTES = _CHECKSUM.size  # after it
_SKIPPED_BYTES = 1 << 20


def is_gzip(path: str) -> bool:
    """Whether a file is GZIP, whatever its name says."""
    with files.open_raw(path) as raw:
        return raw.read(len(_GZIP_START)) == _GZIP_START


def spans(path: str, size: int) -> Iterator[Span]:
    """Cuts a plain file by the heads of its records alone.

    A file no larger than a span is not looked at. If a head is damaged, the last span
    begins before it, and whoever reads that span finds the damage.

    Args:
        path: of the file.
        size: of a span, about, in bytes.

    Raises:
        OSError: the file cannot be read.
    """
    start = first = at = number = 0
    with files.open_raw(path) as raw:
        if raw.seek(0, os.SEEK_END) <= size:
            yield WHOLE
            return
        raw.seek(0)
        while len(head := raw.read(HEAD_BYTES)) == HEAD_BYTES:
            if at - start >= size:
                yield Span(start, at, first)
                start, first = at, number
            if _masked_checksum(head[: _LENGTH.size]) != head[_LENGTH.size :]:
                break
            at += HEAD_BYTES + _LENGTH.unpack_from(head)[0] + TAIL_BYTES
            number += 1
            raw.seek(at)
    yield Span(start, None, first)


class BadRecord(NamedTuple):
    """A record whose content is damaged; those after it can be read."""

    reason: str


def records(
    path: str, span: Span = WHOLE, most: int = RECORD_BYTES
) -> Iterator[bytes | BadRecord]:
    """Reads a file record by record.

    Args:
        path: of the file.
        span: of a plain file, what to read; by default all of it.
        most: the largest record that is read, in bytes.

    Raises:
        DamagedError: after the records before the damage.
        OSError: the file cannot be read.
    """
    number = span.first
    with files.open_raw(path) as raw:
        head = raw.read(len(_GZIP_START))
        size = raw.seek(0, os.SEEK_END)
        raw.seek(span.start)
        is_plain = head != _GZIP_START
        # isal's reader is faster, but loses up to a buffer before a cut end.
        file = raw if is_plain else gzip.GzipFile(fileobj=raw)
        good = span.start  # in the file, where the last record ended
        try:
            while span.stop is None or file.tell() < span.stop:
                left = size - file.tell() if is_plain else None
                if (record := _read_record(file, most, left)) is None:
                    return
                yield record
                number += 1
                good = raw.tell()
            if is_plain and file.tell() != span.stop:
                raise ValueError("a record goes on beyond the part that was cut")
        except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            stop = size if span.stop is None else span.stop
            lost = _lost(span, number, good, stop)
            raise DamagedError(number, str(error), lost) from error


def _lost(span: Span, number: int, good: int, stop: int) -> int | None:
    """Estimates what is lost by the records of the span, or else those before it."""
    rows, start = (
        (number - span.first, span.start) if number > span.first else (number, 0)
    )
    return estimate_lost(rows, good - start, stop - start)


def _read_record(
    file: IO[bytes] | gzip.GzipFile, most: int, left: int | None
) -> bytes | BadRecord | None:
    """Reads a record; None at the end of the file.

    Args:
        file: open at the record's head.
        most: the largest record that is read, in bytes.
        left: how many bytes the file still has, if that is known.

    Raises:
        ValueError: nobody can say where the next record begins.
    """
    head = file.read(HEAD_BYTES)
    if not head:
        return None
    if len(head) < HEAD_BYTES:
        raise ValueError("the file ends within a record's length")
    if _masked_checksum(head[: _LENGTH.size]) != head[_LENGTH.size :]:
        raise ValueError("the checksum of a record's length does not hold")
    (length,) = _LENGTH.unpack_from(head)
    if left is not None and HEAD_BYTES + length + TAIL_BYTES > left:
        raise ValueError(f"the file ends within a record of {length} bytes")
    if length > most:
        _skip(file, length + TAIL_BYTES)
        return BadRecord(f"the record has {length} bytes, and at most {most} are read")
    record = file.read(length)
    checksum = file.read(TAIL_BYTES)
    if len(record) < length or len(checksum) < TAIL_BYTES:
        raise ValueError(f"the file ends within a record of {length} bytes")
    if _masked_checksum(record) != checksum:
        return BadRecord("the checksum of the record's content does not hold")
    return record


def _skip(file: IO[bytes] | gzip.GzipFile, count: int) -> None:
    """Reads on, a part at a time.

    Raises:
        ValueError: the file ends before.
    """
    while count:
        part = file.read(min(count, _SKIPPED_BYTES))
        if not part:
            raise ValueError("the file ends within a record that is not read")
        count -= len(part)


def frame(record: bytes) -> bytes:
    """Returns a record as it lies in the file."""
    return b"".join(framed(of_bytes(record)))


def framed(record: Content) -> Iterator[Buffer]:
    """Returns a record as it lies in the file, in parts."""
    length = _LENGTH.pack(record.size)
    yield length + _masked_checksum(length)
    checksum = 0
    for part in record.parts:
        yield part
        checksum = google_crc32c.extend(checksum, part)
    yield _masked(checksum)


def _masked_checksum(data: bytes) -> bytes:
    return _masked(google_crc32c.value(data))


def _masked(checksum: int) -> bytes:
    rotated = (checksum >> 15) | (checksum << 17)
    return _CHECKSUM.pack((rotated + 0xA282EAD8) & 0xFFFFFFFF)
