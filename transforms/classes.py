"""The class map: which ids a label map holds, and which class each one becomes.

The index of a class is its position in the list. From a map come the forward table
(id -> index, in the graph) and the inverse (index -> id).
"""

import collections
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import yaml

MAX_ID = 65535  # the largest sample of a PNG
MAX_CLASSES = 65535  # as 16-bit class indices, 65535 being the ignored one

IGNORED = -1  # in the forward table and in `label`
UNKNOWN = -2  # in the forward table only: the map does not name the id

_PRESETS = pathlib.Path(__file__).parent / "presets"
_MAP_FIELDS = {"name", "encoding", "ignore", "others", "classes"}
_CLASS_FIELDS = {"name", "ids", "color"}


@dataclasses.dataclass(frozen=True)
class LabelClass:
    """One class.

    Attributes:
        name: unique within its map.
        ids: the label values that mean this class; several are merged into it. The
            first is the one that the inverse map gives back.
        color: RGB, 0..255, for pictures; None where the map gives none.
    """

    name: str
    ids: tuple[int, ...]
    color: tuple[int, int, int] | None = None


@dataclasses.dataclass(frozen=True)
class ClassMap:
    """A checked class map.

    Attributes:
        name: of the map, and by default of the dataset that is made with it.
        classes: in the order of their indices.
        ignore: label values that are dropped from training: index -1, a zero vector.
        others: what a value that is in no list means: `error`, the row is rejected,
            or `ignore`.

    Raises:
        ValueError: the map contradicts itself; the message says where.
    """

    name: str
    classes: tuple[LabelClass, ...]
    ignore: tuple[int, ...] = ()
    others: Literal["error", "ignore"] = "error"

    def __post_init__(self) -> None:
        """Refuses a map that gives an id two meanings, or none."""
        if not 1 <= len(self.classes) <= MAX_CLASSES:
            raise ValueError(
                f"class map {self.name!r} has {len(self.classes)} classes; "
                f"1 to {MAX_CLASSES} are possible"
            )
        owners: dict[int, str] = {}
        for label_class in self.classes:
            if not label_class.ids:
                raise ValueError(
                    f"class {label_class.name!r} of class map {self.name!r} has no "
                    "ids: list the label values that mean it"
                )
            for value in label_class.ids:
                self._claim(owners, value, f"class {label_class.name!r}")
        for value in self.ignore:
            self._claim(owners, value, "the ignore list")
        (name, count), *_ = collections.Counter(self.names).most_common(1)
        if count > 1:
            raise ValueError(
                f"class map {self.name!r} has the class name {name!r} twice: "
                "to merge ids into one class, list them all in its `ids`"
            )

    def _claim(self, owners: dict[int, str], value: int, owner: str) -> None:
        if not 0 <= value <= MAX_ID:
            raise ValueError(
                f"class map {self.name!r}: id {value} of {owner} is outside "
                f"0..{MAX_ID}, the values that a PNG label map can hold"
            )
        if value in owners:
            raise ValueError(
                f"class map {self.name!r}: id {value} is in {owners[value]} and in "
                f"{owner}: it can mean one thing only"
            )
        owners[value] = owner

    @property
    def num_classes(self) -> int:
        """K, the depth of the one-hot axis."""
        return len(self.classes)

    @property
    def names(self) -> list[str]:
        """The class names, by index."""
        return [c.name for c in self.classes]

    def forward_table(self, bit_depth: int) -> npt.NDArray[np.int32]:
        """The class index of every id: i32[2**bit_depth].

        Args:
            bit_depth: of the label map's samples, 8 or 16.

        Returns:
            The index, or `IGNORED`, or `UNKNOWN` for an id that the map does not name
            and does not ignore.
        """
        others = IGNORED if self.others == "ignore" else UNKNOWN
        table = np.full(2**bit_depth, others, np.int32)
        for index, label_class in enumerate(self.classes):
            for value in label_class.ids:
                if value < len(table):
                    table[value] = index
        for value in self.ignore:
            if value < len(table):
                table[value] = IGNORED
        return table

    def describe_ids(self) -> str:
        """The declared values in words: `0..10, or 11 (ignored)`."""
        ids = _ranges([value for c in self.classes for value in c.ids])
        if not self.ignore:
            return ids
        return f"{ids}, or {_ranges(self.ignore)} (ignored)"

    def to_yaml(self) -> str:
        """The map as the YAML file that `load_class_map` reads."""
        classes = [
            {
                "name": c.name,
                "ids": list(c.ids),
                **({} if c.color is None else {"color": list(c.color)}),
            }
            for c in self.classes
        ]
        head = yaml.safe_dump(
            {
                "name": self.name,
                "encoding": "index",
                "ignore": list(self.ignore),
                "others": self.others,
            },
            sort_keys=False,
            default_flow_style=None,
        )
        # One class a line, however long: people read, compare and edit this file.
        rows = (
            yaml.safe_dump(
                row,
                sort_keys=False,
                default_flow_style=True,
                width=10**9,
                # YAML folds line separators that are not escaped.
                allow_unicode=str(row["name"]).isprintable(),
            )
            for row in classes
        )
        return head + "classes:\n" + "".join(f"  - {row}" for row in rows)


