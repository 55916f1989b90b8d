"""Raw rows to checked rows: decoded, judged, summarised; or rejected, with the reason.

Whatever would make the transform graph fail, or lie, stops here. Rows are decoded one
by one, by the functions that the graph maps over its batch, so a row that cannot be
decoded takes no other with it.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline import header, png, progress, sizes
from pipeline.options import Options
from pipeline.rows import Batch, RawRow, RejectedError, Rejection
from transforms import decode, features, geometry, masks, summaries
from transforms.classes import IGNORED, UNKNOWN, ClassMap

REJECTED = "rejected"

_DTYPES = {"8-bit grey": tf.uint8, "16-bit grey": tf.uint16}
_PROTOBUF_BYTES = 2**31 - 1

_WAYS_OUT = {
    "palette": "save the palette's indices as grey: TensorFlow decodes them to luma",
    "RGB": "colours are no class ids: map them to ids, and save those as grey",
    "JPEG": "JPEG changes label values: save label maps as PNG",
}


@dataclasses.dataclass(frozen=True)
class CheckedRow:
    """A row that can be encoded.

    Attributes:
        key: unique within its split.
        index: `masks.index_dtype`[H W], class indices, the largest value ignored.
        summary: of the row.
        image_bytes: the encoded image as it is stored; None where rows have none.
        image_format: `png` or `jpeg`; empty where rows have none.
        size: what the row takes of a unit, in bytes.
    """

    key: str
    index: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    summary: summaries.Summary
    image_bytes: bytes | None
    image_format: str
    size: int


@dataclasses.dataclass(frozen=True)
class CheckedBatch:
    """Checked rows of one shard, few enough for one call of the graph."""

    split: str
    shard: int
    part: tuple[int, ...]
    rows: list[CheckedRow]


class CheckBatch(beam.DoFn):
    """Batches to checked batches, and `rejected`."""

    def __init__(self, options: Options, config: features.Config) -> None:
        self._check = RowCheck(options.class_map, config, options.max_pixels)

    def process(self, batch: Batch) -> Iterator[Any]:
        """Checks one batch; one that turns out larger than a unit is cut."""
        slices, size = 0, 0
        rows: list[CheckedRow] = []
        for raw in batch.rows:
            try:
                row = self._check(raw)
            except RejectedError as error:
                progress.TALLY.add(rejected=1)
                yield beam.pvalue.TaggedOutput(
                    REJECTED,
                    Rejection(
                        raw.key, batch.split, raw.source, error.stage, error.reason
                    ),
                )
                continue
            if rows and size + row.size > sizes.UNIT_BYTES:
                part = (*batch.part, slices)
                yield CheckedBatch(batch.split, batch.shard, part, rows)
                slices, size, rows = slices + 1, 0, []
            rows.append(row)
            size += row.size
        if rows:
            yield CheckedBatch(batch.split, batch.shard, (*batch.part, slices), rows)


class RowCheck:
    """Checks rows one by one.

    Args:
        class_map: what label values mean.
        config: what the rows become.
        max_pixels: the largest picture that is decoded.
    """

    def __init__(
        self, class_map: ClassMap, config: features.Config, max_pixels: int
    ) -> None:
        self._class_map = class_map
        self._config = config
        self._max_pixels = max_pixels
        # (id -> class index or IGNORED or UNKNOWN, id -> index as stored), by dtype
        self._tables = {
            dtype: self._table(dtype.size * 8) for dtype in _DTYPES.values()
        }

    def _table(
        self, bit_depth: int
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.generic]]:
        forward = self._class_map.forward_table(bit_depth)
        dtype = masks.index_dtype(self._config.num_classes)
        return forward, np.where(forward < 0, dtype.max, forward).astype(
            dtype.as_numpy_dtype
        )

    def __call__(self, raw: RawRow) -> CheckedRow:
        """Decodes, judges and summarises one row.

        Raises:
            RejectedError: with stage and reason.
        """
        label_header = self._label_header(raw.label_bytes)
        dtype = _DTYPES[label_header.kind]
        try:
            ids = decode.grey_ids(raw.label_bytes, dtype)
        except tf.errors.InvalidArgumentError as error:
            raise RejectedError("decode", f"label map: {_cause(error)}") from error
        found = self._histogram(ids.numpy(), dtype)
        self._judge(found, dtype)
        if self._config.size is not None:
            ids = geometry.resize_ids(ids, self._config.size)
            found = self._histogram(ids.numpy(), dtype)
        ids = ids.numpy()
        levels, image_bytes, image_format = self._image(raw, label_header)
        counts, ignored = self._count(found, dtype)
        height, width = label_header.height, label_header.width
        return CheckedRow(
            key=raw.key,
            index=self._index(ids, dtype),
            summary=summaries.of_row(counts, ignored, levels),
            image_bytes=image_bytes,
            image_format=image_format,
            size=sizes.unit_bytes(self._config, height, width),
        )

    def _label_header(self, data: bytes) -> header.Header:
        found = self._header(data, "label map")
        if found.kind not in _DTYPES:
            kind = "JPEG" if found.format == "jpeg" else found.kind
            way_out = next((text for w, text in _WAYS_OUT.items() if w in kind), None)
            raise RejectedError(
                "header",
                f"label map: {kind}, where 8- or 16-bit grey is read"
                + (f"; {way_out}" if way_out else ""),
            )
        height, width = self._config.size or (found.height, found.width)
        if self._config.mask_encoding == "float32":
            record = height * width * sizes.mask_bytes_per_pixel(self._config)
            if record > _PROTOBUF_BYTES:
                raise RejectedError(
                    "size",
                    f"the float32 mask [{height} {width} {self._config.num_classes}] "
                    f"takes {record} bytes, and a record holds {_PROTOBUF_BYTES}: use "
                    "another --mask_encoding, or --size",
                )
        return found

    def _header(self, data: bytes, what: str) -> header.Header:
        try:
            found = header.read_header(data)
        except ValueError as error:
            raise RejectedError("header", f"{what}: {error}") from error
        if found.pixels > self._max_pixels:
            raise RejectedError(
                "header",
                f"{what}: its header promises {found.height} x {found.width} = "
                f"{found.pixels} pixels, and --max_pixels is {self._max_pixels}",
            )
        return found

    def _histogram(
        self, ids: npt.NDArray[np.generic], dtype: tf.DType
    ) -> npt.NDArray[np.int64]:
        """How many pixels each id has: i64[256] or i64[65536]."""
        return np.bincount(ids.ravel(), minlength=dtype.max + 1)

    def _judge(self, found: npt.NDArray[np.int64], dtype: tf.DType) -> None:
        """Rejects ids that the class map does not name."""
        forward, _ = self._tables[dtype]
        unknown = np.flatnonzero((forward == UNKNOWN) & (found > 0))
        if not unknown.size:
            return
        shown = ", ".join(f"{v} at {found[v]} pixels" for v in unknown[:4])
        more = f" and {unknown.size - 4} more values" if unknown.size > 4 else ""
        hint = "if it is meant, name it there, under a class or under `ignore`"
        if 255 in unknown:
            hint = "255 often is the ignore label: if so, add it to `ignore`"
        raise RejectedError(
            "classes",
            f"label value {shown}{more}, outside class map {self._class_map.name}, "
            f"which has {self._class_map.describe_ids()}; {hint}",
        )

    def _count(
        self, found: npt.NDArray[np.int64], dtype: tf.DType
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Pixels by class, and ignored ones."""
        forward, _ = self._tables[dtype]
        counts = np.zeros(self._config.num_classes, np.int64)
        named = forward >= 0
        np.add.at(counts, forward[named], found[named])
        return counts, int(found[forward == IGNORED].sum())

    def _index(
        self, ids: npt.NDArray[np.generic], dtype: tf.DType
    ) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
        _, table = self._tables[dtype]
        if ids.itemsize == table.itemsize == 1:
            # Half as long as indexing, which widens every id to 64 bits.
            mapped = np.frombuffer(ids.tobytes().translate(table.tobytes()), np.uint8)
            return mapped.reshape(ids.shape)
        return table[ids]

    def _image(
        self, raw: RawRow, label_header: header.Header
    ) -> tuple[npt.NDArray[np.uint8] | None, bytes | None, str]:
        """The image as the model sees it, and as it is stored."""
        if raw.image_bytes is None:  # as it is for all rows, or for none
            return None, None, ""
        found = self._header(raw.image_bytes, f"image {raw.image_source}")
        if (found.height, found.width) != (label_header.height, label_header.width):
            raise RejectedError(
                "pair",
                f"label map and image differ in size: {label_header.height} x "
                f"{label_header.width} and {found.height} x {found.width} (height x "
                f"width), image {raw.image_source}",
            )
        try:
            levels = decode.image_levels(tf.constant(raw.image_bytes))
        except tf.errors.InvalidArgumentError as error:
            raise RejectedError(
                "decode", f"image {raw.image_source}: {_cause(error)}"
            ) from error
        levels = geometry.resize_levels(levels, self._config.size).numpy()
        if self._config.image_storage == "png":
            return levels, png.encode_png(levels), "png"
        return levels, raw.image_bytes, found.format


def _cause(error: tf.errors.InvalidArgumentError) -> str:
    """TensorFlow's message without its own place names."""
    message = str(error.message).split(" [Op:")[0].split("{{")[-1]
    return f"damaged or cut off: {message.split('}} ')[-1]}"
