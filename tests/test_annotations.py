"""Label maps drawn from annotation files, by the command line."""

import contextlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from maskbeam.pipeline import arguments
from maskbeam.pipeline.command_line import main
from maskbeam.transforms import class_files
from tests import annotation_files, cases, reading
from tests import data_generation as data

SIZES = {"a.png": (20, 31), "b.jpg": (12, 9), "none.png": (7, 8)}
CATEGORIES = {7: "person", 3: "car", 300: "sky"}

_SQUARE = [[0, 0, 8, 0, 8, 8, 0, 8]]
_SMALL = [[2, 2, 5, 2, 5, 5, 2, 5], [6, 6, 7, 6, 7, 7, 6, 7]]


def _patch(size, top, left, height, width):
    pixels = np.zeros(size, bool)
    pixels[top : top + height, left : left + width] = True
    return pixels


ANNOTATIONS = [
    ("a.png", 7, _SMALL),
    ("a.png", 3, _SQUARE),
    ("b.jpg", 300, annotation_files.runs_of(_patch((12, 9), 1, 2, 9, 4))),
    ("b.jpg", 3, annotation_files.code_of(_patch((12, 9), 5, 0, 3, 8))),
    ("b.jpg", 3, [[1.5, 1.5, 7.25, 3.1, 2.2, 11.7]]),
]
INDEX = {0: 0, 3: 1, 7: 2, 300: 3}  # of --classes auto


def _of(name):
    return [(c, found) for picture, c, found in ANNOTATIONS if picture == name]


def _pixels(name, unlabelled=0):
    return annotation_files.painted(_of(name), SIZES[name], unlabelled)


def _indices(name, index_of=INDEX):
    return np.vectorize(index_of.__getitem__, otypes=[int])(_pixels(name))


def _images(sizes=SIZES):
    rng = np.random.default_rng(0)
    encode = {"png": data.png, "jpg": data.jpeg}
    return {
        f"images/{name}": encode[name[-3:]](data.picture(rng, *size))
        for name, size in sizes.items()
    }


def _tree(directory, tree=None, *, text=None, images=None):
    """A folder `x` of a JSON and its images."""
    tree = tree or annotation_files.coco(SIZES, ANNOTATIONS, CATEGORIES)
    found = {"coco.json": (text or json.dumps(tree)).encode()}
    data.write_tree(directory / "x", found | (_images() if images is None else images))
    return directory


def _run(directory, arguments, *, whole=False):
    case = cases.Case("x", arguments, cases.Refused(0, ""), whole=whole)
    return cases.run(case, directory, directory / "out")


_GIVEN = "--label_maps coco.json --images 'images/*'"
_AUTO = f"{_GIVEN} --classes auto"


def _assert_pixels(outcome, wanted):
    assert outcome.code == 0, outcome.message
    assert outcome.pixels.keys() == wanted.keys()
    for key, pixels in wanted.items():
        np.testing.assert_array_equal(outcome.pixels[key], pixels, err_msg=key)


# ---------------------------------------------------------------------- COCO: a dataset


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    directory = _tree(tmp_path_factory.mktemp("coco"))
    return directory, _run(directory, _AUTO, whole=True)


@pytest.fixture(scope="module")
def tiled(tmp_path_factory):
    """What a conversion to tiles prints, and its directory."""
    folder = _tree(tmp_path_factory.mktemp("tiles")) / "x"
    given = ["--label_maps", f"{folder}/coco.json", "--images", f"{folder}/images/*"]
    given += ["--classes", "auto", "--tile", "8x8", "--split_by", "train=0.5,val=0.5"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["convert", *given, "--output", str(folder / "out")]) == 0
    return printed.getvalue(), folder / "out"


def test_all_pixels_are_those_of_pycocotools(converted):
    _, outcome = converted
    wanted = {name[:-4]: _indices(name) for name in SIZES}
    assert not wanted["none"].any()  # a picture without annotations is background
    _assert_pixels(outcome, wanted)


def test_categories_are_the_classes_sorted_by_id(converted):
    directory, _ = converted
    found = class_files.load_class_map(str(directory / "out/classes.yaml"))
    assert found.names == ["background", "car", "person", "sky"]
    assert [c.ids for c in found.classes] == [(0,), (3,), (7,), (300,)]


def test_overlaps_are_counted_and_said(converted, tiled):
    """Those of a picture once, however many tiles it has."""
    directory, _ = converted
    printed, tiles = tiled
    wanted = sum(annotation_files.overlapping(_of(n), SIZES[n]) for n in SIZES)
    assert wanted > 9
    assert f"{wanted} pixels were claimed by several classes" in printed
    for out in (directory / "out", tiles):
        splits = reading.stats(out)["splits"].values()
        assert sum(split.get("overlapping", 0) for split in splits) == wanted


def test_rows_are_counted_once_for_each_picture(tiled):
    printed, tiles = tiled
    assert "3 rows read; 3 label maps and 3 images decoded" in printed
    splits = reading.stats(tiles)["splits"].values()
    assert sum(split["source_rows"] for split in splits) == 3


