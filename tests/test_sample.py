"""The generated sample is what its class map says, and always the same."""

import importlib
import pathlib
import sys

import numpy as np
import pytest

from maskbeam.transforms import class_files

_SCRIPTS = pathlib.Path(__file__).parent.parent / "launch_scripts"


@pytest.fixture(scope="module")
def make_sample():
    """The generator's module."""
    sys.path.insert(0, str(_SCRIPTS))
    try:
        return importlib.import_module("make_sample")
    finally:
        sys.path.remove(str(_SCRIPTS))


def test_scenes_are_by_seed(make_sample):
    image, ids = make_sample.draw_scene(3, 96, 128)
    again, ids_again = make_sample.draw_scene(3, 96, 128)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(ids, ids_again)
    other, _ = make_sample.draw_scene(4, 96, 128)
    assert (image != other).any()
    assert (image.shape, image.dtype) == ((96, 128, 3), np.uint8)


def test_scenes_hold_what_the_class_map_names(make_sample):
    class_map = class_files.parse_class_map(make_sample.class_map(), "sample")
    known = {value for c in class_map.classes for value in c.ids}
    seen = set()
    for seed in range(8):
        _, ids = make_sample.draw_scene(seed, 96, 128)
        found = set(np.unique(ids).tolist())
        assert found <= known | set(class_map.ignore)
        assert (ids[-1] == class_map.ignore[0]).any()  # the ignore band
        seen |= found
    assert known <= seen


def test_odd_sizes_are_drawn(make_sample):
    for height, width in ((1, 1), (7, 13), (30, 5)):
        image, ids = make_sample.draw_scene(0, height, width)
        assert image.shape == (height, width, 3)
        assert ids.shape == (height, width)
