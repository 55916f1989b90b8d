"""Sizes, tiles and extras, end to end, against computations of their own."""

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageOps

from maskbeam.transforms import tiles
from tests import data_generation as data
from tests import oracles, reading
from tests.rarely import rarely

CLASSES = ("--classes", "camvid11")
SIZE = (200, 272)


def _window(picture, size, fill):
    """The centre of a picture, filled up where it is smaller."""
    found = np.full((*size, *picture.shape[2:]), fill, picture.dtype)
    source, target = [], []
    for old, new in zip(picture.shape, size, strict=False):
        take, excess = min(old, new), abs(old - new) // 2
        source.append(slice(excess, excess + take) if old > new else slice(0, take))
        target.append(slice(0, take) if old > new else slice(excess, excess + take))
    found[tuple(target)] = picture[tuple(source)]
    return found


def fit(picture, size, way, fill):
    """How a label map or an image gets to a size."""
    sides = picture.shape[:2]
    if way == "crop":
        return _window(picture, size, fill)
    scaled = size
    if way != "stretch":
        by = (min if way == "letterbox" else max)(
            new / old for new, old in zip(size, sides, strict=True)
        )
        scaled = [math.floor(side * by + 0.5) for side in sides]
    if picture.ndim == 2:
        rows, columns = (
            oracles.nearest(*pair) for pair in zip(sides, scaled, strict=True)
        )
        resized = picture[rows][:, columns]
    else:
        image = Image.fromarray(picture)
        resized = np.array(image.resize(scaled[::-1], Image.Resampling.BILINEAR))
    return _window(resized, size, fill)


@pytest.fixture(scope="module")
def scenes(camvid, tmp_path_factory):
    """Street scenes and drawn ones of other shapes, as folders of files."""
    directory = tmp_path_factory.mktemp("scenes")
    labels, images = {}, {}
    for path in sorted((camvid / "valannot").glob("*.png"))[:4]:
        image = camvid / "val" / path.name
        if image.is_file():
            labels[path.stem] = np.array(Image.open(path))
            images[path.stem] = np.array(Image.open(image).convert("RGB"))
    assert labels
    rng = np.random.default_rng(0)
    for number, shape in enumerate([(500, 90), (90, 500), (7, 13), SIZE]):
        key = f"drawn_{number}"
        labels[key] = data.regions(rng, *shape, [*range(12)])
        images[key] = data.picture(rng, *shape)
    for name, pictures in (("labels", labels), ("images", images)):
        data.write_tree(
            directory / name, {f"{k}.png": data.png(v) for k, v in pictures.items()}
        )
    return directory, labels, images


def _arguments(directory):
    return (
        *("--label_maps", f"{directory}/labels/*.png"),
        *("--images", f"{directory}/images/*.png", *CLASSES),
    )


def _raw(directory, name, keys):
    return {key: (directory / name / f"{key}.png").read_bytes() for key in keys}


@pytest.mark.parametrize("way", ["letterbox", "short_side", *rarely("stretch", "crop")])
def test_rows_get_to_a_size(way, scenes, convert, tmp_path):
    directory, labels, images = scenes
    out = convert(
        tmp_path / "out", *_arguments(directory), "--size", "200x272", "--resize", way
    )
    rows = reading.load_all(out)
    assert set(rows) == set(labels)
    index_of = {i: i for i in range(11)} | {11: -1}
    for key, ids in labels.items():
        reading.assert_is_one_hot(rows[key], fit(ids, SIZE, way, 11), index_of)
        levels = rows[key]["image"] * 255
        expected = fit(images[key], SIZE, way, 0)
        assert np.abs(levels - expected).max() < 1.01  # Pillow rounds twice
        if way == "crop":
            np.testing.assert_array_equal(np.round(levels), expected)
    reading.assert_graph_equals_load(
        out,
        rows,
        labels=_raw(directory, "labels", rows),
        images=_raw(directory, "images", rows),
    )