def test_it_is_verified_with_its_raw_rows_and_reported(converted, capsys):
    directory, _ = converted
    raw = f"{directory}/x/coco.json"
    assert main(["verify", f"{directory}/out", "--raw", raw]) == 0
    assert "3 raw rows compared" in capsys.readouterr().out
    tree = json.loads((directory / "x/coco.json").read_text())
    tree["annotations"].pop()
    other = directory / "other.json"
    other.write_text(json.dumps(tree))
    assert main(["verify", f"{directory}/out", "--raw", str(other)]) == 1
    assert main(["report", f"{directory}/out"]) == 0


# ------------------------------------------------------------------ COCO: other options


def test_a_limit_is_of_pictures(tmp_path):
    _tree(tmp_path)
    outcome = _run(tmp_path, f"{_AUTO} --limit 2")
    assert len(outcome.pixels) == 2
    names = {name[:-4]: name for name in SIZES}
    _assert_pixels(outcome, {key: _indices(names[key]) for key in outcome.pixels})


def test_plan_validate_and_show_know_it(tmp_path, capsys):
    folder = _tree(tmp_path) / "x"
    given = ["--label_maps", f"{folder}/coco.json", "--images", f"{folder}/images/*"]
    given += ["--classes", "auto"]
    assert main(["plan", *given]) == 0
    assert "3 rows with images" in (printed := capsys.readouterr().out)
    assert "4 classes" in printed
    assert main(["validate", *given]) == 0
    assert "3 rows accepted, 0 rejected" in capsys.readouterr().out
    assert main(["show", *given, "--output", f"{tmp_path}/look.png"]) == 0
    assert "3 rows drawn" in capsys.readouterr().out


def test_without_images_sizes_are_the_json_s(tmp_path):
    _tree(tmp_path, images={})
    outcome = _run(tmp_path, "--label_maps coco.json --classes auto")
    _assert_pixels(outcome, {name[:-4]: _indices(name) for name in SIZES})


def test_unlabelled_pixels_may_be_ignored(tmp_path):
    _tree(tmp_path)
    outcome = _run(tmp_path, f"{_AUTO} --unlabelled ignore")
    index = {0: -1, 3: 0, 7: 1, 300: 2}
    _assert_pixels(outcome, {name[:-4]: _indices(name, index) for name in SIZES})


_CAR, _SKY = "{name: car, ids: [3]}", "{name: sky, ids: [7, 300]}"
_LAST = {0: 2, 3: 0, 7: 1, 300: 1}
_NOBODY = {0: -1, 3: 0, 7: 1, 300: 1}


@pytest.mark.parametrize(
    ("text", "more", "index_of"),
    [
        (f"classes: [{_CAR}, {_SKY}, {{name: Background, ids: [9]}}]", "", _LAST),
        (f"classes: [{_CAR}, {_SKY}, {{name: other, ids: [0]}}]", "", _LAST),
        (f"ignore: [0]\nclasses: [{_CAR}, {_SKY}]", "", _NOBODY),
        (f"others: ignore\nclasses: [{_CAR}, {_SKY}]", "", _NOBODY),
        (f"classes: [{_CAR}, {_SKY}]", "--unlabelled ignore", _NOBODY),
        (f"ignore: [255]\nclasses: [{_CAR}, {_SKY}]", "--unlabelled ignore", _NOBODY),
        (
            f"encoding: coco_panoptic\nignore: [0]\nclasses: [{_CAR}, {_SKY}]",
            "",
            _NOBODY,
        ),
    ],
    ids=range(7),
)
def test_a_class_map_has_the_ids_of_categories(text, more, index_of, tmp_path):
    _tree(tmp_path)
    (tmp_path / "x/map.yaml").write_text(f"name: mine\n{text}\n")
    outcome = _run(tmp_path, f"{_GIVEN} --classes map.yaml {more}")
    _assert_pixels(outcome, {name[:-4]: _indices(name, index_of) for name in SIZES})


@pytest.mark.parametrize(
    ("text", "categories", "says"),
    [
        (f"classes: [{_CAR}, {_SKY}]", CATEGORIES, "neither a class of that name nor"),
        (
            f"classes: [{_CAR}, {_SKY}, {{name: dog, ids: [0]}}]",
            {**CATEGORIES, 0: "dog"},
            "has no class of that name: id 0 is 'dog'; .*--unlabelled ignore",
        ),
        (
            "encoding: color\nclasses: [{name: car, color: [1, 2, 3]}]",
            CATEGORIES,
            "has colours, and COCO JSON has the ids",
        ),
        (
            f"classes: [{_CAR}, {{name: Person, ids: [6, 300]}}]",
            CATEGORIES,
            r"category 7 is 'person', and that class has the ids \[6, 300\]",
        ),
    ],
)
def test_a_class_map_that_cannot_be_meant_is_refused(text, categories, says, tmp_path):
    _tree(tmp_path, annotation_files.coco(SIZES, ANNOTATIONS, categories))
    (tmp_path / "x/map.yaml").write_text(f"name: mine\n{text}\n")
    outcome = _run(tmp_path, f"{_GIVEN} --classes map.yaml")
    assert outcome.code == 2
    _assert_says(outcome, says)


