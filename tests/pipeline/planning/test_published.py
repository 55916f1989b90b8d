"""Every preset's layout, over tiny trees that lie as the downloads do."""

import codecs
import json
import pathlib
import re
import shutil

import pytest
import yaml

from maskbeam.pipeline.arguments import Parser, add_arguments, from_arguments
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.planning import listing, published
from maskbeam.pipeline.planning.survey import survey
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import Source
from maskbeam.transforms import class_files
from tests import data_generation as data

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
PETS, LOVEDA = ({"train": 2, "test": 3}, {"Train/Urban": 2, "Train/Rural": 1})
LOVEDA |= {"Val/Urban": 1, "Val/Rural": 2}
TREES |= {
    "oxford_pets": {
        "annotations/trimaps/Abyssinian_{1}.png": PETS,
        "annotations/trimaps/._Abyssinian_{1}.png": PETS,
        "images/Abyssinian_{1}.jpg": PETS,
    },
    "pascal_context": {
        "VOC2010/SegmentationClassContext/2008_00{1:04}.png": {"train": 2, "val": 3},
        "VOC2010/JPEGImages/2008_00{1:04}.jpg": {"train": 2, "val": 3},
    },
    "loveda": {
        "{0}/masks_png/{1}.png": LOVEDA,
        "{0}/images_png/{1}.png": LOVEDA,
    },
    "isaid": {
        "iSAID/{0}/images/P{1:04}_instance_color_RGB.png": {"train": 2, "val": 1},
        "iSAID/{0}/images/P{1:04}_instance_id_RGB.png": {"train": 2, "val": 1},
        "iSAID/{0}/images/P{1:04}.png": {"train": 2, "val": 1},
    },
    "gta5": {
        "labels/{1:05}.png": {"train": 3},
        "images/{1:05}.png": {"train": 3},
    },
    "bdd100k": {
        "bdd100k/labels/sem_seg/masks/{0}/0a0a-{1}.png": {"train": 2, "val": 1},
        "bdd100k/labels/sem_seg/colormaps/{0}/0a0a-{1}.png": {"train": 2, "val": 1},
        "bdd100k/images/10k/{0}/0a0a-{1}.jpg": {"train": 2, "val": 1},
    },
    "idd": {
        "gtFine/{0}/119/{1:06}_gtFine_labellevel3Ids.png": {"train": 2, "val": 1},
        "gtFine/{0}/119/{1:06}_gtFine_instancelevel3Ids.png": {"train": 2, "val": 1},
        "leftImg8bit/{0}/119/{1:06}_leftImg8bit.jpg": {"train": 2, "val": 1},
    },
    "celebamask_hq": {
        "CelebAMask-HQ-mask-anno/0/{1:05}_hair.png": {"train": 3},
        "CelebAMask-HQ-mask-anno/0/{1:05}_l_brow.png": {"train": 2},
        "CelebA-HQ-img-512/{1}.jpg": {"train": 3},
    },
    "deepglobe": {
        "{0}/{1}_mask.png": {"train": 3},
        "{0}/{1}_sat.jpg": {"train": 3, "valid": 1},
    },
}
_SPLITS = {"training": "train", "validation": "val"}
_SPLITS |= {folder: folder.partition("/")[0].lower() for folder in LOVEDA}
_VOC, _CONTEXT = "VOCdevkit/VOC2012/ImageSets/Segmentation", "VOC2010/ImageSets"
_LISTS = {
    "voc2012": {split: f"{_VOC}/{split}.txt" for split in ("train", "val")},
    "pascal_context": {
        split: f"{_CONTEXT}/SegmentationContext/{split}.txt"
        for split in ("train", "val")
    },
    "oxford_pets": {
        "train": "annotations/trainval.txt",
        "test": "annotations/test.txt",
    },
}


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
    preset = class_files.preset(name)
    label, image = _value(preset), data.png(data.filled((4, 5), (9, 9, 9)))
    for pattern, folders in TREES[name].items():
        for _, path in _paths(pattern, folders):
            content = image if _is_image(path) else label
            data.write_tree(root, {path: content})
    pattern, folders = next(iter(TREES[name].items()))  # of label maps
    number: dict[str, list[int]] = {}
    start = 0
    for folder, count in folders.items():
        split = _SPLITS.get(folder, folder)
        number.setdefault(split, []).extend(range(start, start + count))
        start += count
    if name in _LISTS:
        for split, path in _LISTS[name].items():
            stems = [
                pathlib.PurePath(path).stem
                for i, path in _paths(pattern, folders)
                if i in number[split]
            ]
            more = " 1 1 1" if name == "oxford_pets" else ""
            text = "".join(f"{stem}{more}\n" for stem in stems)
            data.write_tree(root, {path: text.encode()})
    if name == "coco_panoptic":
        for split, numbers in number.items():
            made = data.panoptic_json(
                {f"{i:012}.png": [(7, preset.classes[-1].ids[0], 20)] for i in numbers}
            )
            path = root / f"annotations/panoptic_{split}2017.json"
            path.write_text(made)
    return {split: len(numbers) for split, numbers in number.items()}


