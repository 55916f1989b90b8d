"""The operations that the user's own function may run, in models and when it is traced.

Nobody can list what people compute. What is allowed here computes, and does nothing
else: it keeps no state and reaches no files, no network, no Python and nothing that
other models share. TensorFlow says of each of its operations whether it has a state,
and defines them in files by their kind: those of files, devices and queues are left out
as a whole.
"""

import re
from collections.abc import Collection
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.python.framework import op_def_registry

TABLE_OF_FILE = "InitializeTableFromTextFileV2"

# They have a state, and it is the model's own: what is checked, and what tables hold.
_OF_MODEL = frozenset(
    {
        "Assert",
        "CheckNumerics",
        "CheckNumericsV2",
        "HashTableV2",
        "LookupTableFindV2",
        "LookupTableImportV2",
        "LookupTableSizeV2",
        "InitializeTableV2",
        TABLE_OF_FILE,
        "ReadVariableOp",  # the path of such a file
        "DynamicPartition",
        "DynamicStitch",
        "ParallelDynamicStitch",
        # Of calls; the functions that they call are looked at too.
        "Case",
        "If",
        "PartitionedCall",
        "StatefulPartitionedCall",
        "StatelessCase",
        "While",
    }
)
# What computes, by the files of TensorFlow that define it.
_KINDS = re.compile(
    r"tensorflow\.python\.ops\.gen_("
    "array|audio|bitwise|composite_tensor|count|ctc|image|linalg|list|manip|map|math|nn"
    "|optional|parsing|ragged_array|ragged_conversion|ragged_math|random_index_shuffle"
    "|set|sparse|special_math|spectral|stateless_random|string"
    ")_ops(_v2)?"
)
# Among these, what reads memory by a file's name, or is for debugging.
_OTHERS = re.compile("Immutable|Debug|Host|Copy|^Ref|^Placeholder$|Guarantee")


def is_allowed(operation: str) -> bool:
    """Checks whether an operation of TensorFlow's only computes."""
    if operation in _OF_MODEL:
        return True
    definition = op_def_registry.get(operation)
    defined_in = getattr(getattr(tf.raw_ops, operation, None), "__module__", "")
    return (
        definition is not None
        and not definition.is_stateful
        and _KINDS.fullmatch(defined_in) is not None
        and not _OTHERS.search(operation)
        and not any(one.is_ref for one in definition.input_arg)
        and not any(one.type == types_pb2.DT_RESOURCE for one in definition.output_arg)
    )


def others(graph: Any, known: Collection[str]) -> list[str]:
    """Lists the operations of a graph, and of its functions, that are not allowed.

    Args:
        graph: a GraphDef.
        known: operations that are allowed besides.
    """
    functions = {function.signature.name for function in graph.library.function}
    nodes = [*graph.node]
    for function in graph.library.function:
        nodes += function.node_def
    found = {node.op for node in nodes} - functions - set(known)
    return sorted(one for one in found if not is_allowed(one))
