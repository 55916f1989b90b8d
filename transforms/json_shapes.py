"""What the JSON files of a dataset hold, as far as their readers need it.

A file may be edited by hand, or written by somebody else: what is not of these types is
refused by its name, before anybody counts on it.
"""

from typing import Annotated, Any, Literal, TypedDict

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
_Cells = Annotated[int, msgspec.Meta(ge=1, le=64)]


def _says(description: str) -> msgspec.Meta:
    """Describes a field, for `docs/stats.schema.json`."""
    return msgspec.Meta(description=description)


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


class Strays(TypedDict):
    """How many label maps were looked at for stray pixels, and how many have many."""

    looked_at: Count
    found: Count


class MovedPixels(TypedDict):
    """Pixels of label maps whose values the class map names only by the nearest."""

    by: Annotated[
        Literal["nearest", "threshold"], _says("the key of the class map that did it")
    ]
    pixels: Annotated[Count, _says("that were moved")]
    of: Annotated[Count, _says("that the label maps have")]
    label_maps: Annotated[Count, _says("that have moved pixels")]
    farthest: Annotated[
        Count, _says("the largest distance, in levels of 255, rounded up")
    ]
    levels: Annotated[Count, _says("the sum of all distances, each rounded up")]


class Most(TypedDict):
    """The row that has most of a class."""

    key: str
    pixels: Count


class _Counts(TypedDict):
    class_pixels: Annotated[list[Count], _says("pixels of each class")]
    ignored_pixels: Annotated[Count, _says("pixels of no class")]
    class_images: Annotated[list[Count], _says("rows in which each class occurs")]


class SplitStats(_Counts, total=False):
    """What is counted in a split; earlier versions counted less."""

    records: Annotated[Count, _says("rows, or their tiles")]
    presence_pixels: Annotated[
        list[Count], _says("pixels of all classes in the rows in which each occurs")
    ]
    sizes: Annotated[
        list[tuple[Count, Count, Count]],
        _says("heights and widths of masks, in pixels, and how many have them"),
    ]
    source_rows: Annotated[Count, _says("rows before they were cut into tiles")]
    turned_images: Annotated[Count, _says("images turned upright by EXIF data")]
    masks_of_one_class: Annotated[
        Count, _says("rows in which one class occurs, and no other")
    ]
    images_of_one_color: Annotated[
        Count, _says("images whose pixels all have one colour")
    ]
    stray_pixels: Annotated[
        Strays,
        _says("label maps of which pieces of fewer than 4 pixels are more than 1 %"),
    ]
    moved_pixels: Annotated[
        MovedPixels,
        _says("of label maps as they were read; only with `nearest` or `threshold`"),
    ]
    overlapping: Annotated[
        Count,
        _says("pixels that several classes claimed; only where label maps are drawn"),
    ]
    classes_in_rows: Annotated[
        list[Count],
        _says("rows by how many classes occur: 0, 1, ...; the last, so many or more"),
    ]
    ignored_shares: Annotated[
        list[Count],
        _says("rows by their share of ignored pixels: none, ten tenths, all"),
        msgspec.Meta(min_length=12, max_length=12),
    ]
    most: Annotated[
        list[Most | None] | None,
        _says("for each class the row that has most of it; null beyond 256 classes"),
    ]


class ClassWeights(TypedDict):
    """Weights by class; none of a class that never occurs."""

    median_frequency: list[float | None]
    inverse_frequency: list[float | None]


class Finding(TypedDict):
    """What trains without an error, and perhaps not as you mean it."""

    name: Annotated[str, _says("what kind of finding it is")]
    split: Annotated[str, _says("the split; empty for several, or all")]
    message: Annotated[str, _says("how much there is of it, and what to do")]


class HeatMaps(TypedDict):
    """Where the classes lie in the frame, of all splits together.

    Of each 8th pixel of each 8th row, or nearer ones where a side is below 128.
    """

    rows: Annotated[_Cells, _says("cells from top to bottom")]
    columns: Annotated[_Cells, _says("cells from left to right")]
    sampled: Annotated[
        list[Count], _says("pixels of all classes in each cell, in reading order")
    ]
    classes: Annotated[
        list[list[Count]], _says("of each class: its pixels in each cell")
    ]


class Shown(TypedDict):
    """A row that the report shows, if there is room for it."""

    split: str
    key: str
    shard: Annotated[str, _says("the file that has its record")]
    why: Annotated[str, _says("why it is shown, in words")]


class _WithoutImages(TypedDict):
    classes: Annotated[list[str], _says("the names of the classes")]
    splits: dict[str, SplitStats]
    class_weights: ClassWeights


class Stats(_WithoutImages, total=False):
    """`stats.json`: what is known of a dataset's rows; moments if there are images."""

    rejected: Annotated[Count, _says("rows that were left out")]
    rejections: Annotated[
        dict[str, Count], _says("the same by the stage that rejected them")
    ]
    warnings: list[Finding]
    image_mean: Annotated[_PerChannel, _says("of levels over 255, by channel")]
    image_std: Annotated[_PerChannel, _says("of levels over 255, by channel")]
    heat_maps: HeatMaps
    co_occurrence: Annotated[
        list[list[Count]], _says("rows in which two classes occur, of all splits")
    ]
    pictures: list[Shown]
