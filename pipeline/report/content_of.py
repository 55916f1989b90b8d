"""Makes what a report says, of what a run or a dataset has."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from maskbeam.pipeline.printing import human_bytes
from maskbeam.pipeline.reasons import Reasons
from maskbeam.pipeline.report import findings
from maskbeam.pipeline.report.colors import colors_of
from maskbeam.pipeline.report.content import Content, Picture
from maskbeam.transforms.classes import ClassMap

_REASONS = 20


class Made(NamedTuple):
    """What a run has made.

    Attributes:
        about: the dataset's `manifest.json`, or the verdict of a run that made none.
        stats: as `stats.json` has them; None if there is no dataset.
        class_map: what label values mean; None if nobody knows it.
        reasons: why rows were rejected.
    """

    about: Mapping[str, Any]
    stats: Mapping[str, Any] | None
    class_map: ClassMap | None
    reasons: Reasons


def content_of(
    made: Made, pictures: Sequence[Picture] = (), rejected: Sequence[Picture] = ()
) -> Content:
    """Makes what a report says.

    Args:
        made: what the run has made.
        pictures: rows of the dataset.
        rejected: rows that are not.
    """
    about, class_map = made.about, made.class_map
    palette = [] if class_map is None else colors_of(class_map).tolist()
    return Content(
        name=about.get("options", {}).get("name") or about.get("name", ""),
        refused=about.get("reason", ""),
        facts=[*_facts(made)],
        command=about.get("command", ""),
        stats=made.stats,
        thresholds=[*findings.THRESHOLDS.items()],
        colors=[(red, green, blue) for red, green, blue in palette],
        pictures=pictures,
        rejected=rejected,
        reasons=[
            (reason.count, reason.example.stage, reason.in_words)
            for reason in made.reasons.most[:_REASONS]
        ],
        classes=[] if class_map is None else class_map.names,
    )


def _facts(made: Made) -> Iterator[tuple[str, str]]:
    """Yields what the head of the page says."""
    about = made.about
    if splits := about.get("splits"):
        counts = (f"{found['records']:,} {split}" for split, found in splits.items())
        yield "rows", ", ".join(counts)
        yield from _of_options(about["options"])
        size = sum(s["bytes"] for found in splits.values() for s in found["shards"])
        shards = sum(len(found["shards"]) for found in splits.values())
        yield "shards", f"{shards:,}, {human_bytes(size)}"
    else:
        yield "rows that could be converted", f"{about['records']:,}"
    if about["rejected"]:
        yield "rejected rows", f"{about['rejected']:,}"
    if made.class_map is not None:
        count, name = made.class_map.num_classes, made.class_map.name
        yield "classes", f"{count:,} (class map {name})"
    if "made" in about:
        yield "made", about["made"]
    versions = about.get("versions", {}).items()
    yield "by", ", ".join(f"{name} {version}" for name, version in versions)


def _of_options(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    size = " x ".join(map(str, options.get("size") or ()))
    resize = options.get("resize", "")
    if not size:
        yield "sizes", "each row keeps its own"
    elif resize == "tile":
        yield "tiles", size
    else:
        yield "size", f"{size} ({resize.replace('_', ' ')})"
    yield "masks", f"one-hot, stored as {options['mask_encoding']}"
    if options.get("with_images"):
        storage, normalize = options["image_storage"], options["normalize"]
        yield "images", f"stored as {storage}, normalised by {normalize}"
    else:
        yield "images", "none"
