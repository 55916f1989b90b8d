"""Label maps of every kind and encoding, through the command and through the graph."""

import pathlib

import numpy as np
import pytest
import yaml

from maskbeam.transforms import class_files
from maskbeam.transforms.classes import color_code
from maskbeam.transforms.png_kinds import KINDS, Kind
from tests import data_generation as data
from tests import png_kinds, reading

# Some of them fit no 8 bits, and the largest is PNG's.
VALUES = [0, 1, 2, 3, 7, 14, 15, 100, 254, 300, 4096, 65534]
IGNORED = [255, 65535]
INDEX_OF = {v: i for i, v in enumerate(VALUES)} | dict.fromkeys(IGNORED, -1)


def write_map(path: pathlib.Path, **fields: object) -> pathlib.Path:
    path.write_text(yaml.safe_dump({"name": "mine", **fields}))
    return path


# ------------------------------------------------------------------------- index kinds


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory, convert):
    directory = tmp_path_factory.mktemp("kinds")
    rng = np.random.default_rng(0)
    samples, files = {}, {}
    for kind in KINDS["index"]:
        allowed = [v for v in (*VALUES, *IGNORED) if v < 2**kind.depth]
        for size in png_kinds.SIZES:
            for interlaced in (False, True):
                key = f"{kind}_{size[0]}x{size[1]}_{interlaced}".replace(" ", "_")
                channels = png_kinds.CHANNELS[kind.color_type]
                made = rng.choice(allowed, (*size, channels))
                if channels >= 3:  # greys, whatever alpha says
                    made[..., 1:3] = made[..., :1]
                files[key] = png_kinds.encode(made, *kind, interlaced=interlaced)
                samples[key] = made[..., 0]
    data.write_tree(directory, {f"labels/{k}.png": v for k, v in files.items()})
    mine = write_map(
        directory / "mine.yaml",
        ignore=IGNORED,
        classes=[{"name": f"c{v}", "ids": [v]} for v in VALUES],
    )
    out = convert(
        directory / "out",
        "--label_maps",
        f"{directory}/labels/*.png",
        "--classes",
        mine,
    )
    return samples, files, out


def test_every_kind_of_png_keeps_its_own_samples(every_kind):
    samples, _, out = every_kind
    rows = reading.load_all(out)
    assert len(rows) == len(samples) == 13 * 5 * 2
    for key, ids in samples.items():
        reading.assert_is_one_hot(rows[key], ids, INDEX_OF)


def test_the_graph_alone_gives_the_same_of_every_kind(every_kind):
    _, files, out = every_kind
    reading.assert_graph_equals_load(out, reading.load_all(out), labels=files)


# --------------------------------------------------------------------------- encodings

COLORS = {"road": (128, 64, 128), "car": (0, 0, 142), "sky": (70, 130, 180)}
VOID = (0, 0, 0)


@pytest.fixture(scope="module")
def colored(tmp_path_factory):
    """Colour maps as RGB, RGBA, 16-bit and palette files; and one of other colours."""
    directory = tmp_path_factory.mktemp("colors")
    rng = np.random.default_rng(0)
    table = np.array([*COLORS.values(), VOID])
    index, files = {}, {}
    for kind in KINDS["color"]:
        if kind.color_type not in (2, 3, 6) or kind.depth == 1:
            continue
        key = str(kind).replace(" ", "_")
        index[key] = found = rng.integers(0, 4, (7, 13))
        palette = None
        samples = table[found] * (257 if kind.depth == 16 else 1)
        if kind.color_type == 3:
            palette, samples = table, found[..., np.newaxis]
        alpha = np.full((7, 13, png_kinds.CHANNELS[kind.color_type]), 9)
        alpha[..., : samples.shape[-1]] = samples
        files[key] = png_kinds.encode(alpha, *kind, palette=palette)
    strange = table[index["8-bit_RGB"]].copy()
    strange[0, :3] = (1, 2, 3)
    strange[1, :2] = (255, 255, 255)
    data.write_tree(
        directory,
        {f"labels/{k}.png": v for k, v in files.items()}
        | {"strange/strange.png": data.png(strange.astype(np.uint8))},
    )
    fields = {
        "encoding": "color",
        "ignore": [list(VOID)],
        "classes": [{"name": n, "color": list(c)} for n, c in COLORS.items()],
    }
    return directory, index, files, fields, strange


