"""What columns the user's own function makes, and whether they can be.

All that can be known of a function without rows is refused here, before any is read.
"""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

import tensorflow as tf

from maskbeam.pipeline.errors import OwnCodeError
from maskbeam.pipeline.own_function.code import OPTION, Code
from maskbeam.pipeline.own_function.tracing import Analyzer, Traced
from maskbeam.transforms import features, known_ops, normalization_names, own_records

_DTYPES = get_args(features.OwnColumn.__annotations__["dtype"])
_TAKEN = {
    features.WEIGHT,
    features.PRESENCE,
    features.BOUNDARY,
    features.INDEX,
    features.HEIGHT,
    features.WIDTH,
    features.LABEL_BYTES,
    features.IMAGE_BYTES,
}
_OF_IMAGE = {features.IMAGE, features.LEVELS}


def find(
    traced: Traced, config: features.Config, code: Code, stored: Sequence[str]
) -> tuple[features.OwnColumn, ...]:
    """Finds the columns of a trace in which nothing is known yet.

    Args:
        traced: the trace.
        config: sizes, images.
        code: the function, for messages.
        stored: the columns that go into the records.

    Raises:
        OwnCodeError: a column cannot be, or an operation or an analyzer.
    """
    try:
        found = tuple(_columns(traced, config, set(stored)))
        _check_operations(traced)
        for analyzer in traced.analyzers:
            _check_analyzer(analyzer, config)
        _check_stored(found, config, stored)
    except ValueError as error:
        raise OwnCodeError(f"{OPTION} {code.path}: {error}") from error
    return found


def _columns(
    traced: Traced, config: features.Config, stored: set[str]
) -> Iterator[features.OwnColumn]:
    if not traced.outputs:
        raise ValueError("it returns no column beside its inputs")
    for name, tensor in traced.outputs.items():
        inputs = traced.parts.needs([tensor])
        _check_name(name, inputs, config)
        column = features.OwnColumn(
            name,
            _dtype(name, tensor),
            _shape(name, tensor, config),
            tuple(sorted(inputs)),
            traced.passes([tensor]),
            name in stored,
        )
        if not inputs:
            raise ValueError(f"column {name!r} hangs on no input: it is a constant")
        yield column


def _check_name(name: str, inputs: set[str], config: features.Config) -> None:
    if name in own_records.KEPT:
        raise ValueError(
            f"it replaces {name!r}, which all that is known of the dataset is about: "
            "give the new column another name"
        )
    if name == features.IMAGE and (not config.with_images or inputs - _OF_IMAGE):
        others = ", ".join(sorted(inputs - _OF_IMAGE)) or "no image"
        raise ValueError(
            f"it replaces 'image' by what hangs on {others}; whoever serves has the "
            "image alone"
        )
    if name in _TAKEN or not own_records.NAME.fullmatch(str(name)):
        raise ValueError(
            f"column {name!r}: a name has letters, digits and underscores, begins with "
            f"a letter, and is none of {', '.join(sorted(_TAKEN))}"
        )


def _dtype(name: str, tensor: tf.Tensor) -> Any:
    if tensor.dtype.name not in _DTYPES:
        raise ValueError(
            f"column {name!r} is {tensor.dtype.name}, and must be "
            f"{', '.join(_DTYPES[:-1])} or {_DTYPES[-1]}: use tf.cast"
        )
    return tensor.dtype.name


def _shape(
    name: str, tensor: tf.Tensor, config: features.Config
) -> tuple[int | None, ...]:
    """Returns the shape of one row of a column: fixed, but for the row's own sides."""
    if tensor.shape.rank is None or tensor.shape.rank == 0:
        raise ValueError(
            f"column {name!r} has the shape {tensor.shape}, and must be a batch: one "
            "more axis than a row of it, and the first"
        )
    rows, *shape = tensor.shape.as_list()
    unknown = [size is None for size in shape]
    if rows is not None:
        raise ValueError(
            f"column {name!r} has {rows} rows whatever the batch has; it must have one "
            "for each row of the inputs"
        )
    is_picture = config.size is None and unknown[:2] == [True, True]
    if any(unknown[2:] if is_picture else unknown):
        sides = "" if config.size else "; or the height and width of the row first"
        raise ValueError(
            f"column {name!r} has the shape {tensor.shape}: a row of it must have a "
            f"fixed shape{sides} (tf.ensure_shape says it)"
        )
    sides_kept = is_picture if config.size is None else shape[:2] == [*config.size]
    if name == features.IMAGE and not sides_kept:
        raise ValueError(
            f"it makes 'image' {tensor.shape}; it must keep height and width"
        )
    return tuple(shape)


def _check_operations(traced: Traced) -> None:
    """Checks that the graph does nothing but compute, and always the same."""
    graph = traced.graph.as_graph_def()
    for function in graph.library.function:
        if any(node.op.startswith("Placeholder") for node in function.node_def):
            raise ValueError(
                "an analyzer is within a tf.function, where nobody finds it: call it "
                "outside"
            )
    for operation in known_ops.others(graph):
        raise ValueError(
            f"it has the operation {operation}, which is random, or touches what is "
            "outside the graph (files, Python, the screen); neither training nor "
            "serving runs such"
        )


def _check_analyzer(analyzer: Analyzer, config: features.Config) -> None:
    if config.size is None:
        for tensor in analyzer.sources:
            if tensor.shape.rank is None or tensor.shape.as_list().count(None) > 1:
                raise ValueError(
                    f"an analyzer takes a tensor of shape {tensor.shape}, and rows "
                    "have sizes of their own: reduce it to numbers that all rows have, "
                    "or add --size"
                )


def _check_stored(
    columns: Sequence[features.OwnColumn],
    config: features.Config,
    stored: Sequence[str],
) -> None:
    by_name = {column.name: column for column in columns}
    for name in stored:
        if name not in by_name:
            raise ValueError(
                f"--store {name}: it makes no such column; it makes "
                f"{', '.join(by_name)}"
            )
        if name == features.IMAGE:
            raise ValueError("--store image: records have the image that it is made of")
        if by_name[name].dtype == "string" and by_name[name].shape:
            raise ValueError(
                f"--store {name}: of strings a record takes one, and the column has "
                "several"
            )
        of_all = "an analyzer" if by_name[name].passes else ""
        is_scaled = features.IMAGE in by_name[name].inputs
        if is_scaled and config.normalize == normalization_names.ZSCORE:
            of_all = f"the moments of all images (--normalize {config.normalize})"
        if of_all:
            raise ValueError(
                f"--store {name}: the column hangs on {of_all}, so it would be wrong "
                "as soon as the training split changes: load computes it"
            )
