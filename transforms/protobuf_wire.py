"""Writes protobuf's wire format, however large a field is.

Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterable
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
