"""Class lists of other tools: what each means, or one line of what is wrong."""

import csv
import io
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.transforms import class_files, other_class_files
from maskbeam.transforms.classes import MAX_CLASSES, color_levels
from tests import class_map_laws

CVAT = """# label:color_rgb:parts:actions
leaf:48,112,32::
background:0,0,0::
part:of it:176,112,32:root,tip:bend
"""
MAPILLARY = {
    "version": "2.0",
    "labels": [
        {
            "name": "a--bird",
            "readable": "Bird",
            "evaluate": True,
            "color": [165, 42, 42],
        },
        {"name": "void--x", "readable": "Unlabeled", "evaluate": False, "color": None},
        {"name": "b--curb", "readable": "Curb", "evaluate": True},
    ],
}

# Text, encoding, and by class: name and label value, as YAML has it.
READ = {
    "labelmap": (CVAT, "color", {
        "background": "[0, 0, 0]",
        "leaf": "[48, 112, 32]",
        "part:of it": "[176, 112, 32]",
    }),
    "labelmap_without_header": ("a:1,2,3::\n\nb: 4, 5 ,6::\n", "color", {
        "a": "[1, 2, 3]", "b": "[4, 5, 6]"
    }),
    "labelmap_of_another_background": ("a:1,2,3::\nbackground:0,128,0::", "color", {
        "background": "[0, 128, 0]", "a": "[1, 2, 3]"
    }),
    "labelmap_of_another_black": ("a:1,2,3::\nbackground:9,9,9::\nb:0,0,0::", "color", {
        "b": "[0, 0, 0]", "a": "[1, 2, 3]", "background": "[9, 9, 9]"
    }),
    "labelmap_as_cvats_manual_has_it": (
        "# label : color (RGB) : 'body' parts : actions\n#\nbus:12,28,0::\r\n", "color",
        {"bus": "[12, 28, 0]"}
    ),
    "class_dict": ("name,r,g,b\nroad,110,193,228\nland,132,41,246\n", "color", {
        "road": "[110, 193, 228]", "land": "[132, 41, 246]"
    }),
    "class_dict_of_a_spreadsheet": (
        '\n"Class Name";Blue;Green;Red;note\n"a;b";3;2;1;x\n\n c ;6;5;4;\n', "color",
        {"a;b": "[1, 2, 3]", "c": "[4, 5, 6]"}
    ),
    "class_dict_of_tabs": ("label\tR\tG\tB\na\t1\t2\t3", "color", {"a": "[1, 2, 3]"}),
    "class_dict_of_old_macs": ("name,r,g,b\ra,1,2,3\rb,4,5,6", "color", {
        "a": "[1, 2, 3]", "b": "[4, 5, 6]"
    }),
    "roboflow": ('Pixel Value, Class\n0, background\n7, "a, b"\n', "index", {
        "background": "0", "a, b": "7"
    }),
    "id2label": ('{"10": "c", "7": "a", "9": "b"}', "index", {
        "a": "7", "b": "9", "c": "10"
    }),
    "id2label_of_yaml": ("0: a\n3: b", "index", {"a": "0", "b": "3"}),
    "id2label_in_a_config": ('{"model": "x", "id2label": {"1": "a"}}', "index",
        {"a": "1"}
    ),
    "id2label_of_an_emoji": (r'{"0": "\ud83d\ude97"}', "index", {"🚗": "0"}),
    "mapillary": (json.dumps(MAPILLARY), "index", {"Bird": "0", "Curb": "2"}),
    "a2d2": ('{\n\t"#ff0000": "Car 1",\n\t"#c800FF": "Car 2"\n}', "color", {
        "Car 1": "[255, 0, 0]", "Car 2": "[200, 0, 255]"
    }),
    "ultralytics": ("path: .\nnc: 2\nnames: [a, b]", "index", {"a": "0", "b": "1"}),
    "ultralytics_by_id": ("val: x\nnames:\n  0: a\n  2: b", "index", {
        "a": "0", "b": "2"
    }),
}  # fmt: skip


@pytest.mark.parametrize(("text", "encoding", "classes"), READ.values(), ids=READ)
def test_a_list_of_classes_is_a_class_map(text, encoding, classes):
    made = class_files.parse_class_map(text, "some/where/labels.txt")
    assert made.name == "labels"
    assert made.encoding == encoding
    assert list(made.names) == list(classes)
    assert [made.describe(c.ids[0]) for c in made.classes] == list(classes.values())
    assert class_files.parse_class_map(class_files.to_yaml(made), "again") == made


def test_a_file_is_known_by_what_is_in_it(tmp_path):
    for name, (text, _, classes) in READ.items():
        path = tmp_path / f"{name}.bin"
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert class_files.load_class_map(str(path)).names == list(classes)


def test_mapillarys_labels_that_are_not_evaluated_are_ignored():
    made = class_files.parse_class_map(json.dumps(MAPILLARY), "here")
    assert made.ignore == (1,)
    assert [c.color for c in made.classes] == [(165, 42, 42), None]


