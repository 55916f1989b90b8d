"""Makes any failure of TensorFlow's an INVALID_ARGUMENT that says what is wrong.

What is wrong with the bytes of a request is its sender's fault. Some operations report
it as another error: of protobufs and of deflated data they say DATA_LOSS, which clients
and model servers take for a fault of the server's.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from maskbeam.transforms import decode

Tensors = dict[str, tf.Tensor]


def attempt(function: Callable[[Any], Tensors], argument: Any, message: str) -> Tensors:
    """Calls a function; if it fails, the message is why.

    A graph can catch errors in one place only, a dataset of rows. So this is a dataset:
    what the function returns, if it does, and behind it a row that fails by the message
    as soon as it is asked for.

    Args:
        function: from the argument to tensors.
        argument: a tensor, or a structure of them.
        message: for the error.

    Raises:
        tf.errors.InvalidArgumentError: the function fails.
    """
    plain = tf.autograph.experimental.do_not_convert
    made = tf.data.Dataset.from_tensors(argument).map(plain(function))

    def refusal(never: tf.Tensor) -> Tensors:
        first = decode.require(never, message, tf.constant(0))
        return {
            name: tf.gather(_blanks(spec), first)
            for name, spec in made.element_spec.items()
        }

    refused = tf.data.Dataset.from_tensors(False).map(plain(refusal))
    first = made.ignore_errors().concatenate(refused).take(1).with_options(_plain())
    found: Tensors = first.get_single_element()
    return {
        name: tf.ensure_shape(value, made.element_spec[name].shape)
        for name, value in found.items()
    }


def _blanks(spec: tf.TensorSpec) -> tf.Tensor:
    """Makes one value, in a batch of one, that has the dtype and the rank."""
    sides = [1, *(side or 0 for side in spec.shape)]
    return tf.fill(sides, tf.zeros([], spec.dtype))


def _plain() -> tf.data.Options:
    """Turns off what pays over many rows only."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options
