"""What is said of names that do not meet: how many, which, and what would help.

Wording alone: the names are compared in `meeting`, and with each other in
`differences`.
"""

import dataclasses
import shlex
from collections.abc import Collection, Mapping

from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import differences, key_regexes
from maskbeam.pipeline.planning.differences import Difference

_SHOWN = 2  # examples
_LISTED = (
    "list them in a .txt file, `IMAGE LABEL_MAP` a line, and name that by "
    "--label_maps, without --images"
)


@dataclasses.dataclass
class Met:
    """How two sides meet, in one split or in several.

    Attributes:
        left: how many keys are on the left; an estimate if `exact` is false.
        right: how many on the right.
        both: how many on both sides.
        exact: whether no rank was left out.
        left_names: keys that are on the left alone; a sample of them.
        right_names: those on the right alone.
        share: how many of such keys the samples hold, 0 to 1.
    """

    left: int = 0
    right: int = 0
    both: int = 0
    exact: bool = True
    left_names: list[str] = dataclasses.field(default_factory=list)
    right_names: list[str] = dataclasses.field(default_factory=list)
    share: float = 1.0

    @property
    def apart(self) -> int:
        """How many keys are on one side alone."""
        return self.left + self.right - 2 * self.both

    def __add__(self, other: "Met") -> "Met":
        """The sum over two splits."""
        return Met(
            self.left + other.left,
            self.right + other.right,
            self.both + other.both,
            self.exact and other.exact,
            self.left_names + other.left_names,
            self.right_names + other.right_names,
            min(self.share, other.share),
        )


def of_images(by_split: Mapping[str, Met], options: Options, *, by_names: bool) -> str:
    """Says how label maps and images meet, and what would make the others meet.

    Args:
        by_split: how they meet in each split; label maps are on the left. In one or
            more of them not all do.
        options: what is converted.
        by_names: whether label maps have their keys by the names of their files.
    """
    short = {split: met for split, met in by_split.items() if met.apart}
    total = sum(short.values(), Met())
    where = f", in split {', '.join(short)}" if len(by_split) > 1 else ""
    about = "" if total.exact else "about "
    counts = (
        f"by their names{where}, {about}{total.both:,} of {total.left:,} label maps "
        f"have an image, and {total.both:,} of {total.right:,} images a label map"
    )
    # Of those that meet, an expression for the others may break some.
    may_search = by_names and not any(met.both for met in by_split.values())
    return f"{counts}: {_why(short, total, options, may_search=may_search)}"


def _why(
    by_split: Mapping[str, Met], total: Met, options: Options, *, may_search: bool
) -> str:
    """Examples side by side, and what would make them meet."""
    left, right = total.left_names, total.right_names
    if not (left and right):
        return _one_side(left, right)
    if swapped := _swapped(by_split):
        return swapped
    difference = differences.find(left, right, total.share)
    if options.label_key or options.image_key:
        pairs = difference.pairs if difference else [(min(left), min(right))]
        way_out = "change --label_key or --image_key"
        if not options.class_map.layers:
            way_out += f", or {_LISTED}"
        return f"{_side_by_side(pairs)}; {way_out}"
    found = None
    if may_search:
        found = key_regexes.find(left, right, difference, total.share)
    if difference is not None:
        hint = _hint(difference, found, options)
        return f"{_side_by_side(difference.pairs)}; {hint}"
    if found is not None:
        return f"{_side_by_side(found.pairs)}; {_searches(found)}"
    return f"{_side_by_side([(min(left), min(right))])}; {_no_flag(options)}"


def _no_flag(options: Options) -> str:
    """What is left to do where no flag helps; a list knows no layers."""
    what = "rename them" if options.class_map.layers else _LISTED
    return f"no flag makes them meet: {what}"


def _searches(found: key_regexes.KeyRegexes) -> str:
    """The flags that find the keys."""
    both = (("label", found.label), ("image", found.image))
    flags = [f"--{side}_key {shlex.quote(regex)}" for side, regex in both if regex]
    return f"{' '.join(flags)} makes them meet"


