"""Options: what the user asked for, checked."""

import dataclasses
import re
from typing import Any

from maskbeam.pipeline.errors import UsageError
from maskbeam.transforms import features, stored_masks
from maskbeam.transforms.classes import ClassMap

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
DEFAULT_SPLIT = "train"


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
    """Where in a record file a row's parts are: features, columns or extensions.

    None leaves it to the format (`formats.Reader.resolve`).

    Attributes:
        label: the encoded label map.
        image: the encoded image; empty for none.
        key: the row's key; empty to number the rows of each file.
    """

    label: str | None = None
    image: str | None = None
    key: str | None = None


@dataclasses.dataclass(frozen=True)
class Options:
    """A conversion, checked.

    Attributes:
        label_maps: where the label maps are.
        class_map: what their values mean.
        images: where the images are; none for label maps alone, or where record files
            and lists of pairs bring both.
        images_only: images of splits that have no label maps.
        split_lists: files that list the keys of a split, one a line: of its label maps
            only those are taken.
        official_rows: (split, rows) of the dataset as published.
        notes: what is to be known of it, a line each.
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
        size: (height, width) in pixels to bring rows to, or None.
        resize: how, as in `features.Config`.
        tile: (height, width) in pixels of the tiles to cut pictures into, or None.
        overlap: pixels that neighbouring tiles share.
        weight_map: as in `features.Config`.
        presence: likewise.
        boundary: likewise.
        normalize: as in `features.Config`.
        image_storage: as in `features.Config`.
        mask_encoding: as in `features.Config`, or `auto`, as `stored_masks.choose` has
            it.
        shard_mb: the size of a shard to aim for, in MiB.
        max_rejected: the share of rows that may be rejected, 0..1.
        max_pixels: the largest picture that is decoded, in pixels.

    Raises:
        UsageError: two of them contradict each other, or one is out of range.
    """

    label_maps: tuple[Source, ...]
    class_map: ClassMap
    images: tuple[Source, ...] = ()
    images_only: tuple[Source, ...] = ()
    split_lists: tuple[Source, ...] = ()
    official_rows: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
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
    resize: features.Resize = "stretch"
    tile: tuple[int, int] | None = None
    overlap: int = 0
    weight_map: features.WeightMap = "none"
    presence: bool = False
    boundary: int = 0
    normalize: features.Normalize = "unit"
    image_storage: features.ImageStorage = "original"
    mask_encoding: str = stored_masks.AUTO
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
        self._check_geometry()
        self._check_sides()

    def _check_geometry(self) -> None:
        for flag in ("size", "tile"):
            sides = getattr(self, flag)
            if sides is not None and min(sides) < 1:
                raise UsageError(f"--{flag} must be at least 1x1")
        if self.tile is not None and self.size is not None:
            raise UsageError(
                "--tile cuts pictures at their own scale, and --size scales them: use "
                "one of them"
            )
        if self.resize != "stretch" and self.size is None:
            raise UsageError(f"--resize {self.resize} needs a --size")
        if self.overlap and self.tile is None:
            raise UsageError("--overlap is of tiles: add --tile HxW")
        if self.tile is not None and not 0 <= self.overlap < min(self.tile):
            raise UsageError(
                f"--overlap {self.overlap} must be at least 0 and below the tile's "
                f"shorter side, {min(self.tile)}"
            )
        if self.boundary < 0:
            raise UsageError(f"--boundary {self.boundary} must be 0 or more")

    def _check_split_by(self) -> None:
        shares = dict(self.split_by)
        if len(shares) != len(self.split_by):
            raise UsageError("--split_by names a split twice")
        if min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
            raise UsageError(
                f"--split_by shares must be above 0 and add up to 1, not to "
                f"{sum(shares.values()):g}"
            )
        sources = (*self.label_maps, *self.images)
        named = {source.split for source in sources} - {DEFAULT_SPLIT}
        if named:
            raise UsageError(
                f"--split_by deals all rows to its splits, but a source names the "
                f"split {min(named)!r}: use one or the other"
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
        listed = {source.split for source in self.split_lists}
        if listed and self.split_by:
            raise UsageError(
                "--split_list and --split_by both say which rows a split "
                "has: use one of them"
            )
        if listed - labels:
            raise UsageError(
                f"--split_list names the split {min(listed - labels)!r}, which has no "
                "--label_maps"
            )
        # Whether label maps without --images have images of their own, files tell.
        if images - labels:
            split = min(images - labels)
            raise UsageError(
                f"split {split!r} has no label maps: add --label_maps {split}=GLOB"
            )

    @property
    def with_segments(self) -> bool:
        """Whether label maps need the segments in the JSON beside them."""
        return self.class_map.encoding == "coco_panoptic"

    @property
    def splits(self) -> list[str]:
        """The splits, sorted."""
        only = {source.split for source in self.images_only}
        if self.split_by:
            return sorted(only | {split for split, _ in self.split_by})
        return sorted(only | {source.split for source in self.label_maps})

    def config(self, *, with_images: bool) -> features.Config:
        """What graph, records and reader must agree on."""
        num_classes = self.class_map.num_classes
        return features.Config(
            num_classes=num_classes,
            mask_encoding=stored_masks.choose(self.mask_encoding, num_classes),
            size=self.tile or self.size,
            resize="tile" if self.tile else self.resize,
            overlap=self.overlap,
            with_images=with_images,
            normalize=self.normalize,
            image_storage="png" if self.tile else self.image_storage,
            weight_map=self.weight_map,
            presence=self.presence,
            boundary=self.boundary,
        )

    def to_json(self) -> dict[str, Any]:
        """The options as the manifest keeps them."""
        tree = dataclasses.asdict(self)
        for name in ("class_map", "overwrite", "output", "notes"):
            del tree[name]
        return tree


def _default_name(class_map_name: str) -> str:
    """A class map's name as the beginning of a file name."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", class_map_name)
    return name if _NAME.fullmatch(name) else f"dataset_{name}"
