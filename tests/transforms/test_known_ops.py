"""A model that could do more than compute is not run."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from maskbeam.pipeline.dataset import transform_graph
from maskbeam.transforms import (
    class_files,
    classes,
    features,
    known_ops,
    record_columns,
    signatures,
    summaries,
)
from maskbeam.transforms.classes import ClassMap, LabelClass
from maskbeam.transforms.manifest import DamagedDatasetError


def _map(encoding, **fields):
    labels = (LabelClass("a", (1, 2), (1, 2, 3)), LabelClass("b", (5,), (9, 9, 9)))
    return ClassMap("m", labels, encoding=encoding, **fields)


_SIZED: dict[str, Any] = {"size": (20, 24), "with_images": True}
CONFIGS: dict[str, tuple[ClassMap, dict[str, Any]]] = {
    "bits": (classes.numbered(2), {"mask_encoding": "bits"}),
    "16 bits": (
        classes.numbered(300, [65535]),
        {"mask_encoding": "png", "with_images": True, "weight_map": "median_frequency"},
    ),
    "letterbox": (
        class_files.preset("camvid11"),
        {"mask_encoding": "bits", "resize": "letterbox", "boundary": 2, **_SIZED},
    ),
    "crop": (
        _map("color", others="ignore"),
        {"mask_encoding": "uint8", "resize": "crop", "normalize": "zscore", **_SIZED},
    ),
    "short side": (
        _map("panoptic", divisor=1000),
        {"mask_encoding": "float32", "resize": "short_side", "exif": "ignore", **_SIZED}
        | {"image_storage": "png", "presence": True},
    ),
    "stretch": (
        _map("ade20k"),
        {"mask_encoding": "png", "normalize": "symmetric", **_SIZED},
    ),
    "tiles": (
        _map("coco_panoptic"),
        {"mask_encoding": "bits", "resize": "tile", "overlap": 4, **_SIZED}
        | {"image_storage": "png"},
    ),
    "raw": (
        class_files.preset("camvid11"),
        {"mask_encoding": "bits", "image_storage": "raw", **_SIZED},
    ),
    "threshold": (
        class_files.preset("deepglobe"),
        {"mask_encoding": "png", "presence": True},
    ),
    "threshold of ids": (
        dataclasses.replace(class_files.preset("binary"), threshold=9, channel="red"),
        {"mask_encoding": "png"},
    ),
    "nearest": (
        _map("color", nearest=40),
        {"mask_encoding": "png"},
    ),
    "alpha": (
        _map("index", channel="alpha"),
        {"mask_encoding": "png"},
    ),
    "instance": (
        _map("instance", divisor=1000),
        {"mask_encoding": "png", "presence": True, "weight_map": "inverse_frequency"},
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_models_of_ours_run_known_operations(name, tmp_path):
    class_map, fields = CONFIGS[name]
    k = class_map.num_classes
    config = features.Config(num_classes=k, **fields)
    image = np.zeros((4, 5, 3), np.uint8) if config.with_images else None
    train = summaries.zero(k, config.with_images)
    summaries.add_row(train, summaries.of_row(np.ones(k, np.int64), 3, image))
    transform_graph.write(str(tmp_path), config, class_map, train)
    known_ops.check(str(tmp_path / "transform_graph" / "transform_fn"))
    constants = record_columns.Constants(tf.ones([3]), tf.zeros([3]), tf.ones([k]))
    keys = signatures.ExampleKeys()
    signatures.save(str(tmp_path / "serving"), config, class_map, constants, keys)
    known_ops.check(str(tmp_path / "serving"))
    # It could save itself, if somebody asked it to.
    content = (tmp_path / "serving" / "saved_model.pb").read_bytes()
    library = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    operations = {n.op for f in library.library.function for n in f.node_def}
    assert {"SaveV2", "MergeV2Checkpoints"} <= operations


def test_tensorflow_says_that_they_have_no_effects():
    keep_state = {
        name for name in known_ops._RESTORING if op_def_registry.get(name).is_stateful
    }
    calls = {"StatefulPartitionedCall", "If", "While"}  # their functions are looked at
    of_tensors = {"TensorDataset", "DatasetToSingleElement"}
    assert keep_state == calls | of_tensors | {
        "RestoreV2",
        "AssignVariableOp",
        "VarHandleOp",
    }


def _write(x):
    tf.io.write_file("/nowhere/mine", "mine")
    return x + 1.0


def _save(path, function):
    spec = tf.TensorSpec([None], tf.float32)
    traced = tf.function(function, input_signature=[spec], autograph=False)
    tf.saved_model.save(tf.Module(), str(path), {"serving_default": traced})


def _in_a_loop(x):
    return tf.while_loop(lambda x: x[0] < 9.0, lambda x: (_write(x),), (x,))[0]


def _in_a_branch(x):
    inner = tf.function(_write, autograph=False)
    return tf.cond(x[0] > 0.0, lambda: inner(x), lambda: x)


def _python(x):
    return tf.py_function(lambda y: y, [x], tf.float32)


FOREIGN = {
    "a file": (_write, "WriteFile"),
    "a loop": (_in_a_loop, "WriteFile"),
    "a branch": (_in_a_branch, "WriteFile"),
    "Python": (_python, "EagerPyFunc"),
    "reading": (lambda x: tf.strings.length(tf.io.read_file("/x")), "ReadFile"),
    "printing": (lambda x: (tf.print(x), x)[1], "PrintV2"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_other_operations_are_named(case, tmp_path, monkeypatch):
    function, operation = FOREIGN[case]
    # Those with effects within are refused by themselves.
    known = known_ops._COMPUTING | {"While", "If"}
    monkeypatch.setattr(known_ops, "_COMPUTING", known)
    _save(tmp_path, function)
    with pytest.raises(DamagedDatasetError, match=f"the operation '{operation}'"):
        known_ops.check(str(tmp_path))


def _changed(path, change):
    """Changes a model that is sound, as a forger would."""
    _save(path, lambda x: x + 1.0)
    known_ops.check(str(path))
    file = path / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(model.meta_graphs[0], model)
    file.write_bytes(model.SerializeToString())


def _write_node(nodes):
    for name, op in (("mine/name", "Const"), ("mine", "WriteFile")):
        nodes.add(name=name, op=op)
    nodes[-1].input.extend(["mine/name", "mine/name"])


def _as_start(graph, _):
    _write_node(graph.graph_def.node)
    (name,) = graph.collection_def["saved_model_main_op"].node_list.value
    (start,) = (node for node in graph.graph_def.node if node.name == name)
    start.input.append("^mine")


def _as_restoring(graph, _):
    _write_node(graph.graph_def.node)
    name = graph.saver_def.restore_op_name
    (restore,) = (node for node in graph.graph_def.node if node.name == name)
    restore.input.append("^mine")


def _as_a_signature(graph, _):
    _write_node(graph.graph_def.node)
    graph.signature_def["more"].outputs["x"].name = "mine:0"


def _as_a_part_of_a_tensor(graph, _):
    _write_node(graph.graph_def.node)
    output = graph.signature_def["more"].outputs["x"]
    output.composite_tensor.components.add().name = "mine:0"


def _as_tensorflows_own(graph, _):
    """A function that is called as an operation goes before it."""
    function = graph.graph_def.library.function.add()
    function.signature.name = "AddV2"
    _write_node(function.node_def)


def _as_an_implementation(graph, _):
    graph.graph_def.library.function[0].attr["api_implements"].s = b"x"


FORGED = {
    "start": (_as_start, "the operation 'WriteFile'"),
    "restoring": (_as_restoring, "the operation 'WriteFile'"),
    "a signature": (_as_a_signature, "the operation 'WriteFile'"),
    "a part": (_as_a_part_of_a_tensor, "the operation 'WriteFile'"),
    "TensorFlow's own": (_as_tensorflows_own, "the operation 'WriteFile'"),
    "implementation": (_as_an_implementation, "stands for others"),
    "no objects": (lambda g, _: g.ClearField("object_graph_def"), "no objects"),
    "two graphs": (lambda g, m: m.meta_graphs.add(), "another number of graphs"),
    "a resource": (
        lambda g, _: g.object_graph_def.nodes.add().resource.SetInParent(),
        "an object of kind 'resource'",
    ),
    "a table's own way": (
        lambda g, _: g.object_graph_def.nodes[0].saveable_objects["x"].SetInParent(),
        "own way to save",
    ),
    "nowhere": (
        lambda g, _: g.object_graph_def.concrete_functions["none"].SetInParent(),
        "names 'none', and has no such part",
    ),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_model_is_not_run(case, tmp_path):
    change, words = FORGED[case]
    _changed(tmp_path, change)
    with pytest.raises(DamagedDatasetError, match=words) as raised:
        known_ops.check(str(tmp_path))
    assert str(tmp_path) in str(raised.value)


def test_what_is_no_model(tmp_path):
    with pytest.raises(DamagedDatasetError, match="cannot be read"):
        known_ops.check(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 9)
    with pytest.raises(DamagedDatasetError, match="cannot be read"):
        known_ops.check(str(tmp_path))
    _save(tmp_path, lambda x: x + 1.0)
    (tmp_path / "saved_model.cpb").write_bytes(b"")
    with pytest.raises(DamagedDatasetError, match="it has a saved_model.cpb"):
        known_ops.check(str(tmp_path))
