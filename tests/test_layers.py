"""`layers`: label maps that are a file for each class."""

import json
import re
import shlex

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.planning import key_rules
from maskbeam.pipeline.values import Source
from maskbeam.transforms import class_files
from tests import data_generation as data
from tests import reading

SIZE = (6, 9)
CLASSES = [
    {"name": "background", "ids": [0]},
    {"name": "skin", "ids": [7]},
    {"name": "hair", "ids": [3]},
    {"name": "l_brow", "ids": [300]},
]
IGNORED = {"layers": ["skin", "hair"], "ignore": [255], "classes": CLASSES[1:3]}
LAYERS = ["skin", "hair", "l_brow"]
INDEX = {"skin": 1, "hair": 2, "l_brow": 3}
RGB = data.png(np.zeros((*SIZE, 3), np.uint8))


def _class_map(directory, **more):
    path = directory / "map.yaml"
    tree = {"name": "face", "layers": LAYERS, "classes": CLASSES, **more}
    path.write_text(json.dumps(tree))
    return ("--classes", path)


def _masks(seed, names=("skin", "hair", "l_brow")):
    rng = np.random.default_rng(seed)
    return {name: rng.random(SIZE) < 0.5 for name in names}


def _right(masks):
    """Class indices of layers, drawn in their order; and how many pixels overlap."""
    index = np.zeros(SIZE, np.int64)
    for name in LAYERS:
        if name in masks:
            index = np.where(masks[name], INDEX[name], index)
    overlapping = np.sum(list(masks.values()), axis=0) > 1
    return index, int(overlapping.sum())


def _png(mask, value=255):
    return data.png(np.where(mask, value, 0).astype(np.uint8))


def _people(directory, count, image=True):
    """Faces that lack the layer of their number, in the layout of CelebAMask-HQ."""
    right, overlapping, files = {}, 0, {}
    for number in range(count):
        masks = _masks(
            number, np.delete(LAYERS, number % 4) if number % 4 < 3 else LAYERS
        )
        right[str(number)], more = _right(masks)
        overlapping += more
        for name, mask in masks.items():
            files[f"m/{number % 2}/{number:05}_{name}.png"] = _png(mask)
        if image:
            files[f"i/{number}.png"] = RGB
    data.write_tree(directory, files)
    return right, overlapping


def test_layers_are_drawn_in_order_and_rows_are_keys(tmp_path, convert, capsys):
    right, overlapping = _people(tmp_path, 9)
    given_ = (
        *("--label_maps", f"{tmp_path}/m/*/*.png", *_class_map(tmp_path)),
        *("--images", f"{tmp_path}/i/*", "--label_key", "0*([0-9]+)$"),
    )
    assert main(["plan", *map(str, given_)]) == 0
    assert "9 rows" in capsys.readouterr().out
    assert main(["validate", *map(str, given_)]) == 0
    assert "9 rows accepted, 0 rejected" in capsys.readouterr().out
    out = convert(tmp_path / "out", *given_)
    said = capsys.readouterr().out
    assert f"{overlapping:,} pixels were claimed by several classes" in said
    rows = reading.load_all(out)
    assert rows.keys() == right.keys()
    for key, index in right.items():
        assert np.array_equal(rows[key]["label"], index)
    found = reading.stats(out)["splits"]["train"]
    assert found["overlapping"] == overlapping
    assert found["source_rows"] == 9
    assert main(["verify", str(out), "--raw", f"{tmp_path}/m/*/*.png"]) == 0
    assert "9 raw rows compared" in capsys.readouterr().out
    assert class_files.load_class_map(str(out / "classes.yaml")).layers


