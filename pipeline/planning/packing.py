"""Names as few bytes: a runner holds all of them, and copies them at each hop."""

import itertools
import pickle
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

# Not a type of its own, for which Beam would have no coder but pickle.
Packed = bytes


def pack(names: Any) -> Packed:
    """Packs entries, rows or a unit."""
    return zlib.compress(pickle.dumps(names), level=1)


def unpack(packed: Packed) -> Any:
    """Undoes `pack`."""
    return pickle.loads(zlib.decompress(packed))


def unpack_all(many: Iterable[Packed]) -> Iterator[Any]:
    """What is in packed lists, one list in memory at a time."""
    return itertools.chain.from_iterable(map(unpack, many))
