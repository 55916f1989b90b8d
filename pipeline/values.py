"""The values of options: read from text, or taken as Python has them, and checked.

A kind of value reads what the user gave, or raises ValueError. The message continues
the option's name: "--size '20' must be HEIGHTxWIDTH".
"""

import dataclasses
import operator
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

DEFAULT_SPLIT = "train"

_SPLIT = re.compile(r"([A-Za-z0-9_]+)=(.*)", re.DOTALL)
_GLOB = r"[^\s]+"
_STORE = "[a-z0-9]+://"  # that all workers reach


@dataclasses.dataclass(frozen=True)
class Source:
    """Label maps, images or lists of one split, by name.

    Attributes:
        split: the split that the files belong to.
        pattern: a glob or a path on any of Beam's filesystems; absolute if it is local.
    """

    split: str
    pattern: str


@dataclasses.dataclass(frozen=True)
class RecordKeys:
    """The names of a row's parts in a record file: features, columns or extensions.

    None leaves the name to the format (`record_files.Reader.resolve`).

    Attributes:
        label: the encoded label map.
        image: the encoded image; empty to leave images out.
        key: the row's key; empty to number the rows of each file.
    """

    label: str | None = None
    image: str | None = None
    key: str | None = None


@dataclasses.dataclass(frozen=True)
class Value:
    """A kind of value.

    Attributes:
        read: makes the value of what the user gave.
        pattern: a regular expression that its text matches, for forms.
        metavar: what stands for it in `--help`.
        choices: returns all possible values; () if there are too many to list.
        is_switch: whether it is true or false; its flag then takes no value.
    """

    read: Callable[[Any], Any]
    pattern: str
    metavar: str | None = None
    choices: Callable[[], tuple[str, ...]] = tuple
    is_switch: bool = False


def whole(at_least: int | None = None, metavar: str = "N") -> Value:
    """Returns the kind of whole numbers, which may have a smallest one."""

    def read(given: Any) -> int:
        try:
            if isinstance(given, bool):
                raise TypeError
            value = int(given) if isinstance(given, str) else operator.index(given)
        except (TypeError, ValueError):
            raise ValueError(f"{given!r} is not a whole number") from None
        if at_least is not None and value < at_least:
            raise ValueError(f"{value} must be {at_least} or more")
        return value

    patterns = {None: "-?[0-9]+", 0: "[0-9]+", 1: "[1-9][0-9]*"}
    return Value(read, patterns[at_least], metavar)


def share(metavar: str = "SHARE") -> Value:
    """Returns the kind of shares: parts of a whole, 0 to 1."""

    def read(given: Any) -> float:
        value = number(given)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{given} must be a share, 0 to 1")
        return value

    return Value(read, r"0(\.[0-9]+)?|1(\.0+)?|\.[0-9]+", metavar)


def number(given: Any) -> float:
    """Reads any number.

    Raises:
        ValueError: it is not a number.
    """
    try:
        return float(given)
    except (TypeError, ValueError):
        raise ValueError(f"{given!r} is not a number") from None


def switch() -> Value:
    """Returns the kind of switches: True or False; as a flag, there or not."""

    def read(given: Any) -> bool:
        if not isinstance(given, bool):
            raise ValueError(f"{given!r} must be True or False")
        return given

    return Value(read, "true|false", is_switch=True)


def choice(*names: str) -> Value:
    """Returns the kind that is one of some names."""
    return choice_of(lambda: names)


def choice_of(names: Callable[[], tuple[str, ...]]) -> Value:
    """Returns the kind that is one of the names known when it is read."""

    def read(given: Any) -> str:
        if given not in names():
            raise ValueError(f"{given!r} must be one of {', '.join(names())}")
        return str(given)

    return Value(read, "|".join(names()), choices=names)


def text(
    metavar: str | None = None, pattern: str = ".+", must: str = "must be text"
) -> Value:
    """Returns the kind of text that a regular expression matches.

    Args:
        metavar: what stands for it in `--help`.
        pattern: the regular expression.
        must: the message for text that it does not match.
    """

    def read(given: Any) -> str:
        if not (isinstance(given, str) and re.fullmatch(pattern, given, re.DOTALL)):
            raise ValueError(f"{given!r} {must}")
        return given

    return Value(read, pattern, metavar)


