"""Datasets as they are published: where their files lie below one directory.

A layout is the `dataset` section of a preset, or of a YAML file of the user's:

    dataset:
      title: what it is
      roots: ["", VOCdevkit/VOC2012]        below --data_dir, the first that fits
      strip_label_suffix: _gtFine_labelIds
      strip_image_suffix: _leftImg8bit
      label_key: 0*([0-9]+)$                as --label_key has it
      image_key: ([0-9]+)$                  as --image_key has it
      known_bad: [key, ...]                 rows that are known to be faulty
      splits:
        train:
          label_maps: SegmentationClass/*.png      a glob, or several to try
          images: JPEGImages/*.jpg                 a glob, or several to try
          list: ImageSets/Segmentation/train.txt   a file of its keys, or several to try
          rows: 1464                               as published
          optional: true                           no note if it is not there
          parts: [Urban, Rural]                    directories that make it up, for each
                                                   of which `{part}` stands in its globs
"""

import dataclasses
import glob
import os
from collections.abc import Iterator, Mapping
from typing import Any

from maskbeam.pipeline import values
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import texts
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import class_files
from maskbeam.transforms.classes import ClassMap, LabelClass, check_count
from maskbeam.transforms.texts import listed, quoted

LABELME = "labelme"  # the classes of these two are in a file of their own
MAPILLARY_V2 = "mapillary_v2"

_FIELDS = {
    "title": str,
    "roots": list,
    "strip_label_suffix": str,
    "strip_image_suffix": str,
    "label_key": str,
    "image_key": str,
    "known_bad": list,
    "splits": dict,
}
_SPLIT_FIELDS = {
    "label_maps": list,
    "images": list,
    "list": list,
    "rows": int,
    "optional": bool,
    "parts": list,
}
_WORDS = {
    str: "text",
    list: "text, or a list of texts",
    dict: "a mapping of one or more",
    int: "a whole number",
    bool: "true or false",
}
_MAX_PATH = 400  # characters of a path in a message that lists some
_LABELME_NAMES = "class_names.txt"
_LABELME_IGNORE = "__ignore__"
_LABELME_LAYOUT: Mapping[str, Any] = {
    "splits": {
        "train": {
            # Older versions put arrays into SegmentationClass, and PNGs beside it.
            "label_maps": ["SegmentationClassPNG/*.png", "SegmentationClass/*.png"],
            "images": "JPEGImages/*.jpg",
        }
    }
}
_MAPILLARY_CLASSES = "config_v2.0.json"
_MAPILLARY_LAYOUT: Mapping[str, Any] = {
    "splits": {
        split: {
            "label_maps": f"{folder}/v2.0/labels/*.png",
            "images": f"{folder}/images/*.jpg",
        }
        for split, folder in (("train", "training"), ("val", "validation"))
    }
}
_PART = "{part}"


@dataclasses.dataclass(frozen=True)
class FoundSplit:
    """A split that is there.

    Attributes:
        split: its name.
        label_maps: globs.
        images: globs; none for no images.
        split_list: the file of its keys; empty for none.
        rows: how many were published; 0 where that is not known.
    """

    split: str
    label_maps: tuple[str, ...]
    images: tuple[str, ...] = ()
    split_list: str = ""
    rows: int = 0


@dataclasses.dataclass(frozen=True)
class FoundDataset:
    """A dataset that is there.

    Attributes:
        class_map: of its label maps.
        splits: those that are there.
        notes: what a user should know about it, a line each.
        strip_label_suffix: taken off the end of a label map's key.
        strip_image_suffix: taken off the end of an image's.
        label_key: finds the key of a label map in what is left; empty for all of it.
        image_key: finds that of an image.
    """

    class_map: ClassMap
    splits: tuple[FoundSplit, ...]
    notes: tuple[str, ...]
    strip_label_suffix: str
    strip_image_suffix: str
    label_key: str = ""
    image_key: str = ""