def test_a_category_that_the_class_map_lacks_rejects_its_rows(tmp_path):
    _tree(tmp_path)
    text = f"name: mine\nclasses: [{{name: background, ids: [0]}}, {_CAR}]\n"
    (tmp_path / "x/map.yaml").write_text(text)
    outcome = _run(tmp_path, f"{_GIVEN} --classes map.yaml")
    assert outcome.code == 1
    reasons = {line["key"]: line["reason"] for line in _rejected(tmp_path)}
    assert reasons.keys() == {"a", "b"}
    assert "7" in reasons["a"]
    assert "300" in reasons["b"]


@pytest.mark.parametrize(
    ("categories", "names", "ids"),
    [
        ({0: "cat", 1: "dog"}, ["background", "cat", "dog"], [2, 0, 1]),
        ({0: "cat", 1: "_background_"}, ["_background_", "cat"], [1, 0]),
        ({5: "cat"}, ["background", "cat"], [0, 5]),
    ],
)
def test_the_background_of_auto_has_an_id_of_its_own(categories, names, ids, tmp_path):
    only = min(categories)
    tree = annotation_files.coco(SIZES, [("a.png", only, _SQUARE)], categories)
    _tree(tmp_path, tree)
    given = {"label_maps": f"{tmp_path}/x/coco.json", "classes": "auto"}
    found = arguments.from_given(given).class_map
    assert found.names == names
    assert [c.ids for c in found.classes] == [(number,) for number in ids]
    outcome = _run(tmp_path, _AUTO)
    assert (outcome.pixels["a"] == names.index(categories[only])).sum() == 64
    assert (outcome.pixels["a"] == 0).sum() == 20 * 31 - 64


@pytest.mark.parametrize("classes", ["auto", "map.yaml"])
def test_splits_need_the_same_categories(classes, tmp_path):
    _tree(tmp_path)
    other = annotation_files.coco(SIZES, [], {**CATEGORIES, 7: "dog"})
    (tmp_path / "x/val.json").write_text(json.dumps(other))
    given = "--label_maps train=coco.json val=val.json"
    text = "classes: [{name: none, ids: [0]}, {name: all, ids: [3, 7, 300]}]"
    (tmp_path / "x/map.yaml").write_text(f"name: m\n{text}")
    outcome = _run(tmp_path, f"{given} --classes {classes}")
    assert outcome.code == 2
    _assert_says(
        outcome, "different categories, such as 7, which is 'person' and 'dog'"
    )


# ------------------------------------------------------------------------ COCO: pairing


def test_images_meet_by_their_path_else_by_their_name(tmp_path):
    names = ["x.png", "deep/y.png", "z.png", "two/z.png", "C:\\far\\w.png"]
    tree = annotation_files.coco(dict.fromkeys(names, (4, 5)), [], {1: "cat"})
    below = ["x.png", "two/x.png", "y.png", "z.png", "two/z.png", "one/w.png"]
    images = {
        f"images/{name}": data.png(data.filled((4, 5), (1, 2, 3))) for name in below
    }
    _tree(tmp_path, tree, images=images)
    given = "--label_maps coco.json --images 'images/**/*.png' --classes auto"
    outcome = _run(tmp_path, f"{given} --max_rejected 0.5")
    assert outcome.code == 0, outcome.message
    assert set(outcome.pixels) == {"x", "y", "z", "two/z", "one/w"}
    (rejected,) = _rejected(tmp_path)
    assert rejected["key"] == "two/x"  # which two pictures might be


def test_another_folder_is_said(tmp_path, capsys):
    """The base name decides, as COCO's own files have it; nobody need be surprised."""
    folder = _tree(tmp_path) / "x"
    text = (folder / "coco.json").read_text()
    (folder / "other.json").write_text(
        text.replace('"file_name": "', '"file_name": "Job1/')
    )
    (folder / "Job2").mkdir()
    for path in folder.glob("images/*"):
        path.rename(folder / "Job2" / path.name)
    given = ["--label_maps", f"{folder}/other.json", "--classes", "auto"]
    assert main(["plan", *given, "--images", f"{folder}/*/*"]) == 0
    assert "'Job1/" in (printed := capsys.readouterr().out)
    assert "has 'Job2/" in printed
    assert main(["plan", *given, "--images", f"{folder}/Job2/*"]) == 0
    assert "are taken for theirs" not in capsys.readouterr().out


def test_a_name_that_two_images_have_meets_none(tmp_path):
    tree = annotation_files.coco({"y.png": (4, 5)}, [], {1: "cat"})
    picture = data.png(data.filled((4, 5), (1, 2, 3)))
    _tree(tmp_path, tree, images={f"images/{n}/y.png": picture for n in "ab"})
    outcome = _run(
        tmp_path, "--label_maps coco.json --images 'images/*/*.png' --classes auto"
    )
    assert outcome.code == 2
    _assert_says(outcome, "0 of 1 label maps have an image")