def _one_side(left: Collection[str], right: Collection[str]) -> str:
    """What is said where all keys of one side have met."""
    shown = ", ".join(repr(key) for key in sorted(left or right)[:_SHOWN])
    if left:
        return (
            f"there is no image of {shown}; add it, leave the label map out by "
            "--exclude, or allow it by --max_rejected"
        )
    return (
        f"there is no label map of {shown}; narrow --images, leave some out by "
        "--exclude, or name images without label maps by --images_only; where label "
        "maps lie among the images: --exclude '*_mask.png' --strip_label_suffix _mask"
    )


def _swapped(by_split: Mapping[str, Met]) -> str:
    """Says so if the images of one split are those of another; else ""."""
    for split, met in by_split.items():
        for other, its in by_split.items():
            images = set(its.right_names)
            found = sum(key in images for key in met.left_names)
            if split != other and 2 * found > met.share * len(met.left_names) > 0:
                return (
                    f"the images of label maps of {split} are in {other}: {split}= and "
                    f"{other}= of --images may have changed places"
                )
    return ""


def _side_by_side(pairs: differences.Pairs) -> str:
    shown = ", ".join(f"`{left}` / `{right}`" for left, right in pairs[:_SHOWN])
    return f"{shown} (label map / image)"


def _hint(
    difference: Difference, found: key_regexes.KeyRegexes | None, options: Options
) -> str:
    """What makes the keys meet."""
    left, right = difference.left, difference.right
    if difference.kind == "capitals":
        return f"they differ in capitals, which count; {_no_flag(options)}"
    if difference.kind == "ending" and not (left and options.class_map.layers):
        return _flags(right, left, options)
    if difference.adds_folders:
        side = "label_maps" if left else "images"
        return (
            f"a key is the path below the last folder before the first wildcard: write "
            f"`{left or right}` out in --{side}, before any wildcard, or let the other "
            "glob begin as high"
        )
    if difference.kind == "folders":
        side, count = ("label maps", left) if left else ("images", right)
        folders = "a folder" if count == "1" else f"{count} folders"
        other = "rename them" if options.class_map.layers else _LISTED
        return (
            f"a key is the path below the last folder before the first wildcard, and "
            f"those of {side} begin with {folders} more; let both globs begin as "
            f"high, or {_searches(found) if found else other}"
        )
    if found is not None:
        return _searches(found)
    return f"`{left}` stands where images have `{right}`; {_no_flag(options)}"


def _flags(of_images: str, of_labels: str, options: Options) -> str:
    """The flags that strip endings off keys."""
    wanted = {
        "label": (of_labels, options.strip_label_suffix),
        "image": (of_images, options.strip_image_suffix),
    }
    flags, given = [], []
    for side, (ending, before) in wanted.items():
        if ending:
            flags.append(_flag(side, ending))
            given += [_flag(side, before)] if before else []
    instead = f", in place of {' '.join(given)}," if given else ""
    return f"{' '.join(flags)}{instead} makes them meet"


def _flag(side: str, ending: str) -> str:
    between = "=" if ending.startswith("-") else " "  # it looks like a flag
    return f"--strip_{side}_suffix{between}{shlex.quote(ending)}"


def of_list(split: str, met: Met, options: Options) -> str:
    """Says that no key of a split's list is a label map's, and why.

    Args:
        split: the split.
        met: how they meet; the list is on the left.
        options: what is converted.
    """
    none = f"none of the {met.left:,} keys in split {split!r}'s list is a label map's"
    if not met.right_names:
        return f"{none}: there are no label maps of that split"
    difference = differences.find(met.left_names, met.right_names, met.share)
    left, right = min(met.left_names), min(met.right_names)
    hint = "a key is a label map's path below its glob's fixed folder, as in the second"
    if difference is not None:
        left, right = difference.pairs[0]
        if options.label_key:
            hint += ", after --label_key"
        elif difference.kind == "ending" and not difference.left:
            hint = _flags("", difference.right, options)
        elif not options.images:
            hint = _searched_by_list(met, difference) or hint
    return f"{none}: `{left}` / `{right}` (list / label map); {hint}"


def _searched_by_list(met: Met, difference: Difference) -> str:
    """The flag that finds the keys of a list in those of label maps; else ""."""
    found = key_regexes.find(
        met.right_names, met.left_names, difference.swapped, met.share
    )
    return _searches(found) if found and not found.image else ""
