"""What labels of annotation files mean: the id that each has in a label map."""

import functools
from collections.abc import Callable
from typing import Literal

from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.texts import listed, quoted

Labels = Literal["ids", "names", "indices"]

BACKGROUND = "background"
IGNORED_NAME = "__ignore__"  # labelme's; beside `_background_`

_BACKGROUNDS = (BACKGROUND, "_background_", "bg")


def background(class_map: ClassMap) -> int | None:
    """The index of the class of that name; None if there is none."""
    names = [name.casefold() for name in class_map.names]
    return next((names.index(name) for name in _BACKGROUNDS if name in names), None)


def unlabelled(class_map: ClassMap, *, is_ignored: bool) -> int:
    """The id of pixels under no annotation.

    Args:
        class_map: which has the id, after `annotated.prepared`.
        is_ignored: whether they are left out of training.
    """
    if is_ignored:
        return class_map.ignore[0]
    found = background(class_map)
    return 0 if found is None else class_map.classes[found].ids[0]


def _of_index(class_map: ClassMap, known: frozenset[int], label: int | str) -> int:
    value = int(label)
    if value not in known and class_map.others == "error":
        raise ValueError(
            f"its class {label} is none of the ids of class map {class_map.name}, of "
            f"{listed(class_map.names)}"
        )
    return value


def value_of(labels: Labels, class_map: ClassMap) -> Callable[[int | str], int]:
    """How a label becomes an id; what is returned raises ValueError for others.

    Args:
        labels: what labels are: ids; names of classes; or the numbers of classes, which
            are never the background's.
        class_map: has the classes.
    """
    if labels == "ids":
        return lambda label: int(label)
    if labels == "indices":
        index = background(class_map)
        under = () if index is None else class_map.classes[index].ids
        known = frozenset(class_map.values).difference(under)
        return functools.partial(_of_index, class_map, known)
    ids = {found.name: found.ids[0] for found in class_map.classes}
    index = background(class_map)
    for name in _BACKGROUNDS if index is not None else ():
        ids.setdefault(name, class_map.classes[index or 0].ids[0])
    if class_map.ignore:
        ids.setdefault(IGNORED_NAME, class_map.ignore[0])

    def of_name(label: int | str) -> int:
        if (value := ids.get(str(label))) is None:
            raise ValueError(
                f"its label {quoted(label)} is no class of the class map, which has "
                f"{listed(class_map.names)}"
            )
        return value

    return of_name
