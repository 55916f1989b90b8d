"""labelme's shapes: as labelme draws them, and what is none is refused."""

import base64
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from maskbeam.pipeline.elements import Picture
from maskbeam.pipeline.formats import drawn, labelme_json
from tests import data_generation as data

SIZE = (23, 31)
VALUES = {"cat": 1, "dog": 2, "tree": 9}
RULES = drawn.Rules(lambda name: VALUES[str(name)], 0, by_area=False, max_pixels=10_000)


def _file(shapes, **more):
    return json.dumps(
        {
            "version": "6.3.1",
            "flags": {},
            "shapes": [
                {"group_id": None, "description": "", "flags": {}, **shape}
                for shape in shapes
            ],
            "imagePath": "a.jpg",
            "imageData": base64.b64encode(b"a picture" * 1000).decode(),
            "imageHeight": SIZE[0],
            "imageWidth": SIZE[1],
            **more,
        }
    )


def _read(directory, text) -> Picture:
    path = directory / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (picture,) = labelme_json.pictures(str(path))
    return picture


def _by_pillow(shape):
    """A shape on a whole picture, in labelme's own steps: bool[H W]."""
    picture = Image.new("L", SIZE[::-1])
    draw, points = ImageDraw.Draw(picture), [*map(tuple, shape["points"])]
    kind = shape["shape_type"]
    if kind == "mask":
        found = np.zeros(SIZE, bool)
        (left, top), (right, bottom) = points
        with Image.open(io_of(shape["mask"])) as mask:
            found[top : bottom + 1, left : right + 1] = np.asarray(mask)
        return found
    if kind in ("polygon", "oriented_rectangle"):
        draw.polygon(points, fill=1, outline=1)
    elif kind == "rectangle":
        (a, b), (c, d) = points
        draw.rectangle([min(a, c), min(b, d), max(a, c), max(b, d)], fill=1, outline=1)
    elif kind in ("line", "linestrip"):
        draw.line(points, fill=1, width=10)
    else:
        (x, y), r = points[0], 5.0
        if kind == "circle":
            r = math.hypot(x - points[1][0], y - points[1][1])
        draw.ellipse([x - r, y - r, x + r, y + r], fill=1, outline=1)
    return np.asarray(picture) != 0


def io_of(text):
    return io.BytesIO(base64.b64decode(text))


_POINTS = st.tuples(*[st.integers(-60, 400).map(lambda n: n / 10)] * 2)
_COUNTS = {
    "polygon": (3, 8),
    "oriented_rectangle": (4, 4),
    "rectangle": (2, 2),
    "circle": (2, 2),
    "line": (2, 2),
    "linestrip": (2, 6),
    "point": (1, 1),
}
_SHAPES = st.sampled_from([*_COUNTS]).flatmap(
    lambda kind: st.fixed_dictionaries(
        {
            "label": st.sampled_from([*VALUES]),
            "shape_type": st.just(kind),
            "points": st.lists(
                _POINTS, min_size=_COUNTS[kind][0], max_size=_COUNTS[kind][1]
            ),
        }
    )
)


def _mask(left, top, height, width, label="cat"):
    on = np.random.default_rng(left).random((height, width)) < 0.5  # one bit
    return {
        "label": label,
        "shape_type": "mask",
        "points": [[left, top], [left + width - 1, top + height - 1]],
        "mask": base64.b64encode(data.png(on)).decode(),
    }


@given(st.lists(_SHAPES, max_size=5))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_shapes_are_drawn_in_the_file_s_order(tmp_path_factory, shapes):
    shapes = [*shapes, _mask(3, 4, 9, 11)]
    picture = _read(tmp_path_factory.getbasetemp(), _file(shapes))
    ids, overlapping = drawn.draw(picture, RULES)
    wanted, claims = np.zeros(SIZE, int), np.zeros((10, *SIZE), bool)
    for shape in shapes:
        on = _by_pillow(shape)
        wanted[on] = VALUES[shape["label"]]
        claims[VALUES[shape["label"]]] |= on
    np.testing.assert_array_equal(ids, wanted)
    assert overlapping == np.count_nonzero(claims.sum(0) > 1)


