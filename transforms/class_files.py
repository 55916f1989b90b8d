"""Reads and writes class maps as YAML files, checked field by field; has the presets.

A file has the fields of `classes.ClassMap`, or names another map and what to change:

    name: street                            name: traffic
    encoding: index                         base: cityscapes
    ignore: [255]                           merge: {vehicle: [car, truck, bus]}
    others: error                           drop: [sky]
    classes:                                order: [road, vehicle]
      - {name: road, ids: [7, 8]}

Class lists of other tools are read as `other_class_files` has them.
"""

import dataclasses
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import yaml

from maskbeam.transforms import class_fields, other_class_files, texts, yaml_trees
from maskbeam.transforms.classes import (
    ClassMap,
    LabelClass,
    Layer,
    Others,
    check_count,
    color_code,
    color_levels,
)
from maskbeam.transforms.png_kinds import CHANNELS, KINDS, Channel, Encoding
from maskbeam.transforms.texts import quoted

MAX_BYTES = yaml_trees.MAX_BYTES

_PRESETS = pathlib.Path(__file__).parent / "presets"
_MAP_FIELDS = {
    "name",
    "encoding",
    "divisor",
    "threshold",
    "nearest",
    "channel",
    "layers",
    "ignore",
    "others",
    "classes",
    "dataset",  # where the files are: read by `pipeline/planning/published.py`
}
_DERIVED_FIELDS = {
    *("name", "base", "merge", "drop", "order", "ignore", "others"),
    *("encoding", "divisor", "threshold", "nearest", "channel", "layers"),
}
_CLASS_FIELDS = {"name", "ids", "color"}
_KEYS = ("divisor", "threshold", "nearest", "channel")  # that most maps lack
_OTHERS = ("error", "ignore")
_MAX_BASES = 16
_IS_NONE = (
    "it is no class map, which is YAML with a `name` and `classes: [{name: road, ids: "
    "[7, 8]}, ...]` in order of their index; `maskbeam presets NAME` prints one. Read "
    f"as well are {other_class_files.FORMS}"
)
_ANNOTATIONS = {"annotations", "shapes", "objects"}  # of COCO, labelme, Cityscapes
_IS_ANNOTATIONS = (
    "it holds annotations of pictures, and no class map: COCO's and labelme's are "
    "named by --label_maps; of others, have your tool export label maps, and name "
    "their classes in a file of their own"
)


def parse_class_map(
    text: str, source: str, files: tuple[pathlib.Path, ...] = ()
) -> ClassMap:
    """Reads a class map from YAML, or from another tool's list of classes.

    Args:
        text: the file's.
        source: where the text is from, for messages.
        files: the files that led here, each the `base` of the one before; the last one
            holds the text, and a `base` of its own is looked for beside it.

    Raises:
        ValueError: the text is of no form that is read, or not a class map; the message
            names `source` and the field or line.
    """
    name = pathlib.PurePath(source).stem
    try:
        if (found := other_class_files.of_text(text, name)) is not None:
            return found
        tree = yaml_trees.load(text)
        if isinstance(tree, dict) and tree.keys() & {"base", *_MAP_FIELDS}:
            return _derive(tree, files, name) if "base" in tree else _build(tree)
        if (found := other_class_files.of_tree(tree, name)) is not None:
            return found
        is_other = isinstance(tree, dict) and bool(tree.keys() & _ANNOTATIONS)
        raise ValueError(_IS_ANNOTATIONS if is_other else _IS_NONE)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def dataset_section(text: str) -> Any:
    """Returns the `dataset` section of a class map's file; None if it has none."""
    if other_class_files.of_text(text, "") is not None:
        return None
    return yaml_trees.load(text).get("dataset")


def _build(tree: Any) -> ClassMap:
    class_fields.mapping(tree, "the file", _MAP_FIELDS)
    encoding = class_fields.one_of(tree.get("encoding", "index"), "`encoding`", KINDS)
    rows = tree.get("classes")
    if not isinstance(rows, list):
        raise ValueError(
            "`classes` must be a list of classes, in order of index, as "
            f"[{{name: road, ids: [7, 8]}}, ...], not {quoted(rows)}"
        )
    name = class_fields.text(tree.get("name"), "`name` of the map")
    check_count(f"class map {quoted(name)}", len(rows))
    is_color = encoding == "color"
    classes = tuple(_label_class(row, i, is_color) for i, row in enumerate(rows))
    return ClassMap(
        name=name,
        classes=classes,
        ignore=_ignore(tree, is_color),
        others=_others(tree, "error"),
        encoding=cast(Encoding, encoding),
        divisor=class_fields.integer(tree.get("divisor", 0), "`divisor`"),
        **_inexact(tree),
        layers=_layers(tree.get("layers", []), classes),
    )