def test_tiles_stitch_back_to_their_pictures(scenes, convert, tmp_path):
    directory, labels, images = scenes
    out = convert(
        tmp_path / "out",
        *(*_arguments(directory), "--tile", "128x160", "--overlap", 16),
        *("--split_by", "train=0.5,val=0.5"),
    )
    found = {s: reading.load_all(out, s) for s in ("train", "val")}
    pictures = {
        split: {tiles.parse_key(key)[0] for key in rows}
        for split, rows in found.items()
    }
    assert not pictures["train"] & pictures["val"]
    assert pictures["train"] | pictures["val"] == set(labels)
    rows = found["train"] | found["val"]
    assert len(rows) == sum(
        len(tiles.offsets(height, width, (128, 160), 16))
        for height, width in (ids.shape for ids in labels.values())
    )
    whole = dict(tiles.stitch(((k, r["label"]) for k, r in rows.items()), 16))
    levels = {
        key: np.round(row["image"] * 255).astype(np.uint8) for key, row in rows.items()
    }
    images_back = dict(tiles.stitch(levels.items(), 16))
    for key, ids in labels.items():
        expected = np.where(ids == 11, -1, ids.astype(int))
        np.testing.assert_array_equal(whole[key], expected)
        np.testing.assert_array_equal(images_back[key], images[key])
    # A tile sent to the graph by itself, as serving does.
    encoded = {key: data.png(value) for key, value in levels.items()}
    masks = {
        key: data.png(np.where(r["label"] < 0, 11, r["label"]).astype(np.uint8))
        for key, r in rows.items()
    }
    reading.assert_graph_equals_load(out, rows, labels=masks, images=encoded)
    from maskbeam.pipeline.command_line import main

    assert main(["verify", str(out)]) == 0


@pytest.mark.parametrize("size", [(), ("--size", "24x32")], ids=["native", "resized"])
def test_extras_are_what_their_names_say(size, convert, tmp_path):
    made = data.label_tree(
        tmp_path,
        6,
        [0, 1, 2, 255],
        size=lambda i: (24 + i, 32) if not size else (24, 32),
    )
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*.png", *size, "--num_classes", 4),
        *("--ignore_label", 255, "--weight_map", "median_frequency"),
        *("--presence", "--boundary", 2),
    )
    weights = reading.stats(out)["class_weights"]["median_frequency"]
    assert weights[3] is None
    table = np.array([*(w or 0.0 for w in weights), 0.0], np.float32)
    rows = reading.load_all(out)
    for key, ids in made.items():
        label = np.where(ids == 255, -1, ids.astype(int))
        np.testing.assert_array_equal(rows[key]["weight"], table[label])
        occurs = [float((label == k).any()) for k in range(4)]
        np.testing.assert_array_equal(rows[key]["presence"], occurs)
        np.testing.assert_array_equal(rows[key]["boundary"], oracles.boundary(label, 2))
    files = {k: (tmp_path / f"labels/{k}.png").read_bytes() for k in made}
    reading.assert_graph_equals_load(out, rows, labels=files)
    from maskbeam.transforms import records

    (batch,) = records.load(str(out), "train", batch_size=6)
    assert batch["presence"].shape == (6, 4)
    assert batch["weight"].shape == batch["boundary"].shape == batch["label"].shape
    padded = batch["label"].numpy() < 0
    assert not batch["weight"].numpy()[padded].any()


# -------------------------------------------------------------------------------- EXIF


