"""Tells Beam the size of elements that hold pixels.

Beam estimates the sizes of elements, even of those that never leave their stage, by
pickling them: whole batches of decoded label maps. Elements with this coder say their
size instead, and are pickled only if they have to be.
"""

import pickle
from typing import Any

import apache_beam as beam

_MOST = 2**31 - 1


class SizedCoder(beam.coders.Coder):
    """Pickles elements, and takes their size from their `nbytes`."""

    def encode(self, value: Any) -> bytes:
        """Pickles an element."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        """Unpickles an element."""
        return pickle.loads(encoded)

    def estimate_size(self, value: Any) -> int:
        """Returns the size in bytes, without pickling; Beam counts in 32 bits."""
        return min(value.nbytes, _MOST)

    def is_deterministic(self) -> bool:
        """Returns False: pickles of equal values may differ."""
        return False
