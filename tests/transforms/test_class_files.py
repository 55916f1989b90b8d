"""What people write into class maps, and what nobody should: a map, or one line."""

import codecs
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.transforms import class_files
from maskbeam.transforms.classes import LabelClass
from tests import class_map_laws

_CLASS = "classes: [{name: a, ids: [0]}]"


def _refusal(text):
    with pytest.raises(ValueError, match=r"^here: ") as raised:
        class_files.parse_class_map(text, "here")
    message = str(raised.value)
    assert len(message) < 1000
    assert "\n" not in message
    return message


def _one(fields):
    return f"{{name: m, classes: [{fields}]}}"


def _color(color):
    return f"{{name: m, encoding: color, classes: [{{name: a, color: {color}}}]}}"


FIRST_TRIES = {
    "no": (_one("{name: no, ids: 0}"), 'a boolean; YAML reads no, off and false so'),
    "off": (_one("{name: off, ids: 0}"), 'quote it, as name: "no"'),
    "yes": (_one("{name: yes, ids: 0}"), 'quote it, as name: "yes"'),
    "number": (_one("{name: 0, ids: 0}"), 'a number; quote it: name: "0"'),
    "float": (_one("{name: 1.5, ids: 0}"), 'a number; quote it: name: "1.5"'),
    "nan": (_one("{name: .nan, ids: 0}"), "a number"),
    "null": (_one("{name: null, ids: 0}"), 'quote it: name: "null"'),
    "no_name": (_one("{ids: 0}"), "`name` of class 0 is missing"),
    "date": (_one("{name: 2024-01-31, ids: 0}"), 'a date; quote it: name: "2024-'),
    "no_name_of_the_map": (f"{{{_CLASS}}}", "`name` of the map is missing"),
    "no_encoding": (_one("{name: a, color: [1, 2, 3]}"), "add `encoding: color`"),
    "no_ids": (_one("{name: a}"), "class 'a' has no `ids`"),
    "texts": ("name: m\nclasses: [road, car]", "as {name: 'road', ids: [0]}"),
    "mapping": ("name: m\nclasses: {0: road}", "must be a list of classes, in order"),
    "range": (_one("{name: a, ids: 1-2}"), "not '1-2'; write [1, 2]"),
    "long_range": (_one("{name: a, ids: 0-255}"), "write [0, 1, 2, ..., 255]"),
    "backwards": (_one("{name: a, ids: 2-1}"), "not '2-1'"),
    "in_quotes": (_one("{name: a, ids: ['7']}"), "not '7'; write [7]"),
    "commas": (_one('{name: a, ids: "1, 2,3"}'), "write [1, 2, 3]"),
    "nested_ids": (_one("{name: a, ids: [[1]]}"), "as [7, 8], not [1]"),
    "boolean_ids": (_one("{name: a, ids: [true]}"), "as [7, 8], not True"),
    "same_name": (_one("{name: a, ids: 0}, {name: a, ids: 1}"), "name 'a' twice"),
    "same_id": (_one("{name: a, ids: 0}, {name: b, ids: 0}"), "in class 'a' and in"),
    "id_twice": (_one("{name: a, ids: [0, 0]}"), "in class 'a' twice"),
    "key_twice": (_one("{name: a, ids: 0, ids: 1}"), "'ids' for the second time"),
    "short_hex": (_color("'#3C1'"), "must be three numbers, [r, g, b], each 0..255"),
    "bare_hex": (_color("808080"), "if that is hexadecimal, quote it: '808080'"),
    "comment": ("name: m\nencoding: color\nclasses:\n- name: a\n  color: #3C1098\n",
        "`color` of 'a' is empty, for a # and what follows it is a comment"),
    "comment_beside_ids": ("name: m\nclasses:\n- name: a\n  ids: 0\n  color: #3C1098\n",
        "`color` of 'a' is empty"),
    "many_levels": (_color("[1, 2, 3, 4]"), "in quotes, not [1, 2, 3, 4]"),
    "rgb": (_color("{r: 1, g: 2, b: 3}"), "must be three numbers"),
    "names": ("named: [a, b]", "it is no class map"),
    "threshold": (f"threshold: x\nname: m\n{_CLASS}", "`threshold` must be a whole"),
    "threshold_large": (f"threshold: 256\nname: m\n{_CLASS}", "is 256; 1..255 is"),
    "threshold_of_ids": (f"threshold: 128\nname: m\n{_CLASS}", "but 1 classes and"),
    "threshold_of_levels": ("{name: m, encoding: color, threshold: 128, "
        "classes: [{name: a, color: [0, 255, 254]}]}", "and a colour of other levels"),
    "base_of_colors": ("{name: m, base: camvid32, encoding: index}", "map of colours"),
    "base_without_colors": ("{name: m, base: coco_stuff, encoding: color}",
        "class 'person' of the base has no `color`"),
    "base_of_same_colors": ("{name: m, base: ade20k, encoding: color}",
        "colour [140, 140, 140] is in class 'road' and in class 'skyscraper'"),
    "base_encoding": ("{name: m, base: camvid11, encoding: rgb}", "is 'rgb'; it can"),
    "base_divisor": ("{name: m, base: cityscapes, encoding: instance}", "above 0"),
    "empty": ("", "it is no class map"),
    "encoding": (f"encoding: [a]\nname: m\n{_CLASS}", "`encoding` is ['a']; it can be"),
    "encodings": (f"encoding: {{a: b}}\nname: m\n{_CLASS}", "`encoding` is {'a': 'b'}"),
    "others": (f"others: [x]\nname: m\n{_CLASS}", "`others` is ['x']; it can be error"),
    "divisor_text": (f"divisor: x\nname: m\n{_CLASS}", "`divisor` must be a whole"),
    "divisor_float": (f"divisor: 1.5\nname: m\n{_CLASS}", "number, not 1.5"),
    "divisor_bool": (f"divisor: true\nname: m\n{_CLASS}", "number, not True"),
    "divisor_null": (f"divisor:\nname: m\n{_CLASS}", "number, not None"),
    "divisor_negative": (f"divisor: -1\nname: m\n{_CLASS}", "is -1; 1..16777215"),
    "divisor_zero": (f"encoding: panoptic\ndivisor: 0\nname: m\n{_CLASS}", "above 0"),
    "divisor_large": (f"encoding: panoptic\ndivisor: 16777216\nname: m\n{_CLASS}",
        "is 16777216; 1..16777215 is possible"),
    "drop": ("{name: m, base: camvid11, drop: [[a]]}", "must be text, not ['a']"),
    "drop_twice": ("{name: m, base: camvid11, drop: [sky, sky]}", "'sky' twice"),
    "order": ("{name: m, base: camvid11, order: [{a: 1}]}", "not {'a': 1}"),
    "merge_key": ("{name: m, base: camvid11, merge: {[1]: a}}", "a list or a mapping"),
    "merge_list": ("{name: m, base: camvid11, merge: [a]}", "`merge` must map"),
    "merge_bool": ("{name: m, base: camvid11, merge: {no: [sky]}}", "a boolean"),
    "merged_twice": ("{name: m, base: camvid11, merge: {x: [car], y: [car]}}",
        "`merge` names 'car'; there are sky"),
    "base_text": ("{name: m, base: [x]}", "`base` must be text"),
    "base_nul": ('{name: m, base: "\\0"}', "neither a preset nor a file"),
    "base_long": (f"{{name: m, base: {'x' * 5000}}}", "neither a preset nor a file"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), FIRST_TRIES.values(), ids=FIRST_TRIES)
