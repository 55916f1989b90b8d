"""tf.Example: reads rows from the records of others, and serializes our own."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from maskbeam.pipeline.elements import (
    WHOLE,
    BadRow,
    DamagedError,
    RawRow,
    Span,
    numbered_key,
)
from maskbeam.pipeline.formats import tfrecords
from maskbeam.pipeline.formats.example_message import Example
from maskbeam.pipeline.formats.limits import RECORD_BYTES
from maskbeam.pipeline.values import RecordKeys
from maskbeam.transforms import features
from maskbeam.transforms.protobuf_wire import (
    Content,
    field,
    fields,
    joined,
    of_bytes,
    varint,
)
from maskbeam.transforms.stored_masks import Floats

Value = str | bytes | int | npt.NDArray[np.int64] | Floats

_LOOKED_AT = 64


def resolve(path: str, keys: RecordKeys) -> RecordKeys:
    """Names what the user left to the format: DeepLab's features.

    The image's is empty if none of the first records has it.
    """
    image = keys.image
    if image is None:
        first = itertools.islice(_whole_records(path), _LOOKED_AT)
        name = features.EXAMPLE_IMAGE
        image = name if any(name in _features(r) for r in first) else ""
    return RecordKeys(
        features.EXAMPLE_LABEL if keys.label is None else keys.label,
        image,
        features.EXAMPLE_KEY if keys.key is None else keys.key,
    )


def _whole_records(path: str) -> Iterator[bytes]:
    """The records before a file's damage."""
    with contextlib.suppress(DamagedError, OSError):
        for record in tfrecords.records(path):
            if not isinstance(record, tfrecords.BadRecord):
                yield record


def _features(record: bytes) -> Mapping[str, Any]:
    """A record's features; empty if it is no tf.Example."""
    try:
        features: Mapping[str, Any] = Example.FromString(record).features.feature
    except DecodeError:
        return {}
    return features


def can_cut(path: str) -> bool:
    """Whether parts of a file can be read by themselves: not those of a GZIP file.

    Raises:
        OSError: the file cannot be read.
    """
    return not tfrecords.is_gzip(path)


def spans(path: str, size: int) -> Iterator[Span]:
    """The parts of a file, in order, of about `size` bytes; a GZIP file is one.

    Raises:
        OSError: the file cannot be read.
    """
    if can_cut(path):
        yield from tfrecords.spans(path, size)
    else:
        yield WHOLE


def rows(
    path: str, keys: RecordKeys, span: Span = WHOLE, most: int = RECORD_BYTES
) -> Iterator[RawRow | BadRow]:
    """Reads the tf.Examples of a TFRecord file, plain or GZIP.

    Args:
        path: of the file.
        keys: the features, all named.
        span: of a plain file, what to read; by default all of it.
        most: the largest encoded picture that is read, in bytes.

    Raises:
        DamagedError: after the rows before the damage.
        OSError: the file cannot be read.
    """
    records = tfrecords.records(path, span, min(2 * most, RECORD_BYTES))
    for number, record in enumerate(records, start=span.first):
        if isinstance(record, tfrecords.BadRecord):
            yield BadRow(number, record.reason)
            continue
        try:
            yield parse(record, path, number, keys)
        except ValueError as error:
            yield BadRow(number, str(error))


def parse(record: bytes, path: str, number: int, keys: RecordKeys) -> RawRow:
    """Reads a row from a serialized tf.Example.

    Args:
        record: the bytes.
        path: the file that it is from.
        number: of the record in the file, from 0.
        keys: the features, all named.

    Raises:
        ValueError: the bytes are no tf.Example, or it lacks a feature.
    """
    source = f"{path}#{number}"
    try:
        example = Example.FromString(record)
    except DecodeError as error:
        raise ValueError(f"the record is no tf.Example: {error}") from error
    found = example.features.feature

    def bytes_of(name: str, meaning: str) -> bytes:
        if name not in found:
            there = ", ".join(sorted(found)) or "none"
            raise ValueError(
                f"the record has no feature {name!r} for the {meaning}; it has "
                f"{there}: name the right one by --record_keys",
            )
        values = found[name].bytes_list.value
        if len(values) != 1:
            raise ValueError(
                f"the feature {name!r} for the {meaning} must hold one value of bytes; "
                f"it holds {len(values)}",
            )
        return bytes(values[0])

    assert keys.label is not None
    key = numbered_key(path, number)
    if keys.key:
        key = bytes_of(keys.key, "key").decode("utf-8", "backslashreplace")
    label = bytes_of(keys.label, "label map")
    image = bytes_of(keys.image, "image") if keys.image else None
    return RawRow(key, source, source, label, image)


def without_floats(
    record: bytes, name: str
) -> tuple[bytes, npt.NDArray[np.float32] | None]:
    """Takes a feature of floats out of a tf.Example, without a copy of them.

    Args:
        record: as `serialize` makes it.
        name: of the feature.

    Returns:
        The tf.Example without the feature, and the floats; None if it is not there.

    Raises:
        ValueError: it is no tf.Example.
    """
    floats, others = None, []
    for _, features_ in fields(memoryview(record)):
        for _, entry in fields(features_):
            found = dict(fields(entry))
            if bytes(found.get(1, b"")) != name.encode():
                others.append(field(1, of_bytes(bytes(entry))))
                continue
            packed = dict(fields(dict(fields(found[2]))[2]))[1]
            floats = np.frombuffer(packed, np.dtype("<f4"))
    return b"".join(field(1, joined(others)).parts), floats


def serialize(columns: Mapping[str, Value]) -> Content:
    """Serializes a tf.Example: the same columns give the same bytes.

    They are those of protobuf's deterministic serialization, which is faster, but would
    hold floats several times.

    Args:
        columns: each is text, bytes, an integer, i64[n] or `Floats`.
    """
    if not any(isinstance(value, Floats) for value in columns.values()):
        return of_bytes(_by_protobuf(columns))
    features_ = (
        field(1, joined([_text(name), field(2, _feature(value))]))
        for name, value in sorted(columns.items())
    )
    return field(1, joined(features_))


def _by_protobuf(columns: Mapping[str, Any]) -> bytes:
    example = Example()
    feature = example.features.feature
    for name, value in columns.items():
        if isinstance(value, (str, bytes)):
            data = value.encode() if isinstance(value, str) else value
            feature[name].bytes_list.value.append(data)
        else:
            numbers = [value] if isinstance(value, int) else value.tolist()
            feature[name].int64_list.value.extend(numbers)
    serialized: bytes = example.SerializeToString(deterministic=True)
    return serialized


def _text(text: str) -> Content:
    return field(1, of_bytes(text.encode()))


def _feature(value: Value) -> Content:
    """Encodes a Feature: one of three lists, numbers packed."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return field(1, field(1, of_bytes(value)))
    if isinstance(value, Floats):
        return field(2, field(1, Content(4 * value.size, map(_bytes, value.parts))))
    numbers = [value] if isinstance(value, int) else value.tolist()
    return field(3, field(1, of_bytes(b"".join(map(varint, numbers)))))


def _bytes(array: npt.NDArray[Any]) -> bytes:
    """Views an array's bytes; the checksum's library takes what nobody can change."""
    data = array.reshape(-1).view(np.uint8)
    data.flags.writeable = False
    return cast(bytes, data)
