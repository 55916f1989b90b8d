"""The class map: which ids a label map holds, and which class each one becomes.

The index of a class is its position in the list. A map makes the forward table
(id -> index, in the graph) and the inverse table (index -> id).
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from maskbeam.transforms.png_kinds import KINDS, Channel, Encoding, Kind, index_kinds
from maskbeam.transforms.texts import check_is_line, listed, quoted

MAX_ID = 65535  # the largest id that is looked up, and the largest sample of a PNG
MAX_CLASSES = 65535  # an index has 16 bits, and 65535 means ignored

IGNORED = -1  # in the forward table and in `label`
UNKNOWN = -2  # in the forward table only: the map does not name the id

_MAX_COLOR = 0xFFFFFF
_MAX_DISTANCE = 441  # of RGB levels, rounded down: black to white
_MAX_LEVEL = 255
_ADE20K_MAX = 255 // 10 * 256 + 255

Others = Literal["error", "ignore"]
Color = tuple[int, int, int]


class Layer(NamedTuple):
    """A file of a label map that is in several, each of which is of one class.

    Attributes:
        name: by which the files are called, or the folder that they lie in.
        value: the label value of their pixels that are not 0.
    """

    name: str
    value: int


@dataclasses.dataclass(frozen=True)
class LabelClass:
    """One class.

    Attributes:
        name: unique within its map.
        ids: the label values that mean this class; several are merged into it. The
            inverse table has the first. In colour maps they are colour codes
            (`color_code`).
        color: RGB, 0..255, for pictures; None if the map has none.
    """

    name: str
    ids: tuple[int, ...]
    color: Color | None = None


@dataclasses.dataclass(frozen=True)
class ClassMap:
    """A checked class map.

    Attributes:
        name: the map's name, and by default the name of datasets made with it.
        classes: in the order of their indices.
        ignore: label values that are dropped from training: index -1, a zero vector.
        others: what happens to values in no list: `error` rejects the row, `ignore`
            ignores the pixels.
        encoding: how a label map's samples hold label values.

            - `index`: the sample is the value; in palette files, the palette's index;
              in RGB files, the level that red, green and blue share.
            - `color`: the colour is the value.
            - `panoptic`: value * divisor + instance, as a grey sample or as
              R + 256 G + 65536 B.
            - `instance`: as `panoptic`, but a sample below the divisor is the value
              itself (Cityscapes, `*_instanceIds.png`).
            - `ade20k`: R / 10 * 256 + G (the full ADE20K, `*_seg.png`).
            - `coco_panoptic`: R + 256 G + 65536 B is a segment of the JSON beside the
              folder, whose category is the value.
        divisor: for `panoptic` and `instance`; 0 for all other encodings.
        threshold: where saving has blurred values: for `color`, levels from here on
            count as 255, those below it as 0. For `index` of two classes, levels below
            it are the class of the lowest id, and the others the other one; samples of
            1, 2 and 4 bits are scaled to 255 first. 0 takes values as they are.
        nearest: for `color`: what is not named becomes the nearest colour that is,
            by Euclidean distance of levels, if that is at most this; of equally near
            ones the first, by `ordered_values`. 0 for colours that are exact.
        channel: for `index`: the one that holds the label values, in palette files that
            of the palette's colours; grey counts as red, green and blue.
        layers: the files that make up a label map, in drawing order: later ones lie on
            top. None if a label map is one file.

    Raises:
        ValueError: the map contradicts itself; the message says where.
    """

    name: str
    classes: tuple[LabelClass, ...]
    ignore: tuple[int, ...] = ()
    others: Others = "error"
    encoding: Encoding = "index"
    divisor: int = 0
    threshold: int = 0
    nearest: int = 0
    channel: Channel | None = None
    layers: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        """Refuses a map that contradicts itself."""
        name = quoted(self.name)
        for text in (self.name, *self.names):
            check_is_line(f"the name {quoted(text)} in class map {name}", text)
        check_count(f"class map {name}", len(self.classes))
        if not 0 <= self.divisor <= _MAX_COLOR:
            raise ValueError(
                f"class map {name}: `divisor` is {quoted(self.divisor)}; "
                f"1..{_MAX_COLOR} is possible, and 1000 is usual"
            )
        if (self.divisor > 0) != (self.encoding in ("panoptic", "instance")):
            raise ValueError(
                f"class map {name}: the encodings panoptic and instance need a "
                f"`divisor` above 0, such as 1000; {self.encoding} takes none"
            )
        self._check_keys()
        owners: dict[int, str] = {}
        for label_class in self.classes:
            if not label_class.ids:
                raise ValueError(
                    f"class {quoted(label_class.name)} of class map {name} has no "
                    "ids: list the label values that mean it"
                )
            owner = f"class {quoted(label_class.name)}"
            for value in label_class.ids:
                self._claim(owners, value, owner)
        for value in self.ignore:
            self._claim(owners, value, "the ignore list")
        self._check_threshold()
        if self.encoding == "color" and len(owners) > MAX_ID:
            raise ValueError(
                f"class map {name} has {len(owners)} colours; {MAX_ID} is the most"
            )
        if self.layers:
            self._check_layers()
        (most_common, count), *_ = collections.Counter(self.names).most_common(1)
        if count > 1:
            raise ValueError(
                f"class map {name} has the class name {quoted(most_common)} twice: "
                "to merge ids into one class, list them all in its `ids`"
            )

    def _check_keys(self) -> None:
        """Checks what the encoding says of a key, whatever the classes are."""
        name = quoted(self.name)
        for key, value, most, usual, encodings in (
            ("threshold", self.threshold, _MAX_LEVEL, 128, ("color", "index")),
            ("nearest", self.nearest, _MAX_DISTANCE, 40, ("color",)),
        ):
            if not 0 <= value <= most:
                raise ValueError(
                    f"class map {name}: `{key}` is {quoted(value)}; 1..{most} is "
                    f"possible, and {usual} is usual"
                )
            if value and self.encoding not in encodings:
                raise ValueError(
                    f"class map {name}: the encoding {' or '.join(encodings)} alone "
                    f"takes a `{key}`, and this one is {self.encoding}"
                )
        if self.channel and self.encoding != "index":
            raise ValueError(
                f"class map {name}: the encoding index alone takes a `channel`, and "
                f"this one is {self.encoding}"
            )
        if self.threshold and self.nearest:
            raise ValueError(
                f"class map {name} has a `threshold`, after which all levels are 0 or "
                "255, and `nearest`, which takes them as they are: leave one out, or "
                "write `threshold: 0` if the base has it"
            )

    def _check_threshold(self) -> None:
        """Checks that a threshold parts what the classes are told apart by."""
        name = quoted(self.name)
        if not self.threshold:
            return
        if self.encoding == "color":
            if not all(set(color_levels(value)) <= {0, 255} for value in self.values):
                raise ValueError(
                    f"class map {name} has a `threshold`, which makes all levels 0 or "
                    "255, and a colour of other levels: leave the threshold out, or "
                    "give all colours as [0, 255, 255]"
                )
            return
        if len(self.classes) != 2 or self.ignore:
            raise ValueError(
                f"class map {name} has a `threshold`, which parts two classes and "
                f"ignores nothing, but {len(self.classes)} classes and "
                f"{len(self.ignore)} ignored ids: make two classes of them, or leave "
                "the threshold out"
            )
        for label_class in self.classes:
            if not self._levels_of(label_class):
                is_high = label_class is self._high_class
                where = f"from {self.threshold} to 255" if is_high else "below it"
                raise ValueError(
                    f"class map {name} has the `threshold` {self.threshold}, and class "
                    f"{quoted(label_class.name)} has no id {where}: add the level that "
                    f"means it, as {255 if is_high else 0}"
                )

    @property
    def _high_class(self) -> LabelClass:
        """Of two classes that a threshold parts, that of the higher levels."""
        return max(self.classes, key=lambda label_class: min(label_class.ids))

    def _levels_of(self, label_class: LabelClass) -> list[int]:
        """A class's ids on its side of the threshold."""
        is_high = label_class is self._high_class
        levels = range(self.threshold, 256) if is_high else range(self.threshold)
        return [value for value in label_class.ids if value in levels]

    def _check_layers(self) -> None:
        name = quoted(self.name)
        if self.encoding != "index" or self.threshold or self.channel:
            raise ValueError(
                f"class map {name}: `layers` are put together to a label map of ids, "
                "which is of `encoding: index`, without `threshold` and `channel`"
            )
        for layer in self.layers:
            check_is_line(f"layer {quoted(layer.name)} of class map {name}", layer.name)
            if not layer.name or "/" in layer.name:
                raise ValueError(
                    f"class map {name}: {quoted(layer.name)} in `layers` is no name of "
                    "files or of a folder"
                )
            if layer.value not in self.values:
                raise ValueError(
                    f"class map {name}: the id {quoted(layer.value)} of layer "
                    f"{quoted(layer.name)} is of no class, and is not ignored"
                )
        counts = collections.Counter(layer.name for layer in self.layers)
        (most_common, count), *_ = counts.most_common(1)
        if count > 1:
            raise ValueError(
                f"class map {name} has the layer {quoted(most_common)} twice"
            )
        without = [label_class.name for label_class in self._without_layer]
        if len(without) > 1:
            raise ValueError(
                f"class map {name}: classes {listed(without)} have no layer, and one "
                "at most is what lies under them all: add the others to `layers`, or "
                "take them out"
            )
        if not without and not self.ignore:
            raise ValueError(
                f"class map {name}: all classes have layers, so pixels under none are "
                "ignored: add `ignore: [255]`, or a class of its own for them, "
                "{name: background, ids: [0]}"
            )

    @property
    def _without_layer(self) -> list[LabelClass]:
        """The classes that no layer is of."""
        drawn = {layer.value for layer in self.layers}
        return [c for c in self.classes if not drawn.intersection(c.ids)]

    @property
    def under_layers(self) -> int:
        """The label value of pixels that are in no layer.

        It is the class's that has no layer; else the first that is ignored.
        """
        without = self._without_layer
        return without[0].ids[0] if without else self.ignore[0]

    def _claim(self, owners: dict[int, str], value: int, owner: str) -> None:
        if 0 <= value <= self._max_value and value not in owners:
            owners[value] = owner
            return
        name = quoted(self.name)
        if value not in owners:
            raise ValueError(
                f"class map {name}: id {quoted(value)} of {owner} is outside "
                f"0..{self._max_value}, the values that a PNG label map can hold"
            )
        where = f"in {owners[value]} and in {owner}: it can mean one thing only"
        if owners[value] == owner:
            where = f"in {owner} twice: once is enough"
        raise ValueError(
            f"class map {name}: {self._what} {self.describe(value)} is {where}"
        )

    @property
    def _what(self) -> str:
        return "colour" if self.encoding == "color" else "id"

    @property
    def _max_value(self) -> int:
        """The largest label value of the encoding."""
        if self.encoding == "color":
            return _MAX_COLOR
        if self.encoding == "ade20k":
            return _ADE20K_MAX
        if self.divisor:
            return min(MAX_ID - 1, _MAX_COLOR // self.divisor)  # decode stops there
        if self.channel == "alpha":
            return _MAX_LEVEL
        return MAX_ID

    def describe(self, value: int) -> str:
        """Returns a label value as YAML has it: `7`, or `[128, 64, 128]`."""
        return str(list(color_levels(value)) if self.encoding == "color" else value)

    @property
    def num_classes(self) -> int:
        """K, the depth of the one-hot axis."""
        return len(self.classes)

    @property
    def names(self) -> list[str]:
        """The class names, by index."""
        return [c.name for c in self.classes]

    @property
    def values(self) -> tuple[int, ...]:
        """All label values that the map names, sorted."""
        return tuple(sorted(self.ordered_values))

    @property
    def ordered_values(self) -> tuple[int, ...]:
        """All label values that the map names: by class, then those it ignores."""
        ids = (value for label_class in self.classes for value in label_class.ids)
        return (*ids, *self.ignore)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Which PNGs are read."""
        if self.encoding == "index":
            return index_kinds(self.channel, self.threshold)
        return KINDS[self.encoding]

    @property
    def moves(self) -> Literal["nearest", "threshold"] | None:
        """What takes values for others that the map names; None if nothing does."""
        if self.nearest:
            return "nearest"
        return "threshold" if self.threshold else None

    def id_depth(self, sample_depth: int) -> Literal[8, 16]:
        """Returns the bits of an id, for `forward_table`.

        Args:
            sample_depth: the bits of the label map's samples.
        """
        if self.encoding == "color":  # ids are positions in `values`, and one more
            return 8 if len(self.values) < 256 else 16
        if self.encoding in ("index", "coco_panoptic") and sample_depth <= 8:
            return 8
        return 16

    def forward_table(self, id_depth: int) -> npt.NDArray[np.int32]:
        """Makes the table from id to class index: i32[2**id_depth].

        An id is the label value itself; with a threshold, a level from 0 to 255. In
        colour maps it is the colour's position in `values`, and the largest id stands
        for all other colours.

        Args:
            id_depth: 8 or 16.

        Returns:
            For each id its class index, `IGNORED`, or `UNKNOWN` if the map neither
            names nor ignores it.
        """
        others = IGNORED if self.others == "ignore" else UNKNOWN
        table = np.full(2**id_depth, others, np.int32)
        if self.encoding == "index" and self.threshold:
            high = self.classes.index(self._high_class)
            table[: self.threshold] = 1 - high
            table[self.threshold : 256] = high
            return table
        is_color = self.encoding == "color"
        position = {
            value: i if is_color else value for i, value in enumerate(self.values)
        }
        for index, label_class in enumerate(self.classes):
            for value in label_class.ids:
                if position[value] < len(table):
                    table[position[value]] = index
        for value in self.ignore:
            if position[value] < len(table):
                table[position[value]] = IGNORED
        return table

    def inverse_table(self) -> npt.NDArray[np.int32]:
        """Makes the table from class index to label value: i32[K + 1].

        A class of several values has the first, with a threshold the first on its side.
        The last entry is for ignored pixels: the first value of `ignore`; without one,
        255; if that is a class's, the highest that is none's, of 8 bits where the other
        entries are. Where each sample has a class, because of a threshold or as 256
        classes are in alpha, it is the lowest entry.
        """
        if self.encoding == "index" and self.threshold:
            values = [self._levels_of(label_class)[0] for label_class in self.classes]
            return np.array([*values, min(values)], np.int32)
        values = [label_class.ids[0] for label_class in self.classes]
        # An 8-bit PNG shows its masks in any viewer; one of 16 bits looks black.
        most = 255 if max(values) <= 255 else MAX_ID
        free = [255, *range(most, -1, -1)]
        if self.channel != "alpha":
            free += range(MAX_ID, most, -1)
        named = {value for label_class in self.classes for value in label_class.ids}
        possible = (value for value in (*self.ignore, *free) if value not in named)
        ignored = next(possible, min(values))
        return np.array([*values, ignored], np.int32)

    def distances(self) -> npt.NDArray[np.int64]:
        """How far levels are from those that an index map with a threshold names.

        Returns:
            i64[256]: of each level, to the nearest id on its side of the threshold.
        """
        levels = np.arange(256)
        table = np.zeros(256, np.int64)
        for label_class in self.classes:
            named = np.array(self._levels_of(label_class))
            is_high = label_class is self._high_class
            side = (levels >= self.threshold) == is_high
            apart = np.abs(levels[side, np.newaxis] - named)
            table[side] = apart.min(axis=1)
        return table

    def palette(self) -> npt.NDArray[np.uint8]:
        """Makes the table from class index to colour: u8[K + 1 3].

        A class without a colour gets one by its index, counted from 1, as VOC's
        development kit has it (`VOClabelcolormap`): the number's bits are dealt to
        red, green and blue, from the highest bit of a level down. The last entry is
        for ignored pixels: black.
        """
        colors = [c.color or _voc_color(i + 1) for i, c in enumerate(self.classes)]
        return np.array([*colors, (0, 0, 0)], np.uint8)

    def describe_ids(self) -> str:
        """Returns the declared values in words: `0..10, or 11 (ignored)`."""
        ids = self._describe([value for c in self.classes for value in c.ids])
        if not self.ignore:
            return ids
        return f"{ids}, or {self._describe(self.ignore)} (ignored)"

    def _describe(self, values: Sequence[int]) -> str:
        if self.encoding != "color":
            return _ranges(values)
        shown = [self.describe(value) for value in values]
        return ", ".join(shown if len(shown) <= 4 else [*shown[:3], "...", shown[-1]])


def color_code(color: Sequence[int]) -> int:
    """Makes a colour one number: 65536 R + 256 G + B."""
    red, green, blue = color
    return red << 16 | green << 8 | blue


def color_levels(code: int) -> Color:
    """Undoes `color_code`: red, green and blue."""
    return code >> 16, code >> 8 & 255, code & 255


def _voc_color(number: int) -> Color:
    levels = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            levels[channel] |= (number >> 3 * bit + channel & 1) << 7 - bit
    return levels[0], levels[1], levels[2]


def check_count(what: str, count: int) -> None:
    """Refuses a number of classes that no map can have, before they are made.

    Args:
        what: has them, in words.
        count: how many they are.

    Raises:
        ValueError: there is no class, or more than `MAX_CLASSES`.
    """
    if not 1 <= count <= MAX_CLASSES:
        raise ValueError(
            f"{what} has {quoted(count)} classes; 1 to {MAX_CLASSES} are possible"
        )


def numbered(num_classes: int, ignore: Sequence[int] = ()) -> ClassMap:
    """Makes the class map of `--num_classes`: class i is id i, named `class_i`.

    Raises:
        ValueError: an ignored id is a class's, or `ClassMap` refuses the map.
    """
    check_count("a map of numbers", num_classes)
    classes = tuple(LabelClass(f"class_{i}", (i,)) for i in range(num_classes))
    return ClassMap(f"classes{num_classes}", classes, tuple(ignore))


def _ranges(values: Sequence[int]) -> str:
    """Writes values, sorted, as `0..10, 13`, so that a message stays on one line."""
    parts: list[list[int]] = []
    for value in sorted(values):
        if parts and value == parts[-1][1] + 1:
            parts[-1][1] = value
        else:
            parts.append([value, value])
    shown = [str(a) if a == b else f"{a}..{b}" for a, b in parts]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:7], "...", shown[-1]])
