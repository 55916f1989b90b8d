"""Writes protobuf's wire format, but only fields of bytes.

Source: protobuf.dev/programming-guides/encoding.
"""


def field(number: int, content: bytes) -> bytes:
    """Encodes a field of bytes, a message or packed numbers: tag, length, content.

    Args:
        number: the field's number, 1 to 15.
        content: its bytes.
    """
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Encodes a number: seven bits a byte, lowest first, the top bit if more follow."""
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
