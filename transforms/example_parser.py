"""Parses tf.Examples of anybody.

TensorFlow's own parser of tf.Examples trusts the lengths that it reads: one of 2 GiB or
more in a list of strings ends the process. `tf.io.decode_proto` is protobuf's parser,
which trusts none, and is asked here for one message after the other.

Source: tensorflow/core/example/example.proto and feature.proto.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from google.protobuf import descriptor_pb2

from maskbeam.transforms import decode

_FIELD = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _FIELD.LABEL_OPTIONAL, _FIELD.LABEL_REPEATED
# Messages in messages are bytes here: each is parsed when it is asked for. A map's
# entry is a message like any other.
_MESSAGES: dict[str, list[tuple[str, int, int, int]]] = {
    "Example": [("features", 1, _FIELD.TYPE_BYTES, _ONE)],
    "Features": [("feature", 1, _FIELD.TYPE_BYTES, _MANY)],
    "Entry": [
        ("key", 1, _FIELD.TYPE_BYTES, _ONE),
        ("value", 2, _FIELD.TYPE_BYTES, _ONE),
    ],
    "Feature": [
        ("bytes_list", 1, _FIELD.TYPE_BYTES, _ONE),
        ("float_list", 2, _FIELD.TYPE_BYTES, _ONE),
        ("int64_list", 3, _FIELD.TYPE_BYTES, _ONE),
    ],
    "BytesList": [("value", 1, _FIELD.TYPE_BYTES, _MANY)],
    "FloatList": [("value", 1, _FIELD.TYPE_FLOAT, _MANY)],
    "Int64List": [("value", 1, _FIELD.TYPE_INT64, _MANY)],
}
_LISTS = {
    tf.string: ("bytes_list", "BytesList"),
    tf.float32: ("float_list", "FloatList"),
    tf.int64: ("int64_list", "Int64List"),
}


def _descriptors() -> bytes:
    """Describes the messages, for `tf.io.decode_proto`."""
    file = descriptor_pb2.FileDescriptorProto(name="example", package="maskbeam")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, label in fields:
            message.field.add(name=field, number=number, type=kind, label=label)
    found = descriptor_pb2.FileDescriptorSet(file=[file])
    return b"bytes://" + found.SerializeToString(deterministic=True)


_DESCRIPTORS = _descriptors()


def parse(serialized: tf.Tensor, spec: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Parses a tf.Example, as `tf.io.parse_single_example` does.

    Args:
        serialized: string[], the tf.Example.
        spec: by feature, `tf.io.FixedLenFeature` without a default, or
            `tf.io.FixedLenSequenceFeature([], ..., allow_missing=True)`.

    Raises:
        tf.errors.InvalidArgumentError: a feature is missing, or has more or fewer
            values.
        tf.errors.DataLossError: the bytes are no tf.Example.
    """
    chosen = dict(zip(spec, tf.unstack(_chosen(serialized, list(spec))), strict=True))
    columns: dict[str, tf.Tensor] = {}
    for dtype in _LISTS:
        scalars = [
            name
            for name, feature in spec.items()
            if feature.dtype == dtype and _is_scalar(feature)
        ]
        if scalars:
            columns |= _scalars(chosen, scalars, dtype)
    for name, feature in spec.items():
        if name not in columns:
            columns[name] = _list(chosen[name], name, feature)
    return {name: columns[name] for name in spec}


def _is_scalar(feature: Any) -> bool:
    return isinstance(feature, tf.io.FixedLenFeature) and not tuple(feature.shape)


def _chosen(serialized: tf.Tensor, names: list[str]) -> tf.Tensor:
    """Finds features by name: string[n], serialized; the last of several counts."""
    (features,) = _fields(serialized, "Example", {"features": tf.string})[1]
    (entries,) = _fields(features[0], "Features", {"feature": tf.string})[1]
    keys, values = _fields(entries, "Entry", {"key": tf.string, "value": tf.string})[1]
    found = keys[:, 0] == tf.constant(names)[:, tf.newaxis]
    place = tf.reduce_max(tf.where(found, tf.range(tf.size(keys)), -1), axis=1)
    missing = tf.boolean_mask(names, place < 0)
    message = tf.strings.join(
        [
            "the tf.Example has no feature ",
            tf.strings.reduce_join(missing, separator=" or "),
        ]
    )
    place = decode.require(tf.size(missing) == 0, message, place)
    return tf.gather(values[:, 0], place)


def _scalars(
    chosen: Mapping[str, tf.Tensor], names: list[str], dtype: tf.DType
) -> dict[str, tf.Tensor]:
    """Takes the only value of each of some features."""
    sizes, values = _values(tf.stack([chosen[name] for name in names]), dtype)
    wrong = tf.boolean_mask(names, sizes != 1)
    message = tf.strings.join(
        [
            "of the tf.Example's features ",
            tf.strings.reduce_join(wrong, separator=" and "),
            f" must have one value, of dtype {dtype.name}",
        ]
    )
    first = decode.require(tf.size(wrong) == 0, message, tf.constant(0))
    only = tf.unstack(tf.gather(values, first, axis=1), num=len(names))
    return dict(zip(names, only, strict=True))


def _list(one: tf.Tensor, name: str, feature: Any) -> tf.Tensor:
    """Takes the values of a feature that may have many."""
    size, values = _values(one, feature.dtype)
    values = values[:size]  # of no values it has one, which is empty
    if isinstance(feature, tf.io.FixedLenSequenceFeature):
        return values
    count = tf.TensorShape(feature.shape).num_elements()
    message = f"the tf.Example's {name} must have {count} values of {feature.dtype}"
    start = decode.require(size == count, message, tf.constant(0))
    return tf.reshape(values[start:], feature.shape)


def _values(some: tf.Tensor, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
    """Parses features string[...]: how many values each has, and the values."""
    field, message = _LISTS[dtype]
    (lists,) = _fields(some, "Feature", {field: tf.string})[1]
    sizes, (values,) = _fields(lists[..., 0], message, {"value": dtype})
    return sizes[..., 0], values


def _fields(
    serialized: tf.Tensor, message: str, fields: Mapping[str, tf.DType]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Parses messages string[...]: how often each field is there, and what it has.

    A field that may be there once has one value, which is empty if it is not.
    """
    sizes, values = tf.io.decode_proto(
        serialized,
        f"maskbeam.{message}",
        list(fields),
        list(fields.values()),
        descriptor_source=_DESCRIPTORS,
    )
    return sizes, values
