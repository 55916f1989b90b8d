"""Every preset's layout, over tiny trees that lie as the downloads do."""

import pytest
import yaml

from pipeline import datasets, keys
from pipeline.arguments import Parser, add_input_arguments, from_arguments
from pipeline.options import UsageError
from pipeline.survey import survey
from tests import data_generation as data
from transforms import class_files

# By dataset: file names, of folder and row, and how many rows each folder has. Some are
# of files that are there too, and must not be taken.
CITY = "{0}/aachen/aachen_000{1:03}_000019"
TREES = {
    "voc2012": {
        "VOCdevkit/VOC2012/SegmentationClass/2007_00{1:04}.png": {"train": 2, "val": 3},
        "VOCdevkit/VOC2012/JPEGImages/2007_00{1:04}.jpg": {"train": 2, "val": 3},
    },
    "cityscapes": {
        f"gtFine/{CITY}_gtFine_labelIds.png": {"train": 2, "val": 1},
        f"gtFine/{CITY}_gtFine_color.png": {"train": 2, "val": 1},
        f"gtFine/{CITY}_gtFine_instanceIds.png": {"train": 2, "val": 1},
        f"leftImg8bit/{CITY}_leftImg8bit.png": {"train": 2, "val": 1},
    },
    "cityscapes_trainids": {
        f"gtFine/{CITY}_gtFine_labelTrainIds.png": {"train": 2, "val": 1},
        f"gtFine/{CITY}_gtFine_labelIds.png": {"train": 2, "val": 1},
        f"leftImg8bit/{CITY}_leftImg8bit.png": {"train": 2, "val": 1},
    },
    "ade20k": {
        "ADEChallengeData2016/annotations/{0}/ADE_{0}_{1:08}.png": {
            "training": 3,
            "validation": 2,
        },
        "ADEChallengeData2016/images/{0}/ADE_{0}_{1:08}.jpg": {
            "training": 3,
            "validation": 2,
        },
    },
    "coco_stuff": {
        "annotations/{0}2017/{1:012}.png": {"train": 2, "val": 1},
        "annotations/{0}2017/{1:012}_labelTrainIds.png": {"train": 2, "val": 1},
        "images/{0}2017/{1:012}.jpg": {"train": 2, "val": 1},
    },
    "coco_panoptic": {
        "annotations/panoptic_{0}2017/{1:012}.png": {"train": 2, "val": 1},
        "{0}2017/{1:012}.jpg": {"train": 2, "val": 1},
    },
    "camvid11": {
        "CamVid/{0}annot/0001TP_00{1:04}.png": {"train": 2, "val": 1, "test": 3},
        "CamVid/{0}/0001TP_00{1:04}.png": {"train": 2, "val": 1, "test": 3},
    },
    "camvid32": {
        "LabeledApproved_full/0001TP_00{1:04}_L.png": {"train": 4},
        "701_StillsRaw_full/0001TP_00{1:04}.png": {"train": 4},
    },
    "mapillary": {
        "{0}/v1.2/labels/a{1}.png": {"training": 2, "validation": 1},
        "{0}/v2.0/labels/a{1}.png": {"training": 2, "validation": 1},
        "{0}/v1.2/instances/a{1}.png": {"training": 2, "validation": 1},
        "{0}/images/a{1}.jpg": {"training": 2, "validation": 1},
    },
}
TREES["ade20k_with_other"] = TREES["ade20k"]
_SPLITS = {"training": "train", "validation": "val"}


def _value(preset):
    """A label value that the preset has, as a PNG that it reads."""
    label_class = preset.classes[-1]
    if preset.encoding == "color":
        return data.png(data.filled((4, 5), label_class.color))
    if preset.encoding == "coco_panoptic":
        return data.png(data.filled((4, 5), (7, 0, 0)))
    return data.png(data.filled((4, 5), label_class.ids[0]))


def make_tree(name, root):
    """Writes a dataset's tree; gives rows by split."""
    preset, rows, number = class_files.preset(name), {}, {}
    label, image = _value(preset), data.png(data.filled((4, 5), (9, 9, 9)))
    for pattern, splits in TREES[name].items():
        start = 0
        for folder, count in splits.items():
            split = _SPLITS.get(folder, folder)
            rows[split] = count
            number[split] = range(start, start + count)
            start += count
            for i in number[split]:
                is_image = "mages" in pattern or "Img" in pattern or "Raw" in pattern
                is_image |= pattern.endswith(".jpg") or pattern.startswith(
                    "CamVid/{0}/"
                )
                content = image if is_image else label
                data.write_tree(root, {pattern.format(folder, i): content})
    if name == "voc2012":
        base = root / "VOCdevkit/VOC2012/ImageSets/Segmentation"
        base.mkdir(parents=True)
        for split, numbers in number.items():
            text = "".join(f"2007_00{i:04}\n" for i in numbers)
            (base / f"{split}.txt").write_text(text)
    if name == "coco_panoptic":
        for split, numbers in number.items():
            made = data.panoptic_json(
                {f"{i:012}.png": [(7, preset.classes[-1].ids[0], 20)] for i in numbers}
            )
            path = root / f"annotations/panoptic_{split}2017.json"
            path.write_text(made)
    return rows


def options_of(*arguments):
    parser = Parser()
    add_input_arguments(parser)
    return from_arguments(parser.parse_args([str(a) for a in arguments]))


def test_every_layout_is_tried():
    assert set(TREES) == set(class_files.preset_names()) - {"binary"}


