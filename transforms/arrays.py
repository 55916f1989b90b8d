"""Values of tensors, as they are compared."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf


def array_of(tensor: tf.Tensor) -> npt.NDArray[Any]:
    """Returns a tensor's value; of strings NumPy would cut zeros at the end."""
    if tensor.dtype == tf.string:
        return np.array(tensor.numpy(), dtype=object)
    # Not `.numpy()`, which copies.
    return np.asarray(tensor)


def differs(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Compares values of one shape; two that are no numbers are the same."""
    found: npt.NDArray[np.bool_] = np.asarray(one != other)
    if one.dtype.kind == "f" and other.dtype.kind == "f":
        found = found & ~(np.isnan(one) & np.isnan(other))
    return found
