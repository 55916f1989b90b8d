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
    made = _made(function, argument)

    def refusal(never: tf.Tensor) -> Tensors:
        first = decode.require(never, message, tf.constant(0))
        return {
            name: tf.gather(_blanks(spec), first)
            for name, spec in made.element_spec.items()
        }

    refused = tf.data.Dataset.from_tensors(False).map(_plain(refusal))
    return _first(made, refused)


def attempt_or(
    function: Callable[[Any], Tensors], argument: Any, otherwise: Tensors
) -> Tensors:
    """Calls a function; if it fails, something else is returned.

    Args:
        function: from the argument to tensors.
        argument: a tensor, or a structure of them.
        otherwise: what is then returned.
    """
    return _first(_made(function, argument), tf.data.Dataset.from_tensors(otherwise))


_plain = tf.autograph.experimental.do_not_convert


def _made(function: Callable[[Any], Tensors], argument: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(argument).map(_plain(function))


def _first(made: tf.data.Dataset, other: tf.data.Dataset) -> Tensors:
    """Takes the only element of a dataset; if it fails, that of another."""
    first = made.ignore_errors().concatenate(other).take(1).with_options(_options())
    found: Tensors = first.get_single_element()
    return {
        name: tf.ensure_shape(value, made.element_spec[name].shape)
        for name, value in found.items()
    }


def _blanks(spec: tf.TensorSpec) -> tf.Tensor:
    """Makes one value, in a batch of one, that has the dtype and the rank."""
    sides = [1, *(side or 0 for side in spec.shape)]
    return tf.fill(sides, tf.zeros([], spec.dtype))


def _options() -> tf.data.Options:
    """Turns off what pays over many rows only."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options
