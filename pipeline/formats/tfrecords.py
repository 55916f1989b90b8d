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
from typing import IO

import google_crc32c

from maskbeam.pipeline.elements import WHOLE, DamagedError, Span
from maskbeam.pipeline.runtime import files

_GZIP_START = b"\x1f\x8b"
_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
HEAD_BYTES = _LENGTH.size + _CHECKSUM.size  # before a record
TAIL_BYTES = _CHECKSUM.size  # after it


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


def records(path: str, span: Span = WHOLE) -> Iterator[bytes]:
    """Reads a file record by record.

    Args:
        path: of the file.
        span: of a plain file, what to read; by default all of it.

    Raises:
        DamagedError: after the records before the damage.
        OSError: the file cannot be read.
    """
    number = span.first
    with files.open_raw(path) as raw:
        head = raw.read(len(_GZIP_START))
        raw.seek(span.start)
        # isal's reader is faster, but loses up to a buffer before a cut end.
        file = gzip.GzipFile(fileobj=raw) if head == _GZIP_START else raw
        try:
            while span.stop is None or file.tell() < span.stop:
                if (record := _read_record(file)) is None:
                    return
                yield record
                number += 1
        except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedError(number, str(error)) from error


def _read_record(file: IO[bytes] | gzip.GzipFile) -> bytes | None:
    head = file.read(HEAD_BYTES)
    if not head:
        return None
    if len(head) < HEAD_BYTES:
        raise ValueError("the file ends within a record's length")
    _check(head[: _LENGTH.size], head[_LENGTH.size :], "length")
    (length,) = _LENGTH.unpack_from(head)
    record = file.read(length)
    checksum = file.read(_CHECKSUM.size)
    if len(record) < length or len(checksum) < _CHECKSUM.size:
        raise ValueError(f"the file ends within a record of {length} bytes")
    _check(record, checksum, "content")
    return record


def _check(data: bytes, checksum: bytes, what: str) -> None:
    if _masked_checksum(data) != checksum:
        raise ValueError(f"the checksum of a record's {what} does not hold")


def frame(record: bytes) -> bytes:
    """A record as it lies in the file."""
    length = _LENGTH.pack(len(record))
    return b"".join(
        (length, _masked_checksum(length), record, _masked_checksum(record))
    )


def _masked_checksum(data: bytes) -> bytes:
    checksum = google_crc32c.value(data)
    rotated = (checksum >> 15) | (checksum << 17)
    return _CHECKSUM.pack((rotated + 0xA282EAD8) & 0xFFFFFFFF)