@pytest.mark.engines  # it takes long
def test_a_limit_and_shares_are_of_rows(tmp_path, convert):
    right, _ = _people(tmp_path, 12, image=False)
    given_ = (
        *("--label_maps", f"{tmp_path}/m/*/*.png", *_class_map(tmp_path)),
        *("--label_key", "[0-9]+$"),
    )
    out = convert(tmp_path / "out", *given_, "--limit", 5)
    rows = reading.load_all(out)
    assert len(rows) == 5
    for key, row in rows.items():
        assert np.array_equal(row["label"], right[str(int(key))])
    out = convert(tmp_path / "dealt", *given_, "--split_by", "train=0.5,val=0.5")
    both = [reading.load_all(out, split) for split in ("train", "val")]
    assert sum(map(len, both)) == 12
    assert all(both)


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(st.data())
def test_any_layers_are_what_numpy_draws(tmp_path_factory, drawn):
    """Of any kind of PNG, and with any classes merged or dropped."""
    from maskbeam.pipeline.elements import Entry
    from maskbeam.pipeline.options import Options
    from maskbeam.pipeline.rows import layered
    from maskbeam.transforms import decode

    directory = tmp_path_factory.mktemp("any")
    order = drawn.draw(st.permutations(LAYERS))
    tree = {"name": "face", "layers": order, "classes": CLASSES}
    class_map = class_files.parse_class_map(json.dumps(tree), "x")
    names = [n for n in order if drawn.draw(st.booleans())] or order[:1]
    masks = {}
    for name in names:
        bits = drawn.draw(st.lists(st.booleans(), min_size=54, max_size=54))
        masks[name] = np.array(bits).reshape(SIZE)
        kind = drawn.draw(st.sampled_from(["1", "255", "bool", "rgb", "rgba", "u16"]))
        path = directory / f"x_{name}.png"
        path.write_bytes(_encoded(masks[name], kind))
    entries = tuple(
        Entry("label", "train", str(directory / f"x_{name}.png"), layer=name)
        for name in names
    )
    options = Options(class_map=class_map)
    found = layered.label_map(entries, options)
    right = np.zeros(SIZE, np.int64)
    for name in names:
        right[masks[name]] = dict(class_map.layers)[name]
    dtype = "uint8" if right.max() < 256 else "uint16"
    assert np.array_equal(decode.grey_ids(found.encoded, dtype), right)
    assert found.overlapping == (np.sum(list(masks.values()), axis=0) > 1).sum()


def _encoded(mask, kind):
    colors = {"rgb": (0, 0, 255), "rgba": (9, 255, 255, 255)}
    if kind in colors:
        return data.png(np.where(mask[..., None], colors[kind], 0).astype(np.uint8))
    if kind == "bool":
        return data.png(mask)
    dtype = np.uint16 if kind == "u16" else np.uint8
    return data.png(
        np.where(mask, 700 if kind == "u16" else int(kind), 0).astype(dtype)
    )


@pytest.mark.engines  # it takes long
def test_a_folder_for_each_class_and_arrays(tmp_path, convert):
    masks = _masks(5)
    files = {f"l/{name}/a.png": _png(mask) for name, mask in masks.items()}
    data.write_tree(tmp_path, files)
    right, _ = _right(masks)
    globs = [f"{tmp_path}/l/{name}/*.png" for name in masks]
    for number, given_ in enumerate(([f"{tmp_path}/l/*/*.png"], globs)):
        out = convert(
            tmp_path / f"out{number}", "--label_maps", *given_, *_class_map(tmp_path)
        )
        rows = reading.load_all(out)
        assert rows.keys() == {"a"}
        assert np.array_equal(rows["a"]["label"], right)
    np.savez(tmp_path / "b.npz", **{n: m.astype(np.uint8) for n, m in masks.items()})
    out = convert(
        tmp_path / "arrays",
        *("--label_maps", f"{tmp_path}/b.npz", *_class_map(tmp_path)),
    )
    assert np.array_equal(reading.load_all(out)["b"]["label"], right)