def _inexact(
    tree: Mapping[str, Any],
    threshold: int = 0,
    nearest: int = 0,
    channel: Channel | None = None,
) -> dict[str, Any]:
    """Reads what a map says of masks that hold its values by the way, or not exactly.

    Args:
        tree: the file's.
        threshold: what stands if the file says nothing.
        nearest: likewise.
        channel: likewise; a file may say null, so as to have none.
    """
    found = tree.get("channel", channel)
    return {
        "threshold": class_fields.integer(
            tree.get("threshold", threshold), "`threshold`"
        ),
        "nearest": class_fields.integer(tree.get("nearest", nearest), "`nearest`"),
        "channel": (
            None if found is None else class_fields.one_of(found, "`channel`", CHANNELS)
        ),
    }


def _layers(given: Any, classes: Sequence[LabelClass]) -> tuple[Layer, ...]:
    """Reads layers in drawing order, each of a class that it is called by or names."""
    if not isinstance(given, list):
        raise ValueError(
            "`layers` must list the names that files end with, in drawing order, as "
            f"[skin, hair], or [{{face: skin}}, hair], not {quoted(given)}"
        )
    values = {c.name: c.ids[0] for c in classes if c.ids}
    layers = []
    for row in given:
        pairs = row.items() if isinstance(row, dict) else [(row, row)]
        for key, value in pairs:
            name = class_fields.text(key, "a name in `layers`")
            if type(value) is not int:
                value = class_fields.text(value, f"the class of layer {quoted(name)}")
                if value not in values:
                    raise ValueError(
                        f"`layers` names the class {quoted(value)}; there are "
                        f"{texts.listed(values)}"
                    )
                value = values[value]
            layers.append(Layer(name, value))
    return tuple(layers)


def _others(tree: Mapping[str, Any], default: Others) -> Others:
    chosen = class_fields.one_of(tree.get("others", default), "`others`", _OTHERS)
    return cast(Others, chosen)


def _ignore(tree: Mapping[str, Any], is_color: bool) -> tuple[int, ...]:
    read = class_fields.color_codes if is_color else class_fields.integers
    return read(tree.get("ignore", []), "`ignore`")


def _label_class(row: Any, index: int, is_color: bool) -> LabelClass:
    if isinstance(row, str):
        raise ValueError(
            f"class {index} is {quoted(row)} alone; say which label values mean it, as "
            f"{{name: {quoted(row)}, ids: [{index}]}}"
        )
    row = class_fields.mapping(row, f"class {index}", _CLASS_FIELDS)
    name = class_fields.text(row.get("name"), f"`name` of class {index}")
    what = quoted(name)
    if is_color:
        if "ids" in row:
            raise ValueError(
                f"class {what} has `ids`, but the encoding is color: its values are "
                "its `color`, one or several"
            )
        if "color" not in row:
            raise ValueError(
                f"class {what} has no `color`, which tells it apart under `encoding: "
                "color`: add it, as color: [60, 16, 152]"
            )
        codes = class_fields.color_codes(row["color"], f"`color` of {what}")
        return LabelClass(name, codes, color_levels(codes[0]) if codes else None)
    color = (
        class_fields.color(row["color"], f"`color` of {what}")
        if "color" in row
        else None
    )
    if "ids" not in row:
        raise ValueError(
            f"class {what} has a `color` and no `ids`: if label maps hold the colours, "
            "add `encoding: color` beside `classes`; if not, add the class's ids, as "
            f"ids: [{index}]"
            if "color" in row
            else f"class {what} has no `ids`: list the label values that mean it, as "
            f"ids: [{index}]"
        )
    return LabelClass(
        name, class_fields.integers(row["ids"], f"`ids` of {what}"), color
    )


def _derive(tree: Any, files: tuple[pathlib.Path, ...], name: str) -> ClassMap:
    """Makes a map from another: in another encoding, its classes merged, dropped.

    Args:
        tree: the file's.
        files: the files that led here.
        name: the map's, if the file says none.
    """
    class_fields.mapping(tree, "a file with a `base`", _DERIVED_FIELDS)
    origin = _base(class_fields.text(tree["base"], "`base`"), files)
    base = _encoded(origin, tree)
    classes = _merged(base, tree.get("merge", {}))
    dropped = [
        classes.pop(name) for name in _names_of(classes, tree.get("drop", []), "drop")
    ]
    first = _names_of(classes, tree.get("order", []), "order")
    rest = [name for name in classes if name not in set(first)]
    return dataclasses.replace(
        base,
        name=class_fields.text(tree.get("name", name), "`name` of the map"),
        classes=tuple(classes[name] for name in (*first, *rest)),
        ignore=(
            *base.ignore,
            *_ignore(tree, base.encoding == "color"),
            *(value for c in dropped for value in c.ids),
        ),
        others=_others(tree, base.others),
        **_inexact(
            tree,
            origin.threshold,
            origin.nearest,
            origin.channel if origin.encoding == base.encoding else None,
        ),
        layers=_layers(tree["layers"], base.classes)
        if "layers" in tree
        else base.layers,
    )


