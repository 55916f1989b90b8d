"""What is computed on label maps and images, and how a dataset is read.

Import from here: `load`, `one_hot`, `expand`, `stitch`, `load_transform`,
`attach`, `ClassMap`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if __name__ != "maskbeam.transforms":
    raise ImportError(
        "transforms is called maskbeam.transforms now, and is what `pip install` makes "
        "of this folder; see CHANGELOG.md"
    )

if TYPE_CHECKING:
    from maskbeam.transforms.classes import ClassMap
    from maskbeam.transforms.masks import expand, one_hot
    from maskbeam.transforms.records import load
    from maskbeam.transforms.serving import attach, load_transform
    from maskbeam.transforms.tiles import stitch

_PLACES = {"ClassMap": "classes", "stitch": "tiles"}
# Their modules load TensorFlow, which takes seconds, so only once one is called.
_PLACES_WITH_TENSORFLOW = {
    "attach": "serving",
    "expand": "masks",
    "load": "records",
    "load_transform": "serving",
    "one_hot": "masks",
}

__all__ = [
    "ClassMap",
    "attach",
    "expand",
    "load",
    "load_transform",
    "one_hot",
    "stitch",
]


def __getattr__(name: str) -> Any:
    """Finds a public name when it is asked for."""
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    if name in _PLACES_WITH_TENSORFLOW:
        from maskbeam.transforms.lazy import LazyFunction

        module = f"{__name__}.{_PLACES_WITH_TENSORFLOW[name]}"
        return globals().setdefault(name, LazyFunction(module, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
