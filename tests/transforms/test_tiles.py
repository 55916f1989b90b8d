import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.transforms import tiles

SIDES = st.integers(1, 30)


@st.composite
def grids(draw):
    tile = draw(SIDES), draw(SIDES)
    return (draw(SIDES), draw(SIDES)), tile, draw(st.integers(0, min(tile) - 1))


@given(grids(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_cut_then_stitch_is_the_identity(grid, random):
    size, tile, overlap = grid
    rng = np.random.default_rng(0)
    pictures = {
        "a": rng.integers(0, 9, size).astype(np.uint8),
        "b/c@1": rng.random((*size[::-1], 3)).astype(np.float32),
    }
    pieces = [
        (
            tiles.tile_key(key, offset, (height, width)),
            tiles.cut(picture, offset, tile, 7),
        )
        for key, picture in pictures.items()
        for height, width, *_ in [picture.shape]
        for offset in tiles.offsets(height, width, tile, overlap)
    ]
    assert all(piece.shape[:2] == tile for _, piece in pieces)
    random.shuffle(pieces)
    found = dict(tiles.stitch(pieces, overlap))
    assert found.keys() == pictures.keys()
    for key, picture in pictures.items():
        assert found[key].dtype == picture.dtype
        np.testing.assert_array_equal(found[key], picture)


@given(grids())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_offsets_cover_the_picture_and_stay_inside(grid):
    (height, width), tile, overlap = grid
    found = tiles.offsets(height, width, tile, overlap)
    assert found == sorted(set(found))
    covered = np.zeros((height, width), bool)
    for y, x in found:
        assert y == 0 or y + tile[0] <= height
        assert x == 0 or x + tile[1] <= width
        covered[y : y + tile[0], x : x + tile[1]] = True
    assert covered.all()
    for axis, side in enumerate((height, width)):
        starts = sorted({offset[axis] for offset in found})
        steps = np.diff(starts)
        assert (steps <= tile[axis] - overlap).all()
        assert (steps[:-1] == tile[axis] - overlap).all()
        assert starts[-1] == max(0, side - tile[axis])


def test_where_tiles_overlap_the_first_in_the_grid_is_seen():
    # The outer two alone cover the picture, and yet the middle one is seen.
    pieces = [
        (f"p@0,{x}of2x8", np.full((2, 4), number))
        for number, x in enumerate((0, 3, 4), start=1)
    ]
    for order in itertools.permutations(pieces):
        ((_, found),) = tiles.stitch(order, 1)
        np.testing.assert_array_equal(found, [[1, 1, 1, 1, 2, 2, 2, 3]] * 2)


def test_a_picture_is_given_when_its_last_tile_comes():
    def rows():
        yield "a@0,0of1x2", [[1]]
        yield "b@0,0of1x1", [[2]]
        yield "a@0,1of1x2", [[3]]
        raise AssertionError("no more is needed")

    stitched = tiles.stitch(rows())
    assert [next(stitched)[0] for _ in range(2)] == ["b", "a"]


def test_keys_of_loaded_rows_are_bytes():
    ((key, found),) = tiles.stitch([("ä@0,0of1x1".encode(), [[5]])])
    assert (key, found.tolist()) == ("ä", [[5]])


@given(st.text(), *[st.integers(0, 10**6)] * 4)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_keys_give_offset_and_size_back(key, y, x, height, width):
    text = tiles.tile_key(key, (y, x), (height, width))
    assert tiles.parse_key(text) == (key, (y, x), (height, width))


def test_missing_tiles_are_told_after_all_whole_pictures():
    tile = np.zeros((2, 4))
    rows = [("p@0,0of4x4", tile), ("q@4,0of6x5", tile), ("r@0,0of2x4", tile)]
    stitched = tiles.stitch(rows)
    assert next(stitched)[0] == "r"
    with pytest.raises(ValueError) as told:  # noqa: PT011
        next(stitched)
    assert str(told.value) == (
        "'p' lacks 8 pixels and 1 tiles, the first 'p@2,0of4x4'; "
        "'q' lacks 22 pixels and 5 tiles, the first 'q@0,0of6x5'"
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (("p@0,1of1x4", [[1, 1]]), "'p@0,1of1x4' is not in the grid"),
        (("p@0,2of1x4", [[1, 1, 1]]), r"int64\[1, 3\], and .* int64\[1, 2\]"),
        (("p@0,2of1x4", [[0.5, 0.5]]), "float64.*int64"),
    ],
    ids=["offset", "shape", "dtype"],
)
def test_tiles_that_do_not_fit_are_told(other, message):
    with pytest.raises(ValueError, match=message):
        list(tiles.stitch([("p@0,0of1x4", [[1, 1]]), other]))


@pytest.mark.parametrize("key", ["p", "p@0,0", "p@a,0of1x1", ""])
def test_keys_of_no_tile_are_told(key):
    with pytest.raises(ValueError, match="no tile's key"):
        tiles.parse_key(key)


@pytest.mark.parametrize("overlap", [-1, 4, 9])
def test_an_overlap_without_a_step_is_told(overlap):
    with pytest.raises(ValueError, match="below 4"):
        tiles.offsets(9, 9, (4, 5), overlap)
