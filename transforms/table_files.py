"""Which files the tables of a model read: none but the model's own.

A table may be filled from a file, whose path the loader gives: from an asset object, in
`tf.saved_model.load`; from a variable that the asset's path was assigned to, in a model
server. A forged model could name any other file there, and serve what is in it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from maskbeam.transforms.dataset_files import is_below
from maskbeam.transforms.texts import quoted
from maskbeam.transforms.user_ops import TABLE_OF_FILE

_PLAIN_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def fault(graph: Any) -> str:
    """Returns how a table may read a file that is none of the model's; "" if none may.

    Args:
        graph: a MetaGraphDef.
    """
    for asset in graph.asset_file_def:
        if not is_below(asset.filename):
            return f"it has the asset {quoted(asset.filename)}"
    library = {f.signature.name: f for f in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    if any(node.op == TABLE_OF_FILE for node in nodes.values()):
        return "a table reads a file that its graph names"
    readers: dict[str, int] = {}
    for name, function in library.items():
        given = [one.name for one in function.signature.input_arg]
        for node in function.node_def:
            if node.op == TABLE_OF_FILE:
                path = node.input[1]
                if path not in given or readers.get(name, given.index(path)) != (
                    given.index(path)
                ):
                    return "a table reads a file that its function names"
                readers[name] = given.index(path)
    if not readers:
        return ""
    for function in library.values():
        for node in function.node_def:
            if readers.keys() & set(_called(node)):
                return "a function has a table read a file"
    for node in nodes.values():
        for name in readers.keys() & set(_called(node)):
            plain = node.op in _PLAIN_CALLS
            if not plain or not _is_asset(node.input[readers[name]], nodes, graph):
                return "a table reads a file that is none of its assets"
    return _unbound(graph.object_graph_def, library, readers)


def _called(node: Any) -> Iterator[str]:
    """Yields the functions that a node calls."""
    yield node.op
    for value in node.attr.values():
        yield value.func.name
        yield from (function.name for function in value.list.func)


def _is_asset(name: str, nodes: Mapping[str, Any], graph: Any) -> bool:
    """Checks whether a tensor is the path of an asset, maybe kept by a variable."""
    assets = {_node_of(one.tensor_info.name) for one in graph.asset_file_def}
    node = nodes[_node_of(name)]
    if node.op != "ReadVariableOp":
        return node.name in assets
    handle = _node_of(node.input[0])
    assigned = [
        _node_of(other.input[1])
        for other in nodes.values()
        if other.op == "AssignVariableOp" and _node_of(other.input[0]) == handle
    ]
    return bool(assigned) and assets.issuperset(assigned)


def _node_of(tensor: str) -> str:
    return tensor.lstrip("^").partition(":")[0]


def _unbound(
    objects: Any, library: Mapping[str, Any], readers: Mapping[str, int]
) -> str:
    """Returns what else than an asset an object gives a table to read, or ""."""
    for name, place in readers.items():
        concrete = objects.concrete_functions.get(name)
        if concrete is None:
            continue
        bound = list(concrete.bound_inputs)
        free = len(library[name].signature.input_arg) - len(bound)
        if place < free:
            return "whoever calls a table says which file it reads"
        if objects.nodes[bound[place - free]].WhichOneof("kind") != "asset":
            return "a table reads a file that is none of its assets"
    return ""
