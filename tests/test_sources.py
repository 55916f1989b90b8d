"""The same rows out of every kind of source give the same dataset."""

import gzip
import io
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.formats import record_files, tfrecords
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import survey
from maskbeam.pipeline.values import Source
from maskbeam.transforms import classes
from tests import data_generation as data
from tests import reading

IDS = [0, 1, 2, 255]
INDEX_OF = {0: 0, 1: 1, 2: 2, 255: -1}
ARGUMENTS = ("--num_classes", 3, "--ignore_label", 255)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Eight rows as files, and their arrays by key."""
    directory = tmp_path_factory.mktemp("sources")
    made = data.label_tree(directory, 8, IDS, images=True)
    return directory, made


def _files(tree, key):
    directory, _ = tree
    (image,) = directory.glob(f"images/{key}.*")
    return (directory / f"labels/{key}.png").read_bytes(), image.read_bytes()


def _assert_rows(out, tree, names, split="train"):
    """Holds a split against the rows of these names; gives what was loaded."""
    _, made = tree
    rows = reading.load_all(out, split)
    assert set(rows) == set(names)
    for key, name in names.items():
        reading.assert_is_one_hot(rows[key], made[name], INDEX_OF)
        assert rows[key]["image"].shape == (*made[name].shape, 3)
    return rows


def _assert_images(out, tree, names):
    rows = reading.load_all(out)
    images = {key: _files(tree, name)[1] for key, name in names.items()}
    labels = {key: _files(tree, name)[0] for key, name in names.items()}
    reading.assert_graph_equals_load(out, rows, labels=labels, images=images)


def test_webdataset_tars(tree, convert, tmp_path):
    _, made = tree
    for number, keys in enumerate((sorted(made)[:5], sorted(made)[5:])):
        with tarfile.open(tmp_path / f"shard-{number}.tar.gz", "w:gz") as tar:
            for key in keys:
                label, image = _files(tree, key)
                parts = {"jpg": image, "json": b"{}", "seg.png": label}
                for extension, content in parts.items():
                    member = tarfile.TarInfo(f"{key}.{extension}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    out = convert(tmp_path / "out", "--label_maps", f"{tmp_path}/*.tar.gz", *ARGUMENTS)
    names = {key: key for key in made}
    _assert_rows(out, tree, names)
    _assert_images(out, tree, names)
    assert len(reading.manifest(out)["splits"]["train"]["shards"]) == 2


def test_parquet_as_hugging_face_has_it(tree, convert, tmp_path):
    _, made = tree
    files = [_files(tree, key) for key in sorted(made)]
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        "image": pa.array([{"bytes": i, "path": None} for _, i in files], picture),
        "annotation": pa.array([{"bytes": b, "path": None} for b, _ in files], picture),
        "scene": pa.array(["street"] * len(files)),
    }
    pq.write_table(pa.table(columns), tmp_path / "train-00000-of-00001.parquet")
    out = convert(
        tmp_path / "out", "--label_maps", f"val={tmp_path}/*.parquet", *ARGUMENTS
    )
    name = "train-00000-of-00001.parquet"
    numbered = {f"{name}#{i}": key for i, key in enumerate(sorted(made))}
    _assert_rows(out, tree, numbered, "val")


def test_a_prepared_tfds_dataset_is_our_own(tree, convert, tmp_path):
    """What we write, TFDS reads; and what TFDS has prepared, we read."""
    directory, made = tree
    first = convert(
        tmp_path / "first",
        *("--label_maps", f"{directory}/labels/*.png", *ARGUMENTS),
        *("--images", f"{directory}/images/*", "--mask_encoding", "png"),
        *("--size", "24x32"),
    )
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"tfds:{first}",
        "--record_keys",
        "label=mask/png,image=image/encoded,key=key",
        *ARGUMENTS,
    )
    _assert_rows(out, tree, {key: key for key in made})


@pytest.mark.parametrize("key", ["image/filename", ""], ids=["keys", "numbers"])
def test_how_a_record_file_is_cut_changes_no_byte(key, tree, convert, tmp_path):
    _, made = tree
    records = []
    for name in sorted(made):
        label, image = _files(tree, name)
        columns = {
            "image/segmentation/class/encoded": label,
            "image/encoded": image,
            "image/filename": name,
        }
        records.append(tfrecords.frame(data.serialized(columns)))
    records.insert(3, tfrecords.frame(b"no tf.Example"))
    (tmp_path / "x.tfrecord").write_bytes(b"".join(records))
    arguments = (
        *("--label_maps", f"{tmp_path}/x.tfrecord", *ARGUMENTS),
        *(f"--record_keys=key={key}", "--max_rejected=0.5"),
        "--split_by=train=0.5,val=0.5",
    )
    whole = convert(tmp_path / "whole", *arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_files, "SPAN_BYTES", len(records[0]) + 1)
        cut = convert(tmp_path / "cut", *arguments)
        units = survey.survey(
            Options(
                label_maps=(Source("train", f"{tmp_path}/x.tfrecord"),),
                class_map=classes.numbered(3, [255]),
            )
        ).splits["train"]
    assert units.units > 3
    assert reading.checksums(cut) == reading.checksums(whole)
    assert reading.stats(cut) == reading.stats(whole)
    assert reading.rejections(cut) == reading.rejections(whole)


def test_what_cannot_be_cut_is_told(tree, tmp_path, monkeypatch, capsys):
    _, made = tree
    records = [{"image/segmentation/class/encoded": _files(tree, n)[0]} for n in made]
    framed = b"".join(tfrecords.frame(data.serialized(r)) for r in records)
    (tmp_path / "x.tfrecord").write_bytes(gzip.compress(framed))
    monkeypatch.setattr(record_files, "SPAN_BYTES", 100)
    arguments = ["--label_maps", f"{tmp_path}/x.tfrecord", "--num_classes=3"]
    assert main(["plan", *arguments, "--record_keys=key="]) == 0
    assert "1 large files are one unit each" in capsys.readouterr().out


def test_lists_of_pairs(tree, convert, tmp_path):
    directory, made = tree
    lines = []
    for key in sorted(made)[:5]:
        (image,) = directory.glob(f"images/{key}.*")
        lines.append(f"/far/away/images/{image.name} /far/away/labels/{key}.png\n")
    lines.append("/far/away/images/none.png /far/away/labels/none.png\n")
    (directory / "pairs.txt").write_text("".join(lines))
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"{directory}/pairs.txt",
        *ARGUMENTS,
        "--max_rejected",
        0.5,
    )
    names = {f"far/away/labels/{key}": key for key in sorted(made)[:5]}
    _assert_rows(out, tree, names)
    _assert_images(out, tree, names)
    (lost,) = reading.rejections(out)
    assert lost["key"] == "far/away/labels/none"
    assert "cannot be read" in lost["reason"]


def test_lists_of_keys_split_one_folder(tree, convert, tmp_path):
    directory, made = tree
    keys = sorted(made)
    lists = {"train": keys[:4], "val": [*keys[4:6], "row_999"]}
    for split, listed in lists.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(listed))
    out = convert(
        tmp_path / "out",
        *("--label_maps", *(f"{s}={directory}/labels/*.png" for s in lists)),
        *("--images", *(f"{s}={directory}/images/*" for s in lists), *ARGUMENTS),
        *("--split_list", *(f"{s}={tmp_path}/{s}.txt" for s in lists)),
        *("--max_rejected", 0.5),
    )
    _assert_rows(out, tree, {key: key for key in keys[:4]})
    _assert_rows(out, tree, {key: key for key in keys[4:6]}, "val")
    (lost,) = reading.rejections(out)  # the other two are of no list, and no loss
    assert (lost["key"], lost["split"]) == ("row_999", "val")
    assert "the list names it" in lost["reason"]


def test_a_split_of_images_alone_is_all_ignored(tree, convert, tmp_path):
    directory, made = tree
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{directory}/labels/*.png", *ARGUMENTS),
        *("--images", f"{directory}/images/*"),
        *("--images_only", f"test={directory}/images/*"),
    )
    rows = reading.load_all(out, "test")
    train = _assert_rows(out, tree, {key: key for key in made})
    assert set(rows) == set(made)
    for key, row in rows.items():
        np.testing.assert_array_equal(row["image"], train[key]["image"])
        assert (row["label"] == -1).all()
        assert not row["mask"].any()
    counts = reading.stats(out)["splits"]["test"]
    assert counts["class_pixels"] == [0, 0, 0]
    assert counts["ignored_pixels"] == sum(ids.size for ids in made.values())
    from maskbeam.pipeline.command_line import main

    assert main(["verify", str(out)]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--label_maps", "{0}/*.tar", "{0}/*.parquet"], "must be of one format"),
        (["--label_maps", "tfds:no_such_dataset"], "no_such_dataset"),
        (
            ["--label_maps", "{0}/labels/*", "--images_only", "train={0}/images/*"],
            "a split of their own",
        ),
        (
            ["--label_maps", "{0}/labels/*", "--images_only", "test={0}/images/*"],
            "others have: add --images train=GLOB",
        ),
        (
            ["--label_maps", "{0}/labels/*", "--split_list", "val={0}/a.txt"],
            "which has no --label_maps",
        ),
        (
            ["--label_maps", "{0}/labels/*", "--split_list", "{0}/none.txt"],
            "matches no file",
        ),
        (
            [
                *("--label_maps", "{0}/labels/*", "--split_list", "{0}/a.txt"),
                *("--split_by", "a=0.5,b=0.5"),
            ],
            "use one of them",
        ),
        (["--label_maps", "{0}/long.txt"], "entry 1 has 3 paths"),
        (
            ["--label_maps", "{0}/labels.tar", "--images", "{0}/images/*"],
            "labels.tar has no images, and other rows have",
        ),
    ],
)
def test_what_is_wrong_with_sources_is_told(arguments, words, tmp_path, capsys):
    from maskbeam.pipeline.command_line import main

    data.label_tree(tmp_path, 2, IDS, images=True)
    data.write_tree(
        tmp_path,
        {"a.tar": b"", "a.parquet": b"", "a.txt": b"x", "long.txt": b"a b c\n"},
    )
    with tarfile.open(tmp_path / "labels.tar", "w") as tar:
        tar.add(tmp_path / "labels/row_000.png", "row_000.seg.png")
    filled = [a.format(tmp_path) for a in arguments]
    assert main(["plan", *filled, *map(str, ARGUMENTS)]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1


def test_images_and_masks_in_one_folder(tree, convert, tmp_path, capsys):
    """Its name is like a glob, there is a note in it, and it is named in three ways."""
    _, made = tree
    folder, names = tmp_path / "all[1]", {}
    for number, name in enumerate(sorted(made)):
        key = f"{'ab'[number % 2]}/{number // 2}"  # of two directories, the same names
        names[key] = name
        label, image = _files(tree, name)
        picture = data.png(np.asarray(Image.open(io.BytesIO(image)).convert("RGB")))
        data.write_tree(folder, {f"{key}_mask.png": label, f"{key}.png": picture})
    data.write_tree(folder, {"a/readme.txt": b"by me", "._0.png": b"of a Macintosh"})
    suffix = ("--strip_label_suffix", "_mask")
    exclude = ("--exclude", "*_mask.png", "*.txt", "._*")
    masks = f"{folder}/*/*_mask.png"
    by_glob = ("--label_maps", masks, "--images", f"{folder}/*/*")
    out = convert(tmp_path / "out", *by_glob, *suffix, *exclude, *ARGUMENTS)
    _assert_rows(out, tree, names)
    printed = capsys.readouterr().out
    assert "--exclude leaves out 9 files" in printed
    assert "both places" not in printed
    listed = sorted(folder.glob("*/*"))
    opened = ("--label_maps", masks, "--images", *listed)
    again = convert(tmp_path / "opened", *opened, *suffix, *exclude, *ARGUMENTS)
    assert reading.checksums(again) == reading.checksums(out)
    kept = [path for path in listed if path.stem.endswith("_mask")]
    opened = ("--label_maps", *kept, "--images", *listed)
    convert(tmp_path / "no", *opened, *suffix, *exclude, *ARGUMENTS, code=2)
    assert "if it is quoted" in capsys.readouterr().err
    assert main(["verify", str(out), "--raw", masks]) == 0
    assert "8 raw rows compared" in capsys.readouterr().out


def test_a_label_map_is_no_image_of_itself(tmp_path, capsys):
    """One folder of both, and a glob of images that matches the masks."""
    mask = data.png(data.filled((6, 8), 1))
    tree = {f"d/{n}{end}.png": mask for n in range(3) for end in ("", "_mask")}
    folder = data.write_tree(tmp_path, tree) / "d"
    given = ["--label_maps", f"{folder}/*_mask.png", "--num_classes", "2"]
    given += ["--output", str(tmp_path / "out"), "--images"]
    assert main(["convert", *given, f"{folder}/*_mask.png"]) == 1
    assert "are one file" in capsys.readouterr().err
    assert main(["convert", *given, f"{folder}/*.png", "--overwrite"]) == 1
    assert "--exclude '*_mask.png'" in capsys.readouterr().err
