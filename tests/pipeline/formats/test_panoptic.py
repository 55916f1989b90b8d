"""COCO's panoptic PNGs and their JSON; the oracle is panopticapi's rgb2id, in NumPy."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from maskbeam.pipeline.elements import Segment
from maskbeam.pipeline.formats import panoptic_json, panoptic_png
from tests import data_generation as data

# (segment, category): ids of one, two and three bytes
MAX_PIXELS = 1000
SEGMENTS = {7: 1, 300: 200, 70_000: 184, 16_777_215: 1}


def _picture(rng, height=7, width=13):
    ids = rng.choice([0, *SEGMENTS], (height, width))
    levels = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1)
    known = tuple(
        Segment(i, SEGMENTS[i], int((ids == i).sum())) for i in np.unique(ids) if i
    )
    return ids, data.png(levels.astype(np.uint8)), known


def _opened(encoded):
    return np.array(Image.open(io.BytesIO(encoded)))


def test_segments_become_categories():
    ids, encoded, known = _picture(np.random.default_rng(0))
    expected = np.vectorize({0: 0, **SEGMENTS}.get)(ids)
    found = _opened(panoptic_png.category_map(encoded, known, MAX_PIXELS))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8


def test_categories_above_255_are_whole():
    known = (Segment(5, 40_000, 4),)
    encoded = data.png(np.full((2, 2, 3), (5, 0, 0), np.uint8))
    found = _opened(panoptic_png.category_map(encoded, known, MAX_PIXELS))
    np.testing.assert_array_equal(found, np.full((2, 2), 40_000))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda known: known[1:], "segment 7 at .* is not in the JSON"),
        (
            lambda known: (known[0]._replace(area=known[0].area + 1), *known[1:]),
            "segment 7 has .* its area in the JSON is",
        ),
        (lambda known: (*known, Segment(8, 1, 3)), "segment 8 of the JSON is not in"),
        (lambda known: (known[0]._replace(category=70_000), *known[1:]), "70000"),
    ],
)
def test_a_png_and_a_json_that_differ_are_told(change, words):
    _, encoded, known = _picture(np.random.default_rng(0))
    with pytest.raises(ValueError, match=words):
        panoptic_png.category_map(encoded, change(known), MAX_PIXELS)


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        (data.jpeg(np.zeros((5, 5, 3), np.uint8)), "JPEG, and COCO's"),
        (data.png(np.zeros((5, 5), np.uint8)), "8-bit grey, and COCO's"),
        (data.png(np.zeros((5, 5, 3), np.uint8))[:-20], "damaged"),
        (b"text", "neither PNG nor JPEG"),
    ],
)
def test_no_panoptic_png_is_told(encoded, words):
    with pytest.raises(ValueError, match=words):
        panoptic_png.category_map(encoded, (), MAX_PIXELS)


def test_the_json_is_read_picture_by_picture(tmp_path):
    pictures = {"a.png": (Segment(1, 2, 3), Segment(4, 5, 6)), "b.png": ()}
    path = tmp_path / "panoptic_val2017.json"
    path.write_text(data.panoptic_json(pictures))
    assert panoptic_json.json_of(f"{tmp_path}/panoptic_val2017/a.png") == str(path)
    assert dict(panoptic_json.annotations(str(path))) == pictures


@pytest.mark.parametrize(
    "text", ["no JSON", '{"annotations": [{"file_name": "a"}]}', '{"annotations": [1]}']
)
def test_another_json_is_named(text, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is no JSON of COCO's panoptic"):
        list(panoptic_json.annotations(str(path)))


# ----------------------------------------------------------------------------- bounds


def test_a_segment_that_is_there_twice_is_refused():
    _, encoded, known = _picture(np.random.default_rng(0))
    with pytest.raises(ValueError, match="segment 7 is twice"):
        panoptic_png.category_map(encoded, (*known, known[0]), MAX_PIXELS)


def test_segments_that_no_png_can_hold_are_told():
    _, encoded, known = _picture(np.random.default_rng(0))
    for number in (0, 1 << 24, (1 << 63) - 1):
        with pytest.raises(ValueError, match=f"segment {number} of the JSON is not in"):
            panoptic_png.category_map(
                encoded, (*known, Segment(number, 1, 0)), MAX_PIXELS
            )


def test_the_size_is_judged_before_the_png_is_decoded():
    _, encoded, _ = _picture(np.random.default_rng(0))
    header, body = encoded[:16], encoded[24:]
    huge = header + struct.pack(">II", 10**6, 10**6) + body
    with pytest.raises(ValueError, match="1000000 x 1000000 = .* --max_pixels is 1000"):
        panoptic_png.category_map(huge, (), MAX_PIXELS)


def test_strips_of_rows_come_to_the_same(monkeypatch):
    ids, encoded, known = _picture(np.random.default_rng(0), 50, 30)
    whole = panoptic_png.category_map(encoded, known, 10_000)
    for pixels in (1, 70, 1499):
        monkeypatch.setattr(panoptic_png, "_STRIP_PIXELS", pixels)
        assert panoptic_png.category_map(encoded, known, 10_000) == whole
        unknown = f"segment 7 at {(ids == 7).sum()} pixels is not in the JSON"
        with pytest.raises(ValueError, match=unknown):
            panoptic_png.category_map(encoded, known[2:], 10_000)