def test_colors_become_classes_whatever_the_file(colored, convert, tmp_path):
    directory, index, files, fields, _ = colored
    mine = write_map(tmp_path / "mine.yaml", **fields)
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"{directory}/*/*.png",
        "--classes",
        mine,
        "--max_rejected",
        0.2,
    )
    rows = reading.load_all(out)
    assert {key.removeprefix("labels/") for key in rows} == set(index)
    for key, found in index.items():
        meaning = {0: 0, 1: 1, 2: 2, 3: -1}
        reading.assert_is_one_hot(rows[f"labels/{key}"], found, meaning)
    reading.assert_graph_equals_load(
        out, rows, labels={f"labels/{key}": file for key, file in files.items()}
    )
    (lost,) = reading.rejections(out)
    assert lost["stage"] == "classes"
    assert "[1, 2, 3] at 3 pixels, [255, 255, 255] at 2 pixels" in lost["reason"]
    assert "`others: ignore`" in lost["reason"]
    assert class_files.load_class_map(str(out / "classes.yaml")).encoding == "color"


def test_unknown_colors_are_ignored_on_request(colored, convert, tmp_path):
    directory, index, _, fields, strange = colored
    mine = write_map(tmp_path / "mine.yaml", others="ignore", **fields)
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"{directory}/strange/*.png",
        "--classes",
        mine,
    )
    row = reading.load_all(out)["strange"]
    expected = np.where(index["8-bit_RGB"] == 3, -1, index["8-bit_RGB"])
    expected[0, :3] = expected[1, :2] = -1
    np.testing.assert_array_equal(row["label"], expected)
    encoded = data.png(strange.astype(np.uint8))
    reading.assert_graph_equals_load(out, {"strange": row}, labels={"strange": encoded})


def test_blurred_colors_are_those_of_the_threshold(convert, tmp_path):
    preset = class_files.preset("deepglobe")
    colors = np.array([*(c.color for c in preset.classes), (0, 0, 0)])
    rng = np.random.default_rng(0)
    index = rng.integers(0, len(colors), (9, 14))
    blur = rng.integers(0, 128, (9, 14, 3))
    blurred = np.where(colors[index] == 255, 255 - blur, blur)
    files = {"1": data.png(blurred.astype(np.uint8))}
    data.write_tree(tmp_path, {"train/1_mask.png": files["1"]})
    out = convert(
        tmp_path / "out", "--dataset", "deepglobe", "--data_dir", str(tmp_path)
    )
    rows = reading.load_all(out)
    np.testing.assert_array_equal(rows["1"]["label"], np.where(index == 6, -1, index))
    reading.assert_graph_equals_load(out, rows, labels=files)
    assert class_files.load_class_map(str(out / "classes.yaml")).threshold == 128


def test_cvats_labelmap_is_the_class_map_of_its_masks(convert, tmp_path):
    colors = np.array([(0, 0, 0), (48, 112, 32), (176, 112, 32)])
    index = np.random.default_rng(0).integers(0, 3, (9, 14))
    files = {"frame_0": data.png(colors[index].astype(np.uint8))}
    data.write_tree(tmp_path, {"SegmentationClass/frame_0.png": files["frame_0"]})
    mine = tmp_path / "labelmap.txt"
    mine.write_text("leaf:48,112,32::\nbackground:0,0,0::\nstem:176,112,32::\n")
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"{tmp_path}/SegmentationClass/*.png",
        "--classes",
        mine,
    )
    rows = reading.load_all(out)
    np.testing.assert_array_equal(rows["frame_0"]["label"], index)
    reading.assert_graph_equals_load(out, rows, labels=files)


def _instance_ids(rng):
    """Cityscapes' *_instanceIds: an id, or id * 1000 + instance."""
    ids = rng.choice([7, 11, 24, 26], (7, 13))
    instance = (ids >= 24) & (rng.random((7, 13)) < 0.7)
    return ids, np.where(instance, ids * 1000 + rng.integers(0, 9, (7, 13)), ids)


