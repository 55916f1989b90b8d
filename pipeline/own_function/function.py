"""The user's own function, as the client has found it."""

import dataclasses
from collections.abc import Iterator, Sequence

import tensorflow as tf

from maskbeam.pipeline.errors import OwnCodeError, UsageError
from maskbeam.pipeline.own_function import columns, model
from maskbeam.pipeline.own_function.analyzers import Pass, passes_of
from maskbeam.pipeline.own_function.code import OPTION, Code
from maskbeam.pipeline.own_function.tracing import Traced
from maskbeam.transforms import features, saved_models


@dataclasses.dataclass(frozen=True)
class OwnFunction:
    """The user's own function.

    Attributes:
        code: what goes to workers.
        passes: of its analyzers, over the training split.
    """

    code: Code
    passes: tuple[Pass, ...] = ()


def find(
    code: Code, config: features.Config, stored: Sequence[str]
) -> tuple[OwnFunction, features.Config]:
    """Traces a function, and finds its columns and its analyzers.

    Args:
        code: the function.
        config: what rows are; without columns of the user's.
        stored: the columns that go into the records.

    Returns:
        The function, and the configuration with its columns.

    Raises:
        UsageError: it cannot be traced, or a column cannot be.
    """
    try:
        with saved_models.in_memory() as directory:
            traced = Traced(code, config, directory)
            found = columns.find(traced, config, code, stored)
            function = OwnFunction(code, passes_of(traced.analyzers))
            # What can be saved already shows whether the rest can be.
            known = tuple(column for column in found if not column.passes)
            with saved_models.in_memory() as path:
                of_known = dataclasses.replace(config, own_columns=known)
                model.save(path, traced, code, of_known)
    except OwnCodeError as error:
        raise UsageError(str(error)) from error
    return function, dataclasses.replace(config, own_columns=found)


def check_place(function: OwnFunction, output: str) -> None:
    """Checks that TF Transform can write where its analyzers need it.

    Raises:
        UsageError: it cannot.
    """
    if not function.passes:
        return
    try:
        tf.io.gfile.exists(output)
    except tf.errors.UnimplementedError as error:
        raise UsageError(
            f"{OPTION} {function.code.path} has analyzers, and TF Transform writes "
            f"what they find by TensorFlow, which has no filesystem for {output}: use "
            "a directory that all workers reach, or gs://"
        ) from error


def described(function: OwnFunction, config: features.Config) -> Iterator[str]:
    """Describes the columns, and the passes that they take, a line each."""
    for column in config.own_columns:
        unknown = iter("HW")
        shape = [next(unknown) if size is None else str(size) for size in column.shape]
        stored = ", stored" if column.stored else ""
        passes = "1 pass" if column.passes == 1 else f"{column.passes} passes"
        after = f", after {passes}" if column.passes else ""
        yield (
            f"column {column.name}: {column.dtype}[{' '.join(shape)}] of "
            f"{', '.join(column.inputs)}{after}{stored}"
        )
    for one in function.passes:
        names = sorted({wanted.name.partition("/")[0] for wanted in one.wanted})
        yield (
            f"pass {one.number} over the training split's records, after they are "
            f"written: {', '.join(names)}"
        )
