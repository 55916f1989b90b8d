"""COCO's run lengths equal pycocotools', and what is none is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask

from maskbeam.pipeline.formats import coco_runs


def _pixels(runs, height, width):
    found = np.zeros((height, width), bool)
    part, left = coco_runs.pixels(runs, height)
    found[:, left : left + part.shape[1]] = part
    return found


@given(
    arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.integers(1, 60),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_codes_are_those_of_pycocotools(pixels, times):
    pixels = np.repeat(pixels, times, axis=0)  # so that numbers have several digits
    encoded = mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    runs = coco_runs.of_code(encoded["counts"])
    coco_runs.check(runs, *pixels.shape)
    assert coco_runs.area(runs) == pixels.sum()
    assert (_pixels(runs, *pixels.shape) == pixels).all()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 7))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_runs_may_be_empty(counts, height):
    width = -(-sum(counts) // height) or 1
    counts = [*counts, height * width - sum(counts)]
    runs = np.array(counts, np.int64)
    wanted = np.repeat(np.arange(runs.size) % 2 == 1, runs)
    coco_runs.check(runs, height, width)
    found = _pixels(runs, height, width)
    assert (found == wanted.reshape(width, height).T).all()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (b"", "a character that none has"),
        (b"6240~", "a character that none has"),
        (b"62 40", "a character that none has"),
        (b"62\xff", "a character that none has"),
        (b"62P", "cut off"),
        (b"P" * 9 + b"0", "beyond any picture"),
    ],
)
def test_what_is_no_code_is_refused(code, says):
    with pytest.raises(ValueError, match=says):
        coco_runs.of_code(code)


@pytest.mark.parametrize(
    "runs", [[], [3], [13], [-1, 13], [10, -1, 3], [2**62, 2**62, 2**62, 2**62, 12]]
)
def test_runs_fill_the_picture(runs):
    with pytest.raises(ValueError, match="and the picture has 3 x 4 = 12"):
        coco_runs.check(np.array(runs, np.int64), 3, 4)


@given(st.binary(max_size=40))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_any_code_is_runs_or_refused(code):
    try:
        runs = coco_runs.of_code(code)
        coco_runs.check(runs, 8, 9)
    except ValueError:
        return
    assert runs.sum() == 72
    assert (_pixels(runs, 8, 9) == mask.decode({"size": [8, 9], "counts": code})).all()
