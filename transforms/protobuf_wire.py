"""Writes and reads protobuf's wire format, however large a field is.

Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

Buffer = bytes  # or what has bytes, and cannot be changed


class Content(NamedTuple):
    """Bytes in parts, which may be made one after the other.

    Attributes:
        size: how many bytes all parts have.
        parts: the bytes.
    """

    size: int
    parts: Iterable[Buffer]


def of_bytes(data: bytes) -> Content:
    """Makes bytes a content of one part."""
    return Content(len(data), (data,))


def field(number: int, content: Content) -> Content:
    """Encodes a field of bytes, a message or packed numbers: tag, length, content.

    Args:
        number: the field's number, 1 to 15.
        content: its bytes.
    """
    head = bytes([number << 3 | 2]) + varint(content.size)
    return joined([of_bytes(head), content])


def joined(contents: Iterable[Content]) -> Content:
    """Joins contents, such as the fields of a message."""
    all_of_them = tuple(contents)
    size = sum(content.size for content in all_of_them)
    return Content(size, (part for one in all_of_them for part in one.parts))


def fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Reads a message whose fields all have a length: their numbers and contents.

    Raises:
        ValueError: it is damaged, or has a field of another kind.
    """
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        size, at = _read_varint(message, at)
        if tag & 7 != 2 or size > len(message) - at:
            raise ValueError(f"the message has no field of bytes at byte {at}")
        yield tag >> 3, message[at : at + size]
        at += size


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """Reads a number; returns it, and where it ends."""
    value = shift = 0
    while at < len(message) and shift < 64:
        value |= (message[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if message[at - 1] < 128:
            return value, at
    raise ValueError(f"the message has no number before byte {at}")


def varint(value: int) -> bytes:
    """Encodes a number: seven bits a byte, lowest first, the top bit if more follow.

    A negative one is encoded as its two's complement of 64 bits.
    """
    value %= 2**64
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
