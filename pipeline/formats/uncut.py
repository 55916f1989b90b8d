"""For readers that cannot cut their files: one worker reads each file.

Such a reader imports both functions.
"""

from collections.abc import Iterator

from maskbeam.pipeline.elements import WHOLE, Span


def can_cut(path: str) -> bool:
    """Whether parts of a file can be read by themselves: no."""
    return False


def spans(path: str, size: int) -> Iterator[Span]:
    """The only part of a file: all of it."""
    yield WHOLE
