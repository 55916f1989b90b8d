"""CVAT's XML: as pycocotools and NumPy draw it, and what is none is refused."""

import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.formats import cvat_xml, drawn
from tests import annotation_files

SIZE = (23, 31)
VALUES = {"cat": 1, "dog": 2, "tree <&>": 9}
RULES = drawn.Rules(lambda n: VALUES[str(n)], 0, by_area=False, max_pixels=10_000)


def _read(directory: pathlib.Path, text: str | bytes):
    path = directory / "a.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(cvat_xml.pictures(str(path)))


def _file(shapes, name="a.png"):
    return annotation_files.cvat({name: (SIZE, shapes)}, list(VALUES))


def _turned(points, angle):
    """Corners turned clockwise, as seen with y downwards."""
    middle = np.mean(points, axis=0)
    along = (np.array(points) - middle) @ np.array([1, 1j])
    turned = along * np.exp(1j * np.radians(angle))
    return np.stack([turned.real, turned.imag], 1) + middle


def _pixels(shape):
    """A shape's pixels, by pycocotools, or by its runs one by one."""
    kind, found = shape["kind"], shape
    if kind == "mask":
        pixels = np.zeros(SIZE, bool)
        place, value = 0, False
        for run in map(int, found["rle"].split(",")):
            for _ in range(run):
                y, x = divmod(place, int(found["width"]))
                pixels[int(found["top"]) + y, int(found["left"]) + x] = value
                place += 1
            value = not value
        return pixels
    if kind == "polygon":
        pairs = [pair.split(",") for pair in found["points"].split(";")]
        flat = [float(number) for pair in pairs for number in pair]
    else:
        x0, y0, x1, y1 = (float(found[n]) for n in ("xtl", "ytl", "xbr", "ybr"))
        corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
        flat = _turned(corners, float(found.get("rotation", 0))).ravel().tolist()
    return annotation_files.by_pycocotools([flat], *SIZE)


_NUMBERS = st.integers(-200, 4000).map(lambda n: f"{n / 100:.2f}")
_LABELS = st.sampled_from([*VALUES])
_Z = st.sampled_from(["-1", "0", "2"])
_POLYGONS = st.builds(
    lambda label, z, points: {
        "kind": "polygon",
        "label": label,
        "z_order": z,
        "points": ";".join(",".join(point) for point in points),
    },
    _LABELS,
    _Z,
    st.lists(st.tuples(_NUMBERS, _NUMBERS), min_size=3, max_size=8),
)
_BOXES = st.builds(
    lambda label, z, a, b, turn: {
        "kind": "box",
        "label": label,
        "z_order": z,
        "xtl": a[0],
        "ytl": a[1],
        "xbr": b[0],
        "ybr": b[1],
        **turn,
    },
    _LABELS,
    _Z,
    st.tuples(_NUMBERS, _NUMBERS),
    st.tuples(_NUMBERS, _NUMBERS),
    st.sampled_from([{}, {"rotation": "30.00"}, {"rotation": "270.00"}]),
)


def _mask(label, seed, **more):
    rng = np.random.default_rng(seed)
    top, left = rng.integers(0, 15), rng.integers(0, 20)
    height, width = rng.integers(1, SIZE[0] - top), rng.integers(1, SIZE[1] - left)
    box = rng.random((height, width)) < rng.choice([0.1, 0.5, 1.0])
    runs, before = [0], False
    for value in box.ravel():
        if value != before:
            runs.append(0)
            before = value
        runs[-1] += 1
    found = {"kind": "mask", "label": label, "rle": ", ".join(map(str, runs)), **more}
    sides = {"left": left, "top": top, "width": width, "height": height}
    return found | {name: str(value) for name, value in sides.items()}


_MASKS = st.builds(
    lambda label, z, seed: _mask(label, seed, z_order=z),
    _LABELS,
    _Z,
    st.integers(0, 2**32 - 1),
)


@given(st.lists(st.one_of(_POLYGONS, _BOXES, _MASKS), max_size=6))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_shapes_are_drawn_by_z_order(tmp_path_factory, shapes):
    (picture,) = _read(tmp_path_factory.getbasetemp(), _file(shapes))
    ids, overlapping = drawn.draw(picture, RULES)
    wanted, claims = np.zeros(SIZE, int), np.zeros((10, *SIZE), bool)
    for shape in sorted(shapes, key=lambda shape: int(shape["z_order"])):
        on = _pixels(shape)
        wanted[on] = VALUES[shape["label"]]
        claims[VALUES[shape["label"]]] |= on
    np.testing.assert_array_equal(ids, wanted)
    assert overlapping == np.count_nonzero(claims.sum(0) > 1)


def test_names_sizes_and_labels_are_read(tmp_path):
    text = annotation_files.cvat(
        {"deep/é &amp.png": ((3, 4), []), "b.png": ((5, 6), [_mask("new", 1)])},
        ["cat", "dog"],
    )
    first, second = _read(tmp_path, text)
    assert first[:3] == ("deep/é &amp.png", 3, 4)
    assert second[:3] == ("b.png", 5, 6)
    overview = cvat_xml.overview(str(tmp_path / "a.xml"))
    assert overview.classes == {1: "cat", 2: "dog", 3: "new"}
    assert [picture.name for picture in overview.pictures] == [first.name, second.name]
    assert not any(picture.shapes for picture in overview.pictures)