@pytest.mark.parametrize("name", TREES)
def test_a_dataset_is_found_by_its_layout(name, tmp_path):
    rows = make_tree(name, tmp_path)
    options = options_of("--dataset", name, "--data_dir", tmp_path)
    assert options.class_map == class_files.preset(name)
    plan = survey(options)
    assert {split: found.rows for split, found in plan.splits.items()} == rows
    assert plan.config.with_images
    for split in rows:
        found = [
            {
                key
                for source in sources
                if source.split == split
                for key, _ in keys.entries(source, _match(source), options, side)
            }
            for side, sources in (
                ("label_maps", options.label_maps),
                ("images", options.images),
            )
        ]
        assert found[0] == found[1]


def _match(source):
    from pipeline import files

    return files.match(source.pattern)


OFFICIAL = {
    "voc2012": {"train": 1464, "val": 1449},
    "cityscapes": {"train": 2975, "val": 500},
    "ade20k": {"train": 20210, "val": 2000},
    "coco_stuff": {"train": 118287, "val": 5000},
    "coco_panoptic": {"train": 118287, "val": 5000},
    "camvid11": {"train": 367, "val": 101, "test": 233},
    "camvid32": {"train": 701},
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_what_was_published_is_said(name, tmp_path, capsys):
    from pipeline.__main__ import main

    rows = make_tree(name, tmp_path)
    assert main(["plan", "--dataset", name, "--data_dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for split, count in rows.items():
        assert f"{split} {count} of {OFFICIAL[name][split]:,}" in printed
    if name == "ade20k":
        for uid in ("00001701", "00003020", "00008455", "00013508"):
            assert f"ADE_train_{uid}" in printed


def test_vocs_augmented_set_is_taken_where_it_is(tmp_path):
    make_tree("voc2012", tmp_path)
    base = tmp_path / "VOCdevkit/VOC2012"
    label = data.png(data.filled((4, 5), 3))
    data.write_tree(
        base, {f"SegmentationClassAug/2007_000{i:03}.png": label for i in range(5)}
    )
    (base / "ImageSets/Segmentation/trainaug.txt").write_text(
        "2007_000000\n2007_000004\n"
    )
    plan = survey(options_of("--dataset", "voc2012", "--data_dir", tmp_path))
    assert {s: p.rows for s, p in plan.splits.items()} == {
        "train": 2,
        "train_aug": 2,
        "val": 3,
    }


def test_a_split_that_is_not_there_is_told(tmp_path, capsys):
    from pipeline.__main__ import main

    make_tree("ade20k", tmp_path)
    base = tmp_path / "ADEChallengeData2016"
    for path in [
        *(base / "annotations/validation").iterdir(),
        *(base / "images").rglob("*.jpg"),
    ]:
        path.unlink()
    assert main(["plan", "--dataset", "ade20k", "--data_dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "note: split val is not there" in printed
    assert "note: the images of split train are not there" in printed


@pytest.mark.parametrize("newer", [False, True])
def test_labelmes_export_brings_its_own_classes(newer, tmp_path):
    label, image = (data.filled((4, 5), value) for value in (1, (9, 9, 9)))
    data.write_tree(
        tmp_path,
        {
            "class_names.txt": b"_background_\nperson\ncar",
            "JPEGImages/a.jpg": data.jpeg(image),
            "SegmentationClassVisualization/a.jpg": data.jpeg(image),
            f"SegmentationClass{'' if newer else 'PNG'}/a.png": data.png(label),
            f"SegmentationClass{'Npy' if newer else ''}/a.npy": b"",
        },
    )
    options = options_of("--dataset", "labelme", "--data_dir", tmp_path)
    assert options.class_map.names == ["_background_", "person", "car"]
    assert [c.ids for c in options.class_map.classes] == [(0,), (1,), (2,)]
    assert options.class_map.ignore == (255,)
    assert survey(options).rows == 1


def test_a_layout_may_be_the_users_own(tmp_path):
    tree = yaml.safe_load(class_files.preset_yaml("binary"))
    tree["dataset"] = {
        "strip_label_suffix": "_mask",
        "splits": {"day": {"label_maps": "masks/*_mask.png", "images": "photos/*.jpg"}},
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree))
    label, image = (data.filled((4, 5), value) for value in (255, (9, 9, 9)))
    data.write_tree(
        tmp_path,
        {"masks/a_mask.png": data.png(label), "photos/a.jpg": data.jpeg(image)},
    )
    found = datasets.find(str(path), str(tmp_path))
    assert found.class_map.names == ["background", "foreground"]
    assert [split.split for split in found.splits] == ["day"]
    tree["dataset"]["splits"]["day"]["label_map"] = "x"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(UsageError, match="unknown field 'label_map'"):
        datasets.find(str(path), str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "voc2012"], "needs --data_dir"),
        (["--dataset", "voc2012", "--data_dir", "/nowhere"], "/nowhere is not there"),
        (["--dataset", "voc2012", "--data_dir", "{}"], "nothing of it is in"),
        (["--dataset", "binary", "--data_dir", "{}"], "has a class map and no layout"),
        (["--dataset", "nosuch", "--data_dir", "{}"], "neither a preset nor a file"),
        (["--dataset", "labelme", "--data_dir", "{}"], "class_names.txt is not there"),
        (
            ["--dataset", "voc2012", "--data_dir", "{}", "--label_maps", "x"],
            "leave --label_maps out",
        ),
        ([], "say what to read"),
    ],
)
def test_what_is_wrong_with_a_dataset_is_told(arguments, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        options_of(*(a.format(tmp_path) for a in arguments))
