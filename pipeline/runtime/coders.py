"""How large Beam takes the elements to be that hold pixels.

Beam estimates the size of many an element, also of those that never leave their
stage, and does it by pickling them: whole batches of decoded label maps. What is
registered here says its size instead, and is pickled only where it has to be.
"""

import pickle
from typing import Any

import apache_beam as beam


class SizedCoder(beam.coders.Coder):
    """Pickles elements, and takes their size from their `nbytes`."""

    def encode(self, value: Any) -> bytes:
        """To bytes."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        """From bytes."""
        return pickle.loads(encoded)

    def estimate_size(self, value: Any) -> int:
        """In bytes, without encoding."""
        return value.nbytes

    def is_deterministic(self) -> bool:
        """No: pickles of equal values may differ."""
        return False
