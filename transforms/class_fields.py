"""The fields of a class map's file, each read with words for who writes a first one."""

import datetime
import re
from collections.abc import Collection, Mapping
from typing import Any

from maskbeam.transforms.classes import Color, color_code
from maskbeam.transforms.texts import quoted

_SEVERAL = re.compile(r"\d{1,5}(?:[\s,]+\d{1,5})*")
_RANGE = re.compile(r"(\d{1,5})\s*(?:-|\.\.|:)\s*(\d{1,5})")
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")
_COLOR = "[r, g, b], each 0..255, as [60, 16, 152], or '#3C1098' in quotes"
_MOST_SHOWN = 8


def mapping(tree: Any, what: str, fields: set[str]) -> Mapping[str, Any]:
    """Reads a mapping that has some fields and no others."""
    if not isinstance(tree, dict):
        raise ValueError(
            f"{what} must be a mapping with {', '.join(sorted(fields))}, not "
            f"{quoted(tree)}"
        )
    for key in tree:
        if key not in fields:
            raise ValueError(
                f"{what} has the unknown field {quoted(key)}; "
                f"known are {', '.join(sorted(fields))}"
            )
    return tree


def text(value: Any, what: str) -> str:
    """Reads text that is not empty."""
    if isinstance(value, str) and value:
        return value
    if value is None:
        raise ValueError(
            f"{what} is missing, or null: write it, as name: road; if it is the word "
            'null, quote it: name: "null"'
        )
    raise ValueError(f"{what} must be text, not {_misread(value)}")


def _misread(value: Any) -> str:
    """What YAML made of a word that was meant as text, and the way out."""
    if isinstance(value, bool):
        words = "yes, on and true" if value else "no, off and false"
        example = "yes" if value else "no"
        return f'a boolean; YAML reads {words} so: quote it, as name: "{example}"'
    if isinstance(value, int | float):
        return f'a number; quote it: name: "{quoted(value)}"'
    if isinstance(value, datetime.date):
        return f'a date; quote it: name: "{value}"'
    return quoted(value)


def names(value: Any, what: str) -> list[str]:
    """Reads a list of texts, each of which is there once."""
    if not isinstance(value, list):
        raise ValueError(f"{what} must list class names, not {quoted(value)}")
    found: dict[str, None] = {}
    for item in value:
        name = text(item, f"a name in {what}")
        if name in found:
            raise ValueError(f"{what} names {quoted(name)} twice")
        found[name] = None
    return list(found)


def one_of(value: Any, what: str, known: Collection[str]) -> str:
    """Reads one of some words."""
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"{what} is {quoted(value)}; it can be {', '.join(known)}")


def integer(value: Any, what: str) -> int:
    """Reads a whole number."""
    if type(value) is int:
        return value
    raise ValueError(f"{what} must be a whole number, not {quoted(value)}")


def integers(value: Any, what: str) -> tuple[int, ...]:
    """Reads a whole number, or a list of them."""
    values = value if isinstance(value, list) else [value]
    for item in values:
        if type(item) is not int:
            raise ValueError(
                f"{what} must be a list of whole numbers, as [7, 8], not "
                f"{quoted(item)}{_as_numbers(item)}"
            )
    return tuple(values)


def _as_numbers(value: Any) -> str:
    """How to write numbers that were written as text; empty if they are none."""
    if not isinstance(value, str):
        return ""
    word = value.strip(" []")
    if found := _RANGE.fullmatch(word):
        first, last = map(int, found.groups())
        ids = [str(i) for i in range(first, min(last + 1, first + _MOST_SHOWN))]
        if last >= first + _MOST_SHOWN:
            ids[3:] = ["...", str(last)]
    elif _SEVERAL.fullmatch(word):
        ids = re.findall(r"\d+", word)
    else:
        return ""
    return f"; write [{', '.join(ids)}]" if 0 < len(ids) <= _MOST_SHOWN else ""


def color(value: Any, what: str) -> Color:
    """Reads a colour: a list of its three levels, or text in hexadecimal."""
    if isinstance(value, str) and (found := _HEX.fullmatch(value.strip())):
        red, green, blue = bytes.fromhex(found[1])
        return red, green, blue
    if value is None:
        raise ValueError(
            f"{what} is empty, for a # and what follows it is a comment in YAML: "
            f"write {_COLOR}"
        )
    levels = value if isinstance(value, list) else []
    if len(levels) == 3 and all(type(v) is int and 0 <= v <= 255 for v in levels):
        return levels[0], levels[1], levels[2]
    is_bare = type(value) is int and _HEX.fullmatch(str(value))
    hint = f"; if that is hexadecimal, quote it: '{value}'" if is_bare else ""
    raise ValueError(
        f"{what} must be three numbers, {_COLOR}, not {quoted(value)}{hint}"
    )


def color_codes(value: Any, what: str) -> tuple[int, ...]:
    """Reads one colour, or a list of several, as codes (`classes.color_code`)."""
    is_several = isinstance(value, list) and any(
        isinstance(v, list | str) for v in value
    )
    colors = value if is_several or value == [] else [value]
    return tuple(color_code(color(levels, what)) for levels in colors)