def _base(name: str, files: tuple[pathlib.Path, ...]) -> ClassMap:
    """Reads the map that another one is made from."""
    local = (files[-1].parent if files else pathlib.Path()) / name
    if local in files:
        raise ValueError(f"`base` {quoted(name)} leads back to itself")
    if len(files) > _MAX_BASES:
        raise ValueError(f"`base` leads through more than {_MAX_BASES} files")
    return (
        _load_file((*files, local)) if os.path.isfile(local) else load_class_map(name)
    )


def _encoded(base: ClassMap, tree: Mapping[str, Any]) -> ClassMap:
    """Makes a map in the encoding that a file with a `base` asks for.

    Ids stay ids, however samples hold them. A map of colours has each class's colour
    in place of its ids; the base's ignored ids have no colours, and go.
    """
    wanted = tree.get("encoding", base.encoding)
    encoding = cast(Encoding, class_fields.one_of(wanted, "`encoding`", KINDS))
    divisor = base.divisor if encoding in ("panoptic", "instance") else 0
    classes, ignore = base.classes, base.ignore
    if encoding != base.encoding == "color":
        raise ValueError(
            f"`encoding` is {encoding}, and the base {quoted(base.name)} is a map of "
            "colours, which have no ids: write `classes` with `ids`, and no `base`"
        )
    if base.encoding != encoding == "color":
        classes, ignore = tuple(map(_by_color, classes)), ()
    return dataclasses.replace(
        base,
        classes=classes,
        ignore=ignore,
        encoding=encoding,
        divisor=class_fields.integer(tree.get("divisor", divisor), "`divisor`"),
        threshold=0,  # what follows from the classes is known when all of them are
        nearest=0,
        channel=None,
    )


def _by_color(label_class: LabelClass) -> LabelClass:
    """A class whose label value is its colour."""
    if label_class.color is None:
        raise ValueError(
            f"`encoding` is color, and class {quoted(label_class.name)} of the base "
            "has no `color`: write `classes` with colours, and no `base`"
        )
    return dataclasses.replace(label_class, ids=(color_code(label_class.color),))


def _merged(base: ClassMap, merge: Any) -> dict[str, LabelClass]:
    """Makes one class of several, standing where the first that is named stood."""
    if not isinstance(merge, dict):
        raise ValueError(
            "`merge` must map a new class name to the names it takes in, not "
            f"{quoted(merge)}"
        )
    slots: list[LabelClass | None] = list(base.classes)
    places = {c.name: i for i, c in enumerate(base.classes)}
    for key, listed in merge.items():
        name = class_fields.text(key, "a new name in `merge`")
        members = _names_of(places, listed, "merge")
        if not members or (name in places and name not in members):
            raise ValueError(
                f"`merge`: {quoted(name)} takes in no class, or is one already"
            )
        taken = [places.pop(member) for member in members]
        merged = [c for c in map(slots.__getitem__, taken) if c is not None]
        for place in taken:
            slots[place] = None
        ids = tuple(value for c in merged for value in c.ids)
        slots[taken[0]] = LabelClass(name, ids, merged[0].color)
        places[name] = taken[0]
    return {c.name: c for c in slots if c is not None}


def _names_of(classes: Collection[str], listed: Any, field: str) -> list[str]:
    """Reads names that are all among some classes'."""
    names = class_fields.names(listed, f"`{field}`")
    for name in names:
        if name not in classes:
            raise ValueError(
                f"`{field}` names {quoted(name)}; there are {texts.listed(classes)}"
            )
    return names


def load_class_map(name_or_path: str) -> ClassMap:
    """Reads a preset, or a class map from a YAML file.

    Raises:
        ValueError: it is neither a preset nor a file, or the file is no class map.
    """
    if name_or_path in preset_names():
        return preset(name_or_path)
    if not os.path.exists(name_or_path):
        raise ValueError(
            f"{quoted(name_or_path)} is neither a preset nor a file; presets: "
            f"{', '.join(preset_names())}"
        )
    return _load_file((pathlib.Path(name_or_path),))


def _load_file(files: tuple[pathlib.Path, ...]) -> ClassMap:
    """Reads the last of some files, each of which is the base of the one before."""
    return parse_class_map(read_text(files[-1]), str(files[-1]), files)


def read_text(path: str | os.PathLike[str]) -> str:
    """Reads the text of a class map's file.

    Raises:
        ValueError: it cannot be read, or is no text.
    """
    try:
        return texts.decode(texts.read_file(path, MAX_BYTES))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error


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
            **{key: value for key in _KEYS if (value := getattr(class_map, key))},
            "ignore": [_level_list(v) for v in ignore]
            if class_map.encoding == "color"
            else ignore,
            "others": class_map.others,
            **(
                {"layers": [{n: v} for n, v in class_map.layers]}
                if class_map.layers
                else {}
            ),
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
