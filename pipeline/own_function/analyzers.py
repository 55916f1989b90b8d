"""The passes that the user's analyzers take, in a form that goes to workers.

An analyzer is computed of a few tensors of each batch, which TF Transform's own
combiners take. A pass takes them of one row after the other, and gives them to TF
Transform in place of the row: mostly a few numbers, where the row is a picture.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow_transform import analyzer_nodes, nodes

from maskbeam.pipeline.own_function.tracing import Analyzer, Known

_NO_FILE = analyzer_nodes.TemporaryAssetInfo(b"", "text")


class Source(NamedTuple):
    """A tensor that analyzers take of a row.

    Attributes:
        dtype: its name.
        shape: None for what is not known.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


class Operation(NamedTuple):
    """One step of what TF Transform does to find something.

    Attributes:
        kind: the class of TF Transform's that defines it; a tuple.
        fields: its fields. In place of tensors there are numbers of sources.
        inputs: (operation, output) each, by numbers.
    """

    kind: type
    fields: tuple[Any, ...]
    inputs: tuple[tuple[int, int], ...]


class Wanted(NamedTuple):
    """What TF Transform has to find.

    Attributes:
        name: the placeholder, in the trace of the user's function.
        dtype: its dtype's name.
        shape: its shape; None for what is not known.
        is_file: whether it is the path of a vocabulary.
        future: (operation, output): what it is.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    is_file: bool
    future: tuple[int, int]


class Pass(NamedTuple):
    """The analyzers that one pass finds.

    Attributes:
        number: 1 for the first one.
        sources: what it takes of a row.
        operations: of TF Transform, each behind its inputs.
        wanted: what it finds.
    """

    number: int
    sources: tuple[Source, ...]
    operations: tuple[Operation, ...]
    wanted: tuple[Wanted, ...]


def passes_of(analyzers: Sequence[Analyzer]) -> tuple[Pass, ...]:
    """Orders the analyzers of a trace by passes."""
    numbers = sorted({analyzer.passes for analyzer in analyzers})
    return tuple(_pass(number, analyzers) for number in numbers)


def sources_of(analyzers: Sequence[Analyzer], number: int) -> dict[str, tf.Tensor]:
    """Names the tensors that a pass takes, in the order of `Pass.sources`."""
    found: dict[str, tf.Tensor] = {}
    for analyzer in analyzers:
        if analyzer.passes == number:
            found |= {tensor.name: tensor for tensor in analyzer.sources}
    return found


def _pass(number: int, analyzers: Sequence[Analyzer]) -> Pass:
    tensors = sources_of(analyzers, number)
    places = {name: place for place, name in enumerate(tensors)}
    found: dict[nodes.OperationNode, int] = {}
    operations: list[Operation] = []

    def add(value: nodes.ValueNode) -> tuple[int, int]:
        node = value.parent_operation
        if node not in found:
            inputs = tuple(add(one) for one in node.inputs)
            definition = node.operation_def
            if isinstance(definition, analyzer_nodes.TensorSource):
                taken = tuple(places[tensor.name] for tensor in definition.tensors)
                definition = definition._replace(tensors=taken)
            found[node] = len(operations)
            operations.append(Operation(type(definition), tuple(definition), inputs))
        return found[node], value.value_index

    wanted = [
        Wanted(
            one.name,
            one.tensor.dtype.name,
            _shape(one.tensor),
            one.is_file,
            add(one.future),
        )
        for one in analyzers
        if one.passes == number
    ]
    sources = (Source(t.dtype.name, _shape(t)) for t in tensors.values())
    return Pass(number, tuple(sources), tuple(operations), tuple(wanted))


def _shape(tensor: tf.Tensor) -> tuple[int | None, ...] | None:
    return None if tensor.shape.rank is None else tuple(tensor.shape.as_list())


def _nodes(one: Pass, tensors: Sequence[tf.Tensor]) -> list[nodes.OperationNode]:
    """Makes the operations of a pass TF Transform's own, over some tensors."""
    found: list[nodes.OperationNode] = []
    for operation in one.operations:
        # As they are copied and pickled, so that none is checked or named once more.
        definition: Any = tuple.__new__(operation.kind, operation.fields)
        if isinstance(definition, analyzer_nodes.TensorSource):
            taken = tuple(tensors[place] for place in definition.tensors)
            definition = definition._replace(tensors=taken)
        inputs = tuple(nodes.ValueNode(found[of], out) for of, out in operation.inputs)
        found.append(nodes.OperationNode(definition, inputs))
    return found


def source_name(number: int) -> str:
    """Names a source, as TF Transform gets it."""
    return f"source_{number}"


def _result_name(number: int) -> str:
    return f"result_{number}"


class AnalyzerFn:
    """The preprocessing function of a pass, which has nothing but its analyzers.

    TF Transform must call it with batches of one row: then each of its inputs is what
    an analyzer gets of a batch, whatever that is.

    Args:
        one: the pass.
    """

    def __init__(self, one: Pass) -> None:
        self._pass = one

    def __call__(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Takes each source, serialized: string[1]."""
        tensors = []
        for number, source in enumerate(self._pass.sources):
            serialized = inputs[source_name(number)]
            tensor = tf.io.parse_tensor(serialized[0], tf.as_dtype(source.dtype))
            tensors.append(tf.ensure_shape(tensor, source.shape))
        rows = tf.size(inputs[source_name(0)])
        operations = _nodes(self._pass, tensors)
        found = {}
        for number, wanted in enumerate(self._pass.wanted):
            of, output = wanted.future
            future = nodes.ValueNode(operations[of], output)
            info = analyzer_nodes.TensorInfo(
                tf.as_dtype(wanted.dtype),
                wanted.shape,
                _NO_FILE if wanted.is_file else None,
            )
            value = analyzer_nodes.bind_future_as_tensor(future, info)
            serialized = tf.io.serialize_tensor(value)
            found[_result_name(number)] = tf.fill([rows], serialized)
        return found


def read_found(one: Pass, call: Any) -> list[Known]:
    """Reads what a pass has found.

    Args:
        one: the pass.
        call: the analysed `AnalyzerFn`: from its inputs to its outputs.
    """
    nothing = {
        source_name(number): tf.io.serialize_tensor(_blank(source))[tf.newaxis]
        for number, source in enumerate(one.sources)
    }
    outputs = call(nothing)
    found = []
    for number, wanted in enumerate(one.wanted):
        serialized = outputs[_result_name(number)][0]
        if not wanted.is_file:
            found.append(Known(wanted.name, serialized.numpy(), wanted.dtype))
            continue
        path = tf.io.parse_tensor(serialized, tf.string).numpy().decode()
        with tf.io.gfile.GFile(path, "rb") as file:
            content = file.read()
        # Two vocabularies may have files of one name.
        name = f"{one.number}-{number}/{path.rpartition('/')[2]}"
        found.append(Known(wanted.name, content, file=name))
    return found


def _blank(source: Source) -> tf.Tensor:
    shape = [size or 0 for size in source.shape or ()]
    return tf.zeros(shape, tf.as_dtype(source.dtype))
