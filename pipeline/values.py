"""The values of options: read from text, or taken as Python has them, and checked.

A kind of value reads what the user gave, or raises ValueError. The message continues
the option's name: "--size '20' must be HEIGHTxWIDTH".
"""

import contextlib
import dataclasses
import functools
import glob
import math
import operator
import os
import pathlib
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from maskbeam.pipeline import patterns
from maskbeam.transforms import normalization_names

DEFAULT_SPLIT = "train"
MAX_NAME = 100  # characters; with a split's they make a shard's name, of 255 at most

_MAX_SPLIT = 64
_SPLIT_NAME = rf"[A-Za-z0-9_]{{1,{_MAX_SPLIT}}}"
_SPLIT = re.compile(rf"({_SPLIT_NAME})=(.*)", re.DOTALL)
_PREFIX = re.compile(r"([^/=]*)=")  # what only a split's name may be
_LAST_WHOLE = 2**63 - 1
_SHOWN_CHARACTERS = 160
_GLOB = r"[^\s]+"
_ARCHIVE = ".zip"
_STORE = "[a-z0-9]+://"  # that all workers reach


@dataclasses.dataclass(frozen=True)
class Source:
    """Label maps, images or lists of one split, by name.

    Attributes:
        split: the split that the files belong to.
        pattern: a glob or a path on any of Beam's filesystems; absolute if it is local.
        base: the directory that keys are below; empty for the pattern's fixed one, the
            last before its first wildcard.
    """

    split: str
    pattern: str
    base: str = ""


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


class _Repr(reprlib.Repr):
    """Python's own shortening `repr`, also of numbers that `repr` refuses to write."""

    def repr_int(self, value: int, level: int) -> str:
        """Numbers of more than some digits."""
        digits = value.bit_length() * 3 // 10
        return repr(value) if digits < 40 else f"a number of about {digits} digits"


_REPR = _Repr()
_REPR.maxstring = _REPR.maxother = _SHOWN_CHARACTERS
_REPR.maxlevel = 1


def shown(value: Any) -> str:
    """Quotes what the user gave, so that a message stays one line, and short."""
    text = _REPR.repr(value)
    half = _SHOWN_CHARACTERS // 2
    return text if len(text) <= 2 * half + 3 else f"{text[:half]}...{text[-half:]}"


def check_text(given: Any) -> None:
    """Checks that text, alone or in lists and mappings, can be written anywhere.

    Raises:
        ValueError: some has a NUL, which no file's name may have, or is not Unicode.
    """
    if isinstance(given, str):
        if "\0" in given:
            raise ValueError(f"{shown(given)} has a NUL character")
        try:
            given.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{shown(given)} is not UTF-8: rename what it names, or use a link"
            ) from None
    elif isinstance(given, Source):
        check_text(dataclasses.astuple(given))
    elif isinstance(given, Mapping):
        check_text(list(given.items()))
    elif isinstance(given, (list, tuple)):
        for one in given:
            check_text(one)
    elif isinstance(given, os.PathLike):
        check_text(os.fspath(given))


def whole(
    at_least: int | None = None, at_most: int = _LAST_WHOLE, metavar: str = "N"
) -> Value:
    """Returns the kind of whole numbers, of 64 bits unless they are bounded."""
    first = -_LAST_WHOLE - 1 if at_least is None else at_least

    def read(given: Any) -> int:
        try:
            if isinstance(given, bool):
                raise TypeError
            value = int(given) if isinstance(given, str) else operator.index(given)
        except (TypeError, ValueError):
            raise ValueError(f"{shown(given)} is not a whole number") from None
        if value < first:
            raise ValueError(f"{shown(value)} must be {first} or more")
        if value > at_most:
            raise ValueError(f"{shown(value)} must be {at_most} or less")
        return value

    patterns = {None: "-?[0-9]+", 0: "[0-9]+", 1: "[1-9][0-9]*"}
    return Value(read, patterns[at_least], metavar)


def share(metavar: str = "SHARE") -> Value:
    """Returns the kind of shares: parts of a whole, 0 to 1."""

    def read(given: Any) -> float:
        value = number(given)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{shown(given)} must be a share, 0 to 1")
        return value + 0.0  # -0 becomes 0

    return Value(read, r"0(\.[0-9]+)?|1(\.0+)?|\.[0-9]+", metavar)