def parse_class_map(text: str, source: str) -> ClassMap:
    """Reads a class map from YAML.

    Args:
        text: the YAML.
        source: where it is from, for messages.

    Raises:
        ValueError: it is no YAML, or no class map; the message names `source` and the
            field.
    """
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise ValueError(f"{source} is not YAML: {where}") from error
    try:
        return _build(_mapping(tree, "the file", _MAP_FIELDS))
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _build(tree: Mapping[str, Any]) -> ClassMap:
    encoding = tree.get("encoding", "index")
    if encoding != "index":
        raise ValueError(f"encoding {encoding!r} is not known; `index` is")
    others = tree.get("others", "error")
    if others not in ("error", "ignore"):
        raise ValueError(f"others is {others!r}; it can be `error` or `ignore`")
    rows = tree.get("classes")
    if not isinstance(rows, list):
        raise ValueError("`classes` must be a list of classes, in order of their index")
    return ClassMap(
        name=_text(tree.get("name"), "`name`"),
        classes=tuple(_label_class(row, i) for i, row in enumerate(rows)),
        ignore=_integers(tree.get("ignore", []), "`ignore`"),
        others=others,
    )


def _label_class(row: Any, index: int) -> LabelClass:
    row = _mapping(row, f"class {index}", _CLASS_FIELDS)
    name = _text(row.get("name"), f"`name` of class {index}")
    color = row.get("color")
    if color is not None:
        color = _integers(color, f"`color` of {name!r}")
        if len(color) != 3 or not all(0 <= level <= 255 for level in color):
            raise ValueError(f"`color` of {name!r} must be three numbers, 0..255")
    return LabelClass(name, _integers(row.get("ids"), f"`ids` of {name!r}"), color)


def _mapping(tree: Any, what: str, fields: set[str]) -> Mapping[str, Any]:
    if not isinstance(tree, dict):
        raise ValueError(f"{what} must be a mapping with {', '.join(sorted(fields))}")
    unknown = sorted(str(key) for key in tree if key not in fields)
    if unknown:
        raise ValueError(
            f"{what} has the unknown field {unknown[0]!r}; "
            f"known are {', '.join(sorted(fields))}"
        )
    return tree


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} must be text, not {value!r}")
    return value


def _integers(value: Any, what: str) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(type(v) is int for v in values):
        raise ValueError(f"{what} must be a list of whole numbers, not {value!r}")
    return tuple(values)


def load_class_map(name_or_path: str) -> ClassMap:
    """Reads a class map by preset name, or from a YAML file.

    Raises:
        ValueError: neither a preset nor a file, or not a class map.
    """
    if name_or_path in preset_names():
        return preset(name_or_path)
    path = pathlib.Path(name_or_path)
    if not path.is_file():
        raise ValueError(
            f"{name_or_path!r} is neither a preset nor a file; presets: "
            f"{', '.join(preset_names())}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a class map: {error}") from error
    return parse_class_map(text, str(path))


def preset_names() -> list[str]:
    """The names of the class maps that come with the package."""
    return sorted(path.stem for path in _PRESETS.glob("*.yaml"))


def preset_yaml(name: str) -> str:
    """A preset's YAML, comments and all."""
    return (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def preset(name: str) -> ClassMap:
    """A preset's class map."""
    return parse_class_map(preset_yaml(name), f"preset {name}")


def numbered(num_classes: int, ignore: Sequence[int] = ()) -> ClassMap:
    """The class map of `--num_classes`: class i is id i, named by its number.

    Raises:
        ValueError: an ignored id is one of a class, or as `ClassMap` does.
    """
    classes = tuple(LabelClass(f"class_{i}", (i,)) for i in range(num_classes))
    return ClassMap(f"classes{num_classes}", classes, tuple(ignore))


def _ranges(values: Sequence[int]) -> str:
    """Sorted values as `0..10, 13`, so that a message stays one line."""
    parts: list[list[int]] = []
    for value in sorted(values):
        if parts and value == parts[-1][1] + 1:
            parts[-1][1] = value
        else:
            parts.append([value, value])
    shown = [str(a) if a == b else f"{a}..{b}" for a, b in parts]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:7], "...", shown[-1]])