def _paths(pattern, folders):
    """The files of a pattern, and the number of each."""
    start = 0
    for folder, count in folders.items():
        for i in range(start, start + count):
            yield i, pattern.format(folder, i)
        start += count


def _is_image(path):
    is_label = path.endswith("_RGB.png")  # beside its image
    return path.endswith(".jpg") or (
        not is_label
        and any(word in path for word in ("mages", "Img", "Raw"))
        or re.fullmatch(r"CamVid/[a-z]+(?<!annot)/.*", path) is not None
    )


def options_of(*arguments):
    parser = Parser()
    add_arguments(parser, writes=False)
    return from_arguments(parser.parse_args([str(a) for a in arguments]))


def test_every_layout_is_tried():
    with_layout = {
        name
        for name in class_files.preset_names()
        if class_files.dataset_section(class_files.preset_yaml(name)) is not None
    }
    assert set(TREES) == with_layout


@pytest.mark.parametrize("name", TREES)
def test_a_dataset_is_found_by_its_layout(name, tmp_path):
    rows = make_tree(name, tmp_path)
    options = options_of("--dataset", name, "--data_dir", tmp_path)
    assert options.class_map == class_files.preset(name)
    plan = survey(options)
    assert {split: found.rows for split, found in plan.splits.items()} == rows
    assert plan.config.with_images
    for split in rows:
        sides: list[tuple[listing.Side, tuple[Source, ...]]] = [
            ("label_maps", options.label_maps),
            ("images", options.images),
        ]
        found = [
            {
                key
                for source in sources
                if source.split == split
                for key, _ in listing.entries(source, _match(source), options, side)
            }
            for side, sources in sides
        ]
        assert found[0] == found[1]


def _match(source):
    return files.match(source.pattern)