def number(given: Any) -> float:
    """Reads any finite number.

    Raises:
        ValueError: it is not one.
    """
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if math.isfinite(value := float(given)):
            return value
    raise ValueError(f"{shown(given)} is not a number")


def switch() -> Value:
    """Returns the kind of switches: True or False; as a flag, there or not."""

    def read(given: Any) -> bool:
        if not isinstance(given, bool):
            raise ValueError(f"{shown(given)} must be True or False")
        return given

    return Value(read, "true|false", is_switch=True)


def choice(*names: str) -> Value:
    """Returns the kind that is one of some names."""
    return choice_of(lambda: names)


def choice_of(names: Callable[[], tuple[str, ...]]) -> Value:
    """Returns the kind that is one of the names known when it is read."""

    def read(given: Any) -> str:
        if given not in names():
            raise ValueError(f"{shown(given)} must be one of {', '.join(names())}")
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
            raise ValueError(f"{shown(given)} {must}")
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
                f"{shown(given)} must be HEIGHTxWIDTH in pixels, as 360x480"
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
    try:
        if isinstance(given, str):
            pairs = [part.split("=", 1) for part in given.split(",") if part]
        else:
            pairs = list(given.items() if hasattr(given, "items") else given)
        found = dict(pairs)
    except (TypeError, ValueError):
        raise ValueError(
            f"{shown(given)} must look like NAME=VALUE,NAME=VALUE"
        ) from None
    if len(found) != len(pairs):
        raise ValueError(f"{shown(given)} names something twice")
    return found


def split_and_pattern(text: str) -> tuple[str, str]:
    """Reads `val=GLOB` as (val, GLOB), and `GLOB` as ("", GLOB).

    Raises:
        ValueError: there is no glob, or what stands before it is no name of a split.
    """
    match = _SPLIT.match(text)
    split, pattern = match.groups() if match else ("", text)
    if not pattern:
        raise ValueError(
            f"{shown(text)} names a split but no files" if split else "'' names no file"
        )
    prefix = _PREFIX.match(text)
    if prefix and not match and not _begins_a_path(text):
        raise ValueError(
            f"{shown(text)} names no split: a split's name is {_MAX_SPLIT} letters, "
            f"digits and underscores at most, as {_like_a_split(prefix[1])}=GLOB; and "
            "no path begins so"
        )
    return split, pattern


def is_split(name: Any) -> bool:
    """Checks whether a split may be called so."""
    return isinstance(name, str) and re.fullmatch(_SPLIT_NAME, name) is not None


def check_split(name: Any) -> None:
    """Checks that a split may be called so: its name becomes a part of file names.

    Raises:
        ValueError: it may not.
    """
    if not is_split(name):
        raise ValueError(
            f"names the split {shown(name)}, and a split's name is {_MAX_SPLIT} "
            "letters, digits and underscores at most"
        )


def _begins_a_path(text: str) -> bool:
    """Whether something here has the name that a relative path begins with."""
    first = text.partition("/")[0]
    return os.path.lexists(first) or next(glob.iglob(first), None) is not None


def _like_a_split(name: str) -> str:
    """The nearest name that a split may have."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)[:_MAX_SPLIT].strip("_") or "val"


def absolute(path: str) -> str:
    """Makes a local path absolute: workers have working directories of their own.

    Raises:
        ValueError: it is relative to a directory that is gone.
    """
    try:
        return path if "://" in path else os.path.abspath(os.path.expanduser(path))
    except FileNotFoundError as error:
        raise ValueError(
            f"{shown(path)} is relative to the working directory, which is gone: "
            "change to one that is there"
        ) from error


def is_glob(pattern: str) -> bool:
    """Whether a pattern has wildcards, other than those that `glob.escape` writes."""
    return fixed_part(pattern) != unescaped(pattern)


@functools.lru_cache  # it is asked for each file that a pattern matches
def fixed_part(pattern: str) -> str:
    """What stands before the first wildcard, as files are named: `[[]` is `[`."""
    found = _FIXED.match(pattern)
    return unescaped(found[0]) if found else ""


def unescaped(pattern: str) -> str:
    """Undoes `glob.escape`."""
    return _ESCAPED.sub(r"\1", pattern)


_ESCAPED = re.compile(r"\[([*?[])\]")
_FIXED = re.compile(r"(?:\[[*?[]\]|[^*?[])*")


def _literally(pattern: str) -> str:
    """Escapes what is no wildcard: leading directories, or all, that are there as such.

    So `data[1]/*.png` means the directory of that name, if there is one. Whoever sees
    the pattern from here on, on any machine, takes it for the same files.
    """
    if "://" in pattern:
        return pattern
    parts = pattern.split("/")
    for number, part in enumerate(parts):
        if part in (glob.escape(part), glob.escape(unescaped(part))):
            continue  # it has no wildcard
        path = "/".join([*map(unescaped, parts[:number]), part])
        if "*" in part or not os.path.lexists(path):
            break
        parts[number] = glob.escape(part)
    return "/".join(parts)


def several(given: Any) -> list[Any]:
    """Makes a list of a single value, of many, or of values by split.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(given, Mapping):
        return [
            f"{split}={_text_of(one)}"
            for split, many in given.items()
            for one in several(many)
        ]
    if isinstance(given, (str, os.PathLike, Source, int)):
        return [given]
    try:
        return list(given)
    except TypeError:
        raise ValueError(f"{shown(given)} must be text, or a list of texts") from None


