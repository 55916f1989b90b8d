"""Cuts a traced function into parts: what some of its outputs need, and no more.

A function of a user's is traced whole. A signature of the serving model, or a reader
that wants one column, has only some of its inputs. The part of its graph that leads to
some outputs is a function too, and computes the same bits.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.eager import context
from tensorflow.python.eager.polymorphic_function import attributes
from tensorflow.python.framework import ops

# What a table is asked for is computed where an output needs it.
_NEVER_ALONE = "LookupTable"
# TensorFlow rewrites graphs: it multiplies where a constant divides, and joins
# constants on both sides of a call. It does so in some places and not in others, and
# the results differ in their last bits. A function that is marked so is run as it was
# written.
_AS_IT_IS = {attributes.NO_INLINE: True, attributes.TF_DATA_FUNCTION: True}


class Parts:
    """The parts of a traced function.

    Args:
        function: the function, as `tf.function` makes it concrete.
        inputs: its inputs, by name, as they are in its graph.
    """

    def __init__(self, function: Any, inputs: Mapping[str, tf.Tensor]) -> None:
        self._graph = function.graph
        self._inputs = inputs
        self._definition = self._graph.as_graph_def()

    def below(self, tensors: Iterable[tf.Tensor]) -> set[str]:
        """Names all operations that some tensors hang on, with their own."""
        return _below(tensor.op for tensor in tensors)

    def needs(self, tensors: Iterable[tf.Tensor]) -> set[str]:
        """Names the inputs that some tensors hang on."""
        return self._inputs_among(self.below(tensors))

    def _inputs_among(self, operations: Collection[str]) -> set[str]:
        return {n for n, tensor in self._inputs.items() if tensor.op.name in operations}

    def _checks(self, unknown: Collection[str]) -> list[tuple[Any, set[str]]]:
        """Lists what is checked, each with the inputs that it hangs on.

        Args:
            unknown: operations whose results nobody knows yet.
        """
        found = []
        for operation in self._graph.control_outputs:
            below = _below([operation])
            alone = not operation.type.startswith(_NEVER_ALONE)
            if alone and not below & set(unknown):
                found.append((operation, self._inputs_among(below)))
        return found

    def checked(self, unknown: Collection[str] = ()) -> set[str]:
        """Names the inputs that the function checks."""
        return set().union(*(inputs for _, inputs in self._checks(unknown)))

    def _part(self, there: Collection[str]) -> Any:
        """Makes a GraphDef of some operations, which is run as it is."""
        part = graph_pb2.GraphDef(
            node=(node for node in self._definition.node if node.name in there),
            library=self._definition.library,
            versions=self._definition.versions,
        )
        # Those of the whole function are gone when it is.
        names = {
            function.signature.name: f"{function.signature.name}_{ops.uid()}"
            for function in part.library.function
        }
        _rename(part.node, names)
        for function in part.library.function:
            function.signature.name = names[function.signature.name]
            _rename(function.node_def, names)
            for name, value in _AS_IT_IS.items():
                function.attr[name].b = value
            context.context().add_function_def(function)
        return part

    def cut(
        self,
        outputs: Mapping[str, tf.Tensor],
        specs: Mapping[str, tf.TensorSpec],
        unknown: Collection[str] = (),
    ) -> Any:
        """Makes a part a function of some inputs.

        It also checks what the whole function checks of these inputs alone.

        Args:
            outputs: by name; tensors of the whole function's graph.
            specs: of the inputs that there are, by name. The outputs need no others.
            unknown: operations whose results nobody knows yet: checks that hang on
                these are left out.

        Returns:
            A concrete function, called by the names of its inputs, that returns a dict.
        """
        checks = [
            operation
            for operation, inputs in self._checks(unknown)
            if inputs <= specs.keys()
        ]
        ends = [tensor.op for tensor in outputs.values()]
        there = _below([*ends, *checks])
        part = self._part(there)
        captures = [
            (external, inner)
            for external, inner in self._graph.captures
            if inner.op.name in there
        ]
        wanted = [tensor.name for tensor in outputs.values()]

        def call(**given: tf.Tensor) -> dict[str, tf.Tensor]:
            graph = tf.compat.v1.get_default_graph()
            known = {
                self._inputs[name].name: value
                for name, value in given.items()
                if self._inputs[name].op.name in there
            }
            known |= {inner.name: graph.capture(outer) for outer, inner in captures}
            found = tf.graph_util.import_graph_def(
                part,
                known,
                [*wanted, *(operation.name for operation in checks)],
                name="",
            )
            with tf.control_dependencies(found[len(wanted) :]):
                # Without it an input would be returned, and not wait for the checks.
                values = [tf.identity(value) for value in found[: len(wanted)]]
            return dict(zip(outputs, values, strict=True))

        function = tf.function(call, autograph=False, experimental_attributes=_AS_IT_IS)
        return function.get_concrete_function(**specs)


def _rename(nodes: Iterable[Any], names: Mapping[str, str]) -> None:
    """Gives the functions that some nodes call other names."""
    for node in nodes:
        node.op = names.get(node.op, node.op)
        for value in node.attr.values():
            called = [value.func] if value.HasField("func") else value.list.func
            for function in called:
                function.name = names.get(function.name, function.name)


def _below(operations: Iterable[Any]) -> set[str]:
    """Names operations, and all that they hang on."""
    found: set[str] = set()
    waiting = list(operations)
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found.add(operation.name)
            waiting += (tensor.op for tensor in operation.inputs)
            waiting += operation.control_inputs
    return found
