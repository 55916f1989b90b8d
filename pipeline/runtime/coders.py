"""Elements that hold pixels say how large they are.

Beam estimates the sizes of elements, also of those that never leave their stage, and
pickles them for it: whole batches of decoded label maps. What is registered with this
coder says its size instead, and is pickled only where it has to be.
"""

import pickle
from typing import Any

import apache_beam as beam


class SizedCoder(beam.coders.Coder):
    """Pickles elements, and takes their size from their `nbytes`."""

    def encode(self, value: Any) -> bytes:
        """Pickles an element."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        """Undoes `encode`."""
        return pickle.loads(encoded)

    def estimate_size(self, value: Any) -> int:
        """Returns the size in bytes, without encoding."""
        return value.nbytes

    def is_deterministic(self) -> bool:
        """No: pickles of equal values may differ."""
        return False
