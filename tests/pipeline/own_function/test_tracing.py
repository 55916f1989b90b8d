"""Traces in several threads, which share what TensorFlow tracks."""

import concurrent.futures
import os

import tensorflow as tf
from tensorflow_transform import graph_context, impl_helper
from tensorflow_transform.saved import saved_transform_io_v2

from maskbeam.pipeline.own_function import code, tracing
from maskbeam.transforms import features, saved_models

_CODE = code.Code(
    "own.py",
    "preprocessing_fn",
    """
import tensorflow as tf

def preprocessing_fn(inputs):
    with tf.init_scope():
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2]), -1
        )
    number = tf.cast(table.lookup(inputs["key"]), tf.int64)
    return {"number": number}
""",
)


def _ours():
    config = features.Config(2, "png", (4, 4))
    with saved_models.in_memory() as directory:
        traced = tracing.Traced(_CODE, config, directory)
        part = traced.cut({"number": traced.outputs["number"]}, {"key"})
        module = tf.Module()
        module.tracked = traced.tracked
        module.part = part
        with saved_models.in_memory() as path:
            tf.saved_model.save(module, path)  # which misses a table that is untracked
            loaded = saved_models.load(path)
    found = loaded.part(key=tf.constant(["b", "a", "c"]))["number"]
    assert found.numpy().tolist() == [2, 1, -1]


def _tf_transforms():
    function = _CODE.load()
    spec = {"key": tf.TensorSpec([None], tf.string)}
    with saved_models.in_memory() as directory:
        impl_helper.trace_preprocessing_function(function, spec, False, directory)
        context = graph_context.TFGraphContext(tf.Module(), directory)
        traced = impl_helper.get_traced_transform_fn(
            lambda inputs: {"key": inputs["key"] + "!"}, spec, context
        )
        path = os.path.join(directory, "model")
        saved_transform_io_v2.write_v2_saved_model(
            context.module_to_export, traced, "transform_fn", path, None
        )


def test_traces_do_not_meet():
    assert saved_transform_io_v2.trace_and_update_module.__wrapped__
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        work = [pool.submit(one) for _ in range(6) for one in (_ours, _tf_transforms)]
        for done in work:
            done.result()
