"""Reads the class lists of other tools and of datasets, by what is in them.

labelmap.txt (CVAT)                 leaf:48,112,32::
class_dict.csv                      name,r,g,b
_classes.csv (Roboflow)             Pixel Value, Class
id2label.json (Hugging Face)        {"0": "road", "7": "car"}
config_v2.0.json (Mapillary)        {"labels": [{"name": ..., "evaluate": true}]}
class_list.json (A2D2)              {"#ff0000": "Car 1"}
data.yaml (Ultralytics)             names: [person, car], or {0: person, 1: car}
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from maskbeam.transforms import class_fields
from maskbeam.transforms.classes import (
    MAX_CLASSES,
    MAX_ID,
    ClassMap,
    Color,
    LabelClass,
    check_count,
    color_code,
    color_levels,
)
from maskbeam.transforms.png_kinds import Encoding
from maskbeam.transforms.texts import listed, quoted

FORMS = (
    "labelmap.txt (CVAT), CSV of name,r,g,b or of Pixel Value,Class (Roboflow), and "
    "JSON as id2label.json (Hugging Face), config_v2.0.json (Mapillary) and "
    "class_list.json (A2D2), and Ultralytics' data.yaml"
)

_LABELMAP_HEADER = re.compile(r"#\s*label\s*:\s*color", re.IGNORECASE)
_LABELMAP_LINE = re.compile(r".+:\s*\d+\s*,\s*\d+\s*,\s*\d+\s*:[^:]*:[^:]*")
_LABELMAP_FORM = "NAME:R,G,B:PARTS:ACTIONS, as leaf:48,112,32::"
_BACKGROUND = "background"

_LONGEST_HEADER = 1000  # characters
_COLUMNS = {  # as headers have them, and what each is here
    **dict.fromkeys(("name", "class", "class name", "label"), "name"),
    **dict.fromkeys(("r", "red"), "r"),
    **dict.fromkeys(("g", "green"), "g"),
    **dict.fromkeys(("b", "blue"), "b"),
    "pixel value": "pixel value",
}
_COLOR_COLUMNS = ("name", "r", "g", "b")
_VALUE_COLUMNS = ("pixel value", "name")

_DIGITS = re.compile(r"[0-9]{1,5}")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


class _Row(NamedTuple):
    """One class as a file has it.

    Attributes:
        where: the line, or the key, for messages.
        name: the class's.
        value: its label value; of colours the code.
        color: for pictures; None if the file has none.
    """

    where: str
    name: str
    value: int
    color: Color | None = None


def of_text(text: str, name: str) -> ClassMap | None:
    """Reads a class map from lines of text.

    Args:
        text: the file's.
        name: of the map.

    Returns:
        The map, or None if the text is of none of the forms that are read here.

    Raises:
        ValueError: it is of one of them, and cannot be read; the message has the line.
    """
    lines = io.StringIO(text, newline=None)
    first = next((line for line in lines if not line.isspace()), "").strip()
    if _is_labelmap(first, lines):
        return _of_labelmap(text, name)
    if (table := _table_of(first)) is not None:
        return _of_table(text, table, name)
    return None


def of_tree(tree: Any, name: str) -> ClassMap | None:
    """Reads a class map from JSON, or from YAML of the same form.

    Args:
        tree: what the file holds.
        name: of the map.

    Returns:
        The map, or None if the tree is of none of the forms that are read here.

    Raises:
        ValueError: it is of one of them, and cannot be read; the message has the key.
    """
    if not isinstance(tree, dict):
        return None
    labels, names = tree.get("labels"), tree.get("id2label")
    if isinstance(labels, list) and labels and isinstance(labels[0], dict):
        return _of_mapillary(labels, name)
    if isinstance(names, dict):  # a model's config.json, around it
        return _of_id2label(names, name)
    if isinstance(tree.get("names"), (list, dict)):
        return _of_names(tree["names"], name)
    if any(_id_of(key) is not None for key in tree):
        return _of_id2label(tree, name)
    if any(map(_is_hex, tree)):
        return _of_hex_colors(tree, name)
    return None


def _is_labelmap(first: str, following: Iterator[str]) -> bool:
    """Whether a text is CVAT's, by its first line that is not blank and the next ones.

    Its header is a comment, and may be missing.
    """
    if _LABELMAP_HEADER.match(first):
        return True
    if first.startswith("#"):
        lines = (line.strip() for line in following)
        first = next((line for line in lines if line and line[0] != "#"), "")
    return _LABELMAP_LINE.fullmatch(first) is not None


def _of_labelmap(text: str, name: str) -> ClassMap:
    """Reads CVAT's `labelmap.txt`, of its Segmentation Mask and Pascal VOC exports.

    CVAT paints what nobody annotated in 0,0,0, and lists that colour as `background`.
    It is a class here as there, and the first, wherever its line stands: models expect
    index 0 of the background, as VOC numbers it. A file that gives `background`
    another colour means that colour. One that lists neither has no background, and
    black pixels are unknown like those of any colour that no line has. To leave the
    background out of training, make a map of this file as `base` with `drop:
    [background]`.

    Source of the form: cvat-ai/datumaro@8970bb7, datumaro/plugins/voc_format/format.py.
    """
    rows: list[_Row] = []
    for number, read in enumerate(io.StringIO(text, newline=None), 1):
        line = read.strip()
        if line and not line.startswith("#"):
            _check_not_beyond(rows)
            rows.append(_label(line, f"line {number}"))
    _check_once(rows, is_color=True)
    black = (i for i, row in enumerate(rows) if row.value == 0)
    named = (i for i, row in enumerate(rows) if row.name == _BACKGROUND)
    if (place := next(black, next(named, None))) is not None:
        rows.insert(0, rows.pop(place))
    return _class_map(name, rows, "color")


def _label(line: str, where: str) -> _Row:
    """Reads one line of a labelmap."""
    # A name may have colons; colour, parts and actions have none.
    *parts, color, _, _ = line.split(":") if line.count(":") > 2 else ("", "", "", "")
    name = ":".join(parts).strip()
    if not name:
        raise ValueError(
            f"{where} is {quoted(line)}, and a label is {_LABELMAP_FORM}: four fields "
            "with a colon between two"
        )
    read = [_whole(level, 255) for level in color.split(",")]
    levels = [level for level in read if level is not None]
    if len(read) != 3 or len(levels) != 3:
        raise ValueError(
            f"{where} gives {quoted(name)} the colour {quoted(color)}; write three "
            f"numbers of 0..255, red, green and blue: {_LABELMAP_FORM}"
        )
    return _Row(where, name, color_code(levels))


class _Table(NamedTuple):
    """A CSV file's header.

    Attributes:
        delimiter: between two of its cells.
        cells: as they stand.
        places: which columns hold what is read, by the names of `_COLUMNS`.
    """

    delimiter: str
    cells: list[str]
    places: Mapping[str, int]


def _table_of(first: str) -> _Table | None:
    """Reads a header; None if the line is none of a table of classes."""
    if len(first) > _LONGEST_HEADER:
        return None
    tables = []
    for delimiter in ",;\t":
        cells = [cell.strip(" \t\"'") for cell in first.split(delimiter)]
        known = [_COLUMNS.get(cell.lower().replace("_", " ")) for cell in cells]
        places = {column: known.index(column) for column in known if column}
        tables.append(_Table(delimiter, cells, places))
    best = max(tables, key=lambda table: len(table.places))
    return best if len(best.places) > 1 else None


def _of_table(text: str, table: _Table, name: str) -> ClassMap:
    """Reads a table of classes: their colours, or (Roboflow) their label values.

    Other columns than those that are read may stand beside them.
    """
    is_color = "pixel value" not in table.places
    wanted = _COLOR_COLUMNS if is_color else _VALUE_COLUMNS
    if missing := [column for column in wanted if column not in table.places]:
        raise ValueError(
            f"its first line has the columns {listed(table.cells)}, and lacks "
            f"{', '.join(missing)}: a table of colours has name,r,g,b, and one of "
            "label values, as Roboflow's, Pixel Value,Class"
        )
    rows: list[_Row] = []
    for where, cells in _records(text, table.delimiter):
        _check_not_beyond(rows)
        columns = len(table.cells)
        if len(cells) < columns or any(map(str.strip, cells[columns:])):
            raise ValueError(
                f"{where} has {len(cells)} cells, and the first line {columns}, "
                f"{listed(table.cells)}: write as many, with {table.delimiter!r} "
                "between two, and quote a name that has this sign in it"
            )
        read = {column: cells[table.places[column]].strip() for column in wanted}
        rows.append(_record(read, where))
    _check_once(rows, is_color)
    return _class_map(name, rows, "color" if is_color else "index")


def _records(text: str, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """The records of a CSV file behind its header, and where each stands."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True
    )
    is_header = True
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num} is not CSV: {error}") from None
        if any(map(str.strip, cells)):
            if not is_header:
                yield f"line {reader.line_num}", cells
            is_header = False