OFFICIAL = {
    "voc2012": {"train": 1464, "val": 1449},
    "cityscapes": {"train": 2975, "val": 500},
    "ade20k": {"train": 20210, "val": 2000},
    "coco_stuff": {"train": 118287, "val": 5000},
    "coco_panoptic": {"train": 118287, "val": 5000},
    "camvid11": {"train": 367, "val": 101, "test": 233},
    "camvid32": {"train": 701},
    "oxford_pets": {"train": 3680, "test": 3669},
    "pascal_context": {"train": 4998, "val": 5105},
    "loveda": {"train": 2522, "val": 1669},
    "gta5": {"train": 24966},
    "deepglobe": {"train": 803},
    "celebamask_hq": {"train": 30000},
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_what_was_published_is_said(name, tmp_path, capsys):
    from maskbeam.pipeline.command_line import main

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


def test_a_data_dir_that_is_called_as_a_pattern_is_no_neighbour(tmp_path):
    make_tree("camvid11", tmp_path / "Cam1")
    rows = make_tree("camvid11", tmp_path / "Cam[1]")
    for folder in ("train", "trainannot"):
        (directory,) = (tmp_path / "Cam[1]").rglob(folder)
        min(directory.iterdir()).unlink()
    arguments = ("--dataset", "camvid11", "--data_dir", tmp_path / "Cam[1]")
    plan = survey(options_of(*arguments))
    found = {split: found.rows for split, found in plan.splits.items()}
    assert found == rows | {"train": rows["train"] - 1}


def test_a_split_that_is_not_there_is_told(tmp_path, capsys):
    from maskbeam.pipeline.command_line import main

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


@pytest.mark.parametrize("names", ["__ignore__\n{}", "\ufeff{}", "{}\n"])
def test_labelmes_ids_begin_with_the_background(names, tmp_path):
    # Its toolkit's export-to-voc writes `__ignore__`, which is 255, as the first name.
    text = names.format("_background_\nperson")
    label = data.png(data.filled((4, 5), 1))
    data.write_tree(
        tmp_path,
        {"class_names.txt": text.encode(), "SegmentationClass/a.png": label},
    )
    class_map = published.find("labelme", str(tmp_path)).class_map
    assert [(c.name, c.ids) for c in class_map.classes] == [
        ("_background_", (0,)),
        ("person", (1,)),
    ]
    assert class_map.ignore == (255,)


def test_labelmes_names_may_be_utf_16_by_their_mark(tmp_path):
    names = "__ignore__\r\n_background_\r\nTür\r\n汽车\r\n"
    label = data.png(data.filled((4, 5), 1))
    data.write_tree(
        tmp_path,
        {
            "class_names.txt": codecs.BOM_UTF16_LE + names.encode("utf-16-le"),
            "SegmentationClass/a.png": label,
        },
    )
    class_map = published.find("labelme", str(tmp_path)).class_map
    assert class_map.names == ["_background_", "Tür", "汽车"]


@pytest.mark.parametrize("encoding", ["gbk", "gb18030"])
def test_labelmes_names_in_another_encoding_are_told(encoding, tmp_path):
    names = "_background_\nhose\n汽车".encode(encoding)
    data.write_tree(tmp_path, {"class_names.txt": names})
    with pytest.raises(UsageError, match="not UTF-8 in line 3: .*save it as UTF-8"):
        published.find("labelme", str(tmp_path))


def test_more_names_than_classes_are_told_before_they_are_made(tmp_path):
    data.write_tree(tmp_path, {"class_names.txt": b"a\n" * 1_000_000})
    with pytest.raises(UsageError, match="has 1000000 classes; 1 to 65535"):
        published.find("labelme", str(tmp_path))


def test_a_part_that_is_not_there_is_told(tmp_path):
    make_tree("loveda", tmp_path)
    shutil.rmtree(tmp_path / "Train/Rural")
    found = published.find("loveda", str(tmp_path))
    assert found.notes == ("of the 2 parts of split train, Urban, Rural, 1 are there",)
    assert [len(split.label_maps) for split in found.splits] == [1, 2]
    shutil.rmtree(tmp_path / "Val/Rural/images_png")
    with pytest.raises(UsageError, match="images of split 'val' are not there"):
        published.find("loveda", str(tmp_path))


def _mapillary(root):
    """Mapillary 2.0 as it lies, with three labels, the last of them not evaluated."""
    labels = [
        {"name": f"object--{i}", "readable": f"Thing {i}", "evaluate": i < 2}
        for i in range(3)
    ]
    label, image = (data.filled((4, 5), value) for value in (2, (9, 9, 9)))
    tree = {"config_v2.0.json": json.dumps({"labels": labels}).encode()}
    for folder, count in (("training", 2), ("validation", 1)):
        for i in range(count):
            for version in ("v1.2", "v2.0"):
                tree[f"{folder}/{version}/labels/a{i}.png"] = data.png(label)
            tree[f"{folder}/images/a{i}.jpg"] = data.jpeg(image)
    data.write_tree(root, tree)


def test_mapillary_2_brings_its_own_classes(tmp_path):
    _mapillary(tmp_path)
    options = options_of("--dataset", "mapillary_v2", "--data_dir", tmp_path)
    assert options.class_map.name == "mapillary_v2"
    assert options.class_map.names == ["Thing 0", "Thing 1"]
    assert options.class_map.ignore == (2,)
    plan = survey(options)
    assert {s: p.rows for s, p in plan.splits.items()} == {"train": 2, "val": 1}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "config_v2.0.json is not there, which the download has"),
        ("{", "config_v2.0.json: line 2 is not YAML"),
        ('{"labels": [{"name": 5}]}', "the name of label 0 must be text, not 5"),
    ],
)
def test_what_is_wrong_with_mapillarys_config_is_told(config, words, tmp_path):
    _mapillary(tmp_path)
    path = tmp_path / "config_v2.0.json"
    path.unlink() if config is None else path.write_text(config)
    with pytest.raises(UsageError) as raised:
        published.find("mapillary_v2", str(tmp_path))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_list_of_classes_has_no_layout(tmp_path):
    path = tmp_path / "labelmap.txt"
    path.write_text("leaf:48,112,32::\n")
    with pytest.raises(UsageError, match="has a class map and no layout"):
        published.find(str(path), str(tmp_path))


