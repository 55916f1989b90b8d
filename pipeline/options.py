"""Options: what the user asked for, checked; argv to options, the rest to Beam."""

import argparse
import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from transforms import classes, features
from transforms.classes import ClassMap

_SPLIT = re.compile(r"([A-Za-z0-9_]+)=(.*)", re.DOTALL)
_SIZE = re.compile(r"(\d+)x(\d+)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DEFAULT_SPLIT = "train"

# `bits` is the smaller in memory and the faster to read, but deflates worse the wider
# its words are; beyond 16 classes PNGs of the class index are the smaller records.
_BITS_CLASSES = 16


class UsageError(Exception):
    """The command is wrong: one line for the user, exit code 2."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Files of one side of one split.

    Attributes:
        split: the split that they are of.
        pattern: a glob, or a path, on any Beam filesystem; local ones are absolute.
    """

    split: str
    pattern: str


@dataclasses.dataclass(frozen=True)
class RecordKeys:
    """The features of a tf.Example that are read.

    The defaults are what DeepLab's builders write (tensorflow/models,
    research/deeplab/datasets/build_data.py).

    Attributes:
        label: the encoded label map.
        image: the encoded image; empty for none.
        key: the row's key; empty to number the rows of each file.
    """

    label: str = "image/segmentation/class/encoded"
    image: str = "image/encoded"
    key: str = "image/filename"


@dataclasses.dataclass(frozen=True)
class Options:
    """A conversion, checked.

    Attributes:
        label_maps: where the label maps are.
        class_map: what their values mean.
        images: where the images are; none for label maps alone, or where record files
            bring both.
        output: the dataset's directory; None for commands that write none.
        name: of the dataset, and the beginning of its shards' names.
        overwrite: whether an earlier dataset in `output` may go.
        split_by: (split, share) pairs that add up to 1: rows are dealt to the splits by
            a hash of their key. Empty where the sources say the split.
        group_by: a regular expression; rows whose keys give the same match (its first
            group, or all of it) land in the same split.
        seed: of all hashes.
        limit: rows of lowest hash to take from each split; None for all.
        strip_label_suffix: taken off the end of a label map's key.
        strip_image_suffix: taken off the end of an image's key.
        record_keys: feature names in record files.
        size: (height, width) in pixels to resize to, or None.
        normalize: as in `features.Config`.
        image_storage: as in `features.Config`.
        mask_encoding: as in `features.Config`, or `auto`: `bits` to 16 classes, `png`
            beyond.
        shard_mb: the size of a shard to aim for, in MiB.
        max_rejected: the share of rows that may be rejected, 0..1.
        max_pixels: the largest picture that is decoded, in pixels.

    Raises:
        UsageError: two of them contradict each other, or one is out of range.
    """

    label_maps: tuple[Source, ...]
    class_map: ClassMap
    images: tuple[Source, ...] = ()
    output: str | None = None
    name: str = ""
    overwrite: bool = False
    split_by: tuple[tuple[str, float], ...] = ()
    group_by: str | None = None
    seed: int = 0
    limit: int | None = None
    strip_label_suffix: str = ""
    strip_image_suffix: str = ""
    record_keys: RecordKeys = RecordKeys()
    size: tuple[int, int] | None = None
    normalize: features.Normalize = "unit"
    image_storage: features.ImageStorage = "original"
    mask_encoding: Literal["auto"] | features.MaskEncoding = "auto"
    shard_mb: int = 128
    max_rejected: float = 0.0
    max_pixels: int = 100_000_000

    def __post_init__(self) -> None:
        """Refuses what cannot work, before anything starts."""
        if not self.name:
            object.__setattr__(self, "name", _default_name(self.class_map.name))
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"--name {self.name!r} must be letters, digits and underscores, "
                "beginning with a letter: it becomes a part of file names"
            )
        if self.split_by:
            self._check_split_by()
        if self.group_by is not None:
            if not self.split_by:
                raise UsageError("--group_by moves rows between splits: add --split_by")
            try:
                re.compile(self.group_by)
            except re.error as error:
                raise UsageError(
                    f"--group_by {self.group_by!r} is no regular expression: {error}"
                ) from error
        if not 0.0 <= self.max_rejected <= 1.0:
            raise UsageError(
                f"--max_rejected {self.max_rejected} must be a share, 0 to 1"
            )
        for flag in ("limit", "shard_mb", "max_pixels"):
            value = getattr(self, flag)
            if value is not None and value < 1:
                raise UsageError(f"--{flag} {value} must be 1 or more")
        if self.size is not None and min(self.size) < 1:
            raise UsageError("--size must be at least 1x1")
        self._check_sides()

    def _check_split_by(self) -> None:
        shares = dict(self.split_by)
        if len(shares) != len(self.split_by):
            raise UsageError("--split_by names a split twice")
        if min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
            raise UsageError(
                f"--split_by shares must be above 0 and add up to 1, not to "
                f"{sum(shares.values()):g}"
            )
        named = {s.split for s in (*self.label_maps, *self.images)} - {_DEFAULT_SPLIT}
        if named:
            raise UsageError(
                f"--split_by deals all rows to its splits, but a source names the "
                f"split {min(named)!r}: use one or the other"
            )

    def _check_sides(self) -> None:
        if not self.images:
            return
        labels = {source.split for source in self.label_maps}
        images = {source.split for source in self.images}
        for have, lack, flag in (
            (labels - images, "images", "--images"),
            (images - labels, "label maps", "--label_maps"),
        ):
            if have:
                split = min(have)
                raise UsageError(
                    f"split {split!r} has no {lack}: add {flag} {split}=GLOB"
                )

    @property
    def splits(self) -> list[str]:
        """The splits, sorted."""
        if self.split_by:
            return sorted(split for split, _ in self.split_by)
        return sorted({source.split for source in self.label_maps})

    def config(self, *, with_images: bool) -> features.Config:
        """What graph, records and reader must agree on."""
        num_classes = self.class_map.num_classes
        encoding = self.mask_encoding
        return features.Config(
            num_classes=num_classes,
            mask_encoding=encoding
            if encoding != "auto"
            else ("bits" if num_classes <= _BITS_CLASSES else "png"),
            size=self.size,
            with_images=with_images,
            normalize=self.normalize,
            image_storage=self.image_storage,
        )

    def to_json(self) -> dict[str, Any]:
        """The options as the manifest keeps them."""
        tree = dataclasses.asdict(self)
        del tree["class_map"], tree["overwrite"], tree["output"]
        return tree