def test_two_pictures_of_one_name_are_a_duplicate(tmp_path):
    tree = annotation_files.coco({"y.png": (4, 5), "y.jpg": (4, 5)}, [], {1: "cat"})
    _tree(tmp_path, tree, images={})
    outcome = _run(tmp_path, "--label_maps coco.json --classes auto --max_rejected 0.5")
    assert outcome.code == 0, outcome.message
    (rejected,) = _rejected(tmp_path)
    assert "duplicate key" in rejected["reason"]
    assert rejected["source"].endswith("coco.json#y.jpg")


def test_annotations_of_no_picture_are_counted(tmp_path, capsys):
    tree = annotation_files.coco(SIZES, ANNOTATIONS, CATEGORIES)
    tree["annotations"][0]["image_id"] = 5
    folder = _tree(tmp_path, tree) / "x"
    assert (
        main(["plan", "--label_maps", f"{folder}/coco.json", "--classes", "auto"]) == 0
    )
    assert "1 annotations are of pictures that" in capsys.readouterr().out


# --------------------------------------------------------------------- COCO: bad input


def _assert_says(outcome, says):
    message = outcome.message.strip()
    assert re.search(says, message), message
    assert len(message.splitlines()) == 1, message
    assert len(message) < 1500


def _rejected(directory):
    """The rejections of a run that wrote no dataset, or of one called directly."""
    return [
        json.loads(line)
        for path in sorted((directory / "out").rglob("rejected*.jsonl"))
        for line in path.read_text().splitlines()
    ]


_SOUND = json.dumps(annotation_files.coco(SIZES, ANNOTATIONS, CATEGORIES))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_SOUND[: len(_SOUND) // 2], "is no JSON of COCO's format"),
        (_SOUND[:-1], "is no JSON of COCO's format"),
        (
            _SOUND.replace('"file_name": "a.png"', '"file_name": 5'),
            "file_name of image",
        ),
        (_SOUND.replace('"file_name": "a.png"', '"f": 5'), "file_name"),
        (_SOUND.replace('"id": 1000', '"id": 1001', 1), "two images have the id 1001"),
        (_SOUND.replace('"id": 1000', '"id": [1]', 1), "id of an image"),
        (_SOUND.replace('"height": 20', '"height": -1'), "height or width"),
        (_SOUND.replace('"height": 20', '"height": "20"'), "height or width"),
        (
            _SOUND.replace('"height": 20', '"height": NaN'),
            "is no JSON of COCO's format",
        ),
        (_SOUND.replace('"height": 20', f'"height": {"9" * 50}'), "COCO's format"),
        (_SOUND.replace('"height": 20', f'"height": {"9" * 5000}'), "characters"),
        (_SOUND.replace('"id": 300', '"id": 65536'), "id of a category is 65536"),
        (_SOUND.replace('"name": "car"', '"name": ["car"]'), "name of category 3"),
        (_SOUND.replace('"name": "car"', '"name": "sky"'), "--classes auto: .*twice"),
        (
            _SOUND.replace('"image_id": 1000', '"image_id": null'),
            "id of an image is None",
        ),
        (_SOUND.replace('"image_id": 1000', '"no": 1'), "image_id"),
        (_SOUND.replace('"images"', '"pictures"'), "its `images` are none"),
        (_SOUND.replace('"bbox"', '"segments_info"'), "panoptic format: name its PNGs"),
        ('{"images": ' + "[" * 10**5, "is no JSON: .*nested"),
        ('{"images": [5], "annotations": []}', "is no JSON of COCO's format"),
        ('{"features": [], "type": 5}', r"of no format .* \(it has features, type\)"),
        ("[1, 2]", r"of no format .* \(it has no fields\)"),
        ("", "is no JSON: "),
        ("\0\1\2", "is no JSON: "),
    ],
    ids=range(24),
)
def test_a_damaged_file_is_one_line(text, says, tmp_path):
    _tree(tmp_path, text=text or " ")
    outcome = _run(tmp_path, _AUTO)
    assert outcome.code == 2
    _assert_says(outcome, f"coco.json.*{says}|{says}")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"height": 21}, "21 x 31"),
        ({"height": 10**6, "width": 10**6}, "--max_pixels is 100000000"),
        ({"height": 0}, "its size is 0 x 31"),
    ],
)
def test_a_picture_of_another_size_costs_itself(change, reason, tmp_path):
    tree = annotation_files.coco(SIZES, ANNOTATIONS, CATEGORIES)
    tree["images"][0] |= change
    _tree(tmp_path, tree)
    outcome = _run(tmp_path, f"{_AUTO} --max_rejected 0.5")
    assert outcome.code == 0, outcome.message
    assert set(outcome.pixels) == {"b", "none"}
    (rejected,) = _rejected(tmp_path)
    assert rejected["key"] == "a"
    assert rejected["source"].endswith("coco.json#a.png")
    assert reason in rejected["reason"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"segmentation": []}, "annotation 1 of the picture: it has a box and no segm"),
        ({"segmentation": {"size": [20, 31], "counts": [10**9]}}, "1000000000 pixels"),
        ({"segmentation": [[1e300] * 6]}, "far outside"),
        ({"segmentation": [[1, 2]]}, "3 points"),
        ({"category_id": "7"}, "category_id is '7'"),
        ({"category_id": 10**9}, "outside 0..65535"),
    ],
)
def test_an_annotation_that_cannot_be_drawn_costs_its_picture(change, reason, tmp_path):
    tree = annotation_files.coco(SIZES, ANNOTATIONS, CATEGORIES)
    tree["annotations"][0] |= change
    _tree(tmp_path, tree)
    outcome = _run(tmp_path, f"{_AUTO} --max_rejected 0.5")
    assert outcome.code == 0, outcome.message
    assert set(outcome.pixels) == {"b", "none"}
    (rejected,) = _rejected(tmp_path)
    assert (rejected["key"], rejected["stage"]) == ("a", "draw")
    assert reason in rejected["reason"]


