"""Annotation files, as tools write them, and what pycocotools makes of COCO's."""

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
from pycocotools import mask


def coco(
    images: Mapping[str, tuple[int, int]],
    annotations: Sequence[tuple[str, int, Any]],
    categories: Mapping[int, str],
) -> dict[str, Any]:
    """COCO's instances.

    Args:
        images: height and width by file name.
        annotations: the image, the category, and the segmentation of each.
        categories: names by id.
    """
    numbers = {name: 1000 + number for number, name in enumerate(images)}
    return {
        "info": {"description": "drawn", "year": 2026},
        "licenses": [],
        "images": [
            {"id": numbers[name], "file_name": name, "height": height, "width": width}
            for name, (height, width) in images.items()
        ],
        "annotations": [
            {
                "id": number,
                "image_id": numbers[name],
                "category_id": category,
                "iscrowd": int(isinstance(found, dict)),
                "segmentation": found,
                "bbox": [0, 0, 1, 1],
                "area": 1.5,
            }
            for number, (name, category, found) in enumerate(annotations)
        ],
        "categories": [
            {"id": number, "name": name, "supercategory": "thing"}
            for number, name in categories.items()
        ],
    }


def code_of(pixels: np.ndarray) -> dict[str, Any]:
    """Pixels as COCO's compressed run lengths."""
    found = mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    return {"size": [int(n) for n in found["size"]], "counts": found["counts"].decode()}


def runs_of(pixels: np.ndarray) -> dict[str, Any]:
    """Pixels as COCO's uncompressed run lengths, by a walk over them."""
    counts, before = [0], 0
    for value in pixels.astype(int).ravel(order="F"):
        if value != before:
            counts.append(0)
            before = value
        counts[-1] += 1
    return {"size": [*pixels.shape], "counts": counts}


def by_pycocotools(segmentation: Any, height: int, width: int) -> np.ndarray:
    """A segmentation's pixels, as `COCO.annToMask` has them: bool[H W]."""
    if isinstance(segmentation, list):
        found = mask.merge(mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        found = mask.frPyObjects(segmentation, height, width)
    else:
        found = segmentation
    with warnings.catch_warnings():  # it is older than NumPy 2
        warnings.simplefilter("ignore", DeprecationWarning)
        return mask.decode(found).astype(bool)


def painted(
    segmentations: Sequence[tuple[int, Any]], size: tuple[int, int], unlabelled: int
) -> np.ndarray:
    """A label map, painted pixel by pixel: of those there the smallest is on top."""
    masks = [(v, by_pycocotools(found, *size)) for v, found in segmentations]
    ids = np.full(size, unlabelled, np.int64)
    for y, x in np.ndindex(size):
        # The later of two that are equally large.
        there = [(m.sum(), -n, v) for n, (v, m) in enumerate(masks) if m[y, x]]
        if there:
            ids[y, x] = min(there)[2]
    return ids


def overlapping(segmentations: Sequence[tuple[int, Any]], size: tuple[int, int]) -> int:
    """How many pixels have annotations of several categories."""
    masks = [(v, by_pycocotools(found, *size)) for v, found in segmentations]
    return sum(len({v for v, m in masks if m[y, x]}) > 1 for y, x in np.ndindex(size))


def dumped(tree: Any) -> str:
    """JSON as tools write it."""
    return json.dumps(tree)


def cvat(
    images: Mapping[str, tuple[tuple[int, int], Sequence[Mapping[str, str]]]],
    labels: Sequence[str],
) -> str:
    """CVAT's XML for images.

    Args:
        images: by name the height and width, and the shapes: `kind` and attributes.
        labels: the names that it declares.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "name").text = "a task"
    declared = ElementTree.SubElement(task, "labels")
    for label in labels:
        found = ElementTree.SubElement(declared, "label")
        ElementTree.SubElement(found, "name").text = label
        ElementTree.SubElement(found, "color").text = "#ff0000"
        attributes = ElementTree.SubElement(found, "attributes")
        attribute = ElementTree.SubElement(attributes, "attribute")
        ElementTree.SubElement(attribute, "name").text = "an attribute"
    for number, (name, ((height, width), shapes)) in enumerate(images.items()):
        sides = {"width": str(width), "height": str(height)}
        image = ElementTree.SubElement(
            root, "image", {"id": str(number), "name": name, **sides}
        )
        for shape in shapes:
            kind = shape["kind"]
            rest = {key: value for key, value in shape.items() if key != "kind"}
            ElementTree.SubElement(
                image, kind, {**rest, "source": "manual"}
            ).text = "\n"
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'
