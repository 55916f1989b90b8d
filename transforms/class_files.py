"""Reads and writes class maps as YAML files, checked field by field; has the presets.

A file has the fields of `classes.ClassMap`, or names another map and what to change:

    name: street                            name: traffic
    encoding: index                         base: cityscapes
    ignore: [255]                           merge: {vehicle: [car, truck, bus]}
    others: error                           drop: [sky]
    classes:                                order: [road, vehicle]
      - {name: road, ids: [7, 8]}
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import yaml

from maskbeam.transforms.classes import (
    ClassMap,
    Color,
    LabelClass,
    Others,
    color_code,
    color_levels,
)
from maskbeam.transforms.png_kinds import KINDS

_PRESETS = pathlib.Path(__file__).parent / "presets"
_MAP_FIELDS = {
    "name",
    "encoding",
    "divisor",
    "ignore",
    "others",
    "classes",
    "dataset",  # where the files are: read by `pipeline/planning/published.py`
}
_DERIVED_FIELDS = {"name", "base", "merge", "drop", "order", "ignore", "others"}
_CLASS_FIELDS = {"name", "ids", "color"}


def parse_class_map(
    text: str, source: str, files: tuple[pathlib.Path, ...] = ()
) -> ClassMap:
    """Reads a class map from YAML.

    Args:
        text: the YAML.
        source: where the text is from, for messages.
        files: the files that led here, each the `base` of the one before; the last one
            holds the text, and a `base` of its own is looked for beside it.

    Raises:
        ValueError: the text is not YAML, or not a class map; the message names
            `source` and the field.
    """
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise ValueError(f"{source} is not YAML: {where}") from error
    try:
        if isinstance(tree, dict) and "base" in tree:
            return _derive(_mapping(tree, "the file", _DERIVED_FIELDS), files)
        return _build(_mapping(tree, "the file", _MAP_FIELDS))
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _build(tree: Mapping[str, Any]) -> ClassMap:
    encoding = tree.get("encoding", "index")
    if encoding not in KINDS:
        raise ValueError(f"encoding {encoding!r} is not known; {', '.join(KINDS)} are")
    rows = tree.get("classes")
    if not isinstance(rows, list):
        raise ValueError("`classes` must be a list of classes, in order of their index")
    is_color = encoding == "color"
    divisor = tree.get("divisor", 0)
    return ClassMap(
        name=_text(tree.get("name"), "`name`"),
        classes=tuple(_label_class(row, i, is_color) for i, row in enumerate(rows)),
        ignore=_ignore(tree, is_color),
        others=_others(tree, "error"),
        encoding=encoding,
        divisor=divisor if type(divisor) is int else 0,
    )


def _others(tree: Mapping[str, Any], default: Others) -> Others:
    others = tree.get("others", default)
    if others == "error" or others == "ignore":
        chosen: Others = others
        return chosen
    raise ValueError(f"others is {others!r}; it can be `error` or `ignore`")


def _ignore(tree: Mapping[str, Any], is_color: bool) -> tuple[int, ...]:
    ignore = tree.get("ignore", [])
    return (
        _color_codes(ignore, "`ignore`") if is_color else _integers(ignore, "`ignore`")
    )


def _label_class(row: Any, index: int, is_color: bool) -> LabelClass:
    row = _mapping(row, f"class {index}", _CLASS_FIELDS)
    name = _text(row.get("name"), f"`name` of class {index}")
    color = row.get("color")
    if is_color:
        if "ids" in row:
            raise ValueError(
                f"class {name!r} has `ids`, but the encoding is color: its values are "
                "its `color`, one or several"
            )
        codes = _color_codes(color, f"`color` of {name!r}")
        return LabelClass(name, codes, color_levels(codes[0]) if codes else None)
    return LabelClass(
        name,
        _integers(row.get("ids"), f"`ids` of {name!r}"),
        None if color is None else _color(color, f"`color` of {name!r}"),
    )


def _color(value: Any, what: str) -> Color:
    levels = _integers(value, what)
    if len(levels) != 3 or not all(0 <= level <= 255 for level in levels):
        raise ValueError(f"{what} must be three numbers, 0..255, not {value!r}")
    return levels[0], levels[1], levels[2]


def _color_codes(value: Any, what: str) -> tuple[int, ...]:
    """Reads one colour, or a list of colours, as codes."""
    if isinstance(value, list) and not any(isinstance(v, list) for v in value):
        value = [value] if value else []
    if not isinstance(value, list):
        raise ValueError(f"{what} must be a colour, or a list of colours")
    return tuple(color_code(_color(levels, what)) for levels in value)


def _derive(tree: Mapping[str, Any], files: tuple[pathlib.Path, ...]) -> ClassMap:
    """Makes a map from another: merges, drops and reorders its classes."""
    base_name = _text(tree.get("base"), "`base`")
    local = (files[-1].parent if files else pathlib.Path()) / base_name
    if local in files:
        raise ValueError(f"`base` {base_name!r} leads back to itself")
    is_file = local.is_file()
    base = _load_file((*files, local)) if is_file else load_class_map(base_name)
    classes = {c.name: c for c in base.classes}

    def take(names: Any, field: str) -> list[LabelClass]:
        if not isinstance(names, list):
            raise ValueError(f"`{field}` must list class names of {base.name}")
        missing = [name for name in names if name not in classes]
        if missing:
            raise ValueError(
                f"`{field}` names {missing[0]!r}; there are {', '.join(classes)}"
            )
        return [classes[name] for name in names]

    merge = tree.get("merge", {})
    if not isinstance(merge, dict):
        raise ValueError("`merge` must map a new class name to the names it takes in")
    for name, members in merge.items():
        merged = take(members, "merge")
        ids = tuple(value for c in merged for value in c.ids)
        if not merged or (name in classes and classes[name] not in merged):
            raise ValueError(f"`merge`: {name!r} takes in no class, or is one already")
        whole = LabelClass(_text(name, "`merge`"), ids, merged[0].color)
        # It stands where the first of its members stood.
        classes = {
            (name if c is merged[0] else old): (whole if c is merged[0] else c)
            for old, c in classes.items()
            if c is merged[0] or c not in merged
        }
    dropped = take(tree.get("drop", []), "drop")
    classes = {name: c for name, c in classes.items() if c not in dropped}
    first = take(tree.get("order", []), "order")
    rest = [c for c in classes.values() if c not in first]
    return dataclasses.replace(
        base,
        name=_text(tree.get("name"), "`name`"),
        classes=(*first, *rest),
        ignore=(
            *base.ignore,
            *_ignore(tree, base.encoding == "color"),
            *(value for c in dropped for value in c.ids),
        ),
        others=_others(tree, base.others),
    )


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
    """Reads a preset, or a class map from a YAML file.

    Raises:
        ValueError: it is neither a preset nor a file, or the file is no class map.
    """
    if name_or_path in preset_names():
        return preset(name_or_path)
    path = pathlib.Path(name_or_path)
    if not path.is_file():
        raise ValueError(
            f"{name_or_path!r} is neither a preset nor a file; presets: "
            f"{', '.join(preset_names())}"
        )
    return _load_file((path,))


def _load_file(files: tuple[pathlib.Path, ...]) -> ClassMap:
    """Reads the last of some files, each of which is the base of the one before."""
    path = files[-1]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a class map: {error}") from error
    return parse_class_map(text, str(path), files)


def preset_names() -> list[str]:
    """Returns the names of the class maps that come with the package, sorted."""
    return sorted(path.stem for path in _PRESETS.glob("*.yaml"))


def preset_yaml(name: str) -> str:
    """Returns a preset's YAML, with its comments."""
    return (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def preset(name: str) -> ClassMap:
    """Reads a preset's class map."""
    return parse_class_map(preset_yaml(name), f"preset {name}")


def to_yaml(class_map: ClassMap) -> str:
    """Returns a map as the text of a YAML file, which `load_class_map` reads."""
    classes = [_class_fields(c, class_map) for c in class_map.classes]
    ignore = list(class_map.ignore)
    head = yaml.safe_dump(
        {
            "name": class_map.name,
            "encoding": class_map.encoding,
            **({"divisor": class_map.divisor} if class_map.divisor else {}),
            "ignore": [_level_list(v) for v in ignore]
            if class_map.encoding == "color"
            else ignore,
            "others": class_map.others,
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


def _class_fields(label_class: LabelClass, class_map: ClassMap) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": label_class.name}
    if class_map.encoding == "color":
        colors = [_level_list(value) for value in label_class.ids]
        return fields | {"color": colors if len(colors) > 1 else colors[0]}
    fields["ids"] = list(label_class.ids)
    if label_class.color is not None:
        fields["color"] = list(label_class.color)
    return fields


def _level_list(code: int) -> list[int]:
    return list(color_levels(code))