def test_json_among_other_files_is_a_note_on_them(tmp_path):
    _tree(tmp_path, images={"x.png": data.png(data.filled((4, 5), 0))})
    outcome = _run(tmp_path, "--label_maps '*' --num_classes 2")
    assert outcome.code == 2
    _assert_says(outcome, r"a \.json is an annotation file where it is named by itself")


def test_annotations_and_other_label_maps_are_two_runs(tmp_path):
    _tree(tmp_path, images={"x.png": data.png(data.filled((4, 5), 0))})
    given = "--label_maps train=coco.json 'val=*.png' --num_classes 2"
    outcome = _run(tmp_path, given)
    assert outcome.code == 2
    _assert_says(outcome, "of one format in one run")


def test_unlabelled_is_of_annotations_alone(tmp_path):
    _tree(tmp_path, images={"x.png": data.png(data.filled((4, 5), 0))})
    outcome = _run(tmp_path, "--label_maps x.png --num_classes 2 --unlabelled ignore")
    assert outcome.code == 2
    _assert_says(outcome, "--unlabelled ignore is of annotation files")


# ------------------------------------------------------------------------------ labelme


def _labelme(shapes, size, **more):
    tree = {
        "version": "6.3.1",
        "shapes": [
            {"label": label, "shape_type": "rectangle", "points": points}
            for label, points in shapes
        ],
        "imagePath": "elsewhere.jpg",
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
        **more,
    }
    return json.dumps(tree).encode()


def _labelme_tree(directory, files):
    """A folder `x/d` of JSONs and their images, as labelme leaves it."""
    rng = np.random.default_rng(0)
    images = {
        f"d/{key}.jpg": data.jpeg(data.picture(rng, 12, 16)) for key, _ in files.items()
    }
    texts = {f"d/{key}.json": text for key, text in files.items()}
    data.write_tree(directory / "x", images | texts)
    return directory


_LABELME = "--label_maps 'd/*.json' --images 'd/*.jpg'"


def _labelme_files():
    """Two pictures, and their class indices: background, cat, dog, and ignored."""
    one = [("dog", [[1, 1], [8, 8]]), ("cat", [[7, 7], [10, 10]])]
    other = [("_background_", [[0, 0], [3, 3]]), ("__ignore__", [[2, 2], [5, 5]])]
    first, second = np.zeros((2, 12, 16), int)
    first[1:9, 1:9] = 2
    first[7:11, 7:11] = 1
    second[2:6, 2:6] = -1
    files = {"a": _labelme(one, (12, 16)), "b": _labelme(other, (12, 16))}
    return files, {"a": first, "b": second}


def test_labelme_s_files_are_read_with_the_labels_that_they_have(tmp_path):
    files, wanted = _labelme_files()
    _labelme_tree(tmp_path, files)
    outcome = _run(tmp_path, f"{_LABELME} --classes auto", whole=True)
    _assert_pixels(outcome, wanted)
    found = class_files.load_class_map(str(tmp_path / "out/classes.yaml"))
    assert found.names == ["_background_", "cat", "dog"]
    stats = reading.stats(tmp_path / "out")["splits"]["train"]
    # A dog's and a cat's; and those of the background that are ignored.
    assert stats["overlapping"] == 4 + 4
    raw = f"{tmp_path}/x/d/*.json"
    assert main(["verify", f"{tmp_path}/out", "--raw", raw]) == 0


@pytest.mark.parametrize(
    ("text", "dog"),
    [
        (
            "[{name: background, ids: [0]}, {name: cat, ids: [7]}, "
            "{name: dog, ids: [9]}]",
            2,
        ),
        (
            "[{name: dog, ids: [400, 9]}, {name: cat, ids: [7]}, {name: bg, ids: [5]}]",
            0,
        ),
    ],
)
def test_labels_are_names_of_classes(text, dog, tmp_path):
    files, wanted = _labelme_files()
    _labelme_tree(tmp_path, files)
    (tmp_path / "x/map.yaml").write_text(f"name: m\nignore: [255]\nclasses: {text}\n")
    outcome = _run(tmp_path, f"{_LABELME} --classes map.yaml")
    swap = np.vectorize({-1: -1, 0: 2 - dog, 1: 1, 2: dog}.__getitem__, otypes=[int])
    _assert_pixels(outcome, {key: swap(found) for key, found in wanted.items()})