def _record(cells: Mapping[str, str], where: str) -> _Row:
    """Reads one record of a table, by its columns."""
    name = cells["name"]
    if not name:
        raise ValueError(f"{where} has no name of a class")
    columns = [column for column in cells if column != "name"]
    most = MAX_ID if "pixel value" in columns else 255
    numbers = []
    for column in columns:
        if (number := _whole(cells[column], most)) is None:
            raise ValueError(
                f"{where} has {quoted(cells[column])} as {column} of {quoted(name)}; "
                f"write a whole number of 0..{most}"
            )
        numbers.append(number)
    value = color_code(numbers) if len(numbers) > 1 else numbers[0]
    return _Row(where, name, value)


def _of_id2label(names: Mapping[Any, Any], name: str) -> ClassMap:
    """Reads Hugging Face's names by id, which may begin anywhere and have holes.

    Ids are label values. Where a model reduces labels (`do_reduce_labels`: ADE20K's),
    its ids are label values less 1, and the preset is the map to take.
    """
    rows: list[_Row] = []
    for key, label in names.items():
        if (value := _id_of(key)) is None:
            raise ValueError(
                f"it has the key {quoted(key)} among ids: Hugging Face's id2label.json "
                'has names by whole numbers, as {"0": "road", "7": "car"}'
            )
        _check_not_beyond(rows)
        where = f"key {quoted(key)}"
        rows.append(_Row(where, _name_of(label, where), value))
    _check_once(rows, is_color=False)
    return _class_map(name, sorted(rows, key=lambda row: row.value), "index")