def test_pixels_under_no_layer_are_ignored_where_all_classes_have_one(
    tmp_path, convert
):
    masks = _masks(8, ("skin", "hair"))
    data.write_tree(tmp_path, {f"l/a-{n}.png": _png(m) for n, m in masks.items()})
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/l/*", *_class_map(tmp_path, **IGNORED)),
    )
    right = np.where(masks["hair"], 1, np.where(masks["skin"], 0, -1))
    assert np.array_equal(reading.load_all(out)["a"]["label"], right)


@pytest.mark.engines  # it takes long
def test_merged_and_dropped_classes_keep_their_layers(tmp_path, convert):
    masks = _masks(11)
    data.write_tree(tmp_path, {f"l/a_{n}.png": _png(m) for n, m in masks.items()})
    _class_map(tmp_path)
    base = {"name": "less", "base": "map.yaml", "merge": {"head": ["skin", "l_brow"]}}
    (tmp_path / "less.yaml").write_text(json.dumps(base | {"drop": ["hair"]}))
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/l/*", "--classes", tmp_path / "less.yaml"),
    )
    right = np.where(masks["l_brow"], 1, np.where(masks["hair"], -1, 0))
    right = np.where((right == 0) & masks["skin"], 1, right)
    assert np.array_equal(reading.load_all(out)["a"]["label"], right)
    both = masks["hair"] & (masks["skin"] | masks["l_brow"])  # skin and brow are one
    assert reading.stats(out)["splits"]["train"]["overlapping"] == both.sum()


BLURRED = np.arange(54, dtype=np.uint8).reshape(SIZE)
HIDDEN = np.dstack([np.zeros((*SIZE, 3), np.uint8), BLURRED])
BAD = {
    "blurred": (data.png(BLURRED), "values 0, 1, 2, 3, ... (54 in all), and a layer"),
    "alpha": (data.png(HIDDEN), "its shape is in its alpha"),
    "colours": (data.png(HIDDEN[..., 1:]), "values [0, 0, 0], [0, 0, 1], [0, 0, 2], "),
    "too large": (data.png(np.zeros((60, 90), np.uint8)), "60 x 90 = 5400 pixels, and"),
    "other size": (data.png(np.zeros((6, 8), np.uint8)), "a_hair.png has 6 x 8 pixels"),
    "cut": (_png(BLURRED > 5)[:-40], "a_hair.png: damaged or cut off"),
    "empty": (b"", "the file is empty"),
    "jpeg": (data.jpeg(np.zeros((*SIZE, 3), np.uint8)), "JPEG changes values"),
    "a text": (b"hello, I am a text", "neither PNG nor JPEG"),
}


@pytest.mark.engines  # it takes long
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_layer_costs_its_row(kind, tmp_path, convert):
    content, words = BAD[kind]
    masks = _masks(3)
    data.write_tree(tmp_path, {f"l/b_{n}.png": _png(m) for n, m in masks.items()})
    data.write_tree(
        tmp_path, {"l/a_skin.png": _png(masks["skin"]), "l/a_hair.png": content}
    )
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/l/*", *_class_map(tmp_path)),
        *("--max_rejected", 0.5, "--max_pixels", 5000),
    )
    assert reading.load_all(out).keys() == {"b"}
    (line,) = reading.rejections(out)
    assert line["key"] == "a"
    assert words in line["reason"]
    assert "a_hair.png" in line["reason"]


@pytest.mark.engines  # it takes long
def test_files_of_no_layer_and_two_of_one_are_rejected(tmp_path, convert, capsys):
    mask = _png(np.ones(SIZE, bool))
    names = ["a_skin", "a-skin", "a_hair", "b_skin", "a_nose", "_skin", "c"]
    data.write_tree(tmp_path, {f"l/{name}.png": mask for name in names})
    given_ = ("--label_maps", f"{tmp_path}/l/*", *_class_map(tmp_path))
    convert(tmp_path / "no", *given_, code=1)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert (
        "the names of 3 of 7 label maps say no key, such as: '_skin' names no" in said
    )
    out = convert(tmp_path / "out", *given_, "--max_rejected", 1)
    assert reading.load_all(out).keys() == {"a", "b"}
    found = {line["source"]: line["reason"] for line in reading.rejections(out)}
    assert {path.rpartition("/")[2] for path in found} == {
        *("a_nose.png", "_skin.png", "c.png", "a_skin.png")
    }
    assert "duplicate key" in found[f"{tmp_path}/l/a_skin.png"]
    assert "'c' names no layer: skin, hair, l_brow" in found[f"{tmp_path}/l/c.png"]


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("0/{0:05}_hair", ["--label_key", "0*([0-9]+)$", "--image_key", "0*([0-9]+)$"]),
        ("{0}_v2_hair", ["--label_key", "^(.*)_v2$"]),
        ("x{0}y_hair", []),
    ],
)
def test_what_is_proposed_makes_layers_meet_images(name, flags, tmp_path, capsys):
    files = {f"l/{name.format(n)}.png": RGB for n in range(7)}
    data.write_tree(tmp_path, files | {f"i/{n}.png": RGB for n in range(7)})
    given_ = [
        *("plan", "--label_maps", f"{tmp_path}/l/**", "--images", f"{tmp_path}/i/*"),
        *map(str, _class_map(tmp_path)),
    ]
    main(given_)
    said = capsys.readouterr().err
    proposed = re.search(r"(--[a-z]+_key .*) makes them meet", said)
    assert (shlex.split(proposed[1]) if proposed else []) == flags
    if proposed:
        assert main([*given_, *flags]) == 0
        assert capsys.readouterr().err == ""
    else:
        assert "no flag makes them meet: rename them" in said


def test_where_no_file_is_a_layer_it_is_said_before_the_run(tmp_path, capsys):
    data.write_tree(tmp_path, {"l/a.png": RGB, "list.txt": b"a.png\n"})
    maps = ("--label_maps", f"{tmp_path}/l/*", *map(str, _class_map(tmp_path)))
    assert main(["plan", *maps]) == 2
    assert "names of all 1 label maps say no key, such as: 'a' names no layer" in (
        capsys.readouterr().err
    )
    maps = ("--label_maps", f"{tmp_path}/list.txt", *maps[2:])
    assert main(["plan", *maps]) == 2
    assert "holds whole label maps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "layer", "key"),
    [
        ("s/00000_l_brow.png", "l_brow", "s/00000"),  # and not that of brow
        ("s/00000_brow.png", "brow", "s/00000"),
        ("hair/x.png", "hair", "x"),
        ("s/hair/t/x.png", "hair", "s/t/x"),
        ("x/hair.png", "hair", "x"),
        ("hair/x_brow.png", "brow", "hair/x"),
        ("x#hair.png", "hair", "x"),
        ("hair.png", None, None),
        ("_hair.png", None, None),
        ("xhair.png", None, None),
    ],
)
def test_what_a_name_says(path, layer, key):
    rule = key_rules.KeyRule("", "--label_key", "", ("hair", "brow", "l_brow"))
    named = rule.named(f"/d/{path}", Source("train", "/d/**"))
    if layer is None:
        assert "names no layer" in named.unmatched
    else:
        assert named == (key, layer, "")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"encoding": "color"}, "ids"),
        ({"layers": ["skin"]}, "classes background, hair, l_brow have no layer"),
        ({"layers": [*LAYERS, "skin"]}, "has the layer 'skin' twice"),
        ({"layers": ["skin", "nose"]}, "names the class 'nose'; there are background"),
        ({"layers": [{"a/b": "skin"}]}, "is no name of files"),
        ({"layers": [{"face": 99}]}, "id 99 of layer 'face' is of no class"),
        ({"layers": "skin"}, "must list the names that files end with"),
        ({"layers": [5]}, "must be text"),
        ({"layers": [{"x": [1]}]}, "must be text"),
        ({**IGNORED, "ignore": []}, "pixels under none are ignored: add"),
        ({"encoding": "panoptic", "divisor": 9}, "which is of `encoding: index`"),
    ],
)
def test_a_class_map_that_contradicts_itself(more, words):
    tree = {"name": "face", "layers": LAYERS, "classes": CLASSES, **more}
    with pytest.raises(ValueError, match=words):
        class_files.parse_class_map(json.dumps(tree), "x")


def test_layers_are_written_and_read_back():
    layers = [{"face": "skin"}, "hair", {"lb": 300}, {"rb": 300}]
    tree = {"name": "face", "layers": layers, "classes": CLASSES}
    found = class_files.parse_class_map(json.dumps(tree), "x")
    assert dict(found.layers) == {"face": 7, "hair": 3, "lb": 300, "rb": 300}
    assert found.under_layers == 0
    text = class_files.to_yaml(found)
    assert class_files.parse_class_map(text, "x") == found


@pytest.mark.engines  # it takes long
def test_celebamask_hq_is_read_as_it_is_downloaded(tmp_path, convert, capsys):
    """Its masks are RGB, black and white, under names of five digits."""
    preset = class_files.preset("celebamask_hq")
    rng = np.random.default_rng(1)
    right, files = {}, {}
    for number in range(5):
        index = np.zeros(SIZE, np.int64)
        files[f"CelebA-HQ-img-512/{number}.jpg"] = data.jpeg(
            rng.integers(0, 255, (*SIZE, 3), np.uint8)
        )
        for name, value in preset.layers:
            if rng.random() < 0.6:
                mask = rng.random(SIZE) < 0.2
                index[mask] = value
                path = f"CelebAMask-HQ-mask-anno/{number // 3}/{number:05}_{name}.png"
                files[path] = data.png(
                    np.where(mask[..., None], [255] * 3, 0).astype("u1")
                )
        right[str(number)] = index
    data.write_tree(tmp_path / "CelebAMask-HQ", files)
    given_ = ("--dataset", "celebamask_hq", "--data_dir", tmp_path)
    out = convert(tmp_path / "out", *given_, "--split_by", "train=0.6,val=0.4")
    rows = reading.load_all(out) | reading.load_all(out, "val")
    assert rows.keys() == right.keys()
    for key, index in right.items():
        assert np.array_equal(rows[key]["label"], index)
        assert rows[key]["image"].shape == (*SIZE, 3)
    capsys.readouterr()
    for path in tmp_path.glob("*/*/*.jpg"):
        path.unlink()
    assert main(["plan", *map(str, given_)]) == 0
    assert "the images of split train are not there" in capsys.readouterr().out