def test_a_rectangle_has_both_its_corners(tmp_path):
    corners = {"label": "cat", "shape_type": "rectangle", "points": [[9, 8], [4, 3]]}
    ids, _ = drawn.draw(_read(tmp_path, _file([corners])), RULES)
    wanted = np.zeros(SIZE, int)
    wanted[3:9, 4:10] = 1
    np.testing.assert_array_equal(ids, wanted)


def test_a_shape_without_a_type_is_a_polygon(tmp_path):
    points = [[4, 3], [9, 3], [9, 8], [4, 8]]
    shapes: list = [{"label": "cat", "points": points}]
    shapes += [{"label": "dog", "points": points, "shape_type": None}]
    (one, other) = _read(tmp_path, _file(shapes)).shapes
    assert one.kind == other.kind == "polygon"


def test_sizes_that_are_not_said_are_none(tmp_path):
    picture = _read(tmp_path, _file([], imageHeight=None, imageWidth=None))
    assert (picture.height, picture.width) == (0, 0)


def _shape(kind="polygon", points=((1, 1), (5, 1), (5, 5)), **more):
    return {"label": "cat", "shape_type": kind, "points": points, **more}


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (_shape(points=[[1, 1], [2, 2]]), "its polygon has 2 points"),
        (_shape("rectangle"), "its rectangle has 3 points"),
        (_shape("circle", [[1, 1]]), "its circle has 1 points"),
        (_shape("line", [[1, 1]]), "its line has 1 points"),
        (_shape("point", []), "its point has 0 points"),
        (_shape("point", [[1e9, 1]]), "far outside"),
        (_shape(points=[[1, 1], [5, 1], [5, 1e308]]), "far outside"),
        (_shape("cuboid"), "its shape_type is 'cuboid'"),
        (_shape("mask", [[1, 1], [5, 5]]), "its mask is damaged"),
        (_shape("mask", [[1, 1], [5, 5]], mask="%%%"), "base64"),
        (_shape("mask", [[1, 1], [5, 5]], mask="AAAA"), "its mask is damaged"),
        (_mask(3, 4, 9, 11) | {"points": [[3, 4], [4, 5]]}, "11 wide and 9 high"),
        (_mask(3, 4, 9, 11) | {"points": [[30, 4], [40, 12]]}, "not within"),
        (_mask(3, 4, 9, 11) | {"points": [[-1, 4], [9, 12]]}, "not within"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_names_it(shape, says, tmp_path):
    picture = _read(tmp_path, _file([_shape(), shape]))
    with pytest.raises(ValueError, match=f"^annotation 2 of the picture: .*{says}"):
        drawn.draw(picture, RULES)


_SOUND = _file([_shape()])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        _SOUND[:-1],
        _SOUND[: len(_SOUND) // 2],
        _SOUND.replace('"label": "cat"', '"label": 5'),
        _SOUND.replace('"label"', '"name"'),
        _SOUND.replace("[1, 1]", "[1, 1, 1]"),
        _SOUND.replace("[1, 1]", '[1, "1"]'),
        _SOUND.replace("[1, 1]", "[1, NaN]"),
        _SOUND.replace("[1, 1]", "[1, 1e999]"),
        _SOUND.replace("[1, 1]", "[1, " + "9" * 5000 + "]"),
        _SOUND.replace('"imageHeight": 23', '"imageHeight": "23"'),
        _SOUND.replace('"imageHeight": 23', '"imageHeight": 2.5'),
        _SOUND.replace('"flags": {}', '"flags": ' + "[" * 10**6),
        _SOUND.replace('"imageHeight": 23', '"imageHeight": ' + "[" * 10**6),
        _SOUND.encode("utf-16"),
        _SOUND.encode().replace(b"cat", b"\xff"),
    ],
    ids=range(19),
)
def test_what_is_no_labelme_json_is_an_error(text, tmp_path):
    with pytest.raises(ValueError, match="is no JSON of labelme's") as got:
        _read(tmp_path, text)
    assert "\n" not in str(got.value)
    assert len(str(got.value)) < 500 + len(str(tmp_path))
