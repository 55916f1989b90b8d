"""The operations that models of ours may run: a model with others is not loaded.

A SavedModel is a program: its operations may read and write files, and call Python.
Whoever can write into a dataset could have one run by those who read it. What runs is
what can be reached

- from the functions of its objects, when `tf.saved_model.load` has loaded it;
- from its signatures, and what starts it, in a model server;
- from what restores its variables, in both.

What saves a model is a part of each, and reached from nowhere.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from maskbeam.transforms import table_files, user_ops
from maskbeam.transforms.manifest import DamagedDatasetError
from maskbeam.transforms.texts import quoted

# None of these touches files, the network, Python or what other models share.
_NUMBERS = """
    Add AddV2 All Any ArgMax BitwiseAnd BitwiseOr BitwiseXor Cast DenseBincount DivNoNan
    Equal FloorDiv FloorMod Greater GreaterEqual IsNan LeftShift Less LessEqual
    LogicalAnd LogicalNot LogicalOr LowerBound Max MaxPool Maximum Min Minimum Mul Neg
    NotEqual PopulationCount Prod RealDiv RightShift Round SelectV2 Sqrt Sub Sum
    TruncateDiv
"""
_TENSORS = """
    Bitcast ConcatV2 Const EnsureShape Fill GatherV2 Identity OneHot Pack Pad
    RaggedTensorFromVariant RaggedTensorToTensor RaggedTensorToVariant Range Rank
    Reshape ReverseV2 Shape Size Squeeze StridedSlice TensorListFromTensor
    TensorListGetItem TensorListReserve TensorListSetItem TensorListStack
    TensorScatterUpdate Tile TopKV2 Transpose Unique Unpack Where ZerosLike
"""
_BYTES = """
    AsString DecodeCompressed DecodeJpeg DecodePng DecodeProtoV2 DecodeRaw EncodePng
    ExtractJpegShape ReduceJoin ScaleAndTranslate StaticRegexReplace StringJoin
    StringLength StringToNumber Substr
"""
# The functions that these call are looked at too.
_CALLS = """
    If NoOp PartitionedCall Placeholder PlaceholderWithDefault StatefulPartitionedCall
    StatelessIf StatelessWhile While
"""
# Of tensors, and never of files: `attempts` tries what may fail by them.
_DATASETS = """
    ConcatenateDataset DatasetToSingleElement IgnoreErrorsDataset MapDataset
    OptionsDataset TakeDataset TensorDataset
"""
# A variable keeps the path of an asset.
_ASSETS = "AssignVariableOp VarHandleOp"
_ALL = (_NUMBERS, _TENSORS, _BYTES, _CALLS, _DATASETS, _ASSETS)
_COMPUTING = frozenset(" ".join(_ALL).split())
_RESTORING = _COMPUTING | {"RestoreV2"}
_OF_PROTOS = "DecodeProtoV2"
_OBJECTS = frozenset({"asset", "bare_concrete_function", "user_object"})
_OF_TABLES = frozenset({"captured_tensor", "constant", "function", "resource"})
_MODEL = "saved_model.pb"
_OTHER_MODEL = "saved_model.cpb"  # which some loaders take first


def check(path: str, *, of_user: bool = False) -> None:
    """Checks that a SavedModel runs no operations but those of our models.

    Args:
        path: the model's directory, on any filesystem of TensorFlow's.
        of_user: whether it may have what a function of the user's may (`user_ops`).

    Raises:
        DamagedDatasetError: it may run others, or is no SavedModel as we write it.
    """
    why = _fault(path, of_user)
    if why:
        raise DamagedDatasetError(
            f"{path} is not run, for {why}, as no model of maskbeam's: somebody has "
            "changed it; convert anew"
        )


def others(graph: Any) -> list[str]:
    """Lists the operations of a user's graph, a GraphDef, that no model may run."""
    return user_ops.others(graph, _COMPUTING)