def _text_of(given: Any) -> str:
    """Returns text, or a path as text.

    Raises:
        ValueError: it is neither.
    """
    text = given.__fspath__() if isinstance(given, os.PathLike) else given
    if not isinstance(text, str):
        raise ValueError(f"{shown(given)} must be text, or a path")
    return text


def _sources(given: Any) -> tuple[Source, ...]:
    """Reads globs, with or without a split."""
    return tuple(_with_bases(list(map(_source, several(given)))))


def _source(given: Any) -> Source:
    """Reads a glob, or a source, which may be as JSON has it."""
    if isinstance(given, Mapping):
        try:
            given = Source(**given)
        except TypeError:
            raise ValueError(f"{shown(given)} must be text, or a path") from None
    if isinstance(given, Source):
        split, pattern, base = map(_text_of, dataclasses.astuple(given))
        check_split(split or DEFAULT_SPLIT)
    else:
        (split, pattern), base = split_and_pattern(_text_of(given)), ""
    pattern = _literally(absolute(pattern))
    if pattern.lower().endswith(_ARCHIVE):
        pattern += "/**"  # all that is in it
    return Source(split or DEFAULT_SPLIT, pattern, base)


def _with_bases(sources: list[Source]) -> Iterable[Source]:
    """Gives files that are named one by one keys below the directory they share.

    A shell that opens `train/*/*.png` gives many; by their names alone `a/0.png` and
    `b/0.png` would have one key.
    """
    named: dict[str, list[list[str]]] = {}
    for source in sources:
        if not is_glob(source.pattern):
            directory = unescaped(source.pattern).rpartition("/")[0]
            named.setdefault(source.split, []).append(directory.split("/"))
    # Of lists it finds the elements that all begin with.
    shared = {split: os.path.commonprefix(many) for split, many in named.items()}
    for source in sources:
        alone = is_glob(source.pattern) or len(named[source.split]) == 1
        if alone or source.base:
            yield source
        else:
            base = "/".join(shared[source.split]) or "/"
            yield dataclasses.replace(source, base=base)


def _globs(given: Any) -> tuple[str, ...]:
    """Reads globs of names; those that say where they begin become absolute."""
    globs = [_text_of(one) for one in several(given)]
    for one in globs:
        if not pathlib.PurePosixPath(one).parts:
            raise ValueError(f"{shown(one)} names no file")
    beginnings = ("/", "./", "../", "~/")
    return tuple(absolute(one) if one.startswith(beginnings) else one for one in globs)


def _shares(given: Any) -> tuple[tuple[str, float], ...]:
    shares = {split: number(share) for split, share in assignments(given).items()}
    for split in shares:
        check_split(split)
    total = sum(shares.values())
    if shares and (min(shares.values()) <= 0 or abs(total - 1) > 1e-6):
        raise ValueError(f"shares must be above 0 and add up to 1, not to {total:g}")
    return tuple(shares.items())


def _record_keys(given: Any) -> RecordKeys:
    if isinstance(given, RecordKeys):
        return given
    named = assignments(given)
    known = [field.name for field in dataclasses.fields(RecordKeys)]
    for name, value in named.items():
        if name not in known:
            raise ValueError(f"has {shown(name)}; known are {', '.join(known)}")
        if not (value is None or isinstance(value, str)):
            raise ValueError(f"has {shown(value)}, which is no name")
    if named.get("label") == "":
        raise ValueError("needs a name for `label`")
    return RecordKeys(**named)


