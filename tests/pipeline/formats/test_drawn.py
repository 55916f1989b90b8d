"""Shapes drawn: as pycocotools draws them, the smaller on top, overlaps counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.elements import Picture, Shape
from maskbeam.pipeline.formats import coco_json, drawn
from tests import annotation_files

SIZE = (23, 31)
RULES = drawn.Rules(int, 0, by_area=True, max_pixels=10_000)

_POINTS = st.tuples(st.integers(-40, 400), st.integers(-40, 400)).map(
    lambda at: (at[0] / 10, at[1] / 10)
)
_POLYGONS = st.lists(_POINTS, min_size=3, max_size=9).map(
    lambda points: [number for point in points for number in point]
)
_SEEDS = st.integers(0, 2**32 - 1)


def _pixels(seed):
    rng = np.random.default_rng(seed)
    top, left = rng.integers(0, SIZE[0]), rng.integers(0, SIZE[1])
    pixels = np.zeros(SIZE, bool)
    pixels[top : top + 9, left : left + 12] = rng.random() < 0.5 or (
        rng.random(pixels[top : top + 9, left : left + 12].shape) < 0.5
    )
    return pixels


_SEGMENTATIONS = st.one_of(
    st.lists(_POLYGONS, min_size=1, max_size=3),
    _SEEDS.map(lambda seed: annotation_files.code_of(_pixels(seed))),
    _SEEDS.map(lambda seed: annotation_files.runs_of(_pixels(seed))),
)


def _shape(category, segmentation):
    return coco_json._shape({"category_id": category, "segmentation": segmentation})


def _draw(segmentations, rules=RULES):
    shapes = tuple(_shape(*found) for found in segmentations)
    return drawn.draw(Picture("a.png", *SIZE, shapes), rules)


@given(st.lists(st.tuples(st.sampled_from([1, 2, 300]), _SEGMENTATIONS), max_size=5))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_pictures_are_painted_as_pycocotools_masks(segmentations):
    ids, overlapping = _draw(segmentations)
    assert (ids == annotation_files.painted(segmentations, SIZE, 0)).all()
    assert overlapping == annotation_files.overlapping(segmentations, SIZE)
    is_deep = any(category > 255 for category, _ in segmentations)
    assert ids.dtype == (np.uint16 if is_deep else np.uint8)


@pytest.mark.parametrize("turn", [1, -1])
def test_the_smaller_is_on_top_whatever_the_order(turn):
    large = [[0, 0, 20, 0, 20, 20, 0, 20]]
    small = [[5, 5, 10, 5, 10, 10, 5, 10]]
    ids, overlapping = _draw([(1, large), (2, small)][::turn])
    assert overlapping == 25
    assert np.count_nonzero(ids == 2) == 25
    assert np.count_nonzero(ids == 1) == 400 - 25
    assert (ids[5:10, 5:10] == 2).all()


def test_of_equal_ones_the_later_is_on_top_and_one_class_is_no_overlap():
    square = [[0, 0, 4, 0, 4, 4, 0, 4]]
    ids, overlapping = _draw([(1, square), (2, square)])
    assert [np.count_nonzero(ids == 2), overlapping] == [16, 16]
    assert _draw([(3, square), (3, square)])[1] == 0


def test_without_areas_the_later_is_on_top():
    large = [[0, 0, 20, 0, 20, 20, 0, 20]]
    small = [[5, 5, 10, 5, 10, 10, 5, 10]]
    rules = drawn.Rules(int, 9, by_area=False, max_pixels=10_000)
    ids, overlapping = _draw([(2, small), (1, large)], rules)
    assert [np.count_nonzero(ids == 2), overlapping] == [0, 25]
    assert ids[-1, -1] == 9


@pytest.mark.parametrize(
    ("category", "segmentation", "says"),
    [
        (1, [[1, 2, 3, 4]], "x, y of 3 points are 6"),
        (1, [[1, 2, 3, 4, 5, 6, 7]], "7 numbers"),
        (1, [[1, 2, 3, 4, 5, float("inf")]], "far outside"),
        (1, [[1, 2, 3, 4, 5, float("nan")]], "far outside"),
        (1, [[1, 2, 3, 4, 5, 1e9]], "far outside of the picture, which is 31 wide"),
        (1, [[-300, -300, 300, 300] * 100_000], "pixels long"),
        (1, [], "a box and no segmentation"),
        (1, None, "a box and no segmentation"),
        (1, "abc", "segmentation is 'abc'"),
        (1, [["1", 2, 3, 4, 5, 6]], "'1' among numbers"),
        (1, [[True, 2, 3, 4, 5, 6]], "True among numbers"),
        (1, [5, 6], "COCO has a list of polygons"),
        (1, {"size": [23, 31], "counts": [713.0]}, "whole numbers"),
        (1, {"size": [23, 31], "counts": [10**9]}, "1000000000 pixels"),
        (1, {"size": [23, 31], "counts": [2**70]}, "too large"),
        (1, {"size": [23, 31], "counts": [744]}, "run lengths are of 744 pixels"),
        (
            1,
            {"size": [31, 23], "counts": [713]},
            "size is 31 x 23, and the picture 23 x 31",
        ),
        (1, {"size": [23, 31], "counts": "P"}, "cut off"),
        (1, {"size": [23, 31], "counts": "\u00e9"}, "pixels"),
        (1, {"size": [23, 31]}, "no 'counts'"),
        ("cat", [[1, 2, 3, 4, 5, 6]], "category_id is 'cat'"),
        (-1, [[1, 2, 3, 4, 5, 6]], "the id -1 is outside"),
        (65536, [[1, 2, 3, 4, 5, 6]], "the id 65536 is outside"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_names_it(category, segmentation, says):
    sound = (1, [[0, 0, 4, 0, 4, 4]])
    with pytest.raises(ValueError, match=says) as got:
        _draw([sound, (category, segmentation)])
    assert str(got.value).startswith("annotation 2 of the picture: ")
    assert len(str(got.value)) < 400
    assert "\n" not in str(got.value)


@pytest.mark.parametrize(
    ("size", "says"),
    [((0, 5), "its size is 0 x 5"), ((10**5, 10**5), "--max_pixels is 10000")],
)
def test_sizes_are_judged_before_memory_is_taken(size, says):
    shapes = (Shape(1, drawn.WRONG, (b"never looked at",)),)
    with pytest.raises(ValueError, match=says):
        drawn.draw(Picture("a.png", size[0], size[1], shapes), RULES)
