"""Bounds on a JSON, held before a parser sees it.

Parsers pay for what a file promises: a number of 4,301 digits ends the process in some,
and what is nested 20,000 deep takes a gigabyte in others.
"""

from typing import IO

import numpy as np

_DEPTH = 100
_NUMBER_CHARACTERS = 100  # a float as Python writes it has 24
_TEXT_BYTES = 1 << 20  # also of a text's name, and of what is between texts

_NUMERIC = b"0123456789+-.eE"
_NUMBERS = bytes(48 if byte in _NUMERIC else 32 for byte in range(256))
_LONG_NUMBER = b"0" * (_NUMBER_CHARACTERS + 1)
_STEPS = bytes({91: 1, 123: 1, 93: 255, 125: 255}.get(b, 0) for b in range(256))
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


class BoundedJson:
    """A file of JSON that raises ValueError where it passes the bounds.

    Args:
        file: open at the JSON's beginning.
        most: the bytes of a text, or between two, that are allowed.
    """

    def __init__(self, file: IO[bytes], most: int = _TEXT_BYTES) -> None:
        self._file = file
        self._most = most
        self._in_text = False
        self._escaped = b""  # a backslash that ended the last chunk
        self._depth = 0
        self._unquoted = 0  # bytes since the last quotation mark
        self._tail = b""  # the end of what was outside of texts

    def read(self, size: int = -1) -> bytes:
        """Reads on, and looks at what it gives."""
        chunk = self._file.read(size)
        waiting, self._escaped = self._escaped, b""
        self._check(waiting + chunk)
        return chunk

    def _check(self, chunk: bytes) -> None:
        if b"\\" in chunk:
            # Pairs from the left, as a parser sees them; the last one may wait.
            chunk = chunk.replace(b"\\\\", b"")
            self._escaped = b"\\" if chunk.endswith(b"\\") else b""
            chunk = chunk.replace(b'\\"', b"")
        parts = chunk.split(b'"')
        self._check_texts(parts)
        outside = b"".join(parts[self._in_text :: 2])
        self._in_text ^= len(parts) % 2 == 0
        self._check_depth(outside)
        outside = self._tail + outside
        if _LONG_NUMBER in outside.translate(_NUMBERS):
            raise ValueError(f"a number has more than {_NUMBER_CHARACTERS} characters")
        self._tail = outside[-_NUMBER_CHARACTERS:]

    def _check_texts(self, parts: list[bytes]) -> None:
        if self._unquoted + len(parts[0]) > self._most:
            raise ValueError(f"a text or a gap is of more than {self._most} bytes")
        whole = len(parts) == 1
        self._unquoted = len(parts[-1]) + (self._unquoted if whole else 0)

    def _check_depth(self, outside: bytes) -> None:
        brackets = outside.translate(_STEPS, _NO_BRACKETS)
        if not brackets:
            return
        depths = self._depth + np.frombuffer(brackets, np.int8).cumsum(dtype=np.int64)
        if depths.max() > _DEPTH:
            raise ValueError(f"it is nested more than {_DEPTH} deep")
        self._depth = int(depths[-1])
