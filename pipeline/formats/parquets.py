"""Parquet: rows with their pictures, as Hugging Face's `datasets` writes them.

A picture is a column of `struct<bytes: binary, path: string>`, or of plain binary.
"""

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from maskbeam.pipeline.elements import (
    WHOLE,
    BadRow,
    DamagedError,
    RawRow,
    Span,
    numbered_key,
)
from maskbeam.pipeline.formats.limits import RECORD_BYTES
from maskbeam.pipeline.formats.uncut import can_cut as can_cut
from maskbeam.pipeline.formats.uncut import spans as spans
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import RecordKeys

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# What the user left to the format is the first of these that is such a column. A
# `label` is often the number of a class: it is no picture, and passed over.
LABELS = (
    "label",
    "annotation",
    "mask",
    "labels",
    "segmentation_mask",
    "semantic_mask",
    "segmentation",
)
IMAGES = ("image", "pixel_values", "img")
KEYS = ("key", "file_name", "filename", "image_id")

_BATCH_ROWS = 16
_BATCH_BYTES = 32 << 20
_BUFFER_BYTES = 1 << 20  # without one, a column of a whole row group is read at once


def resolve(path: str, keys: RecordKeys) -> RecordKeys:
    """Names what the user left to the format, by the columns of a file.

    The image's name is empty if no column is known as the image's. The key's is empty
    if no column is known as the key's: rows are numbered then.

    Raises:
        ValueError: no column is known as the label map's, one that the user named is
            not there or of another type, or the file cannot be read.
    """
    try:
        with files.open_raw(path) as file:
            schema = _open(file).schema_arrow
    except DamagedError as error:
        raise ValueError(f"{path} cannot be read: {error.reason}") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    pictures = [field.name for field in schema if _is_picture(field.type)]
    texts = [field.name for field in schema if _is_text(field.type)]
    label, image, key = keys.label, keys.image, keys.key
    if label is None:
        label = next((n for n in LABELS if n in pictures and n != image), None)
    if label is None:
        raise ValueError(
            f"{path}: no column of pictures is known as the label map's; the columns "
            f"are {_in_words(schema)}: name the right one by --record_keys label=COLUMN"
        )
    if image is None:
        image = next((n for n in IMAGES if n in pictures and n != label), "")
    if key is None:
        key = next((n for n in KEYS if n in texts), "")
    named = RecordKeys(label, image, key)
    fault = _fault(schema, named)
    if fault:
        raise ValueError(f"{path}: {fault}")
    return named


def rows(
    path: str, keys: RecordKeys, span: Span = WHOLE, most: int = RECORD_BYTES
) -> Iterator[RawRow | BadRow]:
    """Reads the rows of a Parquet file, a few at a time.

    Args:
        path: of the file.
        keys: the columns, all named.
        span: all of it; a Parquet file is not cut.
        most: the largest encoded picture that is read, in bytes.

    Raises:
        DamagedError: after the rows before the damage, except the last few of them:
            rows are read a few at a time.
        OSError: the file cannot be read.
    """
    assert span == WHOLE, span
    with files.open_raw(path) as file:
        parquet = _open(file)
        fault = _fault(parquet.schema_arrow, keys)
        if fault:
            count = parquet.metadata.num_rows
            raise DamagedError(0, fault, count, is_estimate=False)
        for number, columns in enumerate(_rows(parquet, keys)):
            yield _parse(columns, path, number, keys, most)


def _open(file: IO[bytes]) -> "pq.ParquetFile":
    """Reads a file's footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(
            file,
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
        )
        _in_words(parquet.schema_arrow)  # names are decoded only when looked at
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DamagedError(0, f"no Parquet file, or cut off: {error}") from error
    return parquet


def _rows(parquet: "pq.ParquetFile", keys: RecordKeys) -> Iterator[dict[str, Any]]:
    """The values of each row, in the columns that make it."""
    import pyarrow as pa

    schema = parquet.schema_arrow
    wanted = [
        f"{name}.bytes" if pa.types.is_struct(schema.field(name).type) else name
        for name in (keys.label, keys.image, keys.key)
        if name
    ]
    count, number = parquet.metadata.num_rows, 0
    reason = "the file ends before the last of its rows"
    try:
        for batch in parquet.iter_batches(_batch_rows(parquet), columns=wanted):
            yield from batch.to_pylist()
            number += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error)
    if number < count:
        raise DamagedError(number, reason, count - number, is_estimate=False)


def _batch_rows(parquet: "pq.ParquetFile") -> int:
    """How many rows are read at once: few where they are large."""
    groups = map(parquet.metadata.row_group, range(parquet.metadata.num_row_groups))
    size = sum(group.total_byte_size for group in groups)
    mean = size // max(1, parquet.metadata.num_rows)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, mean)))


def _parse(
    columns: dict[str, Any], path: str, number: int, keys: RecordKeys, most: int
) -> RawRow | BadRow:
    assert keys.label is not None
    parts: dict[str, bytes] = {}
    for name in filter(None, (keys.label, keys.image)):
        value = columns[name]
        found = value["bytes"] if isinstance(value, dict) else value
        if found is None:
            return BadRow(
                number,
                f"the column {name!r} holds no bytes of a picture here, at best the "
                "path of its file: put the pictures into the Parquet file, by "
                "push_to_hub(embed_external_files=True) of `datasets`, or by mapping "
                "its embed_table_storage before to_parquet",
            )
        if len(found) > most:
            return BadRow(
                number,
                f"the column {name!r} holds {len(found)} bytes here, and no picture of "
                f"--max_pixels has more than {most}",
            )
        parts[name] = found
    key = columns[keys.key] if keys.key else numbered_key(path, number)
    if key is None:
        return BadRow(number, f"the column {keys.key!r} for the key is null here")
    source = f"{path}#{number}"
    return RawRow(
        str(key),
        source,
        source,
        parts[keys.label],
        parts[keys.image] if keys.image else None,
    )


def _fault(schema: "pa.Schema", keys: RecordKeys) -> str:
    """Why a file's columns make no rows, in words; empty if they do."""
    for name, meaning in ((keys.label, "label map"), (keys.image, "image")):
        if name and schema.names.count(name) > 1:
            return f"there are {schema.names.count(name)} columns {name!r}"
        if name and not (name in schema.names and _is_picture(schema.field(name).type)):
            return (
                f"there is no column {name!r} of pictures for the {meaning}, which is "
                "struct<bytes: binary, path: string> or binary; the columns are "
                f"{_in_words(schema)}: name the right one by --record_keys"
            )
    if keys.key and not (
        schema.names.count(keys.key) == 1 and _is_text(schema.field(keys.key).type)
    ):
        return (
            f"there is no column {keys.key!r} of text for the key; the columns are "
            f"{_in_words(schema)}: name the right one by --record_keys, or number the "
            "rows by an empty key="
        )
    return ""


def _in_words(schema: "pa.Schema") -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def _is_picture(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return at >= 0 and _is_binary(kind.field(at).type)
    return _is_binary(kind)


def _is_binary(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
