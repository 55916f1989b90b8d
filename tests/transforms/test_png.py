"""Deflate streams: whatever the memory is like, the same bytes give the same stream."""

import platform
import threading
import zlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from isal import isal_zlib

from maskbeam.transforms import png

_THREADS = 64  # alive at once, each has its stack elsewhere


def _differing(compress):
    """How many of some small arrays have several streams, over threads."""
    rng = np.random.default_rng(0)
    made = [
        rng.choice([0, 1, 2, 255], rng.integers(1, 30)).repeat(rng.integers(1, 12))
        for _ in range(400)
    ]
    streams: list[set[bytes]] = [set() for _ in made]
    barrier = threading.Barrier(_THREADS)

    def work():
        barrier.wait()
        for found, array in zip(streams, made, strict=True):
            found.add(compress(array.astype(np.uint8)))

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(len(found) > 1 for found in streams)


def test_a_stream_does_not_hang_on_where_the_stack_lies():
    assert _differing(lambda array: png.deflate([array])) == 0


@pytest.mark.skipif(platform.machine() != "x86_64", reason="another CPU's loop")
def test_isal_by_itself_hangs_on_it():
    """Once this fails, ISA-L is mended, and `deflate` can be one call again."""
    assert _differing(lambda array: isal_zlib.compress(array, 1)) > 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@hypothesis.given(data=st.data())
def test_zlib_reads_what_was_compressed(dtype, data):
    shape = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=40)
    few = st.sampled_from([0, 1, 2, 255])
    array = data.draw(arrays.arrays(dtype, shape, elements=few))
    assert zlib.decompress(png.deflate([array])) == array.tobytes()


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 32, 33, 300, 70_000, 3_000_000])
def test_any_number_of_bytes(size):
    rng = np.random.default_rng(size)
    for array in (rng.integers(0, 256, size), rng.integers(0, 3, size).cumsum() // 40):
        levels = array.astype(np.uint8)
        assert zlib.decompress(png.deflate([levels])) == levels.tobytes()
