"""The command line's flags: argv to options, the rest to Beam."""

import argparse
import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import DEFAULT_SPLIT, Options, RecordKeys, Source
from maskbeam.transforms import class_files, classes, stored_masks
from maskbeam.transforms.classes import ClassMap

AUTO = "auto"  # of --classes: the map is made from what a first pass finds

_SPLIT = re.compile(r"([A-Za-z0-9_]+)=(.*)", re.DOTALL)
_SIZE = re.compile(r"(\d+)x(\d+)")
_TFDS = "tfds:"


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
        default=[],
        metavar="[SPLIT=]GLOB",
        help="label maps: PNG, .npy, .npz; TFRecord shards of tf.Example, WebDataset "
        "tars, Parquet; a .txt list of `IMAGE LABEL_MAP` paths; or tfds:NAME, where "
        "TFDS has prepared it; the split is `train` unless named",
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
        "--images_only",
        nargs="+",
        action="extend",
        default=[],
        metavar="SPLIT=GLOB",
        help="images of a split that has no label maps, such as test",
    )
    what.add_argument(
        "--dataset",
        metavar="NAME|FILE",
        help="instead: a dataset in its published layout below --data_dir: a preset "
        "(maskbeam presets), a YAML file with a `dataset` section, or labelme",
    )
    what.add_argument(
        "--data_dir", metavar="ROOT", help="of --dataset, or of TFDS for tfds:NAME"
    )
    what.add_argument(
        "--split_list",
        nargs="+",
        action="extend",
        default=[],
        metavar="[SPLIT=]FILE",
        help="take of a split's label maps only the keys in this file, one a line",
    )
    what.add_argument(
        "--classes",
        metavar="NAME|FILE|auto",
        help="class map: a preset, a YAML file, or auto: one class for each value that "
        "a first pass over all label maps finds",
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
        help="names in record files: features of tf.Example (default: DeepLab's), "
        "columns of Parquet, extensions in tars; an empty `image=` leaves images out, "
        "an empty `key=` numbers the rows",
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
        "--resize",
        default="stretch",
        choices=["stretch", "letterbox", "crop", "short_side"],
        help="how to get to --size: stretch both sides; fit in and pad with "
        "ignored, black pixels; cut the centre out; or cover it and cut "
        "(default: stretch)",
    )
    how.add_argument(
        "--tile", metavar="HxW", help="instead of --size: cut pictures into tiles"
    )
    how.add_argument(
        "--overlap",
        type=int,
        default=0,
        metavar="N",
        help="pixels that neighbouring tiles share (default: 0)",
    )
    how.add_argument(
        "--weight_map",
        default="none",
        choices=["none", "median_frequency", "inverse_frequency"],
        help="also give `weight`: each pixel's class weight, 0 where ignored",
    )
    how.add_argument(
        "--presence",
        action="store_true",
        help="also give `presence`: 1 for each class that occurs in the row",
    )
    how.add_argument(
        "--boundary",
        type=int,
        default=0,
        metavar="N",
        help="also give `boundary`: 1 within N pixels of another class",
    )
    how.add_argument(
        "--mask_encoding",
        default="auto",
        choices=[stored_masks.AUTO, *stored_masks.ENCODINGS],
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
    inputs = _inputs(arguments)
    return Options(
        **inputs,
        output=_absolute(given["output"]) if given.get("output") else None,
        name=given.get("name", ""),
        overwrite=given.get("overwrite", False),
        split_by=tuple(
            (split, _number(share, "--split_by"))
            for split, share in _assignments(arguments.split_by, "--split_by").items()
        ),
        size=_size(arguments.size, "--size"),
        tile=_size(arguments.tile, "--tile"),
        **{
            flag: given[flag]
            for flag in (
                "group_by",
                "seed",
                "limit",
                "resize",
                "overlap",
                "weight_map",
                "presence",
                "boundary",
                "normalize",
                "image_storage",
                "mask_encoding",
                "shard_mb",
                "max_rejected",
                "max_pixels",
            )
        },
    )


def _inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    """What is read, and what it means."""
    if arguments.dataset is None:
        if not (arguments.label_maps or arguments.images_only):
            raise UsageError("say what to read, by --label_maps or by --dataset")
        return _given_inputs(arguments)
    for flag in ("label_maps", "images", "split_list"):
        if getattr(arguments, flag):
            raise UsageError(f"--dataset finds the files by itself: leave --{flag} out")
    if arguments.data_dir is None:
        raise UsageError(f"--dataset {arguments.dataset} needs --data_dir ROOT")
    from maskbeam.pipeline.planning import published

    found = published.find(arguments.dataset, _absolute(arguments.data_dir))
    return {
        "class_map": _class_map(arguments, found.class_map),
        "label_maps": tuple(Source(s.split, s.label_maps) for s in found.splits),
        "images": tuple(Source(s.split, s.images) for s in found.splits if s.images),
        "images_only": sources(arguments.images_only),
        "split_lists": tuple(
            Source(s.split, s.split_list) for s in found.splits if s.split_list
        ),
        "official_rows": tuple((s.split, s.rows) for s in found.splits if s.rows),
        "notes": found.notes,
        "record_keys": _record_keys(arguments.record_keys),
        "strip_label_suffix": arguments.strip_label_suffix or found.strip_label_suffix,
        "strip_image_suffix": arguments.strip_image_suffix or found.strip_image_suffix,
    }


def _given_inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    keys = _record_keys(arguments.record_keys)
    label_maps: list[Source] = []
    for text in arguments.label_maps:
        split, pattern = _split_and_pattern(text)
        if not pattern.startswith(_TFDS):
            label_maps.append(Source(split or DEFAULT_SPLIT, _absolute(pattern)))
            continue
        from maskbeam.pipeline.planning import prepared_tfds

        found = prepared_tfds.find(
            pattern.removeprefix(_TFDS), arguments.data_dir, keys
        )
        keys = found.keys
        wanted = [split] if split else sorted(found.splits)
        for name in wanted:
            if name not in found.splits:
                raise UsageError(
                    f"{text}: TFDS has no split {name!r} of it; it has "
                    f"{', '.join(sorted(found.splits))}"
                )
            label_maps += (Source(name, path) for path in found.splits[name])
    return {
        "class_map": _class_map(arguments, None),
        "label_maps": tuple(label_maps),
        "images": sources(arguments.images),
        "images_only": sources(arguments.images_only),
        "split_lists": sources(arguments.split_list),
        "record_keys": keys,
        "strip_label_suffix": arguments.strip_label_suffix,
        "strip_image_suffix": arguments.strip_image_suffix,
    }


def sources(texts: list[str]) -> tuple[Source, ...]:
    """Globs with or without a split, as the user gave them."""
    pairs = map(_split_and_pattern, texts)
    return tuple(
        Source(split or DEFAULT_SPLIT, _absolute(pattern)) for split, pattern in pairs
    )


def _split_and_pattern(text: str) -> tuple[str, str]:
    """`val=GLOB` as (val, GLOB), and `GLOB` as ("", GLOB)."""
    match = _SPLIT.match(text)
    split, pattern = match.groups() if match else ("", text)
    if not pattern:
        raise UsageError(f"{text!r} names a split but no files")
    return split, pattern


def _absolute(path: str) -> str:
    """Local paths made absolute: workers have working directories of their own."""
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def _class_map(arguments: argparse.Namespace, of_dataset: ClassMap | None) -> ClassMap:
    given = (arguments.classes is not None) + (arguments.num_classes is not None)
    if given > 1 or (given == 0 and of_dataset is None):
        raise UsageError(
            "say what the label values mean, by --classes NAME|FILE|auto or by "
            f"--num_classes N; presets: {', '.join(class_files.preset_names())}"
        )
    if arguments.num_classes is None and arguments.ignore_label:
        raise UsageError(
            "--ignore_label goes with --num_classes; class maps have their own"
        )
    try:
        if arguments.num_classes is not None:
            return classes.numbered(arguments.num_classes, arguments.ignore_label)
        if arguments.classes == AUTO:
            return dataclasses.replace(classes.numbered(1), name=AUTO)
        if arguments.classes is not None and "://" in arguments.classes:
            return _remote_class_map(arguments.classes)
        if arguments.classes is not None:
            return class_files.load_class_map(arguments.classes)
    except ValueError as error:
        raise UsageError(str(error)) from error
    assert of_dataset is not None
    return of_dataset


def _remote_class_map(path: str) -> ClassMap:
    """Reads a class map that lies where Beam reaches."""
    from apache_beam.io.filesystem import BeamIOError

    from maskbeam.pipeline.runtime import files

    try:
        text = files.read(path).decode()
    except (OSError, BeamIOError) as error:
        raise UsageError(f"--classes {path} cannot be read: {error}") from error
    return class_files.parse_class_map(text, path)


def _record_keys(text: str) -> RecordKeys:
    given = _assignments(text, "--record_keys")
    known = [field.name for field in dataclasses.fields(RecordKeys)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(
            f"--record_keys has {unknown[0]!r}; known are {', '.join(known)}"
        )
    keys = RecordKeys(**given)
    if keys.label == "":
        raise UsageError("--record_keys needs a name for `label`")
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


def _size(text: str | None, flag: str) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{flag} {text!r} must be HEIGHTxWIDTH in pixels, as 360x480")
    return int(match[1]), int(match[2])