def size() -> Value:
    """Returns the kind of sizes in pixels: `360x480`, or (360, 480)."""
    side = whole()

    def read(given: Any) -> tuple[int, int]:
        sides = re.split("x", given) if isinstance(given, str) else given
        try:
            height, width = map(side.read, sides)
        except (TypeError, ValueError):
            raise ValueError(
                f"{given!r} must be HEIGHTxWIDTH in pixels, as 360x480"
            ) from None
        if min(height, width) < 1:
            raise ValueError("must be at least 1x1")
        return height, width

    return Value(read, "[1-9][0-9]*x[1-9][0-9]*", "HxW")


def assignments(given: Any) -> dict[str, Any]:
    """Reads `a=1,b=2`, a mapping, or pairs.

    Raises:
        ValueError: it is none of these, or names something twice.
    """
    pairs: list[Any]
    if isinstance(given, str):
        parts = [part for part in given.split(",") if part]
        if not all("=" in part for part in parts):
            raise ValueError(f"{given!r} must look like NAME=VALUE,NAME=VALUE")
        pairs = [part.split("=", 1) for part in parts]
    else:
        pairs = list(given.items() if hasattr(given, "items") else given)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"{given!r} names something twice")
    return found


def split_and_pattern(text: str) -> tuple[str, str]:
    """Reads `val=GLOB` as (val, GLOB), and `GLOB` as ("", GLOB).

    Raises:
        ValueError: there is no glob.
    """
    match = _SPLIT.match(text)
    split, pattern = match.groups() if match else ("", text)
    if not pattern:
        raise ValueError(f"{text!r} names a split but no files")
    return split, pattern


def absolute(path: str) -> str:
    """Makes a local path absolute: workers have working directories of their own."""
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def several(given: Any) -> list[Any]:
    """Makes a list of a single value, of many, or of values by split."""
    if isinstance(given, Mapping):
        return [
            f"{split}={os.fspath(one)}"
            for split, many in given.items()
            for one in several(many)
        ]
    if isinstance(given, (str, os.PathLike, Source, int)):
        return [given]
    return list(given)


def _sources(given: Any) -> tuple[Source, ...]:
    """Reads globs, with or without a split."""
    return tuple(map(_source, several(given)))


def _source(given: Any) -> Source:
    """Reads a glob, or a source, which may be as JSON has it."""
    if isinstance(given, Source):
        return given
    if isinstance(given, Mapping):
        return Source(**given)
    split, pattern = split_and_pattern(os.fspath(given))
    return Source(split or DEFAULT_SPLIT, absolute(pattern))


def _shares(given: Any) -> tuple[tuple[str, float], ...]:
    shares = {split: number(share) for split, share in assignments(given).items()}
    if shares and (min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6):
        raise ValueError(
            f"shares must be above 0 and add up to 1, not to {sum(shares.values()):g}"
        )
    return tuple(shares.items())


def _record_keys(given: Any) -> RecordKeys:
    if isinstance(given, RecordKeys):
        return given
    named = assignments(given)
    known = [field.name for field in dataclasses.fields(RecordKeys)]
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise ValueError(f"has {unknown[0]!r}; known are {', '.join(known)}")
    if named.get("label") == "":
        raise ValueError("needs a name for `label`")
    return RecordKeys(**named)


def _regex(given: Any) -> str:
    try:
        re.compile(given)
    except re.error as error:
        raise ValueError(f"{given!r} is not a regular expression: {error}") from error
    return str(given)


_SPLIT_GLOB = rf"([A-Za-z0-9_]+=)?{_GLOB}"
SOURCES = Value(_sources, _SPLIT_GLOB, "[SPLIT=]GLOB")
SOURCES_OF_A_SPLIT = Value(_sources, rf"[A-Za-z0-9_]+={_GLOB}", "SPLIT=GLOB")
SOURCE_FILES = Value(_sources, _SPLIT_GLOB, "[SPLIT=]FILE")
SHARES = Value(
    _shares,
    r"[A-Za-z0-9_]+=[0-9.]+(,[A-Za-z0-9_]+=[0-9.]+)*",
    "train=0.8,val=0.2",
)
RECORD_KEYS = Value(
    _record_keys,
    "(label|image|key)=[^,]*(,(label|image|key)=[^,]*)*",
    "label=K,image=K,key=K",
)
REGEX = Value(_regex, ".+", "REGEX")
SUFFIX = text("S", ".*")
DIRECTORY = Value(lambda given: absolute(os.fspath(given)), rf"{_STORE}{_GLOB}", "DIR")