def find(name_or_path: str, data_dir: str) -> FoundDataset:
    """Finds a dataset's files.

    Args:
        name_or_path: a preset, `labelme`, `mapillary_v2`, or a YAML file with a
            `dataset` section.
        data_dir: where it lies.

    Raises:
        UsageError: there is no such layout, or nothing of it in the directory.
    """
    # Object stores have files, and no directories that could be there.
    if files.is_local(data_dir) and not files.exists(data_dir):
        raise UsageError(f"--data_dir {data_dir} is not there")
    try:
        return _find(name_or_path, data_dir)
    except (OSError, ValueError) as error:  # ValueError: a scheme Beam lacks
        raise UsageError(f"--data_dir {data_dir} cannot be listed: {error}") from error


def _find(name_or_path: str, data_dir: str) -> FoundDataset:
    if name_or_path == LABELME:
        layout, class_map = _LABELME_LAYOUT, _labelme_classes(data_dir)
    elif name_or_path == MAPILLARY_V2:
        layout, class_map = _MAPILLARY_LAYOUT, _mapillary_classes(data_dir)
    else:
        layout, class_map = _layout(name_or_path)
    tried: list[str] = []
    for root in _several(layout.get("roots", "")):
        base = files.join(data_dir, root) if root else data_dir
        found = {
            split: _find_split(split, fields, base, tried)
            for split, fields in layout["splits"].items()
        }
        there = tuple(split for split in found.values() if split is not None)
        if there:
            _check_images(there, layout, base)
            return FoundDataset(
                class_map,
                there,
                tuple(_notes(layout, found)),
                layout.get("strip_label_suffix", ""),
                layout.get("strip_image_suffix", ""),
                layout.get("label_key", ""),
                layout.get("image_key", ""),
            )
    raise UsageError(
        f"--dataset {name_or_path}: nothing of it is in {data_dir}; looked for "
        f"{listed(dict.fromkeys(tried), _MAX_PATH)}"
    )