def _full_ade20k(rng):
    """ADE20K's *_seg: R / 10 * 256 + G, and instances in B."""
    ids = rng.choice([7, 11, 24, 2600], (7, 13))
    levels = [ids // 256 * 10, ids % 256, rng.integers(0, 256, (7, 13))]
    return ids, np.stack(levels, -1)


def _panoptic(rng):
    """Semantic * divisor + instance, as R + 256 G + 65536 B."""
    ids = rng.choice([7, 11, 24, 26], (7, 13))
    values = ids * 1000 + rng.integers(0, 1000, (7, 13))
    return ids, np.stack([values & 255, values >> 8 & 255, values >> 16], -1)


@pytest.mark.parametrize(
    ("encoding", "make", "dtype"),
    [
        ("instance", _instance_ids, np.uint16),
        ("ade20k", _full_ade20k, np.uint8),
        ("panoptic", _panoptic, np.uint8),
    ],
)
def test_encodings_of_several_ids_in_one_sample(
    encoding, make, dtype, convert, tmp_path
):
    rng = np.random.default_rng(0)
    made = {f"row_{i}": make(rng) for i in range(3)}
    files = {key: data.png(file.astype(dtype)) for key, (_, file) in made.items()}
    data.write_tree(tmp_path, {f"labels/{k}.png": v for k, v in files.items()})
    known = sorted({int(v) for ids, _ in made.values() for v in np.unique(ids)})
    mine = write_map(
        tmp_path / "mine.yaml",
        encoding=encoding,
        **({} if encoding == "ade20k" else {"divisor": 1000}),
        ignore=[known[0]],
        classes=[{"name": str(v), "ids": [v]} for v in known[1:]],
    )
    out = convert(
        tmp_path / "out", "--label_maps", f"{tmp_path}/labels/*.png", "--classes", mine
    )
    rows = reading.load_all(out)
    for key, (ids, _) in made.items():
        meaning = {v: i - 1 for i, v in enumerate(known)}
        reading.assert_is_one_hot(rows[key], ids, meaning)
    reading.assert_graph_equals_load(out, rows, labels=files)


def test_coco_panoptic_goes_by_its_json(convert, tmp_path):
    rng = np.random.default_rng(0)
    category = {7: 1, 300: 200, 70_000: 184}
    pictures, expected = {}, {}
    for number in range(3):
        ids = rng.choice([0, *category], (7, 13))
        name = f"{number:012}"
        levels = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], -1)
        encoded = data.png(levels.astype(np.uint8))
        data.write_tree(tmp_path, {f"panoptic_val2017/{name}.png": encoded})
        pictures[f"{name}.png"] = [
            (i, c, int((ids == i).sum())) for i, c in category.items()
        ]
        expected[name] = np.vectorize({0: 0, **category}.get)(ids)
    pictures[f"{2:012}.png"][0] = (7, 1, 1)  # another area
    del pictures[f"{1:012}.png"]
    (tmp_path / "panoptic_val2017.json").write_text(data.panoptic_json(pictures))
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"val={tmp_path}/panoptic_val2017/*.png",
        "--classes",
        "coco_panoptic",
        "--max_rejected",
        0.9,
    )
    (key,) = rows = reading.load_all(out, "val")
    preset = class_files.preset("coco_panoptic")
    meaning = {v: i for i, c in enumerate(preset.classes) for v in c.ids} | {0: -1}
    reading.assert_is_one_hot(rows[key], expected[key], meaning)
    reasons = {line["key"]: line["reason"] for line in reading.rejections(out)}
    assert "no segments" in reasons[f"{1:012}"]
    assert "its area in the JSON is 1" in reasons[f"{2:012}"]


def test_coco_panoptic_without_its_json_is_a_wrong_command(tmp_path, capsys):
    from maskbeam.pipeline.command_line import main

    data.write_tree(tmp_path, {"a/x.png": data.png(data.filled((4, 5), (7, 0, 0)))})
    arguments = ["--label_maps", f"{tmp_path}/a/*.png", "--classes", "coco_panoptic"]
    assert main(["plan", *arguments]) == 2
    assert f"{tmp_path}/a.json is not there" in capsys.readouterr().err


# -------------------------------------------------------------------------------- auto


def test_a_first_map_of_ids_is_what_a_pass_finds(convert, tmp_path, capsys):
    data.label_tree(tmp_path, 5, [0, 1, 2, 255])
    arguments = ["--label_maps", f"{tmp_path}/labels/*.png", "--classes", "auto"]
    bad = tmp_path / "labels/nowhere.png"  # which the conversion rejects, as always
    bad.symlink_to(tmp_path / "missing.png")
    out = convert(tmp_path / "out", *arguments, "--max_rejected", 0.5)
    assert [line["key"] for line in reading.rejections(out)] == ["nowhere"]
    bad.unlink()
    made = class_files.load_class_map(str(out / "classes.yaml"))
    assert [(c.name, c.ids) for c in made.classes] == [
        (f"class_{v}", (v,)) for v in (0, 1, 2)
    ]
    assert made.ignore == (255,)
    capsys.readouterr()
    from maskbeam.pipeline.command_line import main

    assert main(["validate", *arguments]) == 0
    offered = capsys.readouterr().out.partition("5 rows")[0]
    assert class_files.parse_class_map(offered, "offered") == made


