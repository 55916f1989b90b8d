"""Sources that do not name what they should: what is there instead, and what to write.

A glob that matches nothing, a directory, a list among masks: each is an error that
proposes the argument that was meant.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
import os
import shlex
from collections.abc import Iterable, Iterator

from maskbeam.pipeline import values
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.listing import Side, is_list, kind_of
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import Source

_LOOKED_AT = 1000  # names, before a glob is proposed
_NAMED = 3


@dataclasses.dataclass
class Strays:
    """Files that a source matched and that are none of its kind, collected.

    One error names them all, for to leave them out one by one takes many runs.

    Attributes:
        options: what is converted.
    """

    options: Options
    _found: dict[Side, dict[str, tuple[str, UsageError]]] = dataclasses.field(
        default_factory=dict
    )

    def add(self, path: str, source: Source, side: Side, error: UsageError) -> None:
        """Takes note of a file, and of why it is refused."""
        name = path.rpartition("/")[2]
        stem, extension = os.path.splitext(name)
        glob = f"*{extension}" if stem and extension else name
        self._found.setdefault(side, {}).setdefault(glob, (name, error))

    def check_list(self, source: Source, side: Side) -> None:
        """Refuses a list that is named beside other files of its directory.

        Raises:
            UsageError: it is one; a shell names it so that opens a glob.
        """
        path = source.pattern
        if side != "label_maps" or not is_list(path) or values.is_glob(path):
            return
        if _directory(path) in self._opened:
            raise UsageError(
                f"{path} is named beside other files of its directory, and a list of "
                "pairs is named by itself: quote globs, so that no shell opens them"
            )

    @functools.cached_property
    def _opened(self) -> set[str]:
        """The directories of the label maps that are named one by one."""
        paths = [source.pattern for source in self.options.label_maps]
        return {
            _directory(path)
            for path in paths
            if not is_list(path) and not values.is_glob(path)
        }

    def check(self, side: Side, others: int) -> None:
        """Raises UsageError if there are any.

        Args:
            side: the option that named them.
            others: how many files it names that are of its kind.
        """
        found = self._found.get(side, {})
        if not found:
            return
        names, errors = zip(*found.values(), strict=True)
        if not others:
            raise errors[0]
        raise UsageError(
            f"--{side} also matches {_several(names)}: {errors[0]}; narrow the glob, "
            f"or leave them out by --exclude {_quoted(found)}"
        )


def listed(source: Source, side: Side) -> Iterator[files.File]:
    """The files of a source, of which there must be at least one.

    Raises:
        UsageError: there is none, or the files cannot be listed.
    """
    empty = True
    try:
        for file in files.matches(source.pattern):
            empty = False
            yield file
        hint = _hint(source.pattern) if empty else ""
    except (OSError, ValueError) as error:  # ValueError: a scheme Beam lacks
        raise UsageError(
            f"--{side} {source.pattern} cannot be listed: {error}"
        ) from error
    if empty:
        raise UsageError(
            f"--{side} {source.pattern} matches no file (split {source.split!r}): "
            f"{hint}"
        )


def _hint(pattern: str) -> str:
    """What was meant by a pattern that matches no file."""
    pattern = pattern.rstrip("/")
    if "," in pattern:
        return "globs are separate arguments, and not joined by commas"
    for place in (f"{pattern}/*", f"{pattern}/**/*"):
        if extension := _usual_extension(place):
            what = "it matches directories"
            if not values.is_glob(pattern):
                what = "it is a directory"
            return f"{what}, so write '{place}{extension}'"
    if "[" in pattern.replace("[[]", ""):
        return "[ begins a set of characters; for the character itself write [[]"
    place = f"{_directory(pattern)}/*"
    if extension := _usual_extension(place):
        return f"there is '{place}{extension}'"
    return "check the path, and quote the glob so that the shell leaves it alone"


def _usual_extension(pattern: str) -> str:
    """The extension of most of a glob's files that are read here; empty if of none.

    If it is written in several ways, it is a glob of all of them.
    """
    found: dict[str, collections.Counter[str]] = {}
    for file in itertools.islice(files.matches(pattern), _LOOKED_AT):
        extension = os.path.splitext(file.path)[1]
        with contextlib.suppress(UsageError):
            kind_of(file.path, pattern)
            found.setdefault(extension.lower(), collections.Counter())[extension] += 1
    if not found:
        return ""
    usual = max(found, key=lambda extension: found[extension].total())
    if len(found[usual]) == 1:
        return next(iter(found[usual]))
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in usual)


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


def _several(names: Iterable[str]) -> str:
    first = list(itertools.islice(names, _NAMED + 1))
    shown = [values.shown(name) for name in first[:_NAMED]]
    return ", ".join([*shown, "..."] if len(first) > _NAMED else shown)


def _quoted(globs: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, globs))
