"""Warm-up requests, which TensorFlow Serving sends to a model when it loads it.

They are a TFRecord file of tensorflow.serving.PredictionLog. Its package on PyPI pins
a TensorFlow of its own; what is needed of it are four nested messages of text and
bytes, written here in protobuf's wire format. Source: tensorflow/serving,
tensorflow_serving/apis (prediction_log.proto, predict.proto, model.proto).
"""

import os
from collections.abc import Mapping

import tensorflow as tf

from maskbeam.transforms.protobuf_wire import field

_FILE = "assets.extra/tf_serving_warmup_requests"


def save(model: str, requests: Mapping[str, Mapping[str, tf.Tensor]]) -> None:
    """Adds warm-up requests to a serving model.

    Args:
        model: its directory.
        requests: by signature, a tensor for each input.
    """
    path = os.path.join(model, _FILE)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        for signature, inputs in requests.items():
            writer.write(_prediction_log(signature, inputs))


def _prediction_log(signature: str, inputs: Mapping[str, tf.Tensor]) -> bytes:
    model_spec = field(3, signature.encode())  # signature_name
    request = field(1, model_spec)
    for name, value in inputs.items():  # of a map field: key and value
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += field(2, field(1, name.encode()) + field(2, tensor))
    predict_log = field(1, request)
    return field(6, predict_log)
