"""What a function of a user's may run, and what nobody may."""

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from maskbeam.transforms import known_ops, user_ops
from maskbeam.transforms.manifest import DamagedDatasetError


@pytest.mark.parametrize(
    "operation",
    [
        # Files, of which some have no state in TensorFlow's eyes.
        *("ReadFile", "WriteFile", "MatchingFiles", "Save", "SaveV2", "Restore"),
        *("RestoreV2", "RestoreSlice", "MergeV2Checkpoints", "ImmutableConst"),
        *("GenerateVocabRemapping", "EncodeProto", "LoadAndRemapMatrix"),
        *("TFRecordDataset", "TextLineDataset", "LoadDataset", "SnapshotDatasetV2"),
        *("InitializeTableFromDataset", "InitializeTableFromTextFile"),
        # Python, other processes, other devices.
        *("PyFunc", "PyFuncStateless", "EagerPyFunc", "RemoteCall", "RpcCall"),
        *("XlaLaunch", "TPUPartitionedCall", "CollectiveReduceV2", "_HostSend"),
        # Chance.
        *("RandomUniform", "RandomStandardNormal", "ParameterizedTruncatedNormal"),
        *("StatefulUniform", "RandomShuffle", "Multinomial"),
        # What others share, the screen, the clock.
        *("MutableHashTableV2", "LookupTableInsertV2", "LookupTableExportV2"),
        *("QueueEnqueueV2", "Batch", "BatchFunction", "VariableV2", "Assign"),
        *("PrintV2", "LogMatrixDeterminant2", "Timestamp", "DebugIdentity"),
        # What ends the process, what belongs to other machines, what tests TensorFlow.
        *("Abort", "GetTpuTaskId", "SdcaOptimizer", "SymbolicGradient", "Attr"),
    ],
)
def test_what_nobody_may(operation):
    assert not user_ops.is_allowed(operation)


@pytest.mark.parametrize(
    "operation",
    [
        *("MatMul", "Conv2D", "ResizeBilinear", "StringSplitV2", "BucketizeWithInput"),
        *("LookupTableFindV2", "HashTableV2", "Assert", "CheckNumerics", "While"),
        *("RegexReplace", "Einsum", "Cumsum", "StatelessRandomUniformV2", "Case"),
    ],
)
def test_what_anybody_may(operation):
    exists = op_def_registry.get(operation) is not None
    assert user_ops.is_allowed(operation) == exists


def test_a_table_reads_a_file_of_the_model_and_no_other(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("a\nb\n")

    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(
                    str(names),
                    tf.string,
                    tf.lookup.TextFileIndex.WHOLE_LINE,
                    tf.int64,
                    tf.lookup.TextFileIndex.LINE_NUMBER,
                ),
                -1,
            )

    model = Model()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def of_model(keys):
        return model.table.lookup(keys)

    tf.saved_model.save(model, str(tmp_path / "own"), {"serving_default": of_model})
    known_ops.check(str(tmp_path / "own"), of_user=True)
    with pytest.raises(DamagedDatasetError):
        known_ops.check(str(tmp_path / "own"))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def of_any(keys):
        table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
        done = tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=table,
            filename="/etc/hostname",
            key_index=-2,
            value_index=-1,
        )
        with tf.control_dependencies([done]):
            return tf.raw_ops.LookupTableFindV2(
                table_handle=table, keys=keys, default_value=tf.constant(-1, tf.int64)
            )

    tf.saved_model.save(tf.Module(), str(tmp_path / "any"), {"serving_default": of_any})
    with pytest.raises(DamagedDatasetError, match="a file that its function names"):
        known_ops.check(str(tmp_path / "any"), of_user=True)


_SPEC = tf.TensorSpec([None], tf.string)
_SECRET = "/etc/hostname"


def _init(path):
    table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    return tf.raw_ops.InitializeTableFromTextFileV2(
        table_handle=table, filename=path, key_index=-2, value_index=-1
    ), table


def _of_inner(keys):
    inner = tf.function(lambda path: tf.identity(keys) if _init(path) else keys)
    return inner(tf.constant(_SECRET))


def _of_argument(keys):
    _init(keys[0])
    return keys


@pytest.mark.parametrize("function", [_of_inner, _of_argument])
def test_no_call_names_the_file_of_a_table(function, tmp_path):
    traced = tf.function(function, [_SPEC], autograph=False)
    module = tf.Module()
    module.columns = traced
    tf.saved_model.save(module, str(tmp_path), {"serving_default": traced})
    with pytest.raises(DamagedDatasetError):
        known_ops.check(str(tmp_path), of_user=True)


def _table_model(path, names):
    module = tf.Module()
    index = tf.lookup.TextFileIndex
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(names), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
        ),
        -1,
    )
    module.look_up = tf.function(module.table.lookup, [_SPEC])
    tf.saved_model.save(
        module,
        str(path),
        {
            "serving_default": tf.function(
                lambda keys: {"number": module.table.lookup(keys)}, [_SPEC]
            )
        },
    )


def _assigned_otherwise(graph):
    for node in graph.graph_def.node:
        if node.op == "AssignVariableOp":
            node.input[1] = "other"
    other = graph.graph_def.node.add(name="other", op="Const")
    other.attr["dtype"].type = tf.string.as_datatype_enum
    other.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(_SECRET))


def _bound_otherwise(graph):
    objects = graph.object_graph_def
    for node in objects.nodes:
        if node.WhichOneof("kind") == "asset":
            node.constant.operation = "other"


def _another_asset(graph):
    graph.asset_file_def[0].filename = "../../../../etc/hostname"


@pytest.mark.parametrize(
    "change", [_assigned_otherwise, _bound_otherwise, _another_asset]
)
def test_a_forger_cannot_give_a_table_another_file(change, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("a\nb\n")
    _table_model(tmp_path / "model", names)
    known_ops.check(str(tmp_path / "model"), of_user=True)
    file = tmp_path / "model" / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(model.meta_graphs[0])
    file.write_bytes(model.SerializeToString())
    with pytest.raises(DamagedDatasetError):
        known_ops.check(str(tmp_path / "model"), of_user=True)
