"""What the JSON files of a dataset hold, as far as their readers need it.

A file may be edited by hand, or written by somebody else: what is not of these types is
refused by its name, before anybody counts on it.
"""

from typing import Annotated, Any, TypedDict

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
_PerChannel = tuple[float, float, float]


class Shard(TypedDict):
    """A file of records."""

    file: str
    records: Count


class Split(TypedDict):
    """A split's files."""

    records: Count
    shards: list[Shard]


class Manifest(TypedDict):
    """`manifest.json`."""

    options: dict[str, Any]
    splits: Annotated[dict[str, Split], msgspec.Meta(min_length=1)]


class SplitStats(TypedDict):
    """A split's counts, by class."""

    class_pixels: list[Count]
    ignored_pixels: Count
    class_images: list[Count]


class ClassWeights(TypedDict):
    """Weights by class; none of a class that never occurs."""

    median_frequency: list[float | None]
    inverse_frequency: list[float | None]


class _WithoutImages(TypedDict):
    classes: list[str]
    splits: dict[str, SplitStats]
    class_weights: ClassWeights


class Stats(_WithoutImages, total=False):
    """`stats.json`; moments of images if there are any."""

    image_mean: _PerChannel
    image_std: _PerChannel