def test_a_map_of_colours_has_the_names_too(tmp_path):
    files, wanted = _labelme_files()
    _labelme_tree(tmp_path, {"a": files["a"]})
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::", "cat:9,9,9::"]
    (tmp_path / "x/labelmap.txt").write_text("\n".join([*lines, "dog:5,5,5::", ""]))
    outcome = _run(tmp_path, f"{_LABELME} --classes labelmap.txt", whole=True)
    _assert_pixels(outcome, {"a": wanted["a"]})
    found = class_files.load_class_map(str(tmp_path / "out/classes.yaml"))
    assert (found.encoding, found.classes[2].color) == ("index", (5, 5, 5))


def test_an_unknown_label_rejects_its_row_and_is_named(tmp_path):
    files, wanted = _labelme_files()
    bad = _labelme([("dgo", [[1, 1], [8, 8]])], (12, 16))
    _labelme_tree(tmp_path, {**files, "c": bad})
    names = (
        "[{name: background, ids: [0]}, {name: cat, ids: [1]}, {name: dog, ids: [2]}]"
    )
    (tmp_path / "x/map.yaml").write_text(f"name: m\nignore: [9]\nclasses: {names}\n")
    outcome = _run(tmp_path, f"{_LABELME} --classes map.yaml --max_rejected 0.4")
    _assert_pixels(outcome, wanted)
    (rejected,) = _rejected(tmp_path)
    assert rejected["key"] == "c"
    assert "its label 'dgo' is no class of the class map" in rejected["reason"]


def test_names_need_a_background_or_none(tmp_path):
    _labelme_tree(tmp_path, _labelme_files()[0])
    names = "[{name: cat, ids: [0]}, {name: dog, ids: [1]}]"
    (tmp_path / "x/map.yaml").write_text(f"name: m\nclasses: {names}\n")
    outcome = _run(tmp_path, f"{_LABELME} --classes map.yaml")
    assert outcome.code == 2
    _assert_says(outcome, "id 0 is 'cat'; add a class background")
    given = f"{_LABELME} --classes map.yaml --unlabelled ignore --max_rejected 0.5"
    outcome = _run(tmp_path, given)
    (key,) = outcome.pixels
    assert key == "a"
    assert "'_background_'" in _rejected(tmp_path)[0]["reason"]
    assert sorted(np.unique(outcome.pixels["a"])) == [-1, 0, 1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"shapes": [', "is no JSON of labelme's"),
        (b'{"images": [], "annotations": []}', "is no JSON of labelme's"),
        (b"", "is no JSON of labelme's"),
        (_labelme([], (13, 16)), "13 x 16"),
        (_labelme([], (10**5, 10**5)), "--max_pixels"),
        (_labelme([("cat", [[1, 1], [8, 1e9]])], (12, 16)), "far outside"),
    ],
)
def test_a_damaged_labelme_file_costs_itself(text, reason, tmp_path):
    files, wanted = _labelme_files()
    _labelme_tree(tmp_path, {**files, "c": text})
    outcome = _run(tmp_path, f"{_LABELME} --classes auto --max_rejected 0.4")
    _assert_pixels(outcome, wanted)
    (rejected,) = _rejected(tmp_path)
    assert rejected["key"] == "c"
    assert rejected["source"].endswith("d/c.json")
    assert reason in rejected["reason"]


# --------------------------------------------------------------------------------- CVAT


def _box(label, left, top, right, bottom, z_order=0):
    sides = zip(("xtl", "ytl", "xbr", "ybr"), (left, top, right, bottom), strict=True)
    found = {name: f"{side:.2f}" for name, side in sides}
    return {"kind": "box", "label": label, "z_order": str(z_order), **found}


_CVAT_SHAPES = [_box("road", 0, 0, 9, 9, 1), _box("car", 4, 4, 12, 8)]
_CVAT = "--label_maps annotations.xml --images 'images/**/*.png'"


def _cvat_tree(directory, labels=("road", "car"), text=None, name="set/a.png"):
    picture = data.png(data.filled((12, 16), (1, 2, 3)))
    text = text or annotation_files.cvat(
        {name: ((12, 16), _CVAT_SHAPES), "set/b.png": ((12, 16), [])}, labels
    )
    tree = {f"images/set/{key}.png": picture for key in "ab"}
    data.write_tree(directory / "x", tree | {"annotations.xml": text.encode()})
    return directory


def _cvat_pixels(road, car):
    found = np.zeros((12, 16), int)
    found[4:8, 4:12] = car
    found[:9, :9] = road  # of the higher z_order
    return {"set/a": found, "set/b": np.zeros((12, 16), int)}


@pytest.mark.engines
def test_cvat_s_labels_are_the_classes_in_their_order(tmp_path):
    _cvat_tree(tmp_path)
    outcome = _run(tmp_path, f"{_CVAT} --classes auto", whole=True)
    _assert_pixels(outcome, _cvat_pixels(road=1, car=2))
    found = class_files.load_class_map(str(tmp_path / "out/classes.yaml"))
    assert found.names == ["background", "road", "car"]
    stats = reading.stats(tmp_path / "out")["splits"]["train"]
    assert stats["overlapping"] == 4 * 5
    raw = f"{tmp_path}/x/annotations.xml"
    assert main(["verify", f"{tmp_path}/out", "--raw", raw]) == 0