def test_a_large_file_is_read_in_pieces(tmp_path):
    shapes = [_mask("cat", seed) for seed in range(40)]
    text = annotation_files.cvat({f"{n}.png": (SIZE, shapes) for n in range(100)}, [])
    assert len(text) > 600_000
    found = _read(tmp_path, text)
    assert [len(picture.shapes) for picture in found] == [40] * 100


def test_tags_draw_nothing(tmp_path):
    text = _file([]).replace("</image>", '<tag label="cat"/></image>')
    assert _read(tmp_path, text)[0].shapes == ()


def _polygon(points):
    return {"kind": "polygon", "label": "cat", "points": points}


def _box(**more):
    sides = {"xtl": "1", "ytl": "1", "xbr": "5", "ybr": "5"}
    return {"kind": "box", "label": "cat", **sides, **more}


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (_polygon("1,1;2,2"), "x, y of 3 points are 6"),
        (_polygon(""), "unpack"),
        (_polygon("1,1;2,2;3"), "unpack"),
        (_polygon("1,1;2,2;a,3"), "could not convert"),
        (_polygon("1,1;2,2;nan,3"), "far outside"),
        (_polygon("1,1;2,2;1e300,3"), "far outside"),
        ({"kind": "polygon", "label": "cat"}, "its polygon has no 'points'"),
        (_box(xbr="inf"), "far outside"),
        (_box(xbr="x"), "could not convert"),
        (_box(rotation="nan"), "far outside"),
        (_mask("cat", 1) | {"rle": "9999999"}, "not of the"),
        (_mask("cat", 1) | {"rle": "-1, 2"}, "not of the"),
        (_mask("cat", 1) | {"rle": "1, x"}, "invalid literal"),
        (_mask("cat", 1) | {"rle": "9" * 5000}, "no whole number"),
        (_mask("cat", 1) | {"rle": "9" * 19}, "too large|not of the"),
        (_mask("cat", 1) | {"width": "1000000000"}, "is not within the picture"),
        (_mask("cat", 1) | {"left": "-1"}, "is not within the picture"),
        (_polygon("1,1;2,2") | {"kind": "polyline"}, "it is a polyline"),
        (_polygon("1,1;2,2") | {"kind": "points"}, "it is a points"),
        ({"kind": "skeleton", "label": "cat"}, "it is a skeleton"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_names_it(shape, says, tmp_path):
    (picture,) = _read(tmp_path, _file([_box(), shape]))
    with pytest.raises(ValueError, match=f"^annotation 2 of the picture: .*({says})"):
        drawn.draw(picture, RULES)


_SOUND = _file([_box()])
_BOMB = '<!DOCTYPE a [<!ENTITY b "' + "x" * 100 + '">]>'
_OTHER_FILE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no element"),
        ("no XML", "syntax error"),
        (_SOUND[: len(_SOUND) // 2], "unclosed|no element|not well-formed"),
        (_SOUND[:-8], "unclosed"),
        (
            _SOUND.replace("annotations", "annotation"),
            "outermost element is 'annotation'",
        ),
        (_SOUND.replace('name="a.png"', ""), "name"),
        (_SOUND.replace('width="31"', 'width="x"'), "invalid literal"),
        (_SOUND.replace('width="31"', 'width="-1"'), "the width of 'a.png' is -1"),
        (_SOUND.replace('width="31"', f'width="{"9" * 5000}"'), "no whole number"),
        (_SOUND.replace('width="31"', f'width="{"9" * 19}"'), "the width of"),
        (
            _SOUND.replace("<image", "<track").replace("</image", "</track"),
            "for images",
        ),
        (_SOUND.replace("<image", "<x").replace("</image", "</x"), "no images"),
        (_SOUND.replace('label="cat"', ""), "label"),
        (_SOUND.replace("?>", "?>" + _BOMB), "it has a DOCTYPE"),
        (_SOUND.replace("?>", "?>" + _OTHER_FILE), "it has a DOCTYPE"),
        (_SOUND.replace("<image", "<a>" * 10**5 + "<image"), "nested more than 100"),
        (_SOUND.replace('"1"', '"' + "1" * (20 << 20) + '"', 1), "16777216 bytes|far"),
        (_SOUND.encode().replace(b"cat", b"\xff"), "not well-formed"),
        (_SOUND.replace("utf-8", "no-such-code"), "unknown encoding"),
    ],
    ids=range(19),
)
def test_what_is_no_cvat_xml_is_an_error(text, says, tmp_path):
    with pytest.raises(ValueError, match=says) as got:
        _read(tmp_path, text)
    assert "\n" not in str(got.value)
    assert len(str(got.value)) < 500 + len(str(tmp_path))


def test_the_xml_is_read_in_any_encoding_that_it_names(tmp_path):
    text = _file([_box()], name="é.png").replace("utf-8", "utf-16")
    (picture,) = _read(tmp_path, text.encode("utf-16"))
    assert picture.name == "é.png"