def _fault(path: str, of_user: bool) -> str:
    """Returns what a model has that ours have not; "" if there is nothing."""
    if tf.io.gfile.exists(os.path.join(path, _OTHER_MODEL)):
        return f"it has a {_OTHER_MODEL}"
    model = saved_model_pb2.SavedModel()
    try:
        with tf.io.gfile.GFile(os.path.join(path, _MODEL), "rb") as file:
            model.ParseFromString(file.read())
    except (tf.errors.OpError, DecodeError) as error:
        return f"its {_MODEL} cannot be read ({quoted(str(error))})"
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].object_graph_def.nodes:
        return "it has another number of graphs, or no objects"
    graph = model.meta_graphs[0]
    objects = _OBJECTS | (_OF_TABLES if of_user else set())
    for node in graph.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind not in objects or node.saveable_objects or node.registered_saver:
            return f"it has an object of kind {quoted(kind)}, or of its own way to save"
    try:
        return table_files.fault(graph) or _other_operation(graph, of_user)
    except LookupError as error:
        return f"it names {quoted(error.args[0])}, and has no such part"


def _other_operation(graph: Any, of_user: bool) -> str:
    """Returns an operation that ours have not; "" if there is none.

    Args:
        graph: a MetaGraphDef.
        of_user: whether what a function of the user's may have is none.

    Raises:
        KeyError: a name leads nowhere.
    """
    library = {f.signature.name: f for f in graph.graph_def.library.function}
    for name, function in library.items():
        # TensorFlow may put one of these in the place of another.
        if "api_implements" in function.attr:
            return f"its function {quoted(name)} stands for others"
    tensors = [
        name
        for signature in graph.signature_def.values()
        for output in signature.outputs.values()
        for name in _parts(output)
    ]
    starts = [
        name for one in graph.collection_def.values() for name in one.node_list.value
    ]
    nodes = {node.name: node for node in graph.graph_def.node}
    restores = [graph.saver_def.restore_op_name]
    objects = graph.object_graph_def
    functions = {
        *objects.concrete_functions,
        *(node.bare_concrete_function.concrete_function_name for node in objects.nodes),
    } - {""}
    for known, found in (
        (_COMPUTING, _reached([*tensors, *starts], (), nodes, library)),
        (_COMPUTING, _reached((), functions, nodes, library)),
        (_RESTORING, _reached(restores, (), nodes, library)),
    ):
        for operation in sorted(found - known):
            if not (of_user and user_ops.is_allowed(operation)):
                return f"it has the operation {quoted(operation)}"
    return ""


def _parts(tensor: Any) -> Iterator[str]:
    """Returns the names of a tensor's parts: a ragged or sparse one has several."""
    kind = tensor.WhichOneof("encoding")
    if kind == "composite_tensor":
        for part in tensor.composite_tensor.components:
            yield from _parts(part)
    elif kind == "coo_sparse":
        yield from (value for _, value in tensor.coo_sparse.ListFields())
    else:
        yield tensor.name


def _reached(
    tensors: Iterable[str],
    functions: Iterable[str],
    nodes: Mapping[str, Any],
    library: Mapping[str, Any],
) -> set[str]:
    """Returns all operations that some tensors, or calls of functions, may run.

    Args:
        tensors: names of nodes or of their outputs.
        functions: names of functions.
        nodes: the graph's nodes, by name.
        library: the graph's functions, by name.

    Raises:
        KeyError: a name leads nowhere.
    """
    operations: set[str] = set()
    seen: set[str] = {""}
    to_call, calls, waiting = list(functions), set[str](), list(tensors)
    while waiting:
        name = waiting.pop().lstrip("^").partition(":")[0]
        if name not in seen:
            seen.add(name)
            waiting += nodes[name].input
            to_call += _called(nodes[name], library, operations)
    while to_call:
        name = to_call.pop()
        if name not in calls:
            calls.add(name)
            for node in library[name].node_def:
                to_call += _called(node, library, operations)
    return operations


def _describes_itself(node: Any) -> bool:
    """Checks whether a node holds the description of protos, and reads no file."""
    source: bytes = node.attr["descriptor_source"].s
    return source.startswith(b"bytes://")


def _called(
    node: Any, library: Mapping[str, Any], operations: set[str]
) -> Iterator[str]:
    """Yields the functions that a node calls, and adds its operation to a set."""
    if node.op in library:  # it goes before TensorFlow's own of that name
        yield node.op
    elif node.op == _OF_PROTOS and not _describes_itself(node):
        operations.add(f"{_OF_PROTOS} of a file")
    else:
        operations.add(node.op)
    for value in node.attr.values():
        yield from (function.name for function in value.list.func)
        if value.HasField("func"):
            yield value.func.name