def _default_name(class_map_name: str) -> str:
    """A class map's name as the beginning of a file name."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", class_map_name)
    return name if _NAME.fullmatch(name) else f"dataset_{name}"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ours to print."""

    def error(self, message: str) -> NoReturn:
        """Raises instead of printing the usage and leaving."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the flags of `convert`, `validate` and `plan`."""
    what = parser.add_argument_group("what to read")
    what.add_argument(
        "--label_maps",
        nargs="+",
        action="extend",
        required=True,
        metavar="[SPLIT=]GLOB",
        help="label maps: 8- or 16-bit grey PNG, .npy, .npz, or TFRecord shards of "
        "tf.Example (plain or GZIP); the split is `train` unless named",
    )
    what.add_argument(
        "--images",
        nargs="+",
        action="extend",
        default=[],
        metavar="[SPLIT=]GLOB",
        help="their images, PNG or JPEG, paired by key (the path below the glob's "
        "fixed directory, without extension); record files bring their own",
    )
    what.add_argument(
        "--classes", metavar="NAME|FILE", help="class map: a preset, or a YAML file"
    )
    what.add_argument(
        "--num_classes", type=int, metavar="N", help="instead: N classes, ids 0..N-1"
    )
    what.add_argument(
        "--ignore_label",
        nargs="+",
        action="extend",
        type=int,
        default=[],
        metavar="ID",
        help="with --num_classes: ids that are left out of training",
    )
    what.add_argument("--strip_label_suffix", default="", metavar="S")
    what.add_argument(
        "--strip_image_suffix",
        default="",
        metavar="S",
        help="taken off the end of keys before label maps and images meet",
    )
    what.add_argument(
        "--record_keys",
        default="",
        metavar="label=K,image=K,key=K",
        help="feature names in record files, by default those of DeepLab; an empty "
        "`image=` leaves images out, an empty `key=` numbers the rows",
    )
    what.add_argument(
        "--split_by",
        default="",
        metavar="train=0.8,val=0.2",
        help="deal rows to splits by a hash of their key",
    )
    what.add_argument(
        "--group_by",
        metavar="REGEX",
        help="with --split_by: keep rows together whose keys give the same match",
    )
    what.add_argument("--seed", type=int, default=0, help="of all hashes (default: 0)")
    what.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="only the N rows of lowest hash of each split (record files are read "
        "through once for their keys)",
    )
    how = parser.add_argument_group("how to encode")
    how.add_argument(
        "--size", metavar="HxW", help="resize to this; without it rows keep their sizes"
    )
    how.add_argument(
        "--mask_encoding",
        default="auto",
        choices=["auto", "bits", "png", "uint8", "float32"],
        help="how masks lie in the records; all load to the same one-hot tensors "
        "(default: auto, which is bits to 16 classes and png beyond)",
    )
    how.add_argument(
        "--normalize",
        default="unit",
        choices=["unit", "symmetric", "zscore"],
        help="images to 0..1, to -1..1, or by the training split's mean and deviation "
        "(default: unit)",
    )
    how.add_argument(
        "--image_storage",
        default="original",
        choices=["original", "png"],
        help="keep the source's bytes, or the resized picture (default: original)",
    )
    how.add_argument(
        "--shard_mb", type=int, default=128, metavar="MIB", help="(default: 128)"
    )
    bad = parser.add_argument_group("what to accept")
    bad.add_argument(
        "--max_rejected",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the rows that may be rejected, 0 to 1 (default: 0, none)",
    )
    bad.add_argument(
        "--max_pixels",
        type=int,
        default=100_000_000,
        metavar="N",
        help="largest picture to decode (default: 100000000)",
    )


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the flags of `convert` alone."""
    where = parser.add_argument_group("where to write")
    where.add_argument("--output", required=True, metavar="DIR")
    where.add_argument(
        "--name", default="", help="of the dataset (default: the class map's)"
    )
    where.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an earlier dataset, or an unfinished one, in DIR",
    )


def from_arguments(arguments: argparse.Namespace) -> Options:
    """Builds the options from parsed flags.

    Raises:
        UsageError: a flag's value cannot be read, or the options contradict.
    """
    given = vars(arguments)
    return Options(
        label_maps=tuple(_source(text) for text in arguments.label_maps),
        images=tuple(_source(text) for text in arguments.images),
        class_map=_class_map(arguments),
        output=_absolute(given["output"]) if given.get("output") else None,
        name=given.get("name", ""),
        overwrite=given.get("overwrite", False),
        split_by=tuple(
            (split, _number(share, "--split_by"))
            for split, share in _assignments(arguments.split_by, "--split_by").items()
        ),
        record_keys=_record_keys(arguments.record_keys),
        size=_size(arguments.size),
        **{
            flag: given[flag]
            for flag in (
                "group_by",
                "seed",
                "limit",
                "strip_label_suffix",
                "strip_image_suffix",
                "normalize",
                "image_storage",
                "mask_encoding",
                "shard_mb",
                "max_rejected",
                "max_pixels",
            )
        },
    )


def _source(text: str) -> Source:
    match = _SPLIT.match(text)
    split, pattern = match.groups() if match else (_DEFAULT_SPLIT, text)
    if not pattern:
        raise UsageError(f"{text!r} names a split but no files")
    return Source(split, _absolute(pattern))


def _absolute(path: str) -> str:
    """Local paths made absolute: workers have working directories of their own."""
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def _class_map(arguments: argparse.Namespace) -> ClassMap:
    if (arguments.classes is None) == (arguments.num_classes is None):
        raise UsageError(
            "say what the label values mean, by --classes NAME|FILE or by "
            f"--num_classes N; presets: {', '.join(classes.preset_names())}"
        )
    if arguments.classes is not None and arguments.ignore_label:
        raise UsageError(
            "--ignore_label goes with --num_classes; class maps have their own"
        )
    try:
        if arguments.classes is not None:
            return classes.load_class_map(arguments.classes)
        return classes.numbered(arguments.num_classes, arguments.ignore_label)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _record_keys(text: str) -> RecordKeys:
    given = _assignments(text, "--record_keys")
    known = [field.name for field in dataclasses.fields(RecordKeys)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(
            f"--record_keys has {unknown[0]!r}; known are {', '.join(known)}"
        )
    keys = RecordKeys(**given)
    if not keys.label:
        raise UsageError("--record_keys needs a feature for `label`")
    return keys


def _assignments(text: str, flag: str) -> Mapping[str, str]:
    """`a=1,b=2` as a mapping."""
    parts = [part for part in text.split(",") if part]
    if not all("=" in part for part in parts):
        raise UsageError(f"{flag} {text!r} must look like NAME=VALUE,NAME=VALUE")
    pairs = dict(part.split("=", 1) for part in parts)
    if len(pairs) != len(parts):
        raise UsageError(f"{flag} {text!r} names something twice")
    return pairs


def _number(text: str, flag: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {text!r} is no number") from error


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"--size {text!r} must be HEIGHTxWIDTH in pixels, as 360x480")
    return int(match[1]), int(match[2])
