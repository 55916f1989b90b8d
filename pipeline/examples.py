"""tf.Example: rows out of the records of others, and our own records into bytes."""

import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pipeline.options import RecordKeys
from pipeline.rows import RawRow

Value = str | bytes | int | npt.NDArray[np.int64] | npt.NDArray[np.float32]


class MissingFeatureError(ValueError):
    """A record lacks a feature, or holds it as another kind; `feature` names it."""

    def __init__(self, feature: str, reason: str) -> None:
        super().__init__(reason)
        self.feature = feature


def parse(record: bytes, path: str, number: int, keys: RecordKeys) -> RawRow:
    """Reads a row from a serialized tf.Example.

    Args:
        record: the bytes.
        path: the file that it is from.
        number: of the record in the file, from 0.
        keys: which features to read.

    Raises:
        MissingFeatureError: a feature is not there.
        ValueError: the bytes are no tf.Example.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.example import example_pb2

    source = f"{path}#{number}"
    try:
        example = example_pb2.Example.FromString(record)
    except DecodeError as error:
        raise ValueError(f"the record is no tf.Example: {error}") from error
    found = example.features.feature

    def bytes_of(name: str, meaning: str) -> bytes:
        if name not in found:
            there = ", ".join(sorted(found)) or "none"
            raise MissingFeatureError(
                name,
                f"the record has no feature {name!r} for the {meaning}; it has "
                f"{there}: name the right one by --record_keys",
            )
        values = found[name].bytes_list.value
        if len(values) != 1:
            raise MissingFeatureError(
                name,
                f"the feature {name!r} for the {meaning} must hold one value of bytes; "
                f"it holds {len(values)}",
            )
        return bytes(values[0])

    key = f"{path.rpartition('/')[2]}#{number}"
    if keys.key:
        key = bytes_of(keys.key, "key").decode("utf-8", "backslashreplace")
    label = bytes_of(keys.label, "label map")
    image = bytes_of(keys.image, "image") if keys.image else None
    return RawRow(key, source, source, label, image)


def serialize(columns: Mapping[str, Value]) -> bytes:
    """Makes a serialized tf.Example, the same bytes for the same columns.

    Args:
        columns: text, bytes, an integer, i64[n] or f32[n] each.
    """
    from tensorflow.core.example import example_pb2

    example = example_pb2.Example()
    feature = example.features.feature
    for name, value in columns.items():
        if isinstance(value, str):
            feature[name].bytes_list.value.append(value.encode())
        elif isinstance(value, bytes):
            feature[name].bytes_list.value.append(value)
        elif isinstance(value, int):
            feature[name].int64_list.value.append(value)
        elif value.dtype == np.float32:
            # A list from Python floats takes a hundred times as long.
            feature[name].float_list.MergeFromString(_packed(value.tobytes()))
        else:
            feature[name].int64_list.value.extend(value.tolist())
    return example.SerializeToString(deterministic=True)


def _packed(data: bytes) -> bytes:
    """Field 1, packed, in protobuf's wire format: tag, length as varint, data."""
    length = bytearray()
    rest = len(data)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    length.append(rest)
    return struct.pack("B", 1 << 3 | 2) + bytes(length) + data
