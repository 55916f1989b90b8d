"""Flags that are nearly right: said, before they are taken for an engine's own."""

import difflib
from collections.abc import Iterable, Iterator, Sequence

from maskbeam.pipeline import values
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.runtime import beam_flags

_LIKENESS = 0.75  # of `--tiel` and `--tile` it is 0.83; engines' own flags have less


def check(arguments: Sequence[str], ours: Iterable[str], *, with_beam: bool) -> None:
    """Refuses a flag that nobody has, and that is nearly one of ours or of Beam's.

    Engines of others have flags that are not known here, which may well be like Beam's.

    Args:
        arguments: of the command.
        ours: the command's own flags.
        with_beam: whether all others go to Beam.

    Raises:
        UsageError: there is such a flag.
    """
    known = set(ours)
    for flag in _flags(arguments):
        if flag in known or (with_beam and flag in beam_flags.names()):
            continue
        near = difflib.get_close_matches(flag, sorted(known), 1, _LIKENESS)
        if not near and with_beam and beam_flags.is_in_process(arguments):
            near = difflib.get_close_matches(flag, beam_flags.names(), 1, _LIKENESS)
        if near:
            raise UsageError(
                f"there is no flag {values.shown(flag)}: did you mean {near[0]}?"
            )


def _flags(arguments: Sequence[str]) -> Iterator[str]:
    for argument in arguments:
        if argument == "--":
            return
        if argument.startswith("--"):
            yield argument.partition("=")[0]
