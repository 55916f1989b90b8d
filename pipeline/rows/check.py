"""Raw rows to checked rows: decoded, judged, summarised; or rejected, with the reason.

Whatever would make the transform graph fail, or lie, stops here. Rows are decoded one
by one, by the functions that the graph maps over a batch, so a row that cannot be
decoded takes no other row with it.
"""

import functools
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.elements import Origins, RawRow, RejectedError, Rejection
from maskbeam.pipeline.formats import limits, picture_header
from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import sizes
from maskbeam.pipeline.planning.plan import (
    SKEW_BYTES,
    SKEW_CANDIDATES,
    SKEW_PIXELS,
    Plan,
)
from maskbeam.pipeline.rows import headers, images, looks, refusals
from maskbeam.pipeline.rows.batches import Batch, CheckedBatch, CheckedRow
from maskbeam.pipeline.rows.images import Image
from maskbeam.pipeline.rows.label_maps import LabelMaps
from maskbeam.pipeline.rows.looks import Look
from maskbeam.pipeline.rows.moves import Moved
from maskbeam.pipeline.rows.run_lengths import Runs, runs_of
from maskbeam.pipeline.runtime import progress, turns
from maskbeam.pipeline.runtime.loading import loading
from maskbeam.transforms import features, geometry, stored_masks, summaries, tiles
from maskbeam.transforms.classes import ClassMap

if TYPE_CHECKING:
    from maskbeam.pipeline.own_function.row_part import RowPart

REJECTED = "rejected"

_BYTES_PER_PIXEL = 14  # of a label map and of its image, one after the other
_STRAY_ROWS = 128  # about so many are looked at for stray pixels

Index = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@beam.typehints.with_output_types(CheckedBatch)
class CheckBatch(beam.DoFn):
    """Batch -> CheckedBatch.

    The side output is `rejected`: Rejection. A few rows bring the RawRow that they were
    made of, and a few more are looked at for stray pixels.
    """

    def __init__(self, options: Options, plan: Plan) -> None:
        self._options = options
        self._config = plan.config
        self._skew_rank = plan.rank_of_about(SKEW_CANDIDATES)
        self._stray_rank = plan.rank_of_about(_STRAY_ROWS)
        self._code = None if plan.own is None else plan.own.code

    def setup(self) -> None:
        """Makes the tables, which are too large to be sent."""
        options = self._options
        own = None
        if self._code is not None:
            with loading():  # TF Transform, which others do without
                from maskbeam.pipeline.own_function.row_part import row_part
            own = row_part(self._code, self._config)
        self._bytes_per_pixel = _BYTES_PER_PIXEL + (own.bytes_per_pixel if own else 0)
        self._check = RowCheck(options.class_map, self._config, options.max_pixels, own)

    def process(self, batch: Batch) -> Iterator[Any]:
        """Checks one batch, and cuts it if it turns out larger than a unit."""
        numbers = itertools.count()
        size = 0
        rows: list[CheckedRow] = []

        def part_of() -> CheckedBatch:
            part = (*batch.part, next(numbers))
            return CheckedBatch(batch.split, batch.shard, part, rows)

        for raw in batch.rows:
            # What comes after this step is done before it goes on, so a large row has
            # its turn until it is written.
            with turns.DECODE.take(self._needed_bytes(raw)):
                for row in self._checked(raw, batch.split):
                    if isinstance(row, Rejection):
                        yield beam.pvalue.TaggedOutput(REJECTED, row)
                        continue
                    if rows and size + row.size > sizes.UNIT_BYTES:
                        yield part_of()
                        size, rows = 0, []
                    rows.append(row)
                    size += row.size
                if size > sizes.UNIT_BYTES:  # and others need not wait with it
                    yield part_of()
                    size, rows = 0, []
        if rows:
            yield part_of()

    def _checked(self, raw: RawRow, split: str) -> Iterator[CheckedRow | Rejection]:
        """A row, or its tiles; or why it is rejected."""
        rank = rank_of(raw.key, self._options.seed)
        is_first = True
        try:
            # A picture's tiles are rejected together. They come one by one, unless a
            # function of the user's may yet fail on one.
            for row in self._check(raw, strays=rank <= self._stray_rank):
                if is_first:  # and of a picture's tiles the only one that counts
                    row, is_first = self._first(row, raw, rank), False
                yield row
        except RejectedError as error:
            progress.TALLY.add(rejected=1)
            yield Rejection(
                raw.key, split, raw.source, error.stage, error.reason, rank=rank
            )

    def _needed_bytes(self, raw: RawRow) -> int:
        """What a row needs in memory while it is decoded, about."""
        return self._bytes_per_pixel * min(_pixels(raw), self._options.max_pixels)

    def _first(self, row: CheckedRow, raw: RawRow, rank: int) -> CheckedRow:
        """A row, or the first of its tiles, with what is known of its source."""
        sampled = (
            rank <= self._skew_rank
            and _pixels(raw) <= SKEW_PIXELS
            and row.size <= SKEW_BYTES
        )
        return row._replace(
            look=row.look._replace(overlapping=raw.overlapping),
            origins=Origins(1, rank, int(row.is_turned)),
            raw=raw if sampled else None,
        )


def _pixels(raw: RawRow) -> int:
    """The pixels that a row's label map, or else its image, promises."""
    data = raw.label_bytes or raw.image_bytes or b""
    try:
        return picture_header.read_header(data).pixels
    except ValueError:  # which `RowCheck` will say
        return 0


