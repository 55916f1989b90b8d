"""Computes the columns of the user's own function, for rows.

The analysed function is a SavedModel of its own, `preprocessing/`, which takes neither
TF Transform nor the user's code. It has one function for each set of inputs that
columns hang on, so a reader that has some inputs, or wants some columns, runs no more.
Each runs on a batch of one row, wherever it runs: some operations of TensorFlow give
other bits for other batches.
"""

import functools
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

import tensorflow as tf

from maskbeam.transforms import (
    dataset_files,
    features,
    known_ops,
    masks,
    own_records,
    saved_models,
)
from maskbeam.transforms.manifest import DamagedDatasetError

Row = Mapping[str, tf.Tensor]
Functions = Mapping[tuple[str, ...], Callable[..., dict[str, tf.Tensor]]]

# What an input is made of.
_MADE_OF = {
    features.LABEL: features.LABEL,
    features.MASK: features.LABEL,
    features.LEVELS: features.IMAGE,
    features.IMAGE: features.IMAGE,
    features.KEY: features.KEY,
}


def input_specs(config: features.Config) -> dict[str, tf.TensorSpec]:
    """Describes the inputs of a user's function: batches, by name."""
    sides = [None, *(config.size or (None, None))]
    specs = {
        features.KEY: tf.TensorSpec([None], tf.string),
        features.LABEL: tf.TensorSpec(sides, tf.int64),
        features.MASK: tf.TensorSpec([*sides, config.num_classes], tf.float32),
    }
    if config.with_images:
        specs[features.LEVELS] = tf.TensorSpec([*sides, 3], tf.uint8)
        specs[features.IMAGE] = tf.TensorSpec([*sides, 3], tf.float32)
    return specs


def input_sets(config: features.Config) -> list[tuple[str, ...]]:
    """Lists the sets of inputs that columns hang on, in a fixed order."""
    return sorted({column.inputs for column in config.own_columns})


def function_name(number: int) -> str:
    """Names the function for the set of inputs of a number."""
    return f"columns_{number}"


def load(directory: str, config: features.Config) -> Functions:
    """Loads the functions of a dataset.

    Args:
        directory: the dataset's directory, on any filesystem of TensorFlow's.
        config: with the columns.

    Returns:
        By the inputs that they take; none if the dataset has no such columns.

    Raises:
        DamagedDatasetError: the model has operations that are not run.
        tf.errors.OpError: it cannot be read.
    """
    if not config.own_columns:
        return {}
    path = os.path.join(directory, dataset_files.PREPROCESSING)
    known_ops.check(path, of_user=True)
    try:
        return functions_of(saved_models.load(path), config)
    except AttributeError as error:
        raise DamagedDatasetError(
            f"{path} has not the functions of the columns that the manifest names"
        ) from error


def functions_of(model: Any, config: features.Config) -> Functions:
    """Finds the functions in a model, as `load` returns them."""
    return {
        inputs: getattr(model, function_name(number))
        for number, inputs in enumerate(input_sets(config))
    }


def inputs_of(row: Row, config: features.Config, names: Collection[str]) -> Row:
    """Makes the inputs of a user's function of a row: batches of one.

    Args:
        row: what there is of `label` int[H W], `levels` u8[H W 3], `image` f32[H W 3]
            and `key` string[].
        config: the encoding.
        names: the inputs that are wanted, and can be made.
    """
    found = {}
    for name in names:
        if name == features.MASK:
            value = masks.of_label(row[features.LABEL], config.num_classes)
        else:
            value = row[name]
        if name == features.LABEL:
            value = tf.cast(value, tf.int64)
        found[name] = value[tf.newaxis]
    return found


def of_row(
    functions: Functions,
    row: Row,
    config: features.Config,
    names: Collection[str] | None = None,
) -> dict[str, tf.Tensor]:
    """Computes own columns of a row.

    Args:
        functions: as `load` returns them.
        row: what there is of `label` int[H W], `levels` u8[H W 3], `image` f32[H W 3]
            and `key` string[].
        config: with the columns.
        names: those that are wanted; None for all that hang on what there is.

    Returns:
        By name. The error that a function of the user's raises is its own.
    """
    there = {*row, *({features.MASK} if features.LABEL in row else ())}
    found: dict[str, tf.Tensor] = {}
    for inputs, function in functions.items():
        columns = _of_inputs(inputs, config, names)
        if columns and set(inputs) <= there:
            values = function(**inputs_of(row, config, inputs))
            for column in columns:
                value = values[column.name][0]
                found[column.name] = tf.ensure_shape(value, column.shape)
    return found


