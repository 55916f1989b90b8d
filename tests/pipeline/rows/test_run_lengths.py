"""Runs of pixels, held against NumPy's own counting and the pixels themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maskbeam.pipeline.rows.run_lengths import runs_of

_SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)
_FEW = st.integers(0, 2)


@given(
    st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda dtype: st.one_of(
            arrays.arrays(dtype, _SHAPES),
            arrays.arrays(dtype, _SHAPES, elements=_FEW, fill=_FEW),
        )
    )
)
def test_runs_are_the_pixels_and_count_as_numpy(pixels):
    runs = runs_of(pixels)
    np.testing.assert_array_equal(runs.repeat(runs.values), pixels.ravel())
    assert runs.values.dtype == pixels.dtype
    np.testing.assert_array_equal(
        runs.counts(),
        np.bincount(pixels.ravel(), minlength=np.iinfo(pixels.dtype).max + 1),
    )


@pytest.mark.parametrize("length", [1, 7, 8, 100])
def test_what_runs_have_is_given_to_each_pixel(length):
    pixels = np.repeat(np.arange(6, dtype=np.uint8), length).reshape(3, -1)
    runs = runs_of(pixels)
    assert len(runs.values) == (6 if length >= 8 else pixels.size)
    words = np.stack([runs.values * 2, runs.values * 3], axis=1)
    expected = np.stack([pixels * 2, pixels * 3], axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(runs.repeat(words), expected)


def test_a_plain_picture_is_one_run():
    runs = runs_of(np.full((300, 500), 65535, np.uint16))
    assert runs.values.tolist() == [65535]
    assert runs.lengths is not None
    assert runs.lengths.tolist() == [150_000]
    assert runs.counts()[65535] == 150_000
