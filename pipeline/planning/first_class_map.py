"""Makes a first class map of the values that label maps hold, or says why it can't.

    0 and 255, or one of them     background and foreground (also 0 and 65535)
    0..k                          k + 1 classes; or 1..k, k classes
    0..k and 255, k from 1 on     k + 1 classes, and 255 is ignored (in 16 bits, 65535)
    colours                       a class for each; black and white, or one, are two

Anything else may mean several things, and a wrong guess would train without a word.
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from maskbeam.transforms import class_files
from maskbeam.transforms.classes import ClassMap, LabelClass, color_levels

MAX_VALUES = 4096  # with more they are no label maps
_BLACK, _WHITE = 0x000000, 0xFFFFFF
_BINARY = "binary"  # the preset
_SHOWN = 8
_LISTED = 32

Counts = collections.Counter[int]  # label value: pixels


class Found(NamedTuple):
    """What a pass over all label maps finds.

    Attributes:
        ids: the samples of grey and palette files, and how many pixels have each.
        colors: the colours of RGB files, as `classes.color_code` makes them.
        is_deep: whether an id's file has 16 bits.
        alpha_only: how many files have one colour, and several values of alpha.
        inexact: how many files have 16-bit colours without equal ones of 8 bits.
        unread: the first file by name that cannot be read, and why; "" for none.
    """

    ids: Counts
    colors: Counts
    is_deep: bool = False
    alpha_only: int = 0
    inexact: int = 0
    unread: str = ""


class FirstMap(NamedTuple):
    """A first class map, and what you should know about it ("" for nothing)."""

    class_map: ClassMap
    note: str = ""


def first_class_map(found: Found, name: str) -> FirstMap:
    """Makes a class map.

    Args:
        found: what the label maps hold.
        name: the class map's name.

    Raises:
        ValueError: the values may mean several things, or nothing was found. The
            message says what there is, and which options to choose from.
    """
    if found.alpha_only:
        raise ValueError(
            f"in {found.alpha_only} label maps all pixels have one colour and only "
            "alpha varies: if it holds the ids, give a class map with `channel: alpha`"
        )
    if found.inexact:
        raise ValueError(
            f"{found.inexact} label maps have colours of 16 bits a channel without "
            "equal ones of 8 bits: save them with 8 bits a channel"
        )
    if found.ids and found.colors:
        raise ValueError(
            "some label maps hold ids and others colours: convert them one after the "
            "other, with a class map for each"
        )
    if max(len(found.ids), len(found.colors)) > MAX_VALUES:
        raise ValueError(
            f"the label maps hold more than {MAX_VALUES} values: are they pictures, "
            "smoothed by resizing, or panoptic ids? Those need a class map that says "
            "so, by `nearest`, `threshold` or an `encoding`"
        )
    if found.colors:
        return _of_colors(sorted(found.colors), name)
    return _of_ids(found, name)


def _of_colors(codes: list[int], name: str) -> FirstMap:
    if set(codes) <= {_BLACK, _WHITE}:
        codes = [_BLACK, _WHITE]
    return FirstMap(
        ClassMap(name, tuple(map(_color_class, codes)), encoding="color"),
    )


def _of_ids(found: Found, name: str) -> FirstMap:
    values = sorted(found.ids)
    ignored = 65535 if found.is_deep else 255
    if set(values) <= {0, 255} or values == [0, 65535]:
        binary = dataclasses.replace(class_files.preset(_BINARY), name=name)
        return FirstMap(binary, _binary_note(values))
    if _has_no_gap(values):
        return FirstMap(_each_a_class(values, name))
    others = [value for value in values if value != ignored]
    if len(others) < len(values) and others[0] == 0 and _has_no_gap(others):
        note = (
            f"--classes auto takes {ignored} ({_share(found.ids, ignored)} of the "
            f"pixels) for the ignore label, beside the classes 0..{others[-1]}"
        )
        return FirstMap(_each_a_class(others, name, (ignored,)), note)
    raise ValueError(_undecided(found.ids, name))


def _binary_note(values: Sequence[int]) -> str:
    return (
        "--classes auto takes 0 for background and "
        f"{max(255, values[-1])} for foreground"
    )


def _has_no_gap(values: Sequence[int]) -> bool:
    """Checks whether sorted values are 0..k, or 1..k."""
    return values[0] <= 1 and values[-1] - values[0] == len(values) - 1


def _each_a_class(
    values: Sequence[int], name: str, ignore: tuple[int, ...] = ()
) -> ClassMap:
    named = tuple(LabelClass(f"class_{value}", (value,)) for value in values)
    return ClassMap(name, named, ignore)


def _color_class(code: int) -> LabelClass:
    return LabelClass(f"color_{code:06x}", (code,), color_levels(code))


def _share(counts: Counts, value: int) -> str:
    return f"{counts[value] / counts.total():.2%}"


def _undecided(counts: Counts, name: str) -> str:
    """What there is, and what to choose from, a line each."""
    shown = [f"{value} ({_share(counts, value)})" for value in sorted(counts)]
    if len(shown) > _SHOWN:
        shown = [*shown[: _SHOWN - 1], "...", shown[-1]]
    lines = [
        f"the label maps hold {len(counts)} values, which may mean several things: "
        f"{', '.join(shown)}. Choose one of:"
    ]
    usual = [value for value in (255, 65535) if value in counts]
    others = [value for value in counts if value not in usual]
    if usual and others and max(others) < 2 * len(others):  # else they are no numbers
        flags = " ".join(map(str, usual))
        lines.append(
            f"  --num_classes {max(others) + 1} --ignore_label {flags}    "
            f"{flags} is left out of training"
        )
    if usual:
        lines.append(
            "  --classes binary    background is 0 and foreground 255; if other values "
            "are of smoothing or JPEG, a map of `base: binary` and `threshold: 128`"
        )
    lines.append("  --classes FILE    a class map says what each value means")
    if len(counts) <= _LISTED:
        yaml = class_files.to_yaml(_each_a_class(sorted(counts), name))
        lines[-1] += "; with a class for each it is:"
        lines += (f"    {line}" for line in yaml.splitlines())
    return "\n".join(lines)
