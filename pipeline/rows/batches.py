"""What moves within the row stage: raw, checked and encoded rows, in batches."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy.typing as npt

from maskbeam.pipeline.elements import Origins, RawRow
from maskbeam.pipeline.rows.looks import Look
from maskbeam.pipeline.rows.run_lengths import Runs
from maskbeam.pipeline.runtime.coders import SizedCoder
from maskbeam.transforms import summaries


class Batch(NamedTuple):
    """Rows of one shard, in order, and where in the shard they belong.

    Attributes:
        split: the split of all rows.
        shard: the number of the shard.
        part: sorts the shard's batches.
        rows: as read.
    """

    split: str
    shard: int
    part: tuple[int, ...]
    rows: list[RawRow]

    @property
    def nbytes(self) -> int:
        """The size of the encoded files, in bytes."""
        return sum(row.nbytes for row in self.rows)


class CheckedRow(NamedTuple):
    """A row that can be encoded.

    Attributes:
        key: unique within its split.
        height: the mask's height, in pixels.
        width: the mask's width, in pixels.
        runs: class indices, `masks.index_dtype`, the largest value ignored.
        summary: the row's summary.
        look: at some of the pixels.
        image_bytes: the encoded image as it is stored; None if rows have none.
        image_format: `png`, `jpeg` or `raw`; empty if rows have no images.
        size: the bytes that the row takes up in a unit.
        is_turned: whether the image was turned upright.
        origins: the row itself; nothing for the further tiles of a picture.
        raw: the raw row, in the few rows that the skew check chooses from.
        own: the columns of the user's own function that go into the record.
    """

    key: str
    height: int
    width: int
    runs: Runs
    summary: summaries.RowSummary
    look: Look
    image_bytes: bytes | None
    image_format: str
    size: int
    is_turned: bool = False
    origins: Origins = Origins()
    raw: RawRow | None = None
    own: Mapping[str, npt.NDArray[Any]] = {}


class CheckedBatch(NamedTuple):
    """Checked rows of one shard, few enough for one call of the graph."""

    split: str
    shard: int
    part: tuple[int, ...]
    rows: list[CheckedRow]

    @property
    def nbytes(self) -> int:
        """The batch's size, about, in bytes."""
        return sum(row.size for row in self.rows)


class EncodedBatch(NamedTuple):
    """Rows of one shard, in order, and their masks.

    Attributes:
        split: the split of all rows.
        shard: the number of the shard.
        part: sorts the shard's batches.
        rows: as they were checked.
        masks: for each row, the encoded pixels of its R runs: [R] or [R n], as
            `StoredMask.encode` returns them; None for a row that is too large to be
            encoded at once.
    """

    split: str
    shard: int
    part: tuple[int, ...]
    rows: list[CheckedRow]
    masks: Sequence[npt.NDArray[Any] | None]

    @property
    def nbytes(self) -> int:
        """The masks' size, in bytes."""
        return sum(mask.nbytes for mask in self.masks if mask is not None)


for batch in (Batch, CheckedBatch, EncodedBatch):
    beam.coders.registry.register_coder(batch, SizedCoder)