def test_cvat_s_labels_are_looked_up_in_a_class_map(tmp_path):
    _cvat_tree(tmp_path, name="a.png")  # which meets its image by its base name
    lines = ["# label:color_rgb:parts:actions", "car:9,9,9::", "background:0,0,0::"]
    (tmp_path / "x/labelmap.txt").write_text("\n".join([*lines, "road:5,5,5::", ""]))
    outcome = _run(tmp_path, f"{_CVAT} --classes labelmap.txt")
    _assert_pixels(outcome, _cvat_pixels(road=2, car=1))  # the background is the first


def test_splits_may_have_their_labels_in_another_order(tmp_path):
    _cvat_tree(tmp_path)
    text = annotation_files.cvat({"v.png": ((12, 16), _CVAT_SHAPES)}, ["car", "road"])
    (tmp_path / "x/val.xml").write_text(text)
    given = "--label_maps train=annotations.xml val=val.xml --classes auto"
    outcome = _run(tmp_path, given)
    wanted = _cvat_pixels(road=1, car=2)
    _assert_pixels(outcome, {**wanted, "v": wanted["set/a"]})


_CVAT_TEXT = annotation_files.cvat({"a.png": ((12, 16), _CVAT_SHAPES)}, ["road", "car"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_CVAT_TEXT[:-30], "is no XML of CVAT's"),
        (_CVAT_TEXT.replace("?>", "?><!DOCTYPE a>"), "it has a DOCTYPE"),
        (
            _CVAT_TEXT.replace("annotations>", "a>"),
            "of no format of annotations",
        ),
        (_CVAT_TEXT.replace("image", "track"), "export it as CVAT for images"),
        ("<", "it is no XML"),
        ("road", "it is no JSON"),
    ],
    ids=range(6),
)
def test_a_damaged_xml_is_one_line(text, says, tmp_path):
    _cvat_tree(tmp_path, text=text)
    outcome = _run(tmp_path, f"{_CVAT} --classes auto")
    assert outcome.code == 2
    _assert_says(outcome, f"annotations.xml.*{says}")


def test_a_polyline_costs_its_picture(tmp_path):
    line = {"kind": "polyline", "label": "car", "points": "1,1;5,5"}
    pictures = {"a.png": ((12, 16), [line]), "b.png": ((12, 16), [])}
    _cvat_tree(tmp_path, text=annotation_files.cvat(pictures, ["car"]))
    given = "--label_maps annotations.xml --classes auto --max_rejected 0.5"
    outcome = _run(tmp_path, given)
    assert outcome.pixels.keys() == {"b"}
    (rejected,) = _rejected(tmp_path)
    assert rejected["source"].endswith("annotations.xml#a.png")
    assert "it is a polyline, of which nobody knows the pixels" in rejected["reason"]


# --------------------------------------------------------------------------------- YOLO


def _yolo_tree(directory, texts, names="names: [cat, dog]", **images):
    picture = data.png(data.picture(np.random.default_rng(0), 20, 10))
    tree = {f"labels/{key}.txt": text.encode() for key, text in texts.items()}
    tree |= {f"images/{key}.png": picture for key in texts if key not in images}
    tree |= {f"images/{key}.jpg": found for key, found in images.items()}
    config = f"path: .\ntrain: images\nval: images\n{names}\n"
    data.write_tree(directory / "x", {**tree, "data.yaml": config.encode()})
    return directory


_YOLO = "--label_maps 'labels/*.txt' --images 'images/*'"
_LEFT = "1 0 0 0.5 0 0.5 1 0 1\n"  # the left half is a dog
_TOP = "0 0 0 1 0 1 0.25 0 0.25\n"  # and its top a cat, which is smaller


def _yolo_pixels(height=20, width=10):
    found = np.zeros((height, width), int)
    found[:, : width // 2] = 2
    found[: height // 4] = 1
    return {"a": found, "b": np.zeros((20, 10), int)}


def test_yolo_s_classes_come_after_the_background(tmp_path):
    _yolo_tree(tmp_path, {"a": _TOP + _LEFT, "b": ""})
    outcome = _run(tmp_path, f"{_YOLO} --classes data.yaml", whole=True)
    _assert_pixels(outcome, _yolo_pixels())
    found = class_files.load_class_map(str(tmp_path / "out/classes.yaml"))
    assert found.names == ["background", "cat", "dog"]
    # Ids are the files' own numbers; the background has the first that is free.
    assert [c.ids for c in found.classes] == [(2,), (0,), (1,)]
    stats = reading.stats(tmp_path / "out")["splits"]["train"]
    assert stats["overlapping"] == 5 * 5
    raw = f"{tmp_path}/x/labels/*.txt"
    assert main(["verify", f"{tmp_path}/out", "--raw", raw]) == 0


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ("names: {0: cat, 1: dog}", "data.yaml"),
        ("names: {}", "--num_classes 2"),
        (
            "name: m\nclasses: [{name: background, ids: [9]}, {name: cat, ids: [0]}, "
            "{name: dog, ids: [1]}]",
            "map.yaml",
        ),
        (
            "name: m\nclasses: [{name: cat, ids: [0]}, {name: dog, ids: [1]}]",
            "map.yaml",
        ),
    ],
)
def test_a_class_map_may_have_the_background_or_not(names, classes, tmp_path):
    _yolo_tree(tmp_path, {"a": _TOP + _LEFT, "b": ""}, names)
    (tmp_path / "x/map.yaml").write_text(names)
    given = classes if classes.startswith("--") else f"--classes {classes}"
    _assert_pixels(_run(tmp_path, f"{_YOLO} {given}"), _yolo_pixels())


