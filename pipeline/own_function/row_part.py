"""What of the user's function runs in the row stage: all that comes before analyzers.

A row that it fails on is rejected alone, before anything of it is written.
"""

import functools
import math
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.elements import RejectedError
from maskbeam.pipeline.errors import reason_of
from maskbeam.pipeline.own_function import analyzers
from maskbeam.pipeline.own_function.code import Code
from maskbeam.pipeline.own_function.tracing import Traced
from maskbeam.transforms import (
    arrays,
    features,
    masks,
    normalization_names,
    normalizing,
    own_columns,
    saved_models,
)

STAGE = "preprocessing_fn"

Stored = dict[str, npt.NDArray[Any]]


_LOCK = threading.Lock()


def row_part(code: Code, config: features.Config) -> "RowPart":
    """Makes the part of a function, once for all threads of this process."""
    with _LOCK:
        return _made(code, config)


@functools.lru_cache(maxsize=1)
def _made(code: Code, config: features.Config) -> "RowPart":
    return RowPart(code, config)


class RowPart:
    """Runs it on one row.

    Args:
        code: the function.
        config: with its columns.
    """

    def __init__(self, code: Code, config: features.Config) -> None:
        self._config = config
        self._stored = [c.name for c in config.own_columns if c.stored]
        # What images are scaled by is known when all of them have been read.
        scaled_later = config.normalize == normalization_names.ZSCORE
        with saved_models.in_memory() as directory:
            traced = Traced(code, config, directory)
        unknown = {features.IMAGE} if scaled_later else set()
        wanted = {
            name: tensor
            for name, tensor in traced.outputs.items()
            if not traced.passes([tensor])
        }
        wanted |= analyzers.sources_of(traced.analyzers, 1)
        wanted = {
            name: tensor
            for name, tensor in wanted.items()
            if not traced.parts.needs([tensor]) & unknown
        }
        self._wanted = wanted.keys()
        self._inputs = traced.parts.needs(wanted.values()) | traced.checked() - unknown
        part = traced.cut(wanted, self._inputs)
        # Called by a function, as everywhere, so that it is run as it is.
        specs = own_columns.input_specs(config)
        self._part = tf.function(
            lambda **given: part(**given), autograph=False
        ).get_concrete_function(**{name: specs[name] for name in self._inputs})
        if features.IMAGE in self._inputs:
            zeros = tf.zeros([3], tf.float64)
            self._scale, self._offset = normalizing.normalization(
                config.normalize, zeros, zeros
            )

    @property
    def bytes_per_pixel(self) -> int:
        """What a row takes while it runs, about: its inputs, and pictures it makes."""
        of_input = {
            features.LABEL: 8,
            features.MASK: 4 * self._config.num_classes,
            features.IMAGE: 12,
        }
        made = (
            8 * math.prod(size or 1 for size in column.shape[2:])
            for column in self._config.own_columns
            if column.name in self._wanted
            and column.shape[:2] == (self._config.size or (None, None))
        )
        return sum(of_input.get(name, 0) for name in self._inputs) + sum(made)

    def __call__(
        self, key: str, index: npt.NDArray[Any], levels: npt.NDArray[np.uint8] | None
    ) -> Stored:
        """Runs it, and returns the columns that go into the record.

        Args:
            key: the row's.
            index: `masks.index_dtype`[H W], class indices, the largest value ignored.
            levels: u8[H W 3]; None if rows have no images.

        Raises:
            RejectedError: it fails.
        """
        row = {
            features.KEY: tf.constant(key),
            features.LABEL: masks.label_from_index(tf.constant(index)),
        }
        if levels is not None:
            row[features.LEVELS] = tf.constant(levels)
        if features.IMAGE in self._inputs:
            row[features.IMAGE] = normalizing.normalize(
                row[features.LEVELS], self._scale, self._offset
            )
        inputs = own_columns.inputs_of(row, self._config, self._inputs)
        try:
            found = self._part(**inputs)
            self._check_sides(found, index.shape)
        except tf.errors.OpError as error:
            raise RejectedError(STAGE, reason_of(str(error.message))) from error
        values = {name: arrays.array_of(found[name])[0] for name in self._stored}
        return {
            name: np.array(value, dtype=object if isinstance(value, bytes) else None)
            for name, value in values.items()
        }

    def _check_sides(self, found: Any, sides: tuple[int, ...]) -> None:
        """Checks that columns are of one row, and of its height and width.

        Raises:
            RejectedError: one is not.
        """
        for column in self._config.own_columns:
            if column.name not in found:
                continue
            shape = tuple(found[column.name].shape)
            expected = (1, *(sides if column.is_picture else ()))
            if shape[: len(expected)] != expected:
                raise RejectedError(
                    STAGE,
                    f"column {column.name} is {list(shape)} of one row; it must begin "
                    f"with {list(expected)}",
                )
