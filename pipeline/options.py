"""Options: what the user asked for, checked.

An option is declared once, as a field of `Options`: its type, its default, the values
it may have, and what it does in words. Flags, `--help`, the keyword arguments of
`convert`, the manifest's entries and the flex template's form are all made from these
declarations.
"""

import copy
import dataclasses
import math
import re
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from maskbeam.pipeline import values
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.values import DEFAULT_SPLIT, RecordKeys, Source
from maskbeam.transforms import features, normalization_names, stored_masks
from maskbeam.transforms.classes import ClassMap

_NAME = rf"[A-Za-z][A-Za-z0-9_]{{0,{values.MAX_NAME - 1}}}"
# Limits beyond which a number is a typing error, whatever the machine.
_MAX_PIXELS = 2**31 - 1  # TensorFlow's and Beam's sizes have 32 bits
_MAX_SIDE = 2**15
_MAX_SHARD_MIB = 2**20
_MAX_SHOWN = 1000  # of which a page has room for some 200

Unlabelled = Literal["background", "ignore"]

T = TypeVar("T")

READ, ENCODE = "what to read", "how to encode"
ACCEPT, WRITE = "what to accept", "where to write"


@dataclasses.dataclass(frozen=True)
class Option:
    """An option, without its name and its default.

    Attributes:
        group: the heading in `--help`; options under `WRITE` are for `convert` only.
        label: the option's name in a form.
        help: what the option does.
        value: the kind of value that it takes.
        many: whether it takes several values.
        required: whether it has to be given.
        default_in_words: what `--help` says in place of the default itself.
    """

    group: str
    label: str
    help: str
    value: values.Value
    many: bool = False
    required: bool = False
    default_in_words: str = ""


def _option(
    default: Any,
    group: str,
    label: str,
    help: str,  # noqa: A002 - as argparse calls it
    value: values.Value,
    **more: Any,
) -> Any:
    """Declares an option as a field of a dataclass."""
    declaration = Option(group, label, help, value, **more)
    return dataclasses.field(default=default, metadata={"option": declaration})


def declared(cls: type) -> dict[str, Option]:
    """Returns the options that a dataclass declares, by name."""
    return {
        field.name: field.metadata["option"]
        for field in dataclasses.fields(cls)
        if "option" in field.metadata
    }


def _with_attributes(cls: type[T]) -> type[T]:
    """Adds the declared options to a class's docstring, with what they do."""
    lines = [f"        {name}: {found.help}" for name, found in declared(cls).items()]
    cls.__doc__ = "\n".join([str(cls.__doc__).rstrip(), *lines])
    return cls


