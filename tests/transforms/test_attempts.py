"""What fails is an INVALID_ARGUMENT that says why."""

import zlib

import pytest
import tensorflow as tf

from maskbeam.transforms import attempts


@pytest.fixture(scope="module")
def inflate():
    def function(one):
        return attempts.attempt(
            lambda value: {
                "text": tf.io.decode_compressed(value, "ZLIB"),
                "zeros": tf.zeros([tf.strings.length(value), 3]),
            },
            one,
            "this is nothing deflated",
        )

    return tf.function(function, [tf.TensorSpec([], tf.string)], autograph=False)


def test_what_does_not_fail_is_returned(inflate):
    deflated = zlib.compress(b"text")
    found = inflate(tf.constant(deflated))
    assert found["text"].numpy() == b"text"
    assert found["zeros"].shape == (len(deflated), 3)


def test_data_loss_is_an_invalid_argument(inflate):
    with pytest.raises(tf.errors.DataLossError):
        tf.io.decode_compressed(b"\xffjunk", "ZLIB")
    with pytest.raises(tf.errors.InvalidArgumentError, match="nothing deflated"):
        inflate(tf.constant(b"\xffjunk"))