def test_a_first_map_of_colors_is_of_colors(convert, tmp_path):
    index = np.random.default_rng(0).integers(0, 3, (7, 13))
    table = np.array(list(COLORS.values()), np.uint8)
    data.write_tree(tmp_path, {"labels/a.png": data.png(table[index])})
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"{tmp_path}/labels/*.png",
        "--classes",
        "auto",
    )
    made = class_files.load_class_map(str(out / "classes.yaml"))
    assert made.encoding == "color"
    codes = sorted(color_code(c) for c in COLORS.values())
    assert [c.ids for c in made.classes] == [(code,) for code in codes]
    rank = {color_code(c): codes.index(color_code(c)) for c in COLORS.values()}
    expected = np.vectorize(lambda i: rank[color_code(table[i].tolist())])(index)
    np.testing.assert_array_equal(reading.load_all(out)["a"]["label"], expected)


@pytest.mark.parametrize(
    ("contents", "code", "words"),
    [
        ({"a.png": b"text"}, 1, "a.png: neither PNG nor JPEG"),
        (
            {"a.png": data.jpeg(data.filled((4, 5), (1, 2, 3)))},
            1,
            "a.png: JPEG changes label values",
        ),
        ({"a.png": data.png(data.filled((4, 5), 1))[:-25]}, 1, "damaged or cut off"),
        (
            {"a.png": data.png(np.array([[0, 7, 255]], np.uint8))},
            2,
            "3 values, which may mean several things: 0 (33.33%), 7 (33.33%), 255",
        ),
        (
            {
                "a.png": data.png(data.filled((4, 5), 1)),
                "b.png": data.png(data.filled((4, 5), (1, 2, 3))),
            },
            2,
            "some label maps hold ids and others colours",
        ),
        (
            {
                "a.png": data.png(
                    np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
                )
            },
            2,
            "more than 4096 values",
        ),
    ],
    ids=["unreadable", "jpeg", "cut", "undecided", "mixed", "photo"],
)
def test_no_first_map_is_made_of(contents, code, words, tmp_path, capsys):
    from maskbeam.pipeline.command_line import main

    data.write_tree(tmp_path, {f"labels/{k}": v for k, v in contents.items()})
    arguments = ["--label_maps", f"{tmp_path}/labels/*", "--classes", "auto"]
    assert main(["convert", *arguments, "--output", str(tmp_path / "out")]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------- refused maps


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "{name: m, encoding: color, classes: [{name: road, color: [1, 2, 3]}, "
            "{name: path, color: [1, 2, 3]}]}",
            "colour [1, 2, 3] is in class 'road' and in class 'path'",
        ),
        (
            "{name: m, classes: [{name: a, ids: [1]}, {name: b, ids: [1]}]}",
            "id 1 is in class 'a' and in class 'b'",
        ),
        ("{name: m, encoding: rle, classes: []}", "`encoding` is 'rle'"),
    ],
)
def test_a_map_that_contradicts_itself_is_a_wrong_command(
    text, words, tmp_path, capsys
):
    from maskbeam.pipeline.command_line import main

    (tmp_path / "m.yaml").write_text(text)
    arguments = ["--label_maps", f"{tmp_path}/*.png", "--classes"]
    assert main(["plan", *arguments, str(tmp_path / "m.yaml")]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1


REFUSED = {
    # encoding: label map, stage, words
    "index": (
        data.filled((4, 5), (7, 8, 9)),
        "decode",
        ["8-bit RGB", "`encoding: color`", "[7, 8, 9] in row 0, column 0"],
    ),
    "ade20k": (data.filled((4, 5), 7), "header", ["8-bit grey", "preset ade20k"]),
    "panoptic": (None, "header", ["JPEG", "save label maps as PNG"]),
}


@pytest.mark.parametrize("encoding", REFUSED)
def test_what_an_encoding_does_not_read_is_rejected_with_the_way_out(encoding):
    from maskbeam.pipeline.elements import RawRow, RejectedError
    from maskbeam.pipeline.rows.check import RowCheck
    from maskbeam.transforms import features

    picture, stage, words = REFUSED[encoding]
    encoded = (
        data.jpeg(data.filled((4, 5), 7)) if picture is None else data.png(picture)
    )
    class_map = class_files.parse_class_map(
        f"{{name: m, encoding: {encoding}, "
        + ("divisor: 1000, " if encoding == "panoptic" else "")
        + "classes: [{name: a, ids: [1]}]}",
        "text",
    )
    check = RowCheck(class_map, features.Config(1, "bits"), 10**8)
    with pytest.raises(RejectedError) as raised:
        list(check(RawRow("a", "a.png", "", encoded, None)))
    assert raised.value.stage == stage
    for word in words:
        assert word in raised.value.reason
    assert Kind(0, 8) not in KINDS["ade20k"]