@_with_attributes
@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """A conversion, checked.

    You give each option as text, as on the command line, or as Python has it:
    `size="360x480"` or `size=(360, 480)`.

    Raises:
        UsageError: an option's value is not possible, or two contradict each other.

    Attributes:
        class_map: what the values of label maps mean.
        official_rows: (split, rows) of the dataset as published.
        notes: what you should know about that dataset, a line each.
        flags: what you gave, as a command says it, without secrets.
    """

    class_map: ClassMap
    official_rows: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    label_maps: tuple[Source, ...] = _option(
        (),
        READ,
        "Label maps",
        "label maps: PNG, .npy, .npz; TFRecord shards of tf.Example, WebDataset tars, "
        "Parquet; a .txt or .csv list of `IMAGE LABEL_MAP` paths; annotations in "
        "COCO's JSON; or tfds:NAME, where TFDS has prepared it; the split is `train` "
        "unless named",
        values.SOURCES,
        many=True,
    )
    images: tuple[Source, ...] = _option(
        (),
        READ,
        "Images",
        "their images, PNG or JPEG, paired by key (the path below the glob's fixed "
        "directory, without extension); record files bring their own",
        values.SOURCES,
        many=True,
    )
    images_only: tuple[Source, ...] = _option(
        (),
        READ,
        "Images without label maps",
        "images of a split that has no label maps, such as test",
        values.SOURCES_OF_A_SPLIT,
        many=True,
    )
    exclude: tuple[str, ...] = _option(
        (),
        READ,
        "Files to leave out",
        "leave out files that match, or lie in a directory that matches, by the last "
        "parts of their path: '*_mask.png', 'old/*'; where --label_maps or --images "
        "itself ends in the GLOB its files stay",
        values.GLOBS,
        many=True,
    )
    split_list: tuple[Source, ...] = _option(
        (),
        READ,
        "Lists of keys",
        "take only those label maps of a split whose keys are in this file, one a line",
        values.SOURCE_FILES,
        many=True,
    )
    strip_label_suffix: str = _option(
        "",
        READ,
        "Suffix of label maps' keys",
        "text to strip off the end of label maps' keys, before they meet images; where "
        "both are in one folder, --exclude keeps label maps out of the images",
        values.SUFFIX,
    )
    strip_image_suffix: str = _option(
        "",
        READ,
        "Suffix of images' keys",
        "text to strip off the end of images' keys, before they meet label maps",
        values.SUFFIX,
    )
    label_key: str = _option(
        "",
        READ,
        "Where label maps' keys are",
        "the key of a label map is what this expression of RE2's finds in it, after "
        "the suffix is stripped: its first group, its named groups joined by /, or all "
        "that it matches; what lists and record files name stays; --split_list names "
        "keys that are found so",
        values.REGEX,
    )
    image_key: str = _option(
        "",
        READ,
        "Where images' keys are",
        "the same for the keys of images",
        values.REGEX,
    )
    # What tools export as a label map has 0 there.
    unlabelled: Unlabelled = _option(
        "background",
        READ,
        "Pixels under no annotation",
        "in annotation files, what pixels under no annotation are: class background, "
        "or left out of training",
        values.choice(*typing.get_args(Unlabelled)),
    )
    record_keys: RecordKeys = _option(
        RecordKeys(),
        READ,
        "Names in record files",
        "names in record files: features of tf.Example (default: DeepLab's), columns "
        "of Parquet, extensions in tars; an empty `image=` leaves images out, an empty "
        "`key=` numbers the rows",
        values.RECORD_KEYS,
    )
    jpeg_label_maps: bool = _option(
        False,
        READ,
        "JPEG label maps",
        "read label maps that JPEG has blurred too, by `nearest` or `threshold` of the "
        "class map",
        values.switch(),
    )
    image_bands: tuple[int, ...] | None = _option(
        None,
        READ,
        "Bands of images",
        "of TIFF images: the numbers of the bands that are red, green and blue, or of "
        "the one that is grey, from 1",
        values.BANDS,
    )
    image_range: tuple[float, float] | None = _option(
        None,
        READ,
        "Range of images",
        "of images whose values are not of 8 bits: what becomes black and what white",
        values.RANGE,
    )
    split_by: tuple[tuple[str, float], ...] = _option(
        (),
        READ,
        "Shares of splits",
        "deal rows to splits by a hash of their key",
        values.SHARES,
    )
    group_by: str | None = _option(
        None,
        READ,
        "Rows that stay together",
        "with --split_by: keep rows together whose keys give the same match (of the "
        "expression's first group, or of all of it); it is one of RE2's, which never "
        "backtrack",
        values.REGEX,
    )
    # Any of 64 bits; the same one deals rows to the same splits in every run.
    seed: int = _option(0, READ, "Seed", "seed of all hashes", values.whole())
    limit: int | None = _option(
        None,
        READ,
        "Rows of each split",
        "only the N rows of lowest hash of each split (record files are read through "
        "once for their keys)",
        values.whole(at_least=1),
    )

    # Viewers turn photos, and so do most labelling tools.
    exif: features.Exif = _option(
        "upright",
        ENCODE,
        "EXIF orientation",
        "turn JPEGs upright by their EXIF data, or ignore it and take them as they are "
        "stored, where label maps were drawn so",
        values.choice(*typing.get_args(features.Exif)),
    )
    size: tuple[int, int] | None = _option(
        None,
        ENCODE,
        "Size",
        "resize to this; without it rows keep their sizes",
        values.size(),
    )
    # It loses no part of the picture, and adds none.
    resize: features.Resize = _option(
        "stretch",
        ENCODE,
        "Way of resizing",
        "how to get to --size: stretch both sides; fit in and pad with ignored, black "
        "pixels; cut the centre out; or cover it and cut",
        values.choice("stretch", "letterbox", "crop", "short_side"),
    )
    tile: tuple[int, int] | None = _option(
        None,
        ENCODE,
        "Size of tiles",
        "instead of --size: cut pictures into tiles",
        values.size(),
    )
    # Each pixel is stored once; with an overlap of a quarter of the tile, 1.8 times.
    overlap: int = _option(
        0,
        ENCODE,
        "Overlap of tiles",
        "pixels that neighbouring tiles share",
        values.whole(at_least=0),
    )
    # These three are made while reading, in every epoch: only if you ask for them.
    weight_map: features.WeightMap = _option(
        "none",
        ENCODE,
        "Weight map",
        "also give `weight`: each pixel's class weight, 0 where ignored",
        values.choice(*typing.get_args(features.WeightMap)),
    )
    presence: bool = _option(
        False,
        ENCODE,
        "Presence",
        "also give `presence`: 1 for each class that occurs in the row",
        values.switch(),
    )
    boundary: int = _option(
        0,
        ENCODE,
        "Boundary",
        "also give `boundary`: 1 within N pixels of another class",
        values.whole(at_least=0, at_most=_MAX_SIDE),
    )
    preprocessing_fn: Any = _option(
        None,
        ENCODE,
        "Your preprocessing_fn",
        "also give the columns that your own function of TF Transform's makes of "
        "`label`, `mask`, `levels`, `image` and `key`; it is called preprocessing_fn "
        "unless you say NAME",
        values.FUNCTION,
    )
    store: tuple[str, ...] = _option(
        (),
        ENCODE,
        "Stored columns",
        "columns of --preprocessing_fn that go into the records too, computed once",
        values.NAMES,
        many=True,
    )
    mask_encoding: str = _option(
        stored_masks.AUTO,
        ENCODE,
        "Mask encoding",
        "how masks lie in the records; all load to the same one-hot tensors",
        values.choice_of(lambda: (stored_masks.AUTO, *stored_masks.ENCODINGS)),
        default_in_words=f"auto, which is {stored_masks.BEST}",
    )
    # Most models that are trained from scratch take this; it needs no statistics.
    normalize: str = _option(
        normalization_names.UNIT,
        ENCODE,
        "Normalisation",
        "images to 0..1 (unit), to -1..1 (symmetric), or to mean 0 and deviation 1: by "
        "the training split's (zscore), ImageNet's, or yours, of levels from 0 to 1",
        values.NORMALIZATION,
    )
    # ADE20K's JPEGs take 45 kB; the same pictures as PNGs of 512 x 512 take 420 kB.
    image_storage: features.ImageStorage = _option(
        "original",
        ENCODE,
        "Image storage",
        "keep the source's bytes; or the resized picture, as PNG or not encoded",
        values.choice(*typing.get_args(features.ImageStorage)),
    )
    # TensorFlow's performance guide advises 100 to 200 MB.
    shard_mb: int = _option(
        128,
        ENCODE,
        "Size of shards",
        "MiB of a shard to aim for",
        values.whole(at_least=1, at_most=_MAX_SHARD_MIB, metavar="MIB"),
    )

    # No row may get lost unless you allow it.
    max_rejected: float = _option(
        0.0,
        ACCEPT,
        "Rejected rows",
        "share of the rows that may be rejected, 0 to 1",
        values.share(),
        default_in_words="0, none",
    )
    # 10,000 x 10,000, an aerial picture; decoded with its image it takes 400 MB. Pillow
    # warns of a bomb at 89 million pixels, and refuses twice as many.
    max_pixels: int = _option(
        100_000_000,
        ACCEPT,
        "Largest picture",
        "largest picture to decode",
        values.whole(at_least=1, at_most=_MAX_PIXELS),
    )

    output: str | None = _option(
        None,
        WRITE,
        "Output",
        "directory of the dataset, here or in a store that all workers reach",
        values.DIRECTORY,
        required=True,
    )
    name: str = _option(
        "",
        WRITE,
        "Name",
        "name of the dataset",
        values.text(
            None,
            _NAME,
            f"must be {values.MAX_NAME} letters, digits and underscores at most, "
            "beginning with a letter: it becomes a part of file names",
        ),
        default_in_words="the class map's",
    )
    overwrite: bool = _option(
        False,
        WRITE,
        "Overwrite",
        "replace an earlier dataset, or an unfinished one, in DIR",
        values.switch(),
    )
    no_report: bool = _option(
        False,
        WRITE,
        "No report",
        "write no report.html",
        values.switch(),
    )
    # Two screens of them; each takes about 50 kB of the page.
    report_pictures: int = _option(
        16,
        WRITE,
        "Rows in the report",
        "rows that report.html shows, chosen by a hash, besides some of rare classes "
        "and of ignored pixels; 0 for no pictures at all, if faces must not travel",
        values.whole(at_least=0, at_most=_MAX_SHOWN),
    )

    def __post_init__(self) -> None:
        """Reads the options' values, and refuses what cannot work."""
        for name, option in declared(Options).items():
            given = getattr(self, name)
            if given != Options.__dataclass_fields__[name].default:
                object.__setattr__(self, name, read(name, option, given))
        if not self.name:
            object.__setattr__(self, "name", _default_name(self.class_map.name))
        if self.split_by:
            self._check_split_by()
        if self.group_by is not None and not self.split_by:
            raise UsageError("--group_by moves rows between splits: add --split_by")
        if self.store and self.preprocessing_fn is None:
            raise UsageError(
                "--store is of columns of your own: add --preprocessing_fn"
            )
        if self.jpeg_label_maps and self.class_map.moves is None:
            raise UsageError(
                f"--jpeg_label_maps: JPEG changes values, and class map "
                f"{self.class_map.name} does not say which are meant: give it "
                "`nearest: TOLERANCE` for colours, or `threshold: 128` for two classes"
            )
        self._check_geometry()
        self._check_sides()

    def _check_geometry(self) -> None:
        for flag, size in (("--size", self.size), ("--tile", self.tile)):
            if size is not None and math.prod(size) > self.max_pixels:
                raise UsageError(
                    f"{flag} {values.shown(size[0])}x{values.shown(size[1])} has more "
                    f"pixels than --max_pixels {self.max_pixels} allows: choose a "
                    "smaller one, or raise --max_pixels"
                )
        if self.tile is not None and self.size is not None:
            raise UsageError(
                "--tile cuts pictures at their own scale, and --size scales them: use "
                "one of them"
            )
        if self.image_storage == "raw" and self.size is None and self.tile is None:
            raise UsageError(
                "--image_storage raw is of pictures that all have one size: add --size "
                "HxW, or --tile HxW"
            )
        if self.resize != "stretch" and self.size is None:
            raise UsageError(f"--resize {self.resize} needs a --size")
        if self.overlap and self.tile is None:
            raise UsageError("--overlap is of tiles: add --tile HxW")
        if self.tile is not None and not self.overlap < min(self.tile):
            raise UsageError(
                f"--overlap {self.overlap} must be below the tile's shorter side, "
                f"{min(self.tile)}"
            )

    def _check_split_by(self) -> None:
        sources = (*self.label_maps, *self.images)
        named = {source.split for source in sources} - {DEFAULT_SPLIT}
        if named:
            raise UsageError(
                f"--split_by deals all rows to its splits, but a source names the "
                f"split {min(named)!r}: use one or the other"
            )
        if self.split_list:
            raise UsageError(
                "--split_list and --split_by both say which rows a split "
                "has: use one of them"
            )

    def _check_sides(self) -> None:
        labels = {source.split for source in self.label_maps}
        images = {source.split for source in self.images}
        only = {source.split for source in self.images_only}
        both = only & (labels | {split for split, _ in self.split_by})
        if both:
            raise UsageError(
                f"--images_only names the split {min(both)!r}, which has label maps: "
                "images without label maps need a split of their own"
            )
        listed = {source.split for source in self.split_list}
        if listed - labels:
            raise UsageError(
                f"--split_list names the split {min(listed - labels)!r}, which has no "
                "--label_maps"
            )
        # Label maps without --images may have images of their own; their files tell.
        if images - labels:
            split = min(images - labels)
            raise UsageError(
                f"split {split!r} has no label maps: add --label_maps {split}=GLOB"
            )

    @property
    def with_segments(self) -> bool:
        """Whether label maps need the segments in the JSON beside their folder."""
        return self.class_map.encoding == "coco_panoptic"

    @property
    def splits(self) -> list[str]:
        """The splits, sorted."""
        only = {source.split for source in self.images_only}
        if self.split_by:
            return sorted(only | {split for split, _ in self.split_by})
        return sorted(only | {source.split for source in self.label_maps})

    def config(self, *, with_images: bool) -> features.Config:
        """Returns what graph, records and reader must agree on."""
        shared = {field.name for field in dataclasses.fields(features.Config)}
        agreed = {n: getattr(self, n) for n in shared & declared(Options).keys()}
        agreed["mask_encoding"] = stored_masks.choose(self.mask_encoding)
        if self.tile is not None:
            storage = "raw" if self.image_storage == "raw" else "png"
            agreed |= {"size": self.tile, "resize": "tile", "image_storage": storage}
        return features.Config(
            num_classes=self.class_map.num_classes, with_images=with_images, **agreed
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the options as the manifest keeps them."""
        named = copy.copy(self)
        if callable(self.preprocessing_fn):  # which nobody may be able to copy
            name = values.name_of(self.preprocessing_fn)
            object.__setattr__(named, "preprocessing_fn", name)
        tree = dataclasses.asdict(named)
        for name in _NOT_OF_THE_DATASET:
            del tree[name]
        return tree

    @classmethod
    def from_json(cls, tree: Mapping[str, Any], class_map: ClassMap) -> "Options":
        """Reads the options that a manifest keeps.

        Args:
            tree: as `to_json` makes it; options that this version does not know are
                left out.
            class_map: the dataset's class map.
        """
        known = declared(cls).keys() & tree.keys()
        if tree.get("tile") is not None:
            known -= {"size", "resize"}  # of the rows, which are tiles
        known -= {"preprocessing_fn", "store"}  # what they made is in the dataset
        return cls(class_map=class_map, **{name: tree[name] for name in known})


# The class map has a file of its own; the others are about the run.
_NOT_OF_THE_DATASET = (
    *("class_map", "overwrite", "output", "notes", "flags"),
    *("no_report", "report_pictures"),
)


def read(name: str, option: Option, given: Any) -> Any:
    """Reads what the user gave for an option.

    Raises:
        UsageError: it is not a possible value of the option.
    """
    try:
        values.check_text(given)
        return option.value.read(given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--{name} {error}") from error


def _default_name(class_map_name: str) -> str:
    """Makes a class map's name fit to begin a file name."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", class_map_name)
    begins = "" if name[:1].isalpha() else "dataset_"
    return f"{begins}{name}"[: values.MAX_NAME]