def _check_images(
    there: tuple[FoundSplit, ...], layout: Mapping[str, Any], base: str
) -> None:
    """Refuses a dataset that has images of some label maps and not of others."""
    without = [one.split for one in there if len(one.images) < len(one.label_maps)]
    if without and any(one.images for one in there):
        fields = layout["splits"][without[0]]
        globs = sum((_globs(fields, "images", part) for part in _parts(fields)), [])
        looked = (
            f"; looked for {listed(_patterns(globs, base), _MAX_PATH)}" if globs else ""
        )
        raise UsageError(
            f"--dataset: the images of split {without[0]!r} are not there, and others "
            f"are{looked}; put them there, or name the files by --label_maps and "
            "--images"
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
        parts = _parts(fields)
        if where is not None and len(where.label_maps) < len(parts):
            yield (
                f"of the {len(parts)} parts of split {split}, {listed(parts)}, "
                f"{len(where.label_maps)} are there"
            )
    if known_bad := layout.get("known_bad"):
        yield f"known to be faulty: {listed(_several(known_bad))}"


def _layout(name_or_path: str) -> tuple[Mapping[str, Any], ClassMap]:
    """A layout, checked, and the class map of the same file."""
    try:
        class_map = class_files.load_class_map(name_or_path)
    except ValueError as error:
        others = f", and it is not {LABELME} or {MAPILLARY_V2}"
        more = "" if os.path.exists(name_or_path) else others
        raise UsageError(f"--dataset: {error}{more}") from error
    if name_or_path in class_files.preset_names():
        text = class_files.preset_yaml(name_or_path)
    else:
        text = class_files.read_text(name_or_path)
    layout = class_files.dataset_section(text)
    if layout is None:
        raise UsageError(
            f"--dataset {name_or_path} has a class map and no layout, for there is "
            "none that all have: name its files by --label_maps and --images, and it "
            f"by --classes {name_or_path}"
        )
    _check(layout, _FIELDS, f"{name_or_path}: `dataset`", needs="splits")
    for split, fields in layout["splits"].items():
        what = f"{name_or_path}: split {quoted(split)} of `dataset`"
        if not values.is_split(split):
            raise UsageError(
                f"{what} must be named by letters, digits, underscores, 64 at most"
            )
        _check(fields, _SPLIT_FIELDS, what, needs="label_maps")
    return layout, class_map


def _check(tree: Any, fields: Mapping[str, type], what: str, *, needs: str) -> None:
    if not isinstance(tree, dict) or needs not in tree:
        raise UsageError(f"{what} must be a mapping with {needs!r}")
    for field, value in tree.items():
        if field not in fields:
            raise UsageError(
                f"{what} has the unknown field {quoted(field)}; known are "
                f"{', '.join(sorted(fields))}"
            )
        kind = fields[field]
        if kind is list:
            fits = bool(value) and all(type(v) is str for v in _several(value))
        else:
            fits = type(value) is kind and value != {}
        if not fits:
            raise UsageError(
                f"{what}: {field!r} must be {_WORDS[kind]}, not {quoted(value)}"
            )


def _several(value: Any) -> list[Any]:
    """A list of what may be given as one value or as a list."""
    return value if isinstance(value, list) else [value]


def _find_split(
    split: str, fields: Mapping[str, Any], base: str, tried: list[str]
) -> FoundSplit | None:
    """A split, or None if its label maps are not there, or its list is not."""
    label_maps, images = (
        tuple(
            dict.fromkeys(
                found
                for part in _parts(fields)
                if (found := _first(_globs(fields, side, part), base, tried))
            )
        )
        for side in ("label_maps", "images")
    )
    split_list = _first(_globs(fields, "list"), base, tried)
    if not label_maps or (fields.get("list") and not split_list):
        return None
    return FoundSplit(split, label_maps, images, split_list, fields.get("rows", 0))


def _patterns(globs: list[str], base: str) -> list[str]:
    # The directory is there by this very name, whatever is in it.
    base = glob.escape(base)
    return [files.join(base, *pattern.split("/")) for pattern in globs]


def _parts(fields: Mapping[str, Any]) -> list[str]:
    return _several(fields.get("parts", [""]))


def _globs(fields: Mapping[str, Any], side: str, part: str = "") -> list[str]:
    return [one.replace(_PART, part) for one in _several(fields.get(side, []))]


def _first(globs: list[str], base: str, tried: list[str]) -> str:
    """The first glob that matches something; empty if none does."""
    for pattern in _patterns(globs, base):
        if files.match(pattern):
            return pattern
        tried.append(pattern)
    return ""


def _labelme_classes(data_dir: str) -> ClassMap:
    """The class map of labelme's export: a name a line, and 255 for `__ignore__`.

    labelme2voc.py leaves `__ignore__` out of the names; the export of labelme's toolkit
    begins with it. The ids begin after it in both.

    Source: wkentaro/labelme, examples/semantic_segmentation/labelme2voc.py.
    """
    path = files.join(data_dir, _LABELME_NAMES)
    if not files.exists(path):
        raise UsageError(
            f"--dataset {LABELME}: {path} is not there; labelme2voc.py writes it "
            "beside the label maps"
        )
    lines = texts.read(path, class_files.MAX_BYTES).split("\n")
    names = [line.strip() for line in lines]
    if names[0] == _LABELME_IGNORE:
        del names[0]
    try:
        check_count("it", sum(map(bool, names)))
        return ClassMap(
            LABELME,
            tuple(LabelClass(name, (i,)) for i, name in enumerate(names) if name),
            ignore=(255,),
        )
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def _mapillary_classes(data_dir: str) -> ClassMap:
    """The class map of Mapillary Vistas 2.0, by the file that it comes with.

    Tables that others have published of it disagree.
    """
    path = files.join(data_dir, _MAPILLARY_CLASSES)
    if not files.exists(path):
        raise UsageError(
            f"--dataset {MAPILLARY_V2}: {path} is not there, which the download has "
            "beside training/ and validation/; for version 1.2 use --dataset mapillary"
        )
    text = texts.read(path, class_files.MAX_BYTES)
    try:
        found = class_files.parse_class_map(text, path)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return dataclasses.replace(found, name=MAPILLARY_V2)
