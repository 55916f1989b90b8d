"""How records store columns of the user's own function, those that are stored.

A column is a feature of the tf.Example under its own name. If rows have sizes of their
own, a column with a row's height and width is two, as TFDS has it: NAME/value and
NAME/shape.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from maskbeam.transforms import features, tfds_json
from maskbeam.transforms.stored_masks import Floats
from maskbeam.transforms.texts import quoted

if TYPE_CHECKING:
    import tensorflow as tf

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# What a function gets, and must not replace; and the image, which it may.
KEPT = frozenset({features.KEY, features.LABEL, features.LEVELS, features.MASK})
_INPUTS = KEPT | {features.IMAGE}


def stored(config: features.Config) -> Iterator[features.OwnColumn]:
    """Yields the columns that records have."""
    return (column for column in config.own_columns if column.stored)


def fault(columns: Collection[features.OwnColumn]) -> str:
    """Returns why columns of a manifest's cannot be a user's; "" if they can be."""
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        return "own_columns has a name twice"
    for column in columns:
        inputs = tuple(sorted(set(column.inputs) & _INPUTS))
        sizes = [size for size in column.shape if size is not None]
        if (
            not NAME.fullmatch(column.name)
            or column.name in KEPT
            or not inputs
            or inputs != column.inputs
            or min(sizes, default=0) < 0
        ):
            return f"own_columns: {quoted(column.name)} is no column of a function"
    return ""


def write(column: features.OwnColumn, values: npt.NDArray[Any]) -> dict[str, Any]:
    """Makes a column of a row record columns.

    Args:
        column: the column.
        values: its value in the row.
    """
    flat: Any = values.ravel()
    if values.dtype.kind == "f":
        flat = Floats(values.size, [flat])
    elif values.dtype.kind != "i":  # one string
        flat = values.item()
    if not column.is_picture:
        return {column.name: flat}
    return {
        column.name + features.VALUE_SUFFIX: flat,
        column.name + features.SHAPE_SUFFIX: np.array(values.shape, np.int64),
    }


def feature_spec(column: features.OwnColumn) -> dict[str, Any]:
    """Describes the record columns of a column for `tf.io.parse_example`."""
    import tensorflow as tf

    dtype = tf.as_dtype(column.dtype)
    if not column.is_picture:
        return {column.name: tf.io.FixedLenFeature(column.shape, dtype)}
    value = tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)
    shape = tf.io.FixedLenFeature([len(column.shape)], tf.int64)
    return {
        column.name + features.VALUE_SUFFIX: value,
        column.name + features.SHAPE_SUFFIX: shape,
    }


def read(column: features.OwnColumn, columns: Mapping[str, Any]) -> "tf.Tensor":
    """Reads a column of a parsed record."""
    import tensorflow as tf

    if not column.is_picture:
        return columns[column.name]
    shape = columns[column.name + features.SHAPE_SUFFIX]
    value = tf.reshape(columns[column.name + features.VALUE_SUFFIX], shape)
    return tf.ensure_shape(value, column.shape)


def tfds_feature(column: features.OwnColumn) -> tfds_json.Feature:
    """Describes a column for TFDS's `features.json`."""
    if column.dtype == "string":
        return tfds_json.text()
    if not column.is_picture:
        fixed = [size for size in column.shape if size is not None]
        return tfds_json.tensor(fixed, column.dtype)
    return tfds_json.features_dict(
        {
            "value": tfds_json.tensor([-1], column.dtype),
            "shape": tfds_json.tensor([len(column.shape)], "int64"),
        }
    )