def _regex(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError(f"{shown(given)} is not a regular expression")
    try:
        patterns.compiled(given)
    except ValueError as error:
        raise ValueError(
            f"{shown(given)} is not a regular expression of RE2's, which has no "
            f"look-around and no references to groups: {error}"
        ) from error
    return given


def _function(given: Any) -> Any:
    """Reads a file of Python, maybe with a function's name; callables stay."""
    if callable(given):
        return given
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not (isinstance(text, str) and re.fullmatch(FUNCTION.pattern, text, re.DOTALL)):
        raise ValueError(f"{shown(given)} must be FILE.py, or FILE.py:NAME")
    return text


def name_of(function: Callable[..., Any]) -> str:
    """Returns what a callable is called."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _names(given: Any) -> tuple[str, ...]:
    """Reads names of columns: several, or with commas."""
    texts = [name for text in several(given) for name in str(text).split(",")]
    for name in texts:
        if not re.fullmatch(NAMES.pattern, name):
            raise ValueError(f"{shown(name)} is no name of a column")
    return tuple(dict.fromkeys(texts))


def _normalization(given: Any) -> str:
    """Reads a name, `mean=R,G,B:std=R,G,B`, or a mapping of the two."""
    text = given
    if isinstance(given, Mapping) and given.keys() == {"mean", "std"}:
        mean, std = (",".join(map(str, several(given[n]))) for n in ("mean", "std"))
        text = f"mean={mean}:std={std}"
    if not isinstance(text, str):
        raise ValueError(f"{shown(given)} must be text, or have mean and std")
    try:
        normalization_names.moments_of(text)
    except ValueError as error:
        raise ValueError(f"{shown(given)} {error}") from None
    return text


def _bands(given: Any) -> tuple[int, ...]:
    one = whole(at_least=1, at_most=65535)
    bands = tuple(map(one.read, _numbers(given)))
    if len(bands) not in (1, 3):
        raise ValueError(f"{shown(given)} must be three bands, as 3,2,1, or one")
    return bands


def _range(given: Any) -> tuple[float, float]:
    ends = tuple(map(number, _numbers(given)))
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise ValueError(
            f"{shown(given)} must be two numbers, the smaller one first, as 0,4095"
        )
    return ends[0], ends[1]


def _numbers(given: Any) -> list[Any]:
    """Splits `1,2` at its commas; takes a number, or several, as Python has them."""
    if isinstance(given, str):
        return given.split(",")
    return list(given) if isinstance(given, Iterable) else [given]


def _directory(given: Any) -> str:
    path = _text_of(given)
    if not path:
        raise ValueError("'' names no directory")
    return absolute(path)


_SPLIT_GLOB = rf"({_SPLIT_NAME}=)?{_GLOB}"
SOURCES = Value(_sources, _SPLIT_GLOB, "[SPLIT=]GLOB")
SOURCES_OF_A_SPLIT = Value(_sources, rf"{_SPLIT_NAME}={_GLOB}", "SPLIT=GLOB")
SOURCE_FILES = Value(_sources, _SPLIT_GLOB, "[SPLIT=]FILE")
GLOBS = Value(_globs, _GLOB, "GLOB")
SHARES = Value(
    _shares,
    rf"{_SPLIT_NAME}=[0-9.]+(,{_SPLIT_NAME}=[0-9.]+)*",
    "train=0.8,val=0.2",
)
RECORD_KEYS = Value(
    _record_keys,
    "(label|image|key)=[^,]*(,(label|image|key)=[^,]*)*",
    "label=K,image=K,key=K",
)
FUNCTION = Value(_function, r".+\.py(:[A-Za-z_][A-Za-z0-9_]*)?", "FILE.py[:NAME]")
BANDS = Value(_bands, "[1-9][0-9]*(,[1-9][0-9]*,[1-9][0-9]*)?", "R,G,B|N")
RANGE = Value(_range, "[^,]+,[^,]+", "MIN,MAX")
NAMES = Value(_names, "[A-Za-z][A-Za-z0-9_]*", "NAME")
REGEX = Value(_regex, ".+", "REGEX")
NORMALIZATION = Value(
    _normalization,
    "|".join([*normalization_names.NAMES, normalization_names.PATTERN]),
    "|".join([*normalization_names.NAMES, "mean=R,G,B:std=R,G,B"]),
)
SUFFIX = text("S", ".*")
DIRECTORY = Value(_directory, rf"{_STORE}{_GLOB}", "DIR")
