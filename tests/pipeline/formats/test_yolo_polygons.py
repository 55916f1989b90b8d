"""YOLO's polygons: as pycocotools draws them; what is none is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.formats import annotations, drawn, yolo_polygons
from tests import annotation_files

SIZE = (23, 31)
RULES = drawn.Rules(lambda n: int(n) + 1, 0, by_area=True, max_pixels=10_000)

_SHARES = st.integers(-50, 1100).map(lambda n: n / 1000)
_OBJECTS = st.tuples(
    st.integers(0, 3),
    st.lists(_SHARES, min_size=6, max_size=16).filter(
        lambda shares: len(shares) % 2 == 0
    ),
)


def _read(directory, text):
    path = directory / "a.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (picture,) = yolo_polygons.pictures(str(path))
    return picture


def _draw(directory, text):
    picture = _read(directory, text)
    return drawn.draw(picture._replace(height=SIZE[0], width=SIZE[1]), RULES)


@given(st.lists(_OBJECTS, max_size=5))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_polygons_are_drawn_as_pycocotools_does(tmp_path_factory, objects):
    lines = [f"{number} {' '.join(map(str, shares))}" for number, shares in objects]
    ids, _ = _draw(tmp_path_factory.getbasetemp(), "\r\n".join(lines))
    segmentations = [
        (number + 1, [[s * SIZE[1 - i % 2] for i, s in enumerate(shares)]])
        for number, shares in objects
    ]
    wanted = annotation_files.painted(segmentations, SIZE, 0)
    np.testing.assert_array_equal(ids, wanted)


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_a_picture_without_objects(text, tmp_path):
    assert _read(tmp_path, text)[:] == ("", 0, 0, ())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 0.5 0.5 0.1 0.1", "line 2: it is a box"),
        ("0 0.1 0.1 0.2 0.2 0.3", "5 numbers"),
        ("0 0.1 0.1", "2 numbers"),
        ("0", "0 numbers"),
        ("0 0.1 0.1 0.2 0.2 0.3 37", "no share of a picture"),
        ("0 0.1 0.1 0.2 0.2 0.3 nan", "no share of a picture"),
        ("0 0.1 0.1 0.2 0.2 0.3 -inf", "no share of a picture"),
        ("0 0.1 0.1 0.2 0.2 0.3 x", "could not convert"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_names_it(line, says, tmp_path):
    text = f"1 0.1 0.1 0.9 0.1 0.9 0.9\n{line}\n"
    with pytest.raises(ValueError, match=f"^annotation 2 of the picture: .*{says}"):
        _draw(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "cat 0.1 0.1 0.2 0.2 0.3 0.3",
        "-1 0.1 0.1 0.2 0.2 0.3 0.3",
        "0.5 0.1 0.1 0.2 0.2 0.3 0.3",
        f"{'9' * 5000} 0.1 0.1 0.2 0.2 0.3 0.3",
        "0 0.1 0.1 0.2 0.2 0.3 0.3".encode("utf-16"),
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_text_of_yolo_s_is_an_error(text, tmp_path):
    with pytest.raises(ValueError, match="is no text of YOLO's: line 1 begins") as got:
        _read(tmp_path, text)
    assert len(str(got.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0.1 0.1 0.2 0.2 0.3 0.3\n", True),
        ("\n\n 12 1 0 .5 1e-3 0.3 0.3", True),
        ("0 0.5 0.5 0.1 0.1", True),  # a box, which is refused as such
        ("0 " + "0.123456 " * 10_000, True),
        ("", None),
        ("\ufeff \n", None),
        ("a.png b.png", False),
        ("2007_000032", False),
        ("1.png 2.png", False),
        ("0001 1 2 3", False),
        ("0 0.1 0.1 a.png 0.2 0.3 0.3", False),
    ],
)
def test_a_text_is_told_from_a_list_by_its_first_line(text, expected, tmp_path):
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    assert yolo_polygons.is_one(str(tmp_path / "a.txt")) is expected


def test_the_first_text_that_is_not_empty_decides(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.txt").touch()
    assert not annotations.has_polygons(f"{tmp_path}/*.txt")
    (tmp_path / "3.txt").write_text("0 0.1 0.1 0.2 0.2 0.3 0.3\n")
    assert annotations.has_polygons(f"{tmp_path}/*.txt")
