"""Prints lines that a terminal shows as they are, whoever wrote what they quote.

Keys, names of files and of classes, and whatever a dataset says of itself, may have
codes that move the cursor, name the window or change what was printed before.
"""

import sys
from typing import TextIO


def escaped(text: str) -> str:
    """Returns text in which all that is not printable is escaped, line ends too."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def say(line: str = "", *, out: TextIO | None = None, flush: bool = False) -> None:
    """Prints one line.

    Args:
        line: the line.
        out: where to; by default standard output.
        flush: whether it has to be there at once.
    """
    out = sys.stdout if out is None else out
    encoding = getattr(out, "encoding", None) or "utf-8"
    shown = escaped(line).encode(encoding, "backslashreplace").decode(encoding)
    print(shown, file=out, flush=flush)


def say_lines(text: str, *, out: TextIO | None = None) -> None:
    """Prints text of several lines, such as a YAML file; nothing if it is empty.

    Args:
        text: the lines.
        out: where to; by default standard output.
    """
    for line in text.rstrip("\n").split("\n") if text else ():
        say(line, out=out)