@pytest.mark.parametrize(
    ("names", "first", "index_of"),
    [
        ("[background, cat, dog]", 1, [0, 1, 2]),
        ("[cat, dog, background]", 0, [2, 0, 1]),
        ("{0: Background, 1: cat, 2: dog}", 1, [0, 1, 2]),
    ],
)
def test_a_background_that_data_yaml_names_is_the_background(
    names, first, index_of, tmp_path
):
    lines = [_TOP, _LEFT]
    shifted = [f"{int(line[0]) + first}{line[1:]}" for line in lines]
    of_it = f"{0 if first else 2} 0 0 1 0 1 1\n"  # which nobody draws
    texts = {"a": "".join(shifted), "b": "", "c": of_it}
    _yolo_tree(tmp_path, texts, f"names: {names}")
    outcome = _run(tmp_path, f"{_YOLO} --classes data.yaml --max_rejected 0.4")
    wanted = {key: np.array(index_of)[found] for key, found in _yolo_pixels().items()}
    _assert_pixels(outcome, wanted)
    (rejected,) = _rejected(tmp_path)
    assert "is none of the ids of class map" in rejected["reason"]


def test_yolo_s_background_may_be_ignored(tmp_path):
    _yolo_tree(tmp_path, {"a": _TOP + _LEFT, "b": ""})
    outcome = _run(tmp_path, f"{_YOLO} --classes data.yaml --unlabelled ignore")
    wanted = {key: found - 1 for key, found in _yolo_pixels().items()}
    _assert_pixels(outcome, wanted)


@pytest.mark.parametrize(
    ("exif", "size"), [("upright", (20, 10)), ("ignore", (10, 20))]
)
def test_polygons_are_of_the_image_as_it_is_stored(exif, size, tmp_path):
    picture = Image.new("RGB", (20, 10))
    turned = Image.Exif()
    turned[0x0112] = 6  # by a quarter
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=turned)
    _yolo_tree(tmp_path, {"a": _TOP + _LEFT}, a=buffer.getvalue())
    outcome = _run(tmp_path, f"{_YOLO} --classes data.yaml --exif {exif}")
    found, wanted = outcome.pixels["a"], _yolo_pixels(*size)["a"]
    assert found.shape == size
    # A quarter of 10 ends within a pixel, so the cat's edge is not looked at.
    np.testing.assert_array_equal(found[5:], wanted[5:])


def test_a_plan_knows_yolo_s_sizes_by_the_images(tmp_path, capsys):
    folder = _yolo_tree(tmp_path, {"a": _TOP, "b": ""}) / "x"
    given = ["--label_maps", f"{folder}/labels/*.txt", "--images", f"{folder}/images/*"]
    assert main(["plan", *given, "--classes", f"{folder}/data.yaml"]) == 0
    assert "2 rows with images" in (printed := capsys.readouterr().out)
    assert "float32 one-hot: 4.8 kB" in printed  # 2 x 20 x 10 x 3 floats


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 0.5 0.5 0.1 0.1\n", "line 1: it is a box, and nobody knows"),
        ("7 0 0 0.5 0 0.5 1\n", "its class 7 is none of the ids of class map"),
        ("0 0 0 100 0 100 200\n", "no share of a picture"),
        ("dog 0 0 1 0 1 1\n", "begins with 'dog', which is no class"),
    ],
)
def test_a_wrong_line_costs_its_picture(text, reason, tmp_path):
    _yolo_tree(tmp_path, {"a": _TOP + _LEFT, "b": "", "c": _LEFT + text})
    outcome = _run(tmp_path, f"{_YOLO} --classes data.yaml --max_rejected 0.4")
    _assert_pixels(outcome, _yolo_pixels())
    (rejected,) = _rejected(tmp_path)
    assert rejected["source"].endswith("labels/c.txt")
    assert reason in rejected["reason"].replace("line 2: it", "line 1: it")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (f"{_YOLO} --classes auto", "do not name their classes; name their data.yaml"),
        ("--label_maps 'labels/*.txt' --num_classes 2", "name them by --images"),
    ],
)
def test_what_yolo_s_files_do_not_say_is_asked_for(arguments, says, tmp_path):
    _yolo_tree(tmp_path, {"a": _TOP, "b": ""})
    outcome = _run(tmp_path, arguments)
    assert outcome.code == 2
    _assert_says(outcome, says)
