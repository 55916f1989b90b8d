"""Datasets as they are published: where their files lie below one directory.

A layout is the `dataset` section of a preset, or of a YAML file of the user's:

    dataset:
      title: what it is
      roots: ["", VOCdevkit/VOC2012]        below --data_dir, the first that fits
      strip_label_suffix: _gtFine_labelIds
      strip_image_suffix: _leftImg8bit
      known_bad: [key, ...]                 rows that are known to be faulty
      splits:
        train:
          label_maps: SegmentationClass/*.png      a glob, or several to try
          images: JPEGImages/*.jpg                 likewise
          list: ImageSets/Segmentation/train.txt   the keys that it has, likewise
          rows: 1464                               as published
          optional: true                           nobody misses it
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipeline import files
from pipeline.options import UsageError
from transforms import class_files
from transforms.classes import ClassMap, LabelClass

LABELME = "labelme"  # its classes are in a file of its own

_FIELDS = {
    "title",
    "roots",
    "strip_label_suffix",
    "strip_image_suffix",
    "known_bad",
    "splits",
}
_SPLIT_FIELDS = {"label_maps", "images", "list", "rows", "optional"}
_LABELME_NAMES = "class_names.txt"
_LABELME_LAYOUT: Mapping[str, Any] = {
    "splits": {
        "train": {
            # Older versions put arrays into SegmentationClass, and PNGs beside it.
            "label_maps": ["SegmentationClassPNG/*.png", "SegmentationClass/*.png"],
            "images": "JPEGImages/*.jpg",
        }
    }
}


@dataclasses.dataclass(frozen=True)
class FoundSplit:
    """A split that is there.

    Attributes:
        split: its name.
        label_maps: a glob.
        images: a glob; empty for none.
        split_list: the file of its keys; empty for none.
        rows: how many were published; 0 where that is not known.
    """

    split: str
    label_maps: str
    images: str = ""
    split_list: str = ""
    rows: int = 0


@dataclasses.dataclass(frozen=True)
class FoundDataset:
    """A dataset that is there.

    Attributes:
        class_map: of its label maps.
        splits: those that are there.
        notes: what a user should know of it, a line each.
        strip_label_suffix: taken off the end of a label map's key.
        strip_image_suffix: taken off the end of an image's.
    """

    class_map: ClassMap
    splits: tuple[FoundSplit, ...]
    notes: tuple[str, ...]
    strip_label_suffix: str
    strip_image_suffix: str


def find(name_or_path: str, data_dir: str) -> FoundDataset:
    """Finds a dataset's files.

    Args:
        name_or_path: a preset, `labelme`, or a YAML file with a `dataset` section.
        data_dir: where it lies.

    Raises:
        UsageError: there is no such layout, or nothing of it in the directory.
    """
    if not files.exists(data_dir):
        raise UsageError(f"--data_dir {data_dir} is not there")
    if name_or_path == LABELME:
        layout, class_map = _LABELME_LAYOUT, _labelme_classes(data_dir)
    else:
        layout, class_map = _layout(name_or_path)
    tried: list[str] = []
    for root in layout.get("roots", [""]):
        base = files.join(data_dir, root) if root else data_dir
        found = {
            split: _find_split(split, fields, base, tried)
            for split, fields in layout["splits"].items()
        }
        there = tuple(split for split in found.values() if split is not None)
        if there:
            return FoundDataset(
                class_map,
                there,
                tuple(_notes(layout, found)),
                layout.get("strip_label_suffix", ""),
                layout.get("strip_image_suffix", ""),
            )
    raise UsageError(
        f"--dataset {name_or_path}: nothing of it is in {data_dir}; looked for "
        f"{', '.join(dict.fromkeys(tried))}"
    )


def _notes(
    layout: Mapping[str, Any], found: Mapping[str, FoundSplit | None]
) -> Iterator[str]:
    for split, where in found.items():
        fields = layout["splits"][split]
        if where is None and not fields.get("optional"):
            yield f"split {split} is not there"
        elif where is not None and fields.get("images") and not where.images:
            yield f"the images of split {split} are not there"
    if known_bad := layout.get("known_bad"):
        yield f"known to be faulty: {', '.join(known_bad)}"


def _layout(name_or_path: str) -> tuple[Mapping[str, Any], ClassMap]:
    """A layout, checked, and the class map that is beside it."""
    try:
        class_map = class_files.load_class_map(name_or_path)
    except ValueError as error:
        raise UsageError(f"--dataset: {error}, and it is not {LABELME}") from error
    if name_or_path in class_files.preset_names():
        text = class_files.preset_yaml(name_or_path)
    else:
        text = pathlib.Path(name_or_path).read_text(encoding="utf-8")
    layout = yaml.safe_load(text).get("dataset")
    if layout is None:
        raise UsageError(
            f"--dataset {name_or_path} has a class map and no layout, for there is "
            "none that all have: name its files by --label_maps and --images, and it "
            f"by --classes {name_or_path}"
        )
    _check(layout, _FIELDS, f"{name_or_path}: `dataset`", needs="splits")
    for split, fields in layout["splits"].items():
        what = f"{name_or_path}: split {split!r} of `dataset`"
        _check(fields, _SPLIT_FIELDS, what, needs="label_maps")
    return layout, class_map


def _check(tree: Any, fields: set[str], what: str, *, needs: str) -> None:
    if not isinstance(tree, dict) or needs not in tree:
        raise UsageError(f"{what} must be a mapping with {needs!r}")
    unknown = sorted(str(field) for field in tree if field not in fields)
    if unknown:
        raise UsageError(
            f"{what} has the unknown field {unknown[0]!r}; known are "
            f"{', '.join(sorted(fields))}"
        )


def _find_split(
    split: str, fields: Mapping[str, Any], base: str, tried: list[str]
) -> FoundSplit | None:
    """A split whose label maps, and list where it has one, are there."""
    label_maps = _first(fields["label_maps"], base, tried)
    images = _first(fields.get("images", []), base, tried)
    split_list = _first(fields.get("list", []), base, tried)
    if not label_maps or (fields.get("list") and not split_list):
        return None
    return FoundSplit(split, label_maps, images, split_list, fields.get("rows", 0))


def _first(candidates: str | list[str], base: str, tried: list[str]) -> str:
    """The first glob that matches something; empty if none does."""
    for glob in [candidates] if isinstance(candidates, str) else candidates:
        pattern = files.join(base, *glob.split("/"))
        if files.match(pattern):
            return pattern
        tried.append(pattern)
    return ""


def _labelme_classes(data_dir: str) -> ClassMap:
    """The class map of labelme's export: a name a line, and 255 for `__ignore__`.

    Source: wkentaro/labelme, examples/semantic_segmentation/labelme2voc.py.
    """
    path = files.join(data_dir, _LABELME_NAMES)
    if not files.exists(path):
        raise UsageError(
            f"--dataset {LABELME}: {path} is not there; labelme2voc.py writes it "
            "beside the label maps"
        )
    names = files.read(path).decode("utf-8").split("\n")
    try:
        return ClassMap(
            LABELME,
            tuple(
                LabelClass(name.strip(), (number,))
                for number, name in enumerate(names)
                if name.strip()
            ),
            ignore=(255,),
        )
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
