"""Warm-up requests, which TensorFlow Serving sends to a model when it loads it.

They are a TFRecord file of PredictionLogs. Source: TensorFlow Serving's guide,
"SavedModel Warmup".
"""

import os
from collections.abc import Mapping

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

_FILE = "assets.extra/tf_serving_warmup_requests"


def save(model: str, requests: Mapping[str, Mapping[str, tf.Tensor]]) -> None:
    """Adds warm-up requests to a serving model.

    Args:
        model: the model's directory.
        requests: by signature, a tensor for each input.
    """
    path = os.path.join(model, _FILE)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        for signature, inputs in requests.items():
            writer.write(_prediction_log(signature, inputs).SerializeToString())


def _prediction_log(
    signature: str, inputs: Mapping[str, tf.Tensor]
) -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log
