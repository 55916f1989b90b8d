"""Warm-up requests, which TensorFlow Serving sends to a model when it loads it.

They are a TFRecord file of tensorflow.serving.PredictionLog. Its package on PyPI pins
a TensorFlow of its own; what is needed of it are four nested messages of text and
bytes, written here in protobuf's wire format. Source: tensorflow/serving,
tensorflow_serving/apis (prediction_log.proto, predict.proto, model.proto).
"""

import os
from collections.abc import Mapping

import tensorflow as tf

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
    model_spec = _field(3, signature.encode())  # signature_name
    request = _field(1, model_spec)
    for name, value in inputs.items():  # of a map field: key and value
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))
    predict_log = _field(1, request)
    return _field(6, predict_log)


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes: its number and wire type 2, the length, the content."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the top bit set."""
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
