"""Encoded label maps to runs of class indices; or rejected, with the reason."""

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.elements import RejectedError
from maskbeam.pipeline.formats import picture_header, png_palette
from maskbeam.pipeline.rows import looks, moves, refusals
from maskbeam.pipeline.rows.looks import Look
from maskbeam.pipeline.rows.moves import Moved
from maskbeam.pipeline.rows.run_lengths import Runs, counts_of, runs_of
from maskbeam.pipeline.runtime import progress
from maskbeam.transforms import decode, masks
from maskbeam.transforms.classes import UNKNOWN, ClassMap, color_levels
from maskbeam.transforms.png_kinds import PALETTE, RGB, RGBA, Kind

# With the rows that were read it tells whether any was decoded twice.
_LABEL_MAPS = beam.metrics.Metrics.counter(progress.NAMESPACE, "label_maps")

LOOKED_UP = 1 << 22  # pixels at once: a code takes more than its levels


class LabelMaps:
    """Decodes label maps, and looks up what their values mean.

    Args:
        class_map: what they mean.
    """

    def __init__(self, class_map: ClassMap) -> None:
        self._class_map = class_map
        self._index_dtype = masks.index_dtype(class_map.num_classes)
        # (id -> class index or IGNORED or UNKNOWN, id -> index as stored), by depth
        self._tables = {depth: self._table(depth) for depth in (8, 16)}
        self._is_color = class_map.encoding == "color"
        if class_map.moves and self._is_color:
            named = map(color_levels, class_map.values)
            self._colors = np.array([*named], np.int32)
        elif class_map.moves:
            self._distances = class_map.distances()

    def _table(
        self, id_depth: int
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.generic]]:
        forward = self._class_map.forward_table(id_depth)
        index = np.where(forward < 0, self.ignored, forward)
        return forward, index.astype(self._index_dtype.as_numpy_dtype)

    @property
    def ignored(self) -> int:
        """The index of ignored pixels, the largest of its type."""
        return self._index_dtype.max

    def check_kind(self, header: picture_header.Header) -> None:
        """Refuses pictures of a kind that the class map's encoding does not read.

        Raises:
            RejectedError: the label map is of such a kind.
        """
        if header.kind not in self._class_map.kinds:
            reason = refusals.other_kind(header.kind, self._class_map)
            raise RejectedError("header", f"label map: {reason}")

    def read(
        self, data: bytes, header: picture_header.Header, *, strays: bool = False
    ) -> tuple[Runs, npt.NDArray[np.int64], Look]:
        """The class indices of a label map, and how often each occurs.

        Args:
            data: the encoded label map.
            header: of it, which `check_kind` let pass.
            strays: whether to look for stray pixels.

        Returns:
            Runs of indices, `masks.index_dtype`; what `counts` of them returns, which
            the counts of the values say sooner; and a look at some of the pixels.

        Raises:
            RejectedError: it is damaged, or holds a value that the class map does not
                name.
        """
        _LABEL_MAPS.inc()
        ids, moved = self._ids(data, header)
        runs = runs_of(ids)
        forward, table = self._tables[8 * ids.itemsize]
        counts = runs.counts()
        if self._class_map.moves and not self._is_color:
            moved = moves.of_counts(counts, self._distances)
        present = np.flatnonzero(counts)
        unknown = present[forward[present] == UNKNOWN]
        if unknown.size:
            raise RejectedError("classes", self._unknown(data, header, ids, unknown))
        runs = runs._replace(values=table[runs.values])
        is_stray = looks.is_stray(runs, ids.shape) if strays else None
        return (
            runs,
            counts_of(table[present], counts[present]),
            Look(table[looks.sampled(ids)], is_stray, moved),
        )

    def meanings(
        self, data: bytes, header: picture_header.Header
    ) -> tuple[npt.NDArray[np.int32], str]:
        """What each pixel of a label map means, whether the class map names it or not.

        Args:
            data: the encoded label map.
            header: of it, which `check_kind` let pass.

        Returns:
            i32[H W]: a class index, `IGNORED` or `UNKNOWN`; and what is unknown, in
            words.

        Raises:
            RejectedError: it is damaged.
        """
        ids, _ = self._ids(data, header)
        forward, _ = self._tables[8 * ids.itemsize]
        found = forward[ids]
        unknown = np.unique(ids[found == UNKNOWN])
        why = self._unknown(data, header, ids, unknown) if unknown.size else ""
        return found, why

    def _ids(
        self, data: bytes, header: picture_header.Header
    ) -> tuple[npt.NDArray[np.integer], Moved | None]:
        """Decodes a label map to ids, of the size that its header says.

        What is returned beside them is which colours were moved.
        """
        assert header.kind is not None
        ids, moved = self._decode(data, header.kind)
        if ids.shape != (header.height, header.width):
            reason = refusals.other_than_promised(
                (header.height, header.width), ids.shape
            )
            raise RejectedError("decode", f"label map: {reason}")
        return ids, moved

    def _unknown(
        self,
        data: bytes,
        header: picture_header.Header,
        ids: npt.NDArray[np.generic],
        unknown: npt.NDArray[np.generic],
    ) -> str:
        """Says which values the class map does not name, and how many pixels have."""
        assert header.kind is not None
        values = self._values(data, header.kind, ids)[np.isin(ids, unknown)]
        found, pixels = np.unique(values, return_counts=True)
        return refusals.unknown_values(found, pixels, self._class_map)

    def all_ignored(self, height: int, width: int) -> tuple[Runs, Look]:
        """The class indices of an image that has no label map."""
        index = np.array([self.ignored], self._index_dtype.as_numpy_dtype)
        pixels = np.broadcast_to(index, (height, width))
        return Runs(index, np.array([height * width])), Look(looks.sampled(pixels))

    def _decode(
        self, data: bytes, kind: Kind
    ) -> tuple[npt.NDArray[np.integer], Moved | None]:
        class_map = self._class_map
        try:
            if kind.color_type == PALETTE and (self._is_color or class_map.channel):
                _check_palette(data, kind)
            has_colors = kind.color_type in (RGB, RGBA)
            if class_map.encoding == "index":
                if has_colors and not class_map.channel:
                    return _greys(data, kind, class_map), None
            elif has_colors or (self._is_color and class_map.moves):
                return self._ids_of_colors(data, kind)
            # Unlike `numpy()` this does not copy.
            return np.asarray(decode.ids(tf.constant(data), kind, class_map)), None
        except tf.errors.InvalidArgumentError as error:
            reason = refusals.damaged(str(error.message))
            raise RejectedError("decode", f"label map: {reason}") from error

    def _ids_of_colors(
        self, data: bytes, kind: Kind
    ) -> tuple[npt.NDArray[np.integer], Moved | None]:
        """Looks colours up, a few lines at a time."""
        levels = np.asarray(decode.color_levels(tf.constant(data), kind))
        height, width = levels.shape[:2]
        depth = self._class_map.id_depth(kind.depth)
        ids = np.empty((height, width), np.uint8 if depth == 8 else np.uint16)
        lines = max(1, LOOKED_UP // width)
        squares = np.zeros(moves.SQUARES, np.int64) if self._class_map.moves else None
        for top in range(0, height, lines):
            some = slice(top, top + lines)
            part = decode.ids_of_levels(levels[some], self._class_map)
            # 65535, an unknown colour, becomes 255, which is that in 8 bits.
            ids[some] = np.asarray(part).astype(ids.dtype)
            if squares is not None:
                squares += moves.squares(levels[some], ids[some], self._colors)
        return ids, None if squares is None else moves.of_squares(squares)

    def _values(
        self, data: bytes, kind: Kind, ids: npt.NDArray[np.generic]
    ) -> npt.NDArray[np.generic]:
        """Ids as the user knows them: of colours, all that are unknown have one id."""
        if self._class_map.encoding == "color":
            return decode.color_codes(decode.color_levels(data, kind)).numpy()
        return ids


def _greys(data: bytes, kind: Kind, class_map: ClassMap) -> npt.NDArray[np.uint8]:
    """Decodes an RGB or RGBA file of greys, as `decode.ids` does, by which it may fail.

    Raises:
        RejectedError: it has other colours, or its label map is in alpha.
    """
    levels = decode.four_channels(tf.constant(data))
    unequal = np.asarray(decode.are_unequal(levels))
    if unequal.any():
        reason = refusals.other_channels(np.asarray(levels), unequal, kind, class_map)
        raise RejectedError("decode", f"label map: {reason}")
    if decode.is_in_alpha(levels):
        reason = refusals.in_alpha(kind, class_map)
        raise RejectedError("decode", f"label map: {reason}")
    return np.asarray(levels[..., 0])


def _check_palette(data: bytes, kind: Kind) -> None:
    """Refuses pixels beyond the palette, which decoders make black.

    Raises:
        RejectedError: there are such pixels.
    """
    colors = png_palette.palette_colors(data)
    if colors >= 2**kind.depth:
        return
    indices = np.asarray(decode.palette_indices(tf.constant(data), kind))
    if (pixels := np.count_nonzero(indices >= colors)) > 0:
        reason = refusals.beyond_palette(int(indices.max()), int(pixels), colors)
        raise RejectedError("decode", f"label map: {reason}")
