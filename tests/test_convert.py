"""A conversion equals the plain computation, over several ways of cutting the work."""

import io
import json
import random

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import data_generation as data
from tests import reading
from tests.rarely import rarely

IDS = [0, 1, 2, 3, 4, 255]
INDEX_OF = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 255: -1}
CLASSES = ["--num_classes", "5", "--ignore_label", "255"]
ENCODINGS = ["bits", "png", "uint8", "float32"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Twenty rows of two sizes, with images."""
    directory = tmp_path_factory.mktemp("tree")
    sizes = [(24, 32), (17, 23)]
    made = data.label_tree(directory, 20, IDS, size=lambda i: sizes[i % 2], images=True)
    return directory, made


def _sources(directory):
    return [
        "--label_maps",
        f"{directory}/labels/*.png",
        "--images",
        f"{directory}/images/*",
        *CLASSES,
    ]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("size", [None, *rarely("20x24")], ids=["native", "resized"])
def test_every_encoding_loads_to_the_same_masks(
    tree, convert, tmp_path, encoding, size
):
    directory, made = tree
    resize = ["--size", size] if size else []
    out = convert(
        tmp_path / "out", *_sources(directory), "--mask_encoding", encoding, *resize
    )
    rows = reading.load_all(out)
    assert set(rows) == set(made)
    for key, ids in made.items():
        if size:
            ids = _nearest(ids, 20, 24)
        reading.assert_is_one_hot(rows[key], ids, INDEX_OF)


def _nearest(ids, height, width):
    """The sample whose square holds the centre of each new pixel."""
    rows = ((np.arange(height) + 0.5) * ids.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * ids.shape[1] / width).astype(int)
    return ids[rows][:, columns]


@pytest.mark.parametrize("num_classes", [1, 256, *rarely(33, 65, 300)])
def test_many_classes(convert, tmp_path, num_classes):
    rng = np.random.default_rng(num_classes)
    ids = rng.integers(0, num_classes, (13, 29)).astype(np.uint16)
    ids[0, :3] = 1000  # ignored
    np.save(tmp_path / "map.npy", ids)
    out = convert(
        tmp_path / "out",
        *("--label_maps", tmp_path / "map.npy", "--mask_encoding", "bits"),
        *("--num_classes", num_classes, "--ignore_label", 1000),
    )
    index_of = {i: i for i in range(num_classes)} | {1000: -1}
    reading.assert_is_one_hot(reading.load_all(out)["map"], ids, index_of)


@pytest.mark.parametrize(
    ("storage", "normalize", "size"),
    [
        ("original", "unit", None),
        ("raw", "zscore", "20x24"),
        *rarely(
            ("original", "zscore", "20x24"),
            ("png", "zscore", None),
            ("png", "symmetric", "20x24"),
            ("original", "imagenet", None),
            ("original", "mean=0.1,0.2,0.3:std=0.4,0.5,1", "20x24"),
        ),
    ],
)
def test_images_equal_pillow_and_the_graph(
    tree, convert, tmp_path, storage, normalize, size
):
    import tensorflow_transform as tft

    directory, made = tree
    out = convert(
        tmp_path / "out",
        *_sources(directory),
        *("--image_storage", storage, "--normalize", normalize),
        *(["--size", size] if size else []),
    )
    rows = reading.load_all(out)
    graph = tft.TFTransformOutput(str(out / "transform_graph"))
    assert set(graph.raw_feature_spec()) == {"label_bytes", "image_bytes"}
    stats = reading.stats(out)
    mean, deviation = {
        "unit": (0, 1),
        "symmetric": (0.5, 0.5),
        "zscore": (np.array(stats["image_mean"]), np.array(stats["image_std"])),
        "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        "mean=0.1,0.2,0.3:std=0.4,0.5,1": ((0.1, 0.2, 0.3), (0.4, 0.5, 1)),
    }[normalize]
    levels = []
    for key in made:
        path = next(directory.glob(f"images/{key}.*"))
        picture: Image.Image = Image.open(path)
        if size:
            picture = picture.resize((24, 20), Image.Resampling.BILINEAR)
        expected = np.asarray(picture, np.float64)
        row = rows[key]
        found = (row["image"].astype(np.float64) * deviation + mean) * 255
        levels.append(np.round(found).reshape(-1, 3))
        assert np.abs(found - expected).max() <= (1.01 if size else 0.001), key
        raw = {
            "label_bytes": [(directory / f"labels/{key}.png").read_bytes()],
            "image_bytes": [path.read_bytes()],
        }
        outputs = graph.transform_raw_features(
            {name: tf.constant(value) for name, value in raw.items()},
            drop_unused_features=True,
        )
        for name in ("image", "mask", "label"):
            dense = outputs[name]
            dense = dense.to_tensor() if size is None else dense
            np.testing.assert_array_equal(dense.numpy()[0], row[name], name)
    pixels = np.concatenate(levels) / 255
    np.testing.assert_allclose(stats["image_mean"], pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(stats["image_std"], pixels.std(0), rtol=1e-9)


def test_statistics_equal_numpy(tree, convert, tmp_path):
    directory, made = tree
    out = convert(
        tmp_path / "out", *_sources(directory), "--split_by", "train=0.6,val=0.4"
    )
    stats = reading.stats(out)
    splits = {s: set(reading.load_all(out, s)) for s in ("train", "val")}
    assert splits["train"] | splits["val"] == set(made)
    assert all(splits.values())
    for split, keys in splits.items():
        found = stats["splits"][split]
        counts = np.array(
            [[(made[key] == k).sum() for k in range(5)] for key in sorted(keys)]
        )
        assert found["records"] == len(keys)
        assert found["class_pixels"] == counts.sum(0).tolist()
        assert found["class_images"] == (counts > 0).sum(0).tolist()
        presence = ((counts > 0) * counts.sum(1, keepdims=True)).sum(0)
        assert found["presence_pixels"] == presence.tolist()
        ignored = sum((made[key] == 255).sum() for key in keys)
        assert found["ignored_pixels"] == ignored
        assert sum(n for _, _, n in found["sizes"]) == len(keys)
        if split == "train":
            frequency = counts.sum(0) / presence
            np.testing.assert_allclose(
                stats["class_weights"]["median_frequency"],
                np.median(frequency) / frequency,
            )
            np.testing.assert_allclose(
                stats["class_weights"]["inverse_frequency"],
                counts.sum() / (5 * counts.sum(0)),
            )


@pytest.mark.parametrize(
    ("encoding", "size"),
    [
        ("uint8", "20x24"),
        ("png", None),
        *rarely(("bits", None), ("float32", None), ("bits", "20x24")),
    ],
)
def test_tfds_loads_the_folder(tree, convert, tmp_path, encoding, size):
    import tensorflow_datasets as tfds

    directory, made = tree
    out = convert(
        tmp_path / "out",
        *_sources(directory),
        *("--split_by", "train=0.8,val=0.2", "--mask_encoding", encoding),
        *(["--size", size] if size else []),
    )
    builder = tfds.builder_from_directory(str(out))
    for split in ("train", "val"):
        ours = reading.load_all(out, split)
        assert builder.info.splits[split].num_examples == len(ours)
        found = {
            row["key"].decode(): row
            for row in tfds.as_numpy(builder.as_dataset(split=split))
        }
        assert set(found) == set(ours)
        for key, row in found.items():
            assert row["image/height"] == ours[key]["mask"].shape[0]
            stored, label = row[f"mask/{encoding}"], ours[key]["label"]
            if isinstance(stored, dict):
                stored = stored["value"].reshape(stored["shape"])
            if encoding in ("uint8", "float32"):
                np.testing.assert_array_equal(stored, ours[key]["mask"])
            elif encoding == "png":
                np.testing.assert_array_equal(
                    stored[..., 0], np.where(label < 0, 255, label)
                )
            else:
                words = np.where(label < 0, 0, 1 << np.maximum(label, 0))
                np.testing.assert_array_equal(stored, words)


def test_shards_do_not_depend_on_workers_or_listing(
    tree, convert, tmp_path, monkeypatch
):
    from maskbeam.pipeline.runtime import files

    directory, _ = tree
    arguments = [*_sources(directory), "--split_by", "train=0.7,val=0.3"]
    alone = convert(tmp_path / "one", *arguments, "--direct_num_workers=1")
    four = convert(tmp_path / "four", *arguments, "--direct_num_workers=4")
    real, listed = files.matches, []

    def shuffled(pattern):
        found = list(real(pattern))
        random.Random(1).shuffle(found)
        listed.append([file.path for file in found])
        return iter(found)

    monkeypatch.setattr(files, "matches", shuffled)
    other = convert(tmp_path / "shuffled", *arguments)
    # By the client and by a worker, each side, and in another order than before.
    assert len(listed) == 4
    assert all(paths != sorted(paths) for paths in listed)
    assert len(reading.checksums(alone)) == 2
    assert reading.checksums(alone) == reading.checksums(four)
    assert reading.checksums(alone) == reading.checksums(other)
    assert reading.stats(alone) == reading.stats(four) == reading.stats(other)


def test_many_shards_and_units_hold_every_row_once(convert, tmp_path, monkeypatch):
    from maskbeam.pipeline.planning import sizes

    made = data.label_tree(tmp_path, 60, IDS)
    monkeypatch.setattr(sizes, "UNIT_BYTES", 4 * 24 * 32)  # four rows, in u8 words
    # Seven shards of a MiB, by an estimate that is far too high.
    monkeypatch.setattr(sizes, "mean_record_bytes", lambda *_: 6.5 * (1 << 20) / 60)
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"{tmp_path}/labels/*.png",
        *CLASSES,
        "--shard_mb",
        1,
    )
    names = reading.checksums(out)
    assert list(names) == [f"classes5-train.tfrecord-{i:05}-of-00007" for i in range(7)]
    rows = reading.load_all(out)
    assert reading.stats(out)["splits"]["train"]["records"] == len(rows) == 60
    for key, ids in made.items():
        reading.assert_is_one_hot(rows[key], ids, INDEX_OF)


def test_rows_keep_their_order_and_place_when_others_are_added(convert, tmp_path):
    data.label_tree(tmp_path, 30, IDS)
    arguments = ["--label_maps", f"{tmp_path}/labels/*.png", *CLASSES]
    arguments += ["--split_by", "train=0.5,val=0.5"]
    before = convert(tmp_path / "before", *arguments)
    data.label_tree(tmp_path, 40, IDS)
    after = convert(tmp_path / "after", *arguments)
    for split in ("train", "val"):
        old = list(reading.load_all(before, split))
        new = [key for key in reading.load_all(after, split) if key in set(old)]
        assert old == new


def test_group_by_keeps_tiles_in_one_split(convert, tmp_path):
    rng = np.random.default_rng(0)
    data.write_tree(
        tmp_path,
        {
            f"labels/city{c}/tile_{t}.png": data.png(data.regions(rng, 8, 8, IDS))
            for c in range(12)
            for t in range(3)
        },
    )
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*/*.png", *CLASSES),
        *("--split_by", "train=0.5,val=0.5", "--group_by", r"^(city\d+)/"),
    )
    cities = {
        split: {key.split("/")[0] for key in reading.load_all(out, split)}
        for split in ("train", "val")
    }
    assert cities["train"]
    assert cities["val"]
    assert not cities["train"] & cities["val"]


def test_limit_takes_the_same_rows_however_they_are_stored(convert, tmp_path):
    made = data.label_tree(tmp_path, 12, IDS)
    _write_records(tmp_path / "a.tfrecord", made)
    common = [*CLASSES, "--limit", "5", "--record_keys", "image=,key=image/filename"]
    named = convert(tmp_path / "n", "--label_maps", f"{tmp_path}/labels/*.png", *common)
    in_records = convert(
        tmp_path / "r", "--label_maps", f"{tmp_path}/a.tfrecord", *common
    )
    assert len(reading.load_all(named)) == 5
    assert set(reading.load_all(named)) == set(reading.load_all(in_records))


def _write_records(path, made, images=None, *, gzip=False, label_key=None):
    def feature(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    label_key = label_key or "image/segmentation/class/encoded"
    options = tf.io.TFRecordOptions(compression_type="GZIP" if gzip else "")
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for key, ids in made.items():
            columns = {
                "image/filename": feature(key.encode()),
                label_key: feature(data.png(ids)),
            }
            if images:
                columns["image/encoded"] = feature(images[key])
            example = tf.train.Example(features=tf.train.Features(feature=columns))
            writer.write(example.SerializeToString())


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
def test_record_files_keep_their_order_and_their_images(convert, tmp_path, gzip):
    rng = np.random.default_rng(3)
    made = {f"key {i}": data.regions(rng, 16, 24, IDS) for i in range(9)}
    pictures = {key: data.picture(rng, 16, 24) for key in made}
    images = {key: data.png(picture) for key, picture in pictures.items()}
    first, second = dict(list(made.items())[:5]), dict(list(made.items())[5:])
    _write_records(tmp_path / "in-00000-of-00002", first, images, gzip=gzip)
    _write_records(tmp_path / "in-00001-of-00002", second, images, gzip=gzip)
    out = convert(tmp_path / "out", "--label_maps", f"{tmp_path}/in-*", *CLASSES)
    rows = reading.load_all(out)
    assert list(rows) == list(made)
    assert [s["records"] for s in reading.manifest(out)["splits"]["train"]["shards"]]
    for key, ids in made.items():
        reading.assert_is_one_hot(rows[key], ids, INDEX_OF)
        levels = np.round(rows[key]["image"] * 255)
        np.testing.assert_array_equal(levels, pictures[key])


def test_record_files_by_other_keys_and_split(convert, tmp_path):
    rng = np.random.default_rng(4)
    made = {str(i): data.regions(rng, 8, 8, IDS) for i in range(20)}
    _write_records(tmp_path / "x.tfrecord", made, label_key="seg")
    out = convert(
        tmp_path / "out",
        *("--label_maps", tmp_path / "x.tfrecord", *CLASSES),
        *("--record_keys", "label=seg,key=", "--split_by", "train=0.5,val=0.5"),
    )
    found = [*reading.load_all(out), *reading.load_all(out, "val")]
    assert sorted(found) == sorted(f"x.tfrecord#{i}" for i in range(20))
    names = sorted(path.name.partition(".")[2] for path in out.glob("*.tfrecord-*"))
    assert names == ["tfrecord-00000-of-00001"] * 2


def test_arrays_become_rows(convert, tmp_path):
    rng = np.random.default_rng(5)
    stack = rng.choice(IDS, (3, 6, 10))
    single = data.regions(rng, 5, 7, IDS)
    np.save(tmp_path / "stack.npy", stack)
    np.savez_compressed(tmp_path / "many.npz", a=single, b=stack.astype(np.int32))
    out = convert(
        tmp_path / "out",
        "--label_maps",
        *(tmp_path / "stack.npy", tmp_path / "many.npz", *CLASSES),
    )
    expected = {"many#a": single}
    expected |= {f"stack#{i}": stack[i] for i in range(3)}
    expected |= {f"many#b#{i}": stack[i] for i in range(3)}
    rows = reading.load_all(out)
    assert set(rows) == set(expected)
    for key, ids in expected.items():
        reading.assert_is_one_hot(rows[key], ids, INDEX_OF)


def test_class_maps_merge_drop_and_ignore(convert, tmp_path):
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (tmp_path / "m.png").write_bytes(data.png(ids))
    (tmp_path / "classes.yaml").write_text(
        "name: merged\nignore: [9]\nothers: ignore\nclasses:\n"
        "  - {name: high, ids: [5, 7]}\n  - {name: low, ids: [0, 1, 2]}\n"
    )
    out = convert(
        tmp_path / "out",
        *("--label_maps", tmp_path / "m.png", "--classes", tmp_path / "classes.yaml"),
    )
    index_of = dict.fromkeys(range(12), -1) | {5: 0, 7: 0, 0: 1, 1: 1, 2: 1}
    reading.assert_is_one_hot(reading.load_all(out)["m"], ids, index_of)


def test_dataset_names_and_versions_are_in_the_manifest(tree, convert, tmp_path):
    directory, _ = tree
    out = convert(tmp_path / "out", *_sources(directory), "--name", "streets")
    found = reading.manifest(out)
    assert found["format"] == 1
    assert {"maskbeam", "apache-beam", "tensorflow"} <= set(found["versions"])
    assert found["options"]["name"] == "streets"
    on_disk = {path.name for path in out.iterdir()}
    assert on_disk == {
        "streets-train.tfrecord-00000-of-00001",
        *("transform_graph", "serving", "classes.yaml", "stats.json"),
        *("features.json", "dataset_info.json", "report.html", "manifest.json"),
    }
    shard = out / "streets-train.tfrecord-00000-of-00001"
    described = found["splits"]["train"]["shards"][0]
    assert described["bytes"] == shard.stat().st_size


@pytest.mark.parametrize(
    "encoding", ["png", *rarely(*(one for one in ENCODINGS if one != "png"))]
)
def test_camvid_equals_pillow(camvid, convert, tmp_path, encoding):
    arguments = []
    for split in ("train", "val"):
        arguments += ["--label_maps", f"{split}={camvid}/{split}annot/*.png"]
    # One encoding over all 468; of the others the validation split will do.
    if encoding != "bits":
        arguments = ["--label_maps", f"val={camvid}/valannot/*.png"]
    out = convert(
        tmp_path / "out",
        *(*arguments, "--classes", "camvid11", "--mask_encoding", encoding),
    )
    index_of = {i: i for i in range(11)} | {11: -1}
    stats = reading.stats(out)
    for split, found in stats["splits"].items():
        counts = np.zeros(12, np.int64)
        seen = set()
        from maskbeam.transforms import records

        for row in records.load(str(out), split).as_numpy_iterator():
            key = row["key"].decode()
            ids = np.array(Image.open(camvid / f"{split}annot" / f"{key}.png"))
            reading.assert_is_one_hot(row, ids, index_of)
            counts += np.bincount(ids.ravel(), minlength=12)
            seen.add(key)
        assert seen == {p.stem for p in (camvid / f"{split}annot").glob("*.png")}
        assert found["class_pixels"] == counts[:11].tolist()
        assert found["ignored_pixels"] == counts[11]
    tfds_rows = _first_of_tfds(out)
    assert tfds_rows


def _first_of_tfds(directory):
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(str(directory))
    return list(tfds.as_numpy(builder.as_dataset(split="val").take(1)))


def test_camvid_images_equal_pillow_and_the_graph(camvid, convert, tmp_path):
    import tensorflow_transform as tft

    arguments = []
    for split in ("train", "val"):
        arguments += ["--label_maps", f"{split}={camvid}/{split}annot/*.png"]
        arguments += ["--images", f"{split}={camvid}/{split}/*.png"]
    arguments += ["--classes", "camvid11", "--max_rejected", "0.9"]
    out = convert(tmp_path / "out", *arguments)
    rejected = reading.rejections(out)
    assert {line["reason"] for line in rejected} == {"the label map has no image"}
    graph = tft.TFTransformOutput(str(out / "transform_graph"))
    read = 0
    for split in ("train", "val"):
        paths = sorted((camvid / split).glob("*.png"))
        rows = reading.load_all(out, split)
        assert set(rows) == {path.stem for path in paths}
        labels = len(list((camvid / f"{split}annot").glob("*.png")))
        assert sum(r["split"] == split for r in rejected) == labels - len(paths)
        read += len(paths)
        for path in paths[::5]:
            row = rows[path.stem]
            label = camvid / f"{split}annot" / path.name
            levels = np.array(Image.open(path))
            expected = levels.astype(np.float32) * np.float32(1 / 255)
            np.testing.assert_array_equal(row["image"], expected)
            raw = {"image_bytes": path, "label_bytes": label}
            outputs = graph.transform_raw_features(
                {n: tf.constant([p.read_bytes()]) for n, p in raw.items()},
                drop_unused_features=True,
            )
            for name in ("image", "mask", "label"):
                found = outputs[name].to_tensor().numpy()[0]
                np.testing.assert_array_equal(found, row[name], name)
    assert read == 62 + 26


def test_json_files_are_plain(tree, convert, tmp_path):
    directory, _ = tree
    out = convert(tmp_path / "out", *_sources(directory))
    for name in ("manifest", "stats", "features", "dataset_info"):
        text = (out / f"{name}.json").read_text()
        assert json.dumps(json.loads(text))  # no NaN, which JSON does not have
        assert "NaN" not in text
    assert io.StringIO((out / "classes.yaml").read_text()).readline()
