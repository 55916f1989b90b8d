"""Text that people write: bounded, decoded by one rule, and quoted shortly."""

import itertools
import os
import pathlib
import re
import reprlib
import stat
from collections.abc import Collection
from typing import IO, Any

MAX_QUOTED = 60  # characters of a value in a message
MAX_LISTED = 12  # names in a message

_SAVE = "if it is text, open it in an editor and save it as UTF-8"
# Unicode's control characters, its separators of lines, halves of surrogate pairs.
_NO_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_file(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """Reads a regular file of bounded size: no pipe, device or directory.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, or larger; the message goes on after the
            file's name.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        what = "a directory" if os.path.isdir(path) else "a pipe, a device or a socket"
        raise ValueError(f"is {what}, not a file of text")
    with pathlib.Path(path).open("rb") as file:
        return read_stream(file, max_bytes)


def read_stream(file: IO[bytes], max_bytes: int) -> bytes:
    """Reads all of an open file, if its size is within the bound.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger; the message goes on after the file's name.
    """
    data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(
            f"is larger than {max_bytes >> 20} MiB, the most that is read of such a "
            "file: is it another one that you mean?"
        )
    return data


def decode(data: bytes) -> str:
    """Decodes UTF-8, with a byte order mark or without, and UTF-16 that has one.

    Raises:
        ValueError: it is neither, or holds a NUL; the message goes on after the file's
            name, and has the line.
    """
    marked = data.startswith(_UTF_16_MARKS)
    encoding = "utf-16" if marked else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "ignore")
        what = "UTF-16" if marked else "UTF-8"
        raise ValueError(f"is not {what} in line {_line(before)}: {_SAVE}") from None
    before, nul, _ = text.partition("\0")
    if nul:
        raise ValueError(f"has a NUL character in line {_line(before)}: {_SAVE}")
    return text


def _line(before: str) -> int:
    """Returns the number of the line that follows some text."""
    return before.count("\n") + 1


def check_is_line(what: str, text: str) -> None:
    """Checks that a text is one line that can be written anywhere.

    Raises:
        ValueError: it has line ends, other control characters, or half a surrogate
            pair; the message begins with `what`.
    """
    if found := _NO_LINE.search(text):
        raise ValueError(
            f"{what} has the character {ascii(found[0])}: names are one line of text"
        )


def quoted(value: Any) -> str:
    """Returns a value as messages show it: short, on one line, as Python writes it."""
    return _SHORT.repr(value)


def listed(names: Collection[str], longest: int = MAX_QUOTED) -> str:
    """Returns some names as messages list them: the first of them, if they are many."""
    shown = [
        name if len(name) <= longest and name.isprintable() else quoted(name)
        for name in itertools.islice(names, MAX_LISTED)
    ]
    more = f", ... ({len(names):,} in all)" if len(names) > MAX_LISTED else ""
    return ", ".join(shown) + more


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = MAX_QUOTED

    def repr(self, x: Any) -> str:
        shown = super().repr(x)
        if len(shown) <= MAX_QUOTED:
            return shown
        return f"{shown[: MAX_QUOTED - 8]}...{shown[-5:]}"

    def repr_int(self, x: int, level: int) -> str:
        # Python itself refuses to write more digits than some thousands.
        bits = x.bit_length()
        return repr(x) if bits <= 128 else f"a {bits}-bit number"


_SHORT = _Short()
