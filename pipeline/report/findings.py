"""Findings: what trains without an error, and perhaps not as you mean it.

Each has a `name`, a `split` (empty for all, or several) and a `message`, which says how
much there is of it, and what to do.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from maskbeam.transforms import features, summaries
from maskbeam.transforms.classes import ClassMap

Finding = dict[str, str]
Splits = Mapping[str, Mapping[str, Any]]  # as `stats.json` has them

_HALF = 0.5
_FEW_IMAGES = 20
_DIVERGENCE = 0.1
_MOVED = 0.05
_TIMES = 4
_SHOWN_CLASSES = 5
_VALIDATION = "val"

# What is looked for, by the names of the findings, and when it is one.
THRESHOLDS = {
    "repeated_keys": "a key is in more than one split",
    "one_class": "the class map has one class",
    "class_without_pixels": "a class has no pixel in the training split, from which "
    "class weights come",
    "class_in_one_split": "a class has pixels in one of several splits only",
    "mostly_ignored": f"more than {_HALF:.0%} of a split's pixels are ignored",
    "few_images": f"a class is in fewer than {_FEW_IMAGES} images of {_VALIDATION}",
    "different_shares": "the shares of the classes in two splits have a Jensen-Shannon "
    f"divergence above {_DIVERGENCE} (base 2)",
    "one_picture": f"one picture of several has more than {_HALF:.0%} of the pixels "
    "of a class in its split",
    "masks_of_one_class": "a label map has pixels of one class only; of tiles, and of "
    f"two classes at most: more than {_HALF:.0%} of a split's label maps",
    "images_of_one_color": "all pixels of an image have one colour",
    "stray_pixels": "more than 1% of a label map's pixels are in connected pieces of "
    "fewer than 4 (of about 128 rows, chosen by a hash, and all their tiles)",
    "moved_pixels": f"more than {_MOVED:.0%} of the pixels of a split's label maps "
    "have values that the class map does not name, and became others (`nearest`, "
    "`threshold`)",
    "sizes_vary": f"the largest picture has more than {_TIMES} times as many pixels as "
    "the smallest, and all are kept in their own size",
    "rejected_rows": "a row was rejected",
    "turned_images": "an image was turned upright by its EXIF data",
}


class Known(NamedTuple):
    """What findings are made of, beside the counts of each split.

    Attributes:
        class_map: what label values mean.
        config: the encoding.
        repeated: how many keys are in more than one split, and some of them.
        rejections: how many rows were rejected, by stage.
        unlabelled: splits that have no label maps, and are meant to have none.
    """

    class_map: ClassMap
    config: features.Config
    repeated: tuple[int, Sequence[str]] = (0, ())
    rejections: Mapping[str, int] = {}
    unlabelled: Collection[str] = ()


def find(known: Known, splits: Splits) -> list[Finding]:
    """Finds all that there is to say.

    Args:
        known: of all splits.
        splits: the counts of each split.
    """
    class_map = known.class_map
    labelled = {s: found for s, found in splits.items() if _labelled(found)}
    return [
        *_repeated_keys(*known.repeated),
        *_one_class(class_map),
        *_classes_without_pixels(class_map, splits),
        *_classes_in_one_split(class_map, labelled),
        *_mostly_ignored(splits, known.unlabelled),
        *_few_images(class_map, labelled),
        *_different_shares(labelled),
        *_one_picture(class_map, labelled),
        *_masks_of_one_class(known, labelled),
        *_images_of_one_color(splits),
        *_stray_pixels(labelled),
        *_moved_pixels(splits),
        *_sizes_vary(known.config, splits),
        *_rejected_rows(known.rejections),
        *_turned_images(splits),
    ]


def no_report(why: str) -> Finding:
    """Says that there is a dataset, but no report of it."""
    message = f"no report could be made ({why}); maskbeam report tries again"
    return {"name": "no_report", "split": "", "message": message}


def _finding(name: str, split: str, message: str) -> Finding:
    assert name in THRESHOLDS
    return {"name": name, "split": split, "message": message}


def _labelled(found: Mapping[str, Any]) -> bool:
    """Whether a split has label maps, or pixels of a class at least."""
    return any(found[features.CLASS_PIXELS])


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_CLASSES
    shown = ", ".join(names[:_SHOWN_CLASSES])
    return f"{shown}{f' and {more} more' if more > 0 else ''}"


def _many(count: int, one: str, many: str) -> str:
    """`1 class is`, `3 classes are`."""
    return f"1 {one}" if count == 1 else f"{count} {many}"


def _repeated_keys(count: int, shown: Sequence[str]) -> Iterator[Finding]:
    if count:
        message = f"{count} keys are in more than one split: {shown[0]}"
        yield _finding("repeated_keys", "", message)


def _one_class(class_map: ClassMap) -> Iterator[Finding]:
    if class_map.num_classes == 1:
        yield _finding(
            "one_class",
            "",
            f"class map {class_map.name} has one class, {class_map.names[0]!r}: there "
            "is nothing to tell it from; name the background as a class, or use "
            "--classes binary for label maps of 0 and 255",
        )


def _without_pixels(class_map: ClassMap, splits: Splits) -> list[str]:
    of_graph = summaries.graph_splits(splits)
    total = np.sum([splits[s][features.CLASS_PIXELS] for s in of_graph], axis=0)
    return [n for n, pixels in zip(class_map.names, total, strict=True) if not pixels]


def _classes_without_pixels(class_map: ClassMap, splits: Splits) -> Iterator[Finding]:
    if names := _without_pixels(class_map, splits):
        of_graph = summaries.graph_splits(splits)
        yield _finding(
            "class_without_pixels",
            of_graph[0] if len(of_graph) == 1 else "",
            f"{len(names)} of {class_map.num_classes} classes have no pixel in "
            f"{' and '.join(of_graph)}: {_some(names)}",
        )


def _classes_in_one_split(class_map: ClassMap, splits: Splits) -> Iterator[Finding]:
    if len(splits) < 2:
        return
    said = {*_without_pixels(class_map, splits)}
    for split, found in splits.items():
        others = [splits[s][features.CLASS_PIXELS] for s in splits if s != split]
        elsewhere = np.sum(others, axis=0)
        names = [
            name
            for name, here, there in zip(
                class_map.names, found[features.CLASS_PIXELS], elsewhere, strict=True
            )
            if here and not there and name not in said
        ]
        if names:
            yield _finding(
                "class_in_one_split",
                split,
                f"{_many(len(names), 'class has', 'classes have')} pixels in {split} "
                f"only: {_some(names)}; nobody can measure elsewhere how well they are "
                "recognised: deal the rows anew (--split_by), or leave the classes out",
            )


def _mostly_ignored(splits: Splits, unlabelled: Collection[str]) -> Iterator[Finding]:
    for split, found in splits.items():
        ignored = found[features.IGNORED_PIXELS]
        pixels = ignored + sum(found[features.CLASS_PIXELS])
        if ignored > _HALF * pixels and split not in unlabelled:
            yield _finding(
                "mostly_ignored",
                split,
                f"{ignored / pixels:.1%} of the pixels of {split} are ignored",
            )


def _few_images(class_map: ClassMap, splits: Splits) -> Iterator[Finding]:
    if _VALIDATION not in splits:
        return
    found = splits[_VALIDATION]
    counts = zip(class_map.names, found[features.CLASS_IMAGES], strict=True)
    few = [f"{name} ({count})" for name, count in counts if 0 < count < _FEW_IMAGES]
    if few and found["records"] < _FEW_IMAGES:
        yield _finding(
            "few_images",
            _VALIDATION,
            f"{_VALIDATION} has {found['records']} images, fewer than {_FEW_IMAGES}: "
            "a score over them says little; give it more",
        )
    elif few:
        yield _finding(
            "few_images",
            _VALIDATION,
            f"{_many(len(few), 'class is', 'classes are')} in fewer than "
            f"{_FEW_IMAGES} images of {_VALIDATION}: {_some(few)}; their scores will "
            "jump from run to run",
        )


def _different_shares(splits: Splits) -> Iterator[Finding]:
    for first, second in itertools.combinations(splits, 2):
        shares = [
            np.array(splits[split][features.CLASS_PIXELS], np.float64)
            for split in (first, second)
        ]
        found = divergence(*(one / one.sum() for one in shares))
        if found > _DIVERGENCE:
            yield _finding(
                "different_shares",
                "",
                f"the classes have other shares in {first} than in {second} "
                f"(Jensen-Shannon divergence {found:.2f}): they come from different "
                "places, or were drawn by different rules; compare both in the report",
            )


def divergence(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    """Computes the Jensen-Shannon divergence, base 2, of two distributions f64[K].

    It is 0 for equal ones and 1 for those that have nothing in common (Lin, 1991,
    "Divergence measures based on the Shannon entropy", doi:10.1109/18.61115).
    """
    middle = (first + second) / 2
    total = 0.0
    for one in (first, second):
        some = one > 0
        total += float(np.sum(one[some] * np.log2(one[some] / middle[some]))) / 2
    return total


def _one_picture(class_map: ClassMap, splits: Splits) -> Iterator[Finding]:
    for split, found in splits.items():
        if found["records"] < 2:
            continue
        shares = [
            (most["pixels"] / pixels, name, most["key"])
            for name, pixels, most in zip(
                class_map.names,
                found[features.CLASS_PIXELS],
                found["most"] or [None] * class_map.num_classes,
                strict=True,
            )
            if most and most["pixels"] > _HALF * pixels
        ]
        if shares:
            share, name, key = max(shares)
            others = [name for _, name, _ in sorted(shares, reverse=True)[1:]]
            more = f"; likewise one picture each of {_some(others)}" if others else ""
            yield _finding(
                "one_picture",
                split,
                f"{key} alone has {share:.0%} of the pixels of {name} in {split}"
                f"{more}: a model learns that picture, not the class; find more of "
                "them",
            )


def _masks_of_one_class(known: Known, splits: Splits) -> Iterator[Finding]:
    are_usual = known.config.resize == "tile" or known.class_map.num_classes <= 2
    for split, found in splits.items():
        count, rows = found["masks_of_one_class"], found["records"]
        if known.class_map.num_classes > 1 and count > _HALF * rows * are_usual:
            yield _finding(
                "masks_of_one_class",
                split,
                f"{count} of {rows} label maps of {split} have pixels of one class "
                "only: look whether they were ever drawn; they teach little",
            )


def _images_of_one_color(splits: Splits) -> Iterator[Finding]:
    for split, found in splits.items():
        if count := found["images_of_one_color"]:
            yield _finding(
                "images_of_one_color",
                split,
                f"{count} of {found['records']} images of {split} have one colour and "
                "nothing else: a camera failed, or a copy; leave them out (--exclude)",
            )


def _stray_pixels(splits: Splits) -> Iterator[Finding]:
    for split, found in splits.items():
        strays = found["stray_pixels"]
        if strays["found"]:
            yield _finding(
                "stray_pixels",
                split,
                f"of {strays['looked_at']} label maps of {split}, "
                f"{strays['found']} have more than 1% of their pixels in pieces of "
                "fewer than 4: they were JPEGs once, or resized by interpolation; make "
                "them again from the annotations",
            )


def _moved_pixels(splits: Splits) -> Iterator[Finding]:
    for split, found in splits.items():
        moved = found.get("moved_pixels")
        if moved and moved["pixels"] > _MOVED * moved["of"]:
            yield _finding(
                "moved_pixels",
                split,
                f"{moved['pixels'] / moved['of']:.1%} of the pixels of {split} have "
                f"values that the class map does not name, {moved['farthest']} levels "
                f"from those that they became at most, {mean_distance(moved):.1f} on "
                "average: edges alone are fewer; look at the pictures whether all "
                "classes are named, and their values right",
            )


def mean_distance(moved: Mapping[str, Any]) -> float:
    """The mean distance of moved pixels, in levels, as `stats.json` has their sum."""
    return float(moved["levels"] / max(1, moved["pixels"]))


def _sizes_vary(config: features.Config, splits: Splits) -> Iterator[Finding]:
    sizes = [size[:2] for found in splits.values() for size in found["sizes"]]
    if config.size is not None or not sizes:
        return
    small, large = (pick(sizes, key=np.prod) for pick in (min, max))
    if np.prod(large) > _TIMES * np.prod(small):
        yield _finding(
            "sizes_vary",
            "",
            f"pictures are from {small[0]} x {small[1]} to {large[0]} x {large[1]}: a "
            "batch is padded to its largest; give all one size (--size), or cut tiles "
            "(--tile)",
        )


def _rejected_rows(rejections: Mapping[str, int]) -> Iterator[Finding]:
    if count := sum(rejections.values()):
        stages = [f"{stage} ({rows})" for stage, rows in rejections.items()]
        yield _finding(
            "rejected_rows",
            "",
            f"{_many(count, 'row was', 'rows were')} rejected, by stage: "
            f"{', '.join(stages)}; rejected/ names each, and why",
        )


def _turned_images(splits: Splits) -> Iterator[Finding]:
    for split, found in splits.items():
        if count := found["turned_images"]:
            yield _finding(
                "turned_images",
                split,
                f"{count} of {found['source_rows']} images of {split} were turned "
                "upright by their EXIF data; if their label maps were drawn on the "
                "pixels as they are stored, add --exif ignore",
            )