def _of_names(names: Sequence[Any] | Mapping[Any, Any], name: str) -> ClassMap:
    """Reads Ultralytics' names, whose places or keys are ids.

    Source: docs.ultralytics.com/datasets/segment, "Dataset YAML format".
    """
    if isinstance(names, Mapping):
        return _of_id2label(names, name)
    check_count("it", len(names))
    return _of_id2label(dict(enumerate(names)), name)


def _of_hex_colors(names: Mapping[Any, Any], name: str) -> ClassMap:
    """Reads names by colours in hexadecimal, as A2D2's `class_list.json` has them."""
    rows: list[_Row] = []
    for key, label in names.items():
        if not _is_hex(key):
            raise ValueError(
                f"it has the key {quoted(key)} among colours: A2D2's class_list.json "
                'has names by colours, as {"#ff0000": "Car 1"}'
            )
        _check_not_beyond(rows)
        where = f"key {quoted(key)}"
        code = color_code(class_fields.color(key, where))
        rows.append(_Row(where, _name_of(label, where), code))
    _check_once(rows, is_color=True)
    return _class_map(name, rows, "color")


def _of_mapillary(labels: Sequence[Any], name: str) -> ClassMap:
    """Reads Mapillary Vistas' `config_v*.json`: an id is a label's place in the list.

    Labels that are not evaluated are ignored. Names are the readable ones, or where
    two of these are equal, all of the others.
    """
    check_count("`labels`", len(labels))
    read = [_mapillary_label(label, i) for i, label in enumerate(labels)]
    rows = [row for row, _, evaluated in read if evaluated]
    if len({row.name for row in rows}) < len(rows):
        rows = [row._replace(name=exact) for row, exact, evaluated in read if evaluated]
    _check_once(rows, is_color=False)
    ignore = tuple(row.value for row, _, evaluated in read if not evaluated)
    return _class_map(name, rows, "index", ignore)


