"""The plan of a conversion: how many rows, shards and units each split has."""

import collections
import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.planning.census import Census
from maskbeam.pipeline.planning.meeting import Apart
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import RecordKeys
from maskbeam.transforms import dataset_files, features, tiles

if TYPE_CHECKING:  # it loads TensorFlow
    from maskbeam.pipeline.own_function.function import OwnFunction

SKEW_ROWS = 16  # that the serving model is held against
SKEW_PIXELS = 32 << 20  # of all of them together
SKEW_BYTES = 256 << 20  # of one, encoded: it is held several times
SKEW_CANDIDATES = 2 * SKEW_ROWS  # on the average, so hardly ever fewer than those


@dataclasses.dataclass(frozen=True)
class SplitPlan:
    """How one split is cut into shards and units.

    Attributes:
        rows: how many there are; an estimate if there are `record_files`.
        record_files: files of many rows, each of which becomes a shard of its own.
        record_units: how many units they are read in.
        uncut_files: large ones that cannot be cut, and are one unit each.
        named_shards: how many shards the rows that have names take; they come first.
        rows_per_unit: how many rows that have names make a unit.
        sizes: (height, width) of the masks of a few rows, in pixels, before tiling.
        stored_bytes: estimate of what the records will take.
        bytes_by_storage: the same for each way of storing images.
        limit_rank: the highest rank that `--limit` lets in.
        census: of the rows that have names.
        names: (rank, source) of a few of them.
    """

    rows: int
    record_files: tuple[files.File, ...]
    record_units: int
    uncut_files: tuple[str, ...]
    named_shards: int
    rows_per_unit: int
    sizes: tuple[tuple[int, int], ...]
    stored_bytes: int
    limit_rank: int | None
    bytes_by_storage: Mapping[str, int] = dataclasses.field(default_factory=dict)
    census: Census = dataclasses.field(default_factory=Census)
    names: tuple[tuple[int, str], ...] = ()

    @property
    def shards(self) -> int:
        """How many shards the split has."""
        return self.named_shards + len(self.record_files)

    def takes(self, key: str, seed: int) -> bool:
        """Whether `--limit` lets a row in."""
        return self.limit_rank is None or rank_of(key, seed) <= self.limit_rank

    @property
    def units(self) -> int:
        """About how many units are read."""
        by_shard = self.rows / max(1, self.named_shards)
        named = self.named_shards * math.ceil(by_shard / self.rows_per_unit)
        return named + self.record_units


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a conversion is cut into splits, shards and units.

    Attributes:
        config: what graph, records and reader agree on.
        record_keys: the features of record files; without the image's where rows have
            no images.
        splits: by name, sorted.
        apart: label maps and images that do not meet; None if all do.
        notes: what the user should know of the names, a line each.
        own: the user's own function, once it is traced.
    """

    config: features.Config
    record_keys: RecordKeys
    splits: dict[str, SplitPlan]
    apart: Apart | None = None
    notes: tuple[str, ...] = ()
    own: "OwnFunction | None" = None

    @property
    def rows(self) -> int:
        """Rows of all splits."""
        return sum(split.rows for split in self.splits.values())

    @property
    def rows_are_estimated(self) -> bool:
        """Whether the rows of record files are not counted yet."""
        return any(split.record_files for split in self.splits.values())

    @property
    def records_are_estimated(self) -> bool:
        """Whether rows are, or their tiles."""
        return self.rows_are_estimated or self.config.resize == "tile"

    @property
    def records(self) -> int:
        """Estimate of the records of all splits: their rows, or the rows' tiles."""
        if self.config.resize != "tile":
            return self.rows
        tile, overlap = self.config.size, self.config.overlap
        assert tile is not None
        total = 0.0
        for split in self.splits.values():
            counts = [len(tiles.offsets(*size, tile, overlap)) for size in split.sizes]
            total += split.rows * sum(counts) / max(1, len(counts))
        return round(total)

    def rank_of_about(self, rows: int) -> int:
        """Returns the rank that about so many rows of all splits do not exceed.

        There are about as many of them in a hundred million rows as in a thousand.
        """
        limits = [split.limit_rank for split in self.splits.values()]
        highest = max((2**64 if rank is None else rank for rank in limits), default=0)
        return highest * rows // max(rows, self.rows)

    @property
    def stored_bytes(self) -> int:
        """Estimate of what the records of all splits will take."""
        return sum(split.stored_bytes for split in self.splits.values())

    @property
    def bytes_by_storage(self) -> dict[str, int]:
        """The same for each way of storing images."""
        total = collections.Counter[str]()
        for split in self.splits.values():
            total.update(split.bytes_by_storage)
        return dict(total)

    @property
    def one_hot_bytes(self) -> int:
        """Estimate of what float32 one-hot masks of all splits would take."""
        total = 0.0
        for split in self.splits.values():
            pixels = [height * width for height, width in split.sizes]
            if pixels:
                total += split.rows * sum(pixels) / len(pixels)
        return int(total * 4 * self.config.num_classes)

    def shard_names(self, name: str) -> list[str]:
        """The file names of all shards."""
        return [
            dataset_files.shard_name(name, split, number, plan.shards)
            for split, plan in self.splits.items()
            for number in range(plan.shards)
        ]