def of_given(
    functions: Functions, row: Row, config: features.Config, given: Row
) -> dict[str, tf.Tensor]:
    """Computes the own columns of a row whose pictures may be left out.

    Args:
        functions: as `load` returns them.
        row: `label`, `levels`, `image` and `key`, as far as rows have them.
        config: with the columns.
        given: bool[], by `label`, `image` and `key`: whether the row has it.

    Returns:
        By name; zeros, and no pixels, where something is left out.
    """
    found: dict[str, tf.Tensor] = {}
    for inputs, function in functions.items():
        is_there = tf.reduce_all([given[_MADE_OF[name]] for name in inputs])
        found |= tf.cond(
            is_there,
            functools.partial(of_row, {inputs: function}, row, config),
            functools.partial(_blanks, inputs, config),
        )
    return found


def _blanks(inputs: tuple[str, ...], config: features.Config) -> dict[str, tf.Tensor]:
    return {
        column.name: tf.ensure_shape(
            tf.zeros([size or 0 for size in column.shape], column.dtype), column.shape
        )
        for column in _of_inputs(inputs, config)
    }


def _of_inputs(
    inputs: tuple[str, ...],
    config: features.Config,
    names: Collection[str] | None = None,
) -> list[features.OwnColumn]:
    """Lists the columns that hang on some inputs, and on all of these."""
    return [
        column
        for column in config.own_columns
        if column.inputs == inputs and (names is None or column.name in names)
    ]


class Reader:
    """Adds the own columns that a reader wants to compact columns of a row.

    Args:
        directory: the dataset's directory.
        config: with the columns.
        names: the model columns that are wanted, own ones or not.
        scaled: makes `image` of levels.

    Raises:
        DamagedDatasetError: the model has operations that are not run.
        tf.errors.OpError: it cannot be read.

    Attributes:
        names: the columns that have to be decoded: those that are wanted, and what own
            columns are made of.
    """

    def __init__(
        self,
        directory: str,
        config: features.Config,
        names: Collection[str],
        scaled: Callable[[tf.Tensor], tf.Tensor],
    ) -> None:
        self._config = config
        self._wanted = set(names)
        self._scaled = scaled
        self._own = [one for one in config.own_columns if one.name in names]
        self._computed = {one.name for one in self._own if not one.stored}
        self._inputs = {
            name
            for one in self._own
            if one.name in self._computed
            for name in one.inputs
        }
        self.names = self._wanted | {_MADE_OF[name] for name in self._inputs}
        self._functions = load(directory, config) if self._computed else {}

    def __call__(self, row: Row, columns: Row) -> dict[str, tf.Tensor]:
        """Returns the row with its own columns, and without what nobody wants.

        Args:
            row: as `record_columns.compact_columns` makes it for `names`.
            columns: of the record.
        """
        # The index always stays: others are made of it in batches.
        helpers = self.names - self._wanted
        found = {name: row[name] for name in row if name not in helpers}
        for column in self._own:
            if column.stored:
                found[column.name] = own_records.read(column, columns)
        if self._computed:
            parts = self._parts(row)
            found |= of_row(self._functions, parts, self._config, self._computed)
        return found

    def _parts(self, row: Row) -> dict[str, tf.Tensor]:
        parts = {}
        if features.INDEX in row:
            parts[features.LABEL] = masks.label_from_index(row[features.INDEX])
        if features.KEY in row:
            parts[features.KEY] = row[features.KEY]
        if features.IMAGE in row:
            parts[features.LEVELS] = row[features.IMAGE]
            if features.IMAGE in self._inputs:
                parts[features.IMAGE] = self._scaled(row[features.IMAGE])
        return parts