def _mapillary_label(label: Any, value: int) -> tuple[_Row, str, bool]:
    """Reads a label: by its readable name, its other name, whether it is evaluated."""
    where = f"label {value}"
    if not isinstance(label, dict):
        raise ValueError(
            f"{where} of `labels` is {quoted(label)}, and those of Mapillary's "
            "config_v*.json are mappings with name, readable, color, evaluate"
        )
    evaluated = label.get("evaluate", True)
    if type(evaluated) is not bool:
        raise ValueError(
            f"`evaluate` of {where} is {quoted(evaluated)}; it can be true, false"
        )
    exact = _name_of(label.get("name"), where)
    readable = _name_of(label.get("readable", exact), where)
    color = label.get("color")
    if color is not None:
        color = class_fields.color(color, f"`color` of {where}")
    return _Row(where, readable, value, color), exact, evaluated


def _name_of(value: Any, where: str) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError(f"the name of {where} must be text, not {quoted(value)}")


def _whole(text: str, most: int) -> int | None:
    """Reads a whole number of 0..most; None if it is none."""
    found = _DIGITS.fullmatch(text.strip())
    return int(found[0]) if found and int(found[0]) <= most else None


def _id_of(key: Any) -> int | None:
    """Reads a key that is an id, as JSON has it or as YAML; None if it is none."""
    if type(key) is int and key >= 0:
        return key
    return int(key) if isinstance(key, str) and _DIGITS.fullmatch(key) else None


def _is_hex(key: Any) -> bool:
    return isinstance(key, str) and _HEX.fullmatch(key) is not None


def _check_not_beyond(rows: Sequence[_Row]) -> None:
    """Refuses one class more than a map can have, before the rest of them is read."""
    if len(rows) == MAX_CLASSES:
        raise ValueError(f"it has more than {MAX_CLASSES} classes, the most of a map")


def _check_once(rows: Sequence[_Row], is_color: bool) -> None:
    """Refuses a name, or a value, that two classes have."""
    names: dict[str, str] = {}
    values: dict[int, _Row] = {}
    for row in rows:
        if first := names.get(row.name):
            raise ValueError(
                f"{row.where} has the name {quoted(row.name)}, and so has {first}: "
                "give each class a name of its own; a YAML class map with this file as "
                "its `base` can `merge` them"
            )
        if other := values.get(row.value):
            value = list(color_levels(row.value)) if is_color else row.value
            raise ValueError(
                f"{row.where} gives {quoted(row.name)} the "
                f"{'colour' if is_color else 'id'} {value}, which {quoted(other.name)} "
                f"has in {other.where}: it can mean one class only"
            )
        names[row.name] = row.where
        values[row.value] = row


def _class_map(
    name: str, rows: Sequence[_Row], encoding: Encoding, ignore: tuple[int, ...] = ()
) -> ClassMap:
    check_count("it", len(rows))
    is_color = encoding == "color"
    classes = tuple(
        LabelClass(
            row.name,
            (row.value,),
            color_levels(row.value) if is_color else row.color,
        )
        for row in rows
    )
    return ClassMap(name, classes, ignore, encoding=encoding)