def test_a_first_try_is_told_the_way_out(text, words):
    assert words in _refusal(text)


@pytest.mark.parametrize(
    ("color", "codes"),
    [
        ("'#3C1098'", (0x3C1098,)),
        ("3c1098", (0x3C1098,)),
        ("['3c1098', '#8429F6', [1, 2, 3]]", (0x3C1098, 0x8429F6, 0x010203)),
        ("[60, 16, 152]", (0x3C1098,)),
    ],
)
def test_colors_may_be_hexadecimal(color, codes):
    made = class_files.parse_class_map(_color(color), "here")
    assert made.classes[0].ids == codes


def test_a_base_may_be_of_colors_by_its_classes_colors():
    made = class_files.parse_class_map(
        "{name: m, base: voc2012, encoding: color, ignore: ['#e0e0c0'], drop: [sheep],"
        "merge: {vehicle: [bus, car]}}",
        "here",
    )
    assert made.encoding == "color"
    assert made.ignore == (0xE0E0C0, 0x804000)
    by_name = {c.name: c.ids for c in made.classes}
    assert by_name["vehicle"] == (0x008080, 0x808080)
    assert by_name["tvmonitor"] == (0x004080,)


def test_a_base_of_ids_may_hold_them_in_another_way():
    made = class_files.parse_class_map(
        "{name: m, base: cityscapes, encoding: instance, divisor: 1000}", "here"
    )
    base = class_files.preset("cityscapes")
    assert made.classes == base.classes
    assert made.ignore == base.ignore
    assert (made.encoding, made.divisor) == ("instance", 1000)
    again = class_files.parse_class_map("{name: m, base: carla, encoding: index}", "me")
    assert (again.encoding, again.divisor) == ("index", 0)


