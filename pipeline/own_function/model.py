"""Saves the user's function, analysed: what reading, graph and serving call."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from maskbeam.pipeline.errors import OwnCodeError, in_words
from maskbeam.pipeline.own_function.code import OPTION, Code
from maskbeam.pipeline.own_function.tracing import Known, Traced
from maskbeam.transforms import features, known_ops, own_columns, saved_models


class Saved(NamedTuple):
    """The function's model.

    Attributes:
        module: it, as it was saved.
        contents: of its files.
    """

    module: tf.Module
    contents: dict[str, bytes]


@contextlib.contextmanager
def saved(
    code: Code, config: features.Config, known: Sequence[Known]
) -> Iterator[Saved]:
    """Makes the model; its vocabularies are there as long as the context.

    Args:
        code: the function.
        config: with its columns.
        known: what all its analyzers have found.

    Raises:
        OwnCodeError: on this worker the function is another one.
    """
    with saved_models.in_memory() as scratch, saved_models.in_memory() as path:
        traced = Traced(code, config, scratch, known)
        names = {column.name for column in config.own_columns}
        if traced.analyzers or traced.outputs.keys() != names:
            raise OwnCodeError(
                f"{OPTION} {code.path} makes other columns, or has other analyzers, "
                "each time it is traced"
            )
        module = save(path, traced, code, config)
        yield Saved(module, saved_models.contents(path))


def save(path: str, traced: Traced, code: Code, config: features.Config) -> tf.Module:
    """Saves the columns of a trace, and checks that readers will run them.

    Args:
        path: where to.
        traced: the trace.
        code: the function, for messages.
        config: with the columns.

    Raises:
        OwnCodeError: they cannot be saved, or nobody would run them.
    """
    module = tf.Module()
    module.tracked = traced.tracked
    for number, inputs in enumerate(own_columns.input_sets(config)):
        outputs = {
            column.name: traced.outputs[column.name]
            for column in config.own_columns
            if column.inputs == inputs
        }
        name = own_columns.function_name(number)
        setattr(module, name, traced.cut(outputs, inputs))
    try:
        tf.saved_model.save(module, path)
        known_ops.check(path, of_user=True)
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise OwnCodeError(
            f"{OPTION} {code.path} cannot be saved: {in_words(error)}"
        ) from error
    return module
