"""YAML as plain values, and no more of YAML than a file that people write needs.

PyYAML's own loaders make whatever a text asks for: gigabytes of a few aliases, a
recursion as deep as its brackets, the last of two values of one key, 8 of `010`. Here
its events are taken one by one, and each of these is refused, with its line.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from maskbeam.transforms.texts import quoted

MAX_BYTES = 16 << 20  # 65,535 classes with names, ids and colours have 5 MiB,
_MAX_VALUES = 1 << 20  # and 720,000 values
_MAX_DEPTH = 16
_MAX_DIGITS = 40

# libyaml's parser, which PyYAML nearly always comes with, is ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
# JSON writes a character beyond U+FFFF as two escapes; YAML has one of eight digits.
_PAIR = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE
)
# libyaml compares each %TAG with all before it: a file of them would take hours.
_TAG_DIRECTIVE = re.compile(r"(?:^|[\r\n\x85\u2028\u2029])%TAG\b")


def load(text: str) -> Any:
    """Reads YAML: mappings, lists, text, whole numbers; booleans, null, floats, dates.

    JSON is YAML.

    An alias may stand for what it names, as long as the whole stays within the bounds.

    Raises:
        ValueError: the text is not YAML, or more than is needed; the message has the
            line.
    """
    if _TAG_DIRECTIVE.search(text):
        raise ValueError("it has a %TAG line: leave it out, for no tag means anything")
    if text.lstrip().startswith(("{", "[")):
        text = _PAIR.sub(_one_escape, text)
    try:
        return _Tree(text).document()
    except yaml.MarkedYAMLError as error:
        raise ValueError(_in_words(error, text)) from None
    except yaml.reader.ReaderError as error:
        character = f"U+{error.character:04X}"
        raise ValueError(f"it has {character}, a character that YAML lacks") from None


def _one_escape(pair: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in pair.group(2, 3))
    code = 0x10000 + (high - 0xD800 << 10) + (low - 0xDC00)
    return f"{pair[1]}\\U{code:08x}"


def _in_words(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    if mark is None:
        return f"it is not YAML: {error.problem}"
    if text[mark.index : mark.index + 1] == "\t":
        return f"line {mark.line + 1} has a tab: YAML is indented by spaces"
    if "Unicode character escape" in str(error.problem):
        return (
            f"line {mark.line + 1} has an escape that is no character, such as half of "
            "a surrogate pair: write the character itself"
        )
    return f"line {mark.line + 1} is not YAML: {str(error.problem)[:200]}"


class _Tree:
    """Builds one document's values out of a parser's events."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._resolver: Any = Resolver()
        self._constructor = SafeConstructor()
        self._anchored: dict[str, tuple[Any, int]] = {}  # the value and its size
        self._count = 0

    def document(self) -> Any:
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), 1)
        next(self._events)  # the document's end
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise _at(event, "begins a second document, and a file has one")
        return value

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchored:
                alias = quoted(event.anchor)
                raise _at(event, f"has the alias {alias}, and no anchor above it")
            value, size = self._anchored[event.anchor]
            self._grow(size, event)
            return value
        before = self._count
        self._grow(1, event)
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        else:
            value = self._collection(event, depth)
        if event.anchor is not None:
            self._anchored[event.anchor] = value, self._count - before
        return value

    def _grow(self, by: int, event: Any) -> None:
        self._count += by
        if self._count > _MAX_VALUES:
            raise _at(event, f"goes beyond {_MAX_VALUES:,} values, the most of a file")

    def _collection(self, event: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise _at(event, f"is nested more than {_MAX_DEPTH} deep")
        is_list = isinstance(event, yaml.SequenceStartEvent)
        if event.tag not in (None, "!", f"{_TAG}{'seq' if is_list else 'map'}"):
            raise _at(event, f"has the tag {quoted(event.tag)}: leave it out")
        if is_list:
            return [
                self._value(item, depth + 1)
                for item in self._until(yaml.SequenceEndEvent)
            ]
        mapping: dict[Any, Any] = {}
        for key_event in self._until(yaml.MappingEndEvent):
            key = self._value(key_event, depth + 1)
            if isinstance(key, list | dict):
                raise _at(key_event, "has a list or a mapping where a name belongs")
            if key in mapping:
                raise _at(key_event, f"has {quoted(key)} for the second time")
            mapping[key] = self._value(next(self._events), depth + 1)
        return mapping

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _scalar(self, event: Any) -> Any:
        text, tag = event.value, event.tag
        if tag is None or tag == "!":
            tag = self._resolver.resolve(yaml.ScalarNode, text, event.implicit)
        elif tag != f"{_TAG}str":
            raise _at(event, f"has the tag {quoted(tag)}: leave it out")
        read = _NOT_TEXT.get(tag.removeprefix(_TAG))
        if read is None:
            return text
        try:
            if len(text) > _MAX_DIGITS:
                raise ValueError
            return read(self._constructor, yaml.ScalarNode(tag, text))
        except (ValueError, OverflowError):
            raise _at(
                event,
                f"has {quoted(text)}, which is no plain number or date: write it "
                "otherwise, or quote it if it is text",
            ) from None


def _whole_number(_: SafeConstructor, node: yaml.ScalarNode) -> int:
    """Reads what all versions of YAML read alike; 010 is 8 to some and 10 to others."""
    if _INTEGER.fullmatch(node.value):
        return int(node.value)
    if _HEX.fullmatch(node.value):
        return int(node.value, 16)
    raise ValueError


_NOT_TEXT = {
    "int": _whole_number,
    "bool": SafeConstructor.construct_yaml_bool,
    "null": SafeConstructor.construct_yaml_null,
    "float": SafeConstructor.construct_yaml_float,
    "timestamp": SafeConstructor.construct_yaml_timestamp,
}


def _at(event: Any, words: str) -> ValueError:
    return ValueError(f"line {event.start_mark.line + 1} {words}")
