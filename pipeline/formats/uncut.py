"""What a reader says of cutting whose files are read by one worker each.

Such a reader imports both names, and is done with cutting.
"""

from collections.abc import Iterator

from maskbeam.pipeline.elements import WHOLE, Span


def can_cut(path: str) -> bool:
    """Whether parts of a file can be read each by itself: no."""
    return False


def spans(path: str, size: int) -> Iterator[Span]:
    """The only part of a file: all of it."""
    yield WHOLE