ALIASES = "[" + ", ".join(["*a"] * 10) + "]"
BOMB = "name: m\na0: &a [x]\n" + "".join(f"a{i}: &a {ALIASES}\n" for i in range(1, 12))

LONG = {
    "name": f"{{name: {'x' * 10**6}, classes: []}}",
    "class_name": _one(f"{{name: {'x' * 10**6}, ids: 70000}}"),
    "unknown_field": f"{{name: m, {_CLASS}, {'x' * 1000}: 1}}",
    "encoding": f"name: m\nencoding: {'x' * 10**6}\n{_CLASS}",
    "ids": _one(f"{{name: a, ids: {'x' * 10**6}}}"),
    "list_of_lists": _one(f"{{name: a, ids: {[[1]] * 10**5}}}"),
    "color": _one(f"{{name: a, ids: 0, color: {[1] * 10**5}}}"),
    "class": f"{{name: m, classes: [{'x' * 10**6}]}}",
    "drop": f"{{name: m, base: ade20k, drop: [{'x' * 10**6}]}}",
    "bomb": f"{BOMB}{_CLASS}",
    "aliased_ids": "name: m\nclasses:\n- {name: a, ids: &a "
    + f"{list(range(60000))}}}\n"
    + "".join(f"- {{name: a{i}, ids: *a}}\n" for i in range(60000)),
    "classes": "name: m\nclasses: [" + "{}," * 70000 + "]",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_message_is_short_and_soon_there(text):
    start = time.perf_counter()
    _refusal(text)
    assert time.perf_counter() - start < 5  # some have a MiB of YAML


def test_all_classes_that_are_possible_are_read():
    rows = "".join(
        f"- {{name: some class {i}, ids: [{i}], color: [{i >> 8}, {i & 255}, 7]}}\n"
        for i in range(65535)
    )
    text = f"name: m\nclasses:\n{rows}"
    assert len(text) < class_files.MAX_BYTES / 2
    made = class_files.parse_class_map(text, "here")
    assert made.classes == tuple(
        LabelClass(f"some class {i}", (i,), (i >> 8, i & 255, 7)) for i in range(65535)
    )


def test_a_map_of_many_classes_is_soon_made_from_another(tmp_path):
    many = 5000
    rows = ", ".join(f"{{name: c{i}, ids: {i}}}" for i in range(many))
    (tmp_path / "base.yaml").write_text(f"{{name: m, classes: [{rows}]}}")
    merge = ", ".join(f"m{i}: [c{i}, c{i + 1}]" for i in range(0, many, 2))
    order = ", ".join(f"m{i}" for i in range(many - 2, -2, -2))
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"{{name: m, base: base.yaml, merge: {{{merge}}}, order: [{order}]}}"
    )
    made = class_files.load_class_map(str(path))
    assert [c.ids for c in made.classes] == [
        (i, i + 1) for i in range(many - 2, -2, -2)
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_by_its_mark(encoding, tmp_path):
    path = tmp_path / "map.yaml"
    path.write_bytes("name: m\nclasses: [{name: Tür, ids: 0}]".encode(encoding))
    assert class_files.load_class_map(str(path)).names == ["Tür"]


FILES = {
    "latin_1": ("name: m\nclasses: [{name: Tür}]".encode("latin-1"), "UTF-8 in line 2"),
    "cut": (codecs.BOM_UTF16_LE + b"\0", "not UTF-16 in line 1: "),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not UTF-8 in line 1: "),
    "zip": (b"PK\x03\x04\0", "has a NUL character in line 1: "),
    "empty": (b"", "it is no class map"),
    "large": (b"#" * (class_files.MAX_BYTES + 1), "is larger than 16 MiB"),
}


@pytest.mark.parametrize(("content", "words"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_text_is_named(content, words, tmp_path):
    path = tmp_path / "map.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"map\.yaml") as raised:
        class_files.load_class_map(str(path))
    assert words in str(raised.value)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", "/dev/zero"):
        with pytest.raises(ValueError, match="is a (directory|pipe)"):
            class_files.load_class_map(str(path))


def test_a_long_way_of_bases_is_told(tmp_path):
    for i in range(100):
        (tmp_path / f"{i}.yaml").write_text(f"{{name: m, base: {i + 1}.yaml}}")
    with pytest.raises(ValueError, match="leads through more than 16 files"):
        class_files.load_class_map(str(tmp_path / "0.yaml"))


# Pieces of YAML, plausible and hostile: each is a value wherever a value may be.
_WORDS = st.sampled_from(
    [
        *("a", "road", "no", "null", "~", "", "1-2", "'7'", "#3C1098", "'#3C1098'"),
        *(
            "0",
            "1",
            "255",
            "65535",
            "65536",
            "-1",
            "1.5",
            ".nan",
            ".inf",
            "010",
            "1:30",
        ),
        *(
            "2024-01-01",
            "2024-99-99",
            "9" * 5000,
            "x" * 5000,
            "'\\n'",
            '"\\u2028"',
            "🚗",
        ),
        *("!!bool x", "!!binary x", "!!set {a}", "!!timestamp x", "!!str 7", "!x y"),
        *(
            "&x [1, 2]",
            "*x",
            "[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]",
            "[",
            "}",
            "\t",
            "@",
        ),
        *("[1, 2, 3]", "[[1, 2, 3], [4, 5, 6]]", "{a: b}", "{[1]: 2}", "{? a}", "\x07"),
        *("index", "color", "panoptic", "ade20k", "error", "ignore", "camvid11", "sky"),
    ]
)
_VALUES = st.recursive(
    _WORDS,
    lambda values: st.one_of(
        st.lists(values, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(_WORDS, values), max_size=3).map(
            lambda items: f"{{{', '.join(f'{k}: {v}' for k, v in items)}}}"
        ),
    ),
    max_leaves=4,
)


@st.composite
def _fields(draw, sound, hostile):
    """A mapping's text: the fields that are sound, some of which something replaces."""
    fields = dict(sound)
    for name in draw(st.lists(st.sampled_from([*sound, *hostile]), max_size=2)):
        fields[name] = draw(_VALUES)
    for name in draw(st.lists(st.sampled_from(list(fields)), max_size=1)):
        if draw(st.integers(0, 3)) == 0:
            del fields[name]
    return "{" + ", ".join(f"{k}: {v}" for k, v in fields.items()) + "}"


@st.composite
def _maps(draw):
    if draw(st.integers(0, 3)) == 0:
        sound = {"name": "m", "base": "camvid11", "drop": "[sky]", "order": "[road]"}
        more = ["merge", "ignore", "others", "encoding", "divisor", "threshold"]
        more += ["nearest", "channel"]
        return draw(_fields(sound, more))
    value = draw(st.sampled_from(["ids: [{0}]", "color: [{0}, 0, 7]"]))
    rows = []
    for i in range(draw(st.integers(0, 3))):
        name, _, content = value.format(i).partition(": ")
        sound = {"name": f"c{i}", name: content}
        rows.append(draw(_fields(sound, ["ids", "color", "_"])))
    sound = {"name": "m", "classes": f"[{', '.join(rows)}]"}
    if "color" in value:
        sound["encoding"] = "color"
    hostile = [
        "encoding",
        "divisor",
        "threshold",
        "nearest",
        "channel",
        "ignore",
        "others",
        "dataset",
        "name",
        "names",
    ]
    return draw(_fields(sound, hostile))


_SIGNS = st.text("ab01:-,[]{}&*!|>'\"%@`#?\\ \n\t~<=.\x85\ufeff\u2028\0", max_size=40)


@given(_maps() | _SIGNS | _SIGNS.map("name: m\nclasses:\n{}".format))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_any_text_assert_map_or_one_line(text):
    class_map_laws.assert_map_or_one_line(text)
