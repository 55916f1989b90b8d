"""Traces the user's own function, once all or some of its analyzers are known.

TF Transform gives each analyzer a placeholder in the graph, and on the next trace the
value in its place. Everything else that anybody wants of the function is a part of one
of these graphs (`function_parts`): what of it runs in the row stage, what analyzers
take of a row, what a signature of the serving model computes.
"""

import functools
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.trackable import resource
from tensorflow_transform import (
    analyzer_nodes,
    annotators,
    graph_context,
    impl_helper,
    nodes,
)
from tensorflow_transform.saved import saved_transform_io_v2

from maskbeam.pipeline.errors import OwnCodeError
from maskbeam.pipeline.own_function.code import OPTION, Code, Function, raised
from maskbeam.transforms import features, function_parts, own_columns

# TensorFlow and TF Transform keep what they track in one place for all threads of a
# process. A worker may trace the user's function while TF Transform traces a pass.
_LOCK = threading.RLock()


def _one_at_a_time(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def locked(*positional: Any, **named: Any) -> Any:
        with _LOCK:
            return function(*positional, **named)

    return locked


impl_helper._trace_preprocessing_fn_v2 = _one_at_a_time(
    impl_helper._trace_preprocessing_fn_v2
)
saved_transform_io_v2.trace_and_update_module = _one_at_a_time(
    saved_transform_io_v2.trace_and_update_module
)


class Known(NamedTuple):
    """What an analyzer has found.

    Attributes:
        name: the analyzer's placeholder.
        value: the serialized tensor; of a vocabulary, the content of its file.
        dtype: the tensor's dtype; "" for a file.
        file: the vocabulary's file; "" for a tensor.
    """

    name: str
    value: bytes
    dtype: str = ""
    file: str = ""


class Analyzer(NamedTuple):
    """An analyzer that is not known yet.

    Attributes:
        name: its placeholder.
        tensor: the placeholder.
        future: what TF Transform will compute.
        is_file: whether it is the path of a vocabulary.
        sources: the tensors that it is computed of.
        passes: how many passes it takes: 1, or more if it hangs on others.
    """

    name: str
    tensor: tf.Tensor
    future: nodes.ValueNode
    is_file: bool
    sources: tuple[tf.Tensor, ...]
    passes: int


class Traced:
    """A trace of the user's function.

    Args:
        code: the function.
        config: sizes, images.
        directory: where files of vocabularies are, on a filesystem of TensorFlow's; as
            long as anybody uses the trace.
        known: what earlier passes have found.

    Raises:
        OwnCodeError: the function raises an error, or returns no columns.

    Attributes:
        outputs: its new columns, by name; tensors of its graph.
        inputs: its inputs, by name.
        analyzers: those that are not known yet.
        parts: cuts its graph.
        tracked: what has to be saved with it.
    """

    def __init__(
        self,
        code: Code,
        config: features.Config,
        directory: str,
        known: Sequence[Known] = (),
    ) -> None:
        self._specs = own_columns.input_specs(config)
        self._shown = f"{OPTION} {code.path}"
        module = tf.Module()
        tracker = resource.ResourceTracker()
        objects = annotators.ObjectTracker()
        replaced = {one.name: _constant(one, directory) for one in known}
        context = graph_context.TFGraphContext(module, directory, replaced)
        loaded: list[Function] = []

        def call(inputs: dict[str, tf.Tensor]) -> Any:
            with context:
                return loaded[0](dict(inputs))

        traced = tf.function(call, [self._specs], autograph=False)
        with (
            _LOCK,
            resource.resource_tracker_scope(tracker),
            annotators.object_tracker_scope(objects),
        ):
            try:
                # Here, for tables that the file makes are tracked too.
                loaded.append(code.load())
                concrete = traced.get_concrete_function()
            except OwnCodeError:
                raise
            except Exception as error:  # the user's code may raise anything
                hint = ""
                if isinstance(error, KeyError) and not config.with_images:
                    hint = " (the rows have no images)"
                raise OwnCodeError(f"{self._shown}: {raised(error)}{hint}") from error
        self.graph = concrete.graph
        placeholders = self.graph.inputs[: len(self._specs)]
        self.inputs = dict(zip(sorted(self._specs), placeholders, strict=True))
        if self.graph.variables:
            raise OwnCodeError(
                f"{self._shown} uses the variable {self.graph.variables[0].name!r}: "
                "make a constant of it, for all that it computes is in the graph"
            )
        self.tracked = [module, *tracker.resources, *objects.trackable_objects]
        self.parts = function_parts.Parts(concrete, self.inputs)
        self.analyzers = _analyzers(self.graph, self.parts)
        self.outputs = dict(sorted(self._new(concrete.structured_outputs)))

    def _new(self, returned: Any) -> Iterator[tuple[str, tf.Tensor]]:
        """Yields the new columns; inputs that are returned as they came are none."""
        if not isinstance(returned, Mapping):
            raise OwnCodeError(f"{self._shown} returns no dict of tensors")
        for name, value in returned.items():
            if not isinstance(value, tf.Tensor):
                kind = type(value).__name__
                raise OwnCodeError(
                    f"{self._shown}: column {name!r} is a {kind}, and must be a dense "
                    "tensor"
                )
            # What a function returns waits for all that it checks; what is below hangs
            # on nothing but its own inputs.
            (below,) = value.op.inputs if value.op.type == "Identity" else (value,)
            if below is not self.inputs.get(name):
                yield name, below

    def passes(self, tensors: Sequence[tf.Tensor]) -> int:
        """Returns how many passes of analyzers some tensors hang on."""
        below = self.parts.below(tensors)
        found = (a.passes for a in self.analyzers if a.tensor.op.name in below)
        return max(found, default=0)

    def unknown(self) -> set[str]:
        """Names the operations that stand for what analyzers have yet to find."""
        return {analyzer.tensor.op.name for analyzer in self.analyzers}

    def checked(self) -> set[str]:
        """Names the inputs that are checked without what analyzers have yet to find."""
        return self.parts.checked(self.unknown())

    def cut(self, outputs: Mapping[str, tf.Tensor], inputs: Collection[str]) -> Any:
        """Makes the part that computes some tensors a function of some inputs."""
        specs = {name: self._specs[name] for name in self._specs if name in inputs}
        return self.parts.cut(outputs, specs, self.unknown())


def _constant(known: Known, directory: str) -> tf.Tensor:
    """Makes what an analyzer has found a tensor, or a file and the path of it."""
    if not known.file:
        return tf.io.parse_tensor(known.value, tf.as_dtype(known.dtype))
    path = os.path.join(directory, "assets", known.file)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(known.value)
    return tf.constant(path)


def _analyzers(graph: tf.Graph, parts: function_parts.Parts) -> tuple[Analyzer, ...]:
    """Finds the analyzers that a trace has left open."""
    sinks = graph.get_collection(analyzer_nodes.TENSOR_REPLACEMENTS)
    by_operation = {sink.tensor.op.name: sink for sink in sinks}

    @functools.cache
    def passes(name: str) -> int:
        below = parts.below(_sources(by_operation[name].future))
        others = (passes(one) for one in by_operation.keys() & below)
        return 1 + max(others, default=0)

    return tuple(
        Analyzer(
            sink.tensor.name,
            sink.tensor,
            sink.future,
            sink.is_asset_filepath,
            _sources(sink.future),
            passes(sink.tensor.op.name),
        )
        for sink in sinks
    )


def _sources(future: nodes.ValueNode) -> tuple[tf.Tensor, ...]:
    """Lists the tensors that an analyzer is computed of."""
    operation = future.parent_operation
    if isinstance(operation.operation_def, analyzer_nodes.TensorSource):
        return tuple(operation.operation_def.tensors)
    return tuple(tensor for one in operation.inputs for tensor in _sources(one))