def test_mapillarys_readable_names_that_are_equal_give_way():
    labels = [{"name": name, "readable": "A"} for name in ("x--a", "y--a")]
    made = class_files.parse_class_map(json.dumps({"labels": labels}), "here")
    assert made.names == ["x--a", "y--a"]


def test_a_list_of_classes_is_the_base_of_a_map(tmp_path):
    (tmp_path / "labelmap.txt").write_text(CVAT)
    (tmp_path / "mine.yaml").write_text(
        "{name: m, base: labelmap.txt, drop: [background], ignore: ['#010203']}"
    )
    made = class_files.load_class_map(str(tmp_path / "mine.yaml"))
    assert made.names == ["leaf", "part:of it"]
    assert made.ignore == (0x010203, 0)


def _labels(**fields):
    return json.dumps({"labels": [{"name": "a"}, fields]})


REFUSED = {
    "labelmap_field": ("a:1,2,3::\nleaf:48,112", "line 2 is 'leaf:48,112', and a"),
    "labelmap_level": ("a:1,2,3::\n\nb:1,2,256::", "'b' the colour '1,2,256'"),
    "labelmap_levels": ("a:1,2,3::\nb:1,2::", "gives 'b' the colour '1,2'; write"),
    "labelmap_no_color": ("a:1,2,3::\nb:::", "line 2 gives 'b' the colour ''; write"),
    "labelmap_no_name": ("a:1,2,3::\n:1,2,4::", "line 2 is ':1,2,4::', and a label"),
    "labelmap_of_header": ("# label:color_rgb:parts:actions\n", "it has 0 classes"),
    "labelmap_bad_from_the_first": (
        "# label:color_rgb:parts:actions\nleaf;1;2;3\n", "line 2 is 'leaf;1;2;3'"
    ),
    "labelmap_same_color": (
        "a:1,2,3::\nb:1,2,3::",
        "line 2 gives 'b' the colour [1, 2, 3], which 'a' has in line 1",
    ),
    "labelmap_same_name": ("a:1,2,3::\na:1,2,4::", "line 2 has the name 'a', and so"),
    "csv_column": ("name,r,g\na,1,2", "the columns name, r, g, and lacks b: a table"),
    "csv_columns": ("id,name,r\n0,a,1", "and lacks g, b"),
    "csv_no_name": ("r,g,b\n1,2,3", "and lacks name"),
    "roboflow_column": ("Pixel Value,Color,r\n0,1,2", "and lacks name"),
    "csv_level": ("name,r,g,b\na,1,2,x", "line 2 has 'x' as b of 'a'; write a whole"),
    "csv_float": ("name,r,g,b\na,1,2.0,3", "line 2 has '2.0' as g of 'a'"),
    "csv_negative": ("name,r,g,b\na,1,2,-3", "line 2 has '-3' as b of 'a'"),
    "csv_large": ("Pixel Value,Class\n65536,a", "has '65536' as pixel value of 'a'"),
    "csv_cells": ("name,r,g,b\n\na,1,2", "line 3 has 3 cells, and the first line 4"),
    "csv_more_cells": ("name,r,g,b\na,b,1,2,3", "line 2 has 5 cells, and the first"),
    "csv_empty_name": ("name,r,g,b\n,1,2,3", "line 2 has no name of a class"),
    "csv_same": ("name,r,g,b\na,1,2,3\nb,1,2,3", "line 3 gives 'b' the colour [1"),
    "csv_open_quote": ('name,r,g,b\n"a,1,2,3\nb,4,5,6', "line 3 has 1 cells"),
    "csv_cell": (f'name,r,g,b\n{"a" * 200_000},1,2,3', "line 2 is not CSV: field"),
    "csv_of_header": ("name,r,g,b\n", "it has 0 classes"),
    "id2label_key": ('{"0": "a", "x": "b"}', "it has the key 'x' among ids: Hugging"),
    "id2label_negative": ('{"0": "a", "-1": "b"}', "the key '-1' among ids"),
    "id2label_name": ('{"0": 5}', "the name of key '0' must be text, not 5"),
    "id2label_null": ('{"0": null}', "the name of key '0' must be text, not None"),
    "id2label_same": ('{"3": "a", "03": "b"}', "key '03' gives 'b' the id 3, which"),
    "id2label_twice": ('{"3": "a", "3": "b"}', "'3' for the second time"),
    "id2label_same_name": ('{"3": "a", "4": "a"}', "key '4' has the name 'a', and"),
    "id2label_large": ('{"70000": "a"}', "id 70000 of class 'a' is outside 0..65535"),
    "id2label_empty": ('{"id2label": {}}', "it has 0 classes"),
    "half_a_pair": (r'{"0": "\ud83d"}', "line 1 has an escape that is no character"),
    "ultralytics_name": ("names: [a, [b]]", "the name of key 1 must be text"),
    "ultralytics_none": ("names: []", "it has 0 classes"),
    "a2d2_key": ('{"#ff0000": "a", "#ff00": "b"}', "the key '#ff00' among colours"),
    "a2d2_name": ('{"#ff0000": ["a"]}', "the name of key '#ff0000' must be text"),
    "a2d2_same": ('{"#ff0000": "a", "#FF0000": "b"}', "key '#FF0000' gives 'b' the"),
    "mapillary_label": ('{"labels": [{"name": "a"}, 5]}', "label 1 of `labels` is 5"),
    "mapillary_name": (_labels(), "the name of label 1 must be text, not None"),
    "mapillary_readable": (_labels(name="b", readable=1), "of label 1 must be text"),
    "mapillary_evaluate": (_labels(name="b", evaluate=1), "`evaluate` of label 1 is 1"),
    "mapillary_color": (_labels(name="b", color=[1, 2]), "`color` of label 1 must be"),
    "mapillary_all_ignored": (
        '{"labels": [{"name": "a", "evaluate": false}]}', "it has 0 classes"
    ),
    "coco": ('{"images": [], "annotations": []}', "it holds annotations of pictures"),
    "labelme": ('{"shapes": [], "imagePath": "a.png"}', "it holds annotations of"),
    "json_of_something": ('{"a": 1}', "Read as well are labelmap.txt (CVAT), CSV"),
    "list": ('["road", "car"]', "it is no class map"),
    "roboflow_of_multiclass": ("filename, cat, dog\na.jpg, 0, 1", "it is no class map"),
    "surrogate": ('name,r,g,b\n"\ud800",1,2,3', "has the character '\\ud800'"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_a_list_of_classes_is_told(text, words):
    with pytest.raises(ValueError, match=r"^here: ") as raised:
        class_files.parse_class_map(text, "here")
    message = str(raised.value)
    assert words in message
    assert len(message) < 1000
    assert "\n" not in message


MANY = range(MAX_CLASSES + 1)
HUGE = {
    "labelmap": "".join(f"c{i}:{i >> 16},{i >> 8 & 255},{i & 255}::\n" for i in MANY),
    "csv": "Pixel Value,Class\n" + "".join(f"{i % 65536},c{i}\n" for i in MANY),
    "id2label": json.dumps({i: f"c{i}" for i in MANY}),
    "a2d2": json.dumps({f"#{i:06x}": f"c{i}" for i in MANY}),
    "ultralytics": json.dumps({"names": [f"c{i}" for i in MANY]}),
    "mapillary": json.dumps({"labels": [{"name": f"c{i}"} for i in MANY]}),
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_more_classes_than_a_map_has_are_soon_told(text):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"more than 65535 classes|65536 classes"):
        class_files.parse_class_map(text, "here")
    assert time.perf_counter() - start < 15  # some have 3 MiB of JSON


# Nothing that CSV or a labelmap strips, and no colon at the end of a name.
_NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8
).filter(lambda name: name.strip(" \t\"'#:") == name)
_CODES = st.dictionaries(
    st.integers(0, 0xFFFFFF), _NAMES, min_size=1, max_size=9
).filter(lambda names: len(set(names.values())) == len(names))


def _levels(code):
    return ",".join(map(str, color_levels(code)))


def _csv(header, rows):
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue()


@given(_CODES, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_each_form_says_the_same_of_colors(names, random):
    order = list(names.items())
    random.shuffle(order)
    forms = [
        "# label:color_rgb:parts:actions\n"
        + "".join(f"{name}:{_levels(code)}::\n" for code, name in order),
        _csv(
            ["name", "r", "g", "b"],
            [[name, *color_levels(code)] for code, name in order],
        ),
        json.dumps({f"#{code:06x}": name for code, name in order}),
    ]
    first, *others = (class_files.parse_class_map(text, "m") for text in forms)
    found = {c.ids[0]: c.name for c in first.classes}
    assert found == names
    # Only a labelmap has its background first.
    assert first.names[0] == names.get(0, next(iter(_background(order)), order[0][1]))
    for other in others:
        assert [(c.ids[0], c.name) for c in other.classes] == order


def _background(order):
    return (name for _, name in order if name == "background")


@given(_CODES)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_each_form_says_the_same_of_ids(codes):
    names = {code % 65536: name for code, name in codes.items()}
    forms = [
        _csv(["Pixel Value", "Class"], sorted(names.items())),
        json.dumps(names),
        json.dumps({"id2label": names}),
    ]
    for text in forms:
        made = class_files.parse_class_map(text, "m")
        assert [(c.ids, c.name) for c in made.classes] == [
            ((value,), name) for value, name in sorted(names.items())
        ]


_SOUND = st.sampled_from([text for text, *_ in (*READ.values(), *REFUSED.values())])
_PIECES = st.text("abr019:,;#{}[]\"'\n\t -.\\u", max_size=12)


@given(_SOUND, _PIECES, st.integers(0, 200), st.integers(0, 3))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_any_text_assert_map_or_one_line(text, piece, at, cut):
    changed = text[:at] + piece + text[at + cut :]
    class_map_laws.assert_map_or_one_line(changed)


def test_forms_are_those_that_are_read():
    for word in ("labelmap.txt", "Pixel Value", "id2label", "config_v", "class_list"):
        assert word in other_class_files.FORMS
