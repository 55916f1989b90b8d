"""Protobuf's wire format, as far as it takes to write fields of bytes.

Source: protobuf.dev/programming-guides/encoding.
"""


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, a message or packed numbers: tag, length, content.

    Args:
        number: of the field, 1 to 15.
        content: its bytes.
    """
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the top bit set."""
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
