"""What is computed on label maps and images, and how a dataset is read.

Import from here: `load`, `one_hot`, `expand`, `stitch`, `load_transform`,
`attach`, `ClassMap`; and for a `preprocessing_fn` of your own `make_preprocessing_fn`,
`decode_label_maps`, `decode_images`, `fit_label`, `fit_image`, `class_weights`,
`weight_map`.
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
    from maskbeam.transforms.extras import weight_map
    from maskbeam.transforms.geometry import fit_image, fit_label
    from maskbeam.transforms.masks import expand, one_hot
    from maskbeam.transforms.own_pipelines import (
        decode_images,
        decode_label_maps,
        make_preprocessing_fn,
    )
    from maskbeam.transforms.records import load
    from maskbeam.transforms.serving import attach, load_transform
    from maskbeam.transforms.summaries import class_weights
    from maskbeam.transforms.tiles import stitch

_PLACES = {"ClassMap": "classes", "stitch": "tiles"}
# Their modules load TensorFlow, which takes seconds, so only once one is called.
_PLACES_WITH_TENSORFLOW = {
    "attach": "serving",
    "class_weights": "summaries",
    "decode_images": "own_pipelines",
    "decode_label_maps": "own_pipelines",
    "expand": "masks",
    "fit_image": "geometry",
    "fit_label": "geometry",
    "load": "records",
    "load_transform": "serving",
    "make_preprocessing_fn": "own_pipelines",
    "one_hot": "masks",
    "weight_map": "extras",
}

__all__ = [
    "ClassMap",
    "attach",
    "class_weights",
    "decode_images",
    "decode_label_maps",
    "expand",
    "fit_image",
    "fit_label",
    "load",
    "load_transform",
    "make_preprocessing_fn",
    "one_hot",
    "stitch",
    "weight_map",
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