def test_images_of_some_splits_only_are_refused(tmp_path):
    make_tree("cityscapes", tmp_path)
    for path in (tmp_path / "leftImg8bit/val").rglob("*.png"):
        path.unlink()
    with pytest.raises(UsageError, match="images of split 'val'") as raised:
        published.find("cityscapes", str(tmp_path))
    assert f"{tmp_path}/leftImg8bit/val/*/*_leftImg8bit.png" in str(raised.value)


def test_object_stores_need_no_directory(monkeypatch):
    pattern = "gs://bucket/CamVid/trainannot/*.png"
    monkeypatch.setattr(files, "exists", lambda path: False)
    monkeypatch.setattr(
        files, "match", lambda glob: [files.File(glob, 1)] if glob == pattern else []
    )
    monkeypatch.setattr(files, "join", lambda *parts: "/".join(parts))
    found = published.find("camvid11", "gs://bucket")
    assert [split.label_maps for split in found.splits] == [(pattern,)]


def test_a_filesystem_that_beam_lacks_is_told():
    with pytest.raises(UsageError, match="--data_dir nosuch://x cannot be listed"):
        published.find("voc2012", "nosuch://x")


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ("[]", "must be a mapping with 'splits'"),
        ("{splits: null}", "'splits' must be a mapping"),
        ("{splits: {}}", "'splits' must be a mapping"),
        ("{splits: {a-b: {label_maps: x}}}", "split 'a-b' of `dataset` must be named"),
        ("{splits: {2012: {label_maps: x}}}", "split 2012 of `dataset` must be named"),
        ("{splits: {a: {images: x}}}", "must be a mapping with 'label_maps'"),
        ("{splits: {a: {label_maps: 5}}}", "'label_maps' must be text, or a list"),
        ("{splits: {a: {label_maps: x, images: null}}}", "'images' must be text"),
        ("{splits: {a: {label_maps: x, rows: many}}}", "'rows' must be a whole number"),
        ("{splits: {a: {label_maps: x}}, known_bad: [17]}", "'known_bad' must be"),
        ("{splits: {a: {label_maps: x}}, strip_label_suffix: 5}", "must be text, not"),
        ("{splits: {a: {label_maps: x, parts: 5}}}", "'parts' must be text, or a list"),
        ("{splits: {a: {label_maps: x, rows: 1_0}}}", "is no plain number"),
        ("{splits: {a: {label_maps: x}, a: {label_maps: y}}}", "'a' for the second"),
        (f"{{splits: {{a: {{{'x' * 1000}: y, label_maps: x}}}}}}", "unknown field 'xx"),
        (f"{{splits: {{a: {{label_maps: {[5] * 10**5}}}}}}}", "not [5, 5,"),
        (
            f"{{splits: {{{'x-' * 500}: {{label_maps: x}}}}}}",
            "must be named by letters",
        ),
    ],
)
def test_what_is_wrong_with_a_layout_is_told(layout, words, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"{{name: m, classes: [{{name: a, ids: [0]}}], dataset: {layout}}}")
    with pytest.raises(UsageError) as raised:
        published.find(str(path), str(tmp_path))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


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
    found = published.find(str(path), str(tmp_path))
    assert found.class_map.names == ["background", "foreground"]
    assert [split.split for split in found.splits] == ["day"]
    tree["dataset"]["splits"]["day"]["label_map"] = "x"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(UsageError, match="unknown field 'label_map'"):
        published.find(str(path), str(tmp_path))


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
