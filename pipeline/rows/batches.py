"""What moves within the stage: rows that are checked, and rows that are encoded."""

import dataclasses
from typing import Any, NamedTuple

import apache_beam as beam
import numpy.typing as npt

from maskbeam.pipeline.elements import RawRow
from maskbeam.pipeline.rows.run_lengths import Runs
from maskbeam.pipeline.runtime.coders import SizedCoder
from maskbeam.transforms import summaries


@dataclasses.dataclass(frozen=True)
class CheckedRow:
    """A row that can be encoded.

    Attributes:
        key: unique within its split.
        height: of the label map, in pixels.
        width: of the label map, in pixels.
        runs: class indices, `masks.index_dtype`, the largest value ignored.
        summary: of the row.
        image_bytes: the encoded image as it is stored; None where rows have none.
        image_format: `png` or `jpeg`; empty where rows have none.
        size: what the row takes of a unit, in bytes.
        raw: what it was made of, in the few that the skew check chooses from.
    """

    key: str
    height: int
    width: int
    runs: Runs
    summary: summaries.Summary
    image_bytes: bytes | None
    image_format: str
    size: int
    raw: RawRow | None = None


class CheckedBatch(NamedTuple):
    """Checked rows of one shard, few enough for one call of the graph."""

    split: str
    shard: int
    part: tuple[int, ...]
    rows: list[CheckedRow]

    @property
    def nbytes(self) -> int:
        """What it takes, about."""
        return sum(row.size for row in self.rows)


class EncodedBatch(NamedTuple):
    """Rows of one shard, in order, and their masks.

    Attributes:
        split: of all of them.
        shard: the number of the shard.
        part: sorts the shard's batches.
        rows: as they were checked.
        masks: of each row, for its runs: [R] or [R n], as `StoredMask.encode` gives
            them.
    """

    split: str
    shard: int
    part: tuple[int, ...]
    rows: list[CheckedRow]
    masks: list[npt.NDArray[Any]]

    @property
    def nbytes(self) -> int:
        """What the masks take."""
        return sum(mask.nbytes for mask in self.masks)


for batch in (CheckedBatch, EncodedBatch):
    beam.coders.registry.register_coder(batch, SizedCoder)
