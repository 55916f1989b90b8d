"""Inputs that nobody should have to read: sound files, and what is done to them."""

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hypothesis import strategies as st


class Hostile(NamedTuple):
    """A file as it is read.

    Attributes:
        name: of the file.
        sound: what it was before; empty if it never was sound.
        data: what it is.
    """

    name: str
    sound: bytes
    data: bytes

    @property
    def is_sound(self) -> bool:
        """Whether nothing was done to it."""
        return bool(self.sound) and self.data == self.sound

    @property
    def untouched(self) -> int:
        """How many bytes at its beginning are those of the sound file."""
        pairs = zip(self.sound, self.data, strict=False)
        ends = (at for at, (a, b) in enumerate(pairs) if a != b)
        return next(ends, min(len(self.sound), len(self.data)))


# What stands where lengths, counts, offsets and shapes are.
NUMBERS = [
    struct.pack(f"{order}{kind}", value)
    for order in "<>"
    for kind, bits in (("H", 16), ("I", 32), ("Q", 64))
    for value in (0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1)
] + [b"-1", b"9" * 11, b"7" * 20, b"1e999"]
PARTS = 1 << 16
KINDS = ["flip", "patch", "insert", "cut", "drop", "repeat", "swap"]
_Edit = tuple[str, int, int, bytes]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, PARTS - 1),  # where, in parts of the file
        st.integers(1, 255),  # how long, or which bits
        st.sampled_from(NUMBERS) | st.binary(min_size=1, max_size=8),
    ),
    max_size=4,
)


def edited(data: bytes, edit: _Edit) -> bytes:
    """Does one thing to a file."""
    kind, where, count, payload = edit
    at = where * len(data) // PARTS
    before, part, after = data[:at], data[at : at + count], data[at + count :]
    match kind:
        case "flip":
            return before + bytes(b ^ count for b in part[:1]) + data[at + 1 :]
        case "patch":
            return before + payload + data[at + len(payload) :]
        case "insert":
            return before + payload + data[at:]
        case "cut":
            return before
        case "drop":
            return before + after
        case "repeat":
            return before + part + part + after
    return before + after[:count] + part + after[count:]


def files(
    sound: Mapping[str, bytes], mend: Callable[[bytes], bytes] | None = None
) -> st.SearchStrategy[Hostile]:
    """Files that are sound, or were.

    Args:
        sound: files by name.
        mend: sets a file's checksums right, so that what was done to it is read.
    """

    def made(name: str, edits: list[_Edit], is_mended: bool) -> Hostile:
        data = sound[name]
        for edit in edits:
            data = edited(data, edit)
        return Hostile(name, sound[name], mend(data) if mend and is_mended else data)

    names = st.sampled_from(sorted(sound))
    changed = st.builds(made, names, EDITS, st.booleans())
    return changed | st.builds(Hostile, names, st.just(b""), st.binary(max_size=99))


def with_png_checksums(data: bytes) -> bytes:
    """Sets the checksums of a PNG's chunks right."""
    at, mended = 8, bytearray(data)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(mended)


def with_tar_checksums(data: bytes) -> bytes:
    """Sets the checksum of each of a tar's blocks that may be a header right."""
    mended = bytearray(data)
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            mended[at + 148 : at + 156] = b" " * 8
            mended[at + 148 : at + 156] = b"%06o\0 " % sum(mended[at : at + 512])
    return bytes(mended)
