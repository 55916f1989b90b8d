"""Colours of classes on pages and in pictures, for everybody's eyes."""

import functools

import numpy as np
import numpy.typing as npt

from maskbeam.transforms.classes import ClassMap

# Which people with any colour vision tell apart: Okabe and Ito, "Color Universal
# Design" (2008), without black, which is for ignored pixels elsewhere.
_HUES = np.array(
    [
        (0, 114, 178),
        (230, 159, 0),
        (0, 158, 115),
        (204, 121, 167),
        (86, 180, 233),
        (213, 94, 0),
        (240, 228, 66),
    ]
)
# More classes have the same hues, darker and lighter: parts of black and of white.
_SHADES = ((0.0, 0.0), (0.45, 0.0), (0.0, 0.55), (0.7, 0.0), (0.0, 0.8))


@functools.lru_cache(maxsize=4)  # each picture asks
def colors_of(class_map: ClassMap) -> npt.NDArray[np.uint8]:
    """Makes the table from class index to colour: u8[K 3].

    A class without a colour gets one of a few that are easy to tell apart; beyond 35
    classes those of `ClassMap.palette`, which are many.
    """
    colors = class_map.palette()[:-1]
    own = np.array([found.color is not None for found in class_map.classes])
    if own.all():
        return colors
    table = np.concatenate(
        [_HUES * (1 - black - white) + 255 * white for black, white in _SHADES]
    )
    table = np.rint(table).astype(np.uint8)
    count = min(len(table), len(colors))
    colors[:count] = np.where(own[:count, np.newaxis], colors[:count], table[:count])
    return colors
