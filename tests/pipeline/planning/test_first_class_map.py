"""First class maps: what is sure becomes one, and what is not is left to the user."""

import pytest

from maskbeam.pipeline.planning.first_class_map import Counts, Found, first_class_map
from maskbeam.transforms import class_files


def _ids(values, *, is_deep=False):
    return Found(Counts(dict.fromkeys(values, 10)), Counts(), is_deep)


def _colors(*codes):
    return Found(Counts(), Counts(dict.fromkeys(codes, 10)))


def _meaning(found):
    """What each label value becomes: a class's index, or -1 where ignored."""
    made = first_class_map(found, "auto").class_map
    table = made.forward_table(16)
    return {value: int(table[value]) for value in found.ids}


@pytest.mark.parametrize(
    ("values", "is_deep", "expected"),
    [
        ([0, 255], False, [0, 1]),
        ([255], False, [1]),
        ([0], False, [0]),
        ([0, 65535], True, [0, 1]),
        ([0, 1], False, [0, 1]),
        (range(11), False, range(11)),
        ([1, 2, 3], False, range(3)),
        (range(256), False, range(256)),
        ([0, 1, 255], False, [0, 1, -1]),
        ([*range(254), 255], False, [*range(254), -1]),
        ([*range(300), 65535], True, [*range(300), -1]),
        (range(300), True, range(300)),
    ],
)
def test_ids_that_mean_one_thing(values, is_deep, expected):
    found = _ids(values, is_deep=is_deep)
    assert _meaning(found) == dict(zip(values, expected, strict=True))


@pytest.mark.parametrize("values", [[0], [255], [0, 255]])
def test_two_classes_whichever_of_them_occurs(values):
    made = first_class_map(_ids(values), "auto").class_map
    assert made.classes == class_files.preset("binary").classes
    assert made.name == "auto"


@pytest.mark.parametrize(
    ("values", "is_deep", "ways"),
    [
        ([0, 128, 255], False, ["--classes binary", "--classes FILE"]),
        ([0, 1, 3, 255], False, ["--num_classes 4 --ignore_label 255"]),
        ([0, 1, 255], True, ["--num_classes 2 --ignore_label 255"]),
        ([1, 2, 255], False, ["--num_classes 3 --ignore_label 255"]),
        ([3, 9, 40], False, ["{name: class_40, ids: [40]}"]),
        ([*range(14), *range(246, 256)], False, ["--classes binary", "class_246"]),
    ],
)
def test_what_may_mean_several_things_is_left_to_the_user(values, is_deep, ways):
    with pytest.raises(ValueError, match="may mean several things") as caught:
        first_class_map(_ids(values, is_deep=is_deep), "auto")
    message = str(caught.value)
    for way in ways:
        assert way in message
    assert f"{values[-1]} ({1 / len(values):.2%})" in message


def test_the_offered_yaml_is_a_class_map():
    with pytest.raises(ValueError, match="several things") as caught:
        first_class_map(_ids([3, 9, 40]), "auto")
    text = str(caught.value).partition("it is:\n")[2]
    made = class_files.parse_class_map(text, "offered")
    assert [c.ids for c in made.classes] == [(3,), (9,), (40,)]


def test_an_ignore_label_is_said():
    made = first_class_map(_ids([0, 1, 2, 3, 255]), "auto")
    assert "takes 255 (20.00% of the pixels) for the ignore label" in made.note
    assert not first_class_map(_ids(range(4)), "auto").note


@pytest.mark.parametrize("codes", [[0], [0xFFFFFF], [0, 0xFFFFFF]])
def test_black_and_white_are_two_classes(codes):
    made = first_class_map(_colors(*codes), "auto").class_map
    assert [c.ids for c in made.classes] == [(0,), (0xFFFFFF,)]
    assert made.encoding == "color"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Found(Counts(), Counts({0: 5}), alpha_only=2), "in 2 label maps .* alpha"),
        (Found(Counts(), Counts({0: 5}), inexact=3), "3 label maps have .* 16 bits"),
        (Found(Counts({0: 1}), Counts({0: 5})), "some label maps hold ids"),
        (Found(Counts(dict.fromkeys(range(4097), 1)), Counts()), "more than 4096"),
    ],
)
def test_what_is_no_label_map_is_said(found, words):
    with pytest.raises(ValueError, match=words):
        first_class_map(found, "auto")
