"""Writes a conversion as the command that makes it again, without secrets."""

import argparse
import itertools
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from maskbeam.pipeline import values
from maskbeam.pipeline.elements import printable
from maskbeam.pipeline.runtime import beam_flags
from maskbeam.pipeline.values import Source
from maskbeam.transforms.classes import ClassMap

_STRUCK = "..."
_MOST = 20  # values of an option: a shell lists thousands of files
# Of a URL, who you are: all up to the last @. Azure has a container there.
_USER = re.compile(r"(?<=://)\S*(?=@)")
_AZURE = ("abfs://", "abfss://", "wasb://", "wasbs://")
# What a signed URL allows, and whatever else has a value behind its path.
_VALUES = re.compile(r"(?<=[?#;])(?=[^?#;]*=).*", re.DOTALL)


def flags_of(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Writes options as flags.

    Args:
        given: the options' values, as text or as Python has them; None is not given.
    """
    found: list[str] = []
    for name, value in given.items():
        if value is None or value is False:
            continue
        found.append(f"--{name}")
        if value is not True:
            texts = [*itertools.islice(_texts(name, value), _MOST + 1)]
            found += map(without_secrets, texts[:_MOST])
            found += [_STRUCK] if len(texts) > _MOST else []
    return tuple(found)


def command(flags: Sequence[str], of_beam: argparse.Namespace) -> str:
    """Writes a conversion as a command for a shell.

    Args:
        flags: as `flags_of` returns them.
        of_beam: Beam's flags, as the user gave them.
    """
    words = ["maskbeam", "convert", *flags, *_beam_flags(of_beam)]
    return " ".join(shlex.quote(printable(word)) for word in words)


def _beam_flags(given: argparse.Namespace) -> Iterator[str]:
    """Writes Beam's flags; whatever is any text may be a secret."""
    shown = beam_flags.shown(given)
    for name, dest, is_switch in beam_flags.spelled(given):
        if dest == "runner" and given.runner == beam_flags.DEFAULT_RUNNER:
            continue
        text = _STRUCK if shown[dest] == beam_flags.AS_GIVEN else shown[dest]
        yield name if is_switch else f"{name}={text}"


def _texts(name: str, value: Any) -> Iterator[str]:
    """Writes the value of an option as the command line takes it."""
    if isinstance(value, ClassMap):
        yield value.name
    elif isinstance(value, Source):
        yield f"{value.split}={value.pattern}" if value.split else value.pattern
    elif isinstance(value, Mapping):
        pairs = (
            (key, text) for key, one in value.items() for text in _texts(name, one)
        )
        yield from _joined(name, [f"{key}={text}" for key, text in pairs])
    elif name in ("size", "tile") and not isinstance(value, str):
        yield "x".join(map(str, value))
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        texts = [text for one in value for text in _texts(name, one)]
        yield from _joined(name, texts)
    elif callable(value):
        yield values.name_of(value)
    else:
        yield str(os.fspath(value) if isinstance(value, os.PathLike) else value)


def _joined(name: str, texts: list[str]) -> list[str]:
    """Joins what is one value of the command line."""
    return [",".join(texts)] if name in ("record_keys", "split_by") else texts


def without_secrets(text: str) -> str:
    """Strikes out of a URL, and of a message that quotes one, what may be secret."""
    if "://" not in text:
        return text
    if not any(scheme in text for scheme in _AZURE):
        text = _USER.sub(_STRUCK, text)
    return _VALUES.sub(_STRUCK, text)