class RowCheck:
    """Checks rows one by one.

    Args:
        class_map: what label values mean.
        config: what the rows become.
        max_pixels: the largest picture that is decoded.
        own: what of the user's own function runs here.
    """

    def __init__(
        self,
        class_map: ClassMap,
        config: features.Config,
        max_pixels: int,
        own: "RowPart | None" = None,
    ) -> None:
        self._own = own
        self._label_maps = LabelMaps(class_map)
        self._config = config
        self._stored = stored_masks.of(config)
        self._max_pixels = max_pixels
        # Most rows are of a few sizes.
        self._unit_bytes = functools.lru_cache(
            functools.partial(sizes.unit_bytes, config)
        )

    def __call__(self, raw: RawRow, *, strays: bool = False) -> Iterator[CheckedRow]:
        """Decodes, judges and summarises one row; yields it, or its tiles.

        Args:
            raw: the row.
            strays: whether to look for stray pixels.

        Raises:
            RejectedError: with stage and reason, before anything is yielded.
        """
        rows = self._rows(raw, strays)
        # The user's function may fail on any of the tiles.
        return rows if self._own is None else iter(list(rows))

    def _rows(self, raw: RawRow, strays: bool) -> Iterator[CheckedRow]:
        if raw.label_bytes is None:
            image = self._image(raw, None)
            assert image is not None
            height, width = image.levels.shape[:2]
            self._check_mask_size(height, width)
            runs, look = self._label_maps.all_ignored(height, width)
            strays = False
            counts = runs.counts()
        else:
            header = headers.read(raw.label_bytes, "label map", self._max_pixels)
            self._label_maps.check_kind(header)
            height, width = header.height, header.width
            self._check_mask_size(height, width)
            runs, counts, look = self._label_maps.read(
                raw.label_bytes, header, strays=strays and self._config.size is None
            )
            image = self._image(raw, header)
        size = self._config.size
        if size is None:
            yield self._row(raw.key, (height, width), runs, counts, look, image)
            return
        index = runs.repeat(runs.values).reshape(height, width)
        if self._config.resize == "tile":
            yield from self._tiles(raw, index, image, strays, look.moved)
            return
        index = geometry.fit_label(
            index, size, self._config.resize, self._label_maps.ignored
        ).numpy()
        fitted = None if image is None else image.fit(self._config)
        yield self._row_of(raw.key, index, fitted, strays, look.moved)

    def _check_mask_size(self, height: int, width: int) -> None:
        height, width = self._config.size or (height, width)
        size = self._stored.bytes_per_pixel * height * width
        if size > limits.RECORD_BYTES:
            shape = (height, width, *self._stored.depth)
            reason = refusals.mask_too_large(self._stored.encoding, shape, size)
            raise RejectedError("size", reason)

    def _image(self, raw: RawRow, label: picture_header.Header | None) -> Image | None:
        """The image, upright and of the label map's size."""
        if raw.image_bytes is None:  # as it is for all rows, or for none
            return None
        what = f"image {raw.image_source}"
        header = headers.read(raw.image_bytes, what, self._max_pixels)
        turn = images.turn_of(raw.image_bytes, header, self._config.exif, what)
        size = images.upright_size(header, turn)
        if label is not None and (label.height, label.width) != size:
            reason = refusals.other_size((label.height, label.width), size, turn, what)
            raise RejectedError("pair", reason)
        return images.read(
            raw.image_bytes, header, turn, self._config.image_storage, what
        )

    def _tiles(
        self,
        raw: RawRow,
        index: Index,
        image: Image | None,
        strays: bool,
        moved: Moved | None,
    ) -> Iterator[CheckedRow]:
        """The tiles of a picture, in order; or the one that it is.

        The first counts what was moved in all of them.
        """
        tile = self._config.size
        assert tile is not None
        height, width = index.shape
        for offset in tiles.offsets(height, width, tile, self._config.overlap):
            part = tiles.cut(index, offset, tile, self._label_maps.ignored)
            image_part = None if image is None else image.cut(offset, tile)
            key = raw.key
            if not raw.is_tile:
                key = tiles.tile_key(key, offset, (height, width))
            yield self._row_of(key, part, image_part, strays, moved)
            moved = None

    def _row_of(
        self,
        key: str,
        index: Index,
        image: Image | None,
        strays: bool,
        moved: Moved | None,
    ) -> CheckedRow:
        """A row of class indices u8[H W] or u16[H W]."""
        runs = runs_of(index)
        height, width = index.shape
        is_stray = looks.is_stray(runs, (height, width)) if strays else None
        look = Look(looks.sampled(index), is_stray, moved)
        return self._row(key, (height, width), runs, runs.counts(), look, image)

    def _row(
        self,
        key: str,
        shape: tuple[int, int],
        runs: Runs,
        counts: npt.NDArray[np.int64],
        look: Look,
        image: Image | None,
    ) -> CheckedRow:
        """A row as it will be stored."""
        encoded, image_format = None, ""
        if image is not None:
            encoded, image_format = image.stored(self._config.image_storage)
        own = {}
        if self._own is not None:
            index = runs.repeat(runs.values).reshape(shape)
            own = self._own(key, index, None if image is None else image.levels)
        return CheckedRow(
            key,
            *shape,
            runs,
            summaries.of_row(
                counts[: self._config.num_classes],
                int(counts[-1]),
                None if image is None else image.levels,
            ),
            look,
            encoded,
            image_format,
            self._unit_bytes(*shape) + sum(column.nbytes for column in own.values()),
            image is not None and image.is_turned,
            own=own,
        )
