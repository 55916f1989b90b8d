"""TFRecord files: read with their checksums, plain or GZIP, and framed.

    uint64  length of the record in bytes
    uint32  masked CRC-32C of the length
    bytes   the record
    uint32  masked CRC-32C of the record

Source of the format: tensorflow/core/lib/io/record_writer.h; a file is such records
one after the other, so files concatenate.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from typing import IO

import google_crc32c

from pipeline import files
from pipeline.rows import DamagedError

_GZIP_START = b"\x1f\x8b"
_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
HEAD_BYTES = _LENGTH.size + _CHECKSUM.size  # before a record
TAIL_BYTES = _CHECKSUM.size  # after it


def records(path: str) -> Iterator[bytes]:
    """Reads a file record by record.

    Raises:
        DamagedError: after the records that stand before the damage.
        OSError: the file cannot be read.
    """
    number = 0
    with files.open_raw(path) as raw:
        head = raw.read(len(_GZIP_START))
        raw.seek(0)
        # isal's reader is faster, but loses up to a buffer before a cut end.
        file = gzip.GzipFile(fileobj=raw) if head == _GZIP_START else raw
        try:
            while (record := _read_record(file)) is not None:
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