def _turned_jpeg(picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def test_photos_are_turned_as_their_cameras_were(convert, tmp_path):
    rng = np.random.default_rng(0)
    files, labels = {}, {}
    for orientation in range(1, 9):
        picture = data.picture(rng, 24, 32)
        files[f"row_{orientation}"] = _turned_jpeg(picture, orientation)
        shape = (24, 32) if orientation < 5 else (32, 24)
        labels[f"row_{orientation}"] = data.regions(rng, *shape, [0, 1])
    files["sideways"], labels["sideways"] = files["row_6"], labels["row_1"]
    files["other"], labels["other"] = files["row_6"], np.zeros((5, 5), np.uint8)
    data.write_tree(
        tmp_path,
        {f"images/{k}.jpg": v for k, v in files.items()}
        | {f"labels/{k}.png": data.png(v) for k, v in labels.items()},
    )
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*.png", "--num_classes", 2),
        *("--images", f"{tmp_path}/images/*.jpg", "--max_rejected", 0.5),
    )
    rows = reading.load_all(out)
    assert set(rows) == {f"row_{n}" for n in range(1, 9)}
    raw = reading.load_raw(out)
    for key, row in rows.items():
        upright = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(files[key]))))
        np.testing.assert_array_equal(np.round(row["image"] * 255), upright)
        # Who reads the records with another reader gets the same picture.
        stored = raw[key]["image/encoded"]
        plain = np.array(Image.open(io.BytesIO(stored)))
        np.testing.assert_array_equal(plain, upright)
        assert (stored == files[key]) == (key == "row_1")
    reading.assert_graph_equals_load(
        out,
        rows,
        labels={k: data.png(labels[k]) for k in rows},
        images={k: files[k] for k in rows},
    )
    reasons = {line["key"]: line["reason"] for line in reading.rejections(out)}
    assert "24 x 32 and 32 x 24" in reasons["sideways"]
    assert "EXIF orientation, 6" in reasons["sideways"]
    assert "EXIF" not in reasons["other"]


def test_raw_tiles_are_the_pictures_own_pixels(convert, tmp_path, capfd):
    import tensorflow_datasets as tfds

    from maskbeam.pipeline.command_line import main

    data.label_tree(tmp_path, 6, [0, 1, 2], size=lambda i: (20, 24), images=True)
    arguments = [
        *("--label_maps", f"{tmp_path}/labels/*.png", "--num_classes", "3"),
        *("--images", f"{tmp_path}/images/*", "--tile", "8x9"),
        *("--image_storage", "raw"),
    ]
    assert main(["plan", *arguments]) == 0
    text = capfd.readouterr().out
    assert "bytes by --image_storage: png ~" in text
    assert ", raw ~10.8 kB" in text  # the levels alone take 8.6
    out = convert(tmp_path / "out", *arguments)
    rows, raw = reading.load_all(out), reading.load_raw(out)
    assert len(rows) == 6 * 3 * 3
    for key, row in raw.items():
        name, offset, _ = tiles.parse_key(key)
        (path,) = tmp_path.glob(f"images/{name}.*")
        picture = np.pad(np.asarray(Image.open(path)), [(0, 8), (0, 9), (0, 0)])
        tile = picture[offset[0] : offset[0] + 8, offset[1] : offset[1] + 9]
        assert row["image/encoded"] == tile.tobytes()
        assert row["image/format"] == b"raw"
        np.testing.assert_array_equal(np.round(rows[key]["image"] * 255), tile)
    for row in tfds.as_numpy(
        tfds.builder_from_directory(str(out)).as_dataset(split="train")
    ):
        levels = row["image/encoded"]
        assert levels.tobytes() == raw[row["key"].decode()]["image/encoded"]
    assert main(["verify", str(out)]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tile", "9x9", "--size", "9x9"], "use one of them"),
        (["--tile", "9"], "--tile '9' must be HEIGHTxWIDTH"),
        (["--tile", "0x9"], "--tile must be at least 1x1"),
        (["--tile", "9x8", "--overlap", "8"], "--overlap 8"),
        (["--overlap", "8"], "add --tile"),
        (["--resize", "letterbox"], "needs a --size"),
        (["--image_storage", "raw"], "add --size HxW, or --tile HxW"),
        (["--boundary", "-1"], "--boundary -1"),
        (["--resize", "bilinear", "--size", "9x9"], "bilinear"),
    ],
)
def test_what_is_wrong_with_sizes_is_told(arguments, words, tmp_path, capsys):
    from maskbeam.pipeline.command_line import main

    data.label_tree(tmp_path, 1, [0])
    label_maps = ["--label_maps", f"{tmp_path}/labels/*", "--num_classes", "1"]
    assert main(["plan", *label_maps, *arguments]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1
