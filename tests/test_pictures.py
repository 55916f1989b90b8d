"""Pictures of other formats, through the command line."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.formats import tf_examples
from tests import data_generation as data
from tests import reading

K = ("--num_classes", "5")
MEASURES = ("label", "image")
_SLOW = pytest.mark.engines  # they take long


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Three label maps and their images, in PNG, in other formats, and zipped."""
    directory = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(0)
    for key in "abc":
        label = data.regions(rng, 40, 60, [0, 1, 2, 3, 4])
        image = data.picture(rng, 40, 60)
        for folder, picture in (("labels", label), ("images", image)):
            contents = {f"{folder}_png/{key}.png": data.png(picture)}
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "BMP")
            contents[f"{folder}_bmp/{key}.bmp"] = buffer.getvalue()
            contents[f"{folder}_misnamed/{key}.png"] = buffer.getvalue()
            buffer = io.BytesIO()
            tifffile.imwrite(buffer, picture, compression="lzw", rowsperstrip=7)
            contents[f"{folder}_tif/{key}.tif"] = buffer.getvalue()
            data.write_tree(directory, contents)
    for kind in ("png", "tif"):
        with zipfile.ZipFile(directory / f"{kind}.zip", "w") as archive:
            for path in sorted(directory.glob(f"*_{kind}/*")):
                archive.write(path, path.relative_to(directory))
    return directory


def _flags(directory, kind):
    extension = {"misnamed": "png"}.get(kind, kind)
    return [
        *("--label_maps", f"{directory}/labels_{kind}/*.{extension}"),
        *("--images", f"{directory}/images_{kind}/*.{extension}", *K),
    ]


def _same(found, expected):
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        for name in MEASURES:
            np.testing.assert_array_equal(found[key][name], row[name])


@pytest.fixture(scope="module")
def expected(rows, convert, tmp_path_factory):
    """What is made of the PNGs."""
    out = convert(tmp_path_factory.mktemp("png") / "out", *_flags(rows, "png"))
    return reading.load_all(out)


@pytest.mark.parametrize(
    "kind", ["tif", *(pytest.param(k, marks=_SLOW) for k in ("bmp", "misnamed"))]
)
def test_the_same_rows_whatever_the_format(kind, rows, expected, convert, tmp_path):
    out = convert(tmp_path / "out", *_flags(rows, kind))
    _same(reading.load_all(out), expected)
    extension = {"misnamed": "png"}.get(kind, kind)
    raw = f"train={rows}/labels_{kind}/*.{extension}"
    assert main(["verify", str(out), "--raw", raw]) == 0


@pytest.mark.parametrize("kind", [pytest.param("png", marks=_SLOW), "tif"])
def test_archives_are_read_in_place(kind, rows, expected, convert, tmp_path):
    archive = rows / f"{kind}.zip"
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{archive}/labels_{kind}/*"),
        *("--images", f"{archive}/images_{kind}/*", *K),
    )
    _same(reading.load_all(out), expected)
    assert main(["verify", str(out), "--raw", f"{archive}/labels_{kind}/*"]) == 0


@_SLOW
def test_a_pair_list_in_an_archive(rows, expected, convert, tmp_path):
    path = tmp_path / "data.zip"
    shutil.copy(rows / "png.zip", path)
    lines = [f"images_png/{key}.png labels_png/{key}.png\n" for key in "abc"]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train.txt", "".join(lines))
    out = convert(tmp_path / "out", "--label_maps", f"{path}/train.txt", *K)
    _same(
        reading.load_all(out),
        {f"labels_png/{key}": row for key, row in expected.items()},
    )


@_SLOW
def test_a_damaged_member_costs_its_row(rows, expected, convert, tmp_path, capsys):
    path = tmp_path / "data.zip"
    content = bytearray((rows / "png.zip").read_bytes())
    at = content.index((rows / "labels_png/b.png").read_bytes())
    content[at + 60] ^= 1
    path.write_bytes(content)
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{path}/labels_png/*", *K, "--max_rejected", "0.5"),
    )
    assert "CRC" in capsys.readouterr().out
    assert sorted(reading.load_all(out)) == ["a", "c"]


def test_plan_says_what_images_become(rows, capsys):
    assert main(["plan", *_flags(rows, "tif")]) == 0
    printed = capsys.readouterr().out
    assert "3 images are neither PNG nor JPEG: " in printed
    assert " kB of them become PNGs of about 12 kB" in printed


def test_record_files_may_hold_other_formats(rows, expected, convert, tmp_path):
    import tensorflow as tf

    path = tmp_path / "x.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for key in "abcd":
            columns: dict[str, tf_examples.Value] = {"image/filename": key}
            for name, folder, extension in (
                ("image/segmentation/class/encoded", "labels", "tif"),
                ("image/encoded", "images", "bmp"),
            ):
                file = rows / f"{folder}_{extension}/{key}.{extension}"
                columns[name] = (
                    file.read_bytes() if key != "d" else b"II*\0 and no more"
                )
            writer.write(data.serialized(columns))
    out = convert(tmp_path / "out", "--label_maps", path, *K, "--max_rejected", "0.25")
    _same(reading.load_all(out), expected)
    (line,) = (
        json.loads(line)
        for file in (out / "rejected").iterdir()
        for line in file.read_text().splitlines()
    )
    assert (line["key"], line["stage"]) == ("d", "read")
    assert "TIFF" in line["reason"]
    assert main(["verify", str(out), "--raw", str(path)]) == 0


def test_pictures_of_a_stack_are_rows(rows, expected, convert, tmp_path):
    labels = [np.asarray(Image.open(rows / f"labels_png/{key}.png")) for key in "abc"]
    images = [np.asarray(Image.open(rows / f"images_png/{key}.png")) for key in "abc"]
    for name, stack in (("labels", labels), ("images", images)):
        (tmp_path / name).mkdir()
        with tifffile.TiffWriter(tmp_path / name / "s.tif") as writer:
            for picture in stack:
                writer.write(picture)
                writer.write(picture[::2, ::2], subfiletype=1)
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*.tif"),
        *("--images", f"{tmp_path}/images/*.tif", *K),
    )
    numbered = {f"s#{number}": expected[key] for number, key in enumerate("abc")}
    _same(reading.load_all(out), numbered)


# -------------------------------------------------------------------------- big rasters

TILE = ("--tile", "64x48", "--overlap", "8")


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """Two rasters and their images in blocks, and one of them in strips."""
    directory = tmp_path_factory.mktemp("rasters")
    rng = np.random.default_rng(1)
    for name, size in (("one", (300, 200)), ("two", (150, 333)), ("small", (20, 30))):
        label = data.regions(rng, *size, [0, 1, 2, 3, 4])
        for folder in ("labels", "images", "strips"):
            picture = data.picture(rng, *size) if folder == "images" else label
            blocks = {} if folder == "strips" else {"tile": (32, 64)}
            (directory / folder).mkdir(exist_ok=True)
            tifffile.imwrite(
                directory / folder / f"{name}.tif",
                picture,
                compression="deflate",
                **blocks,
            )
    return directory


def _of_rasters(directory, labels="labels", *more):
    return (
        *("--label_maps", f"{directory}/{labels}/*.tif"),
        *("--images", f"{directory}/images/*.tif", *K, *TILE, *more),
    )


@pytest.mark.engines
def test_tiles_are_the_same_whether_a_worker_holds_the_picture(
    rasters, convert, tmp_path
):
    whole = convert(tmp_path / "whole", *_of_rasters(rasters))
    parts = convert(tmp_path / "parts", *_of_rasters(rasters), "--max_pixels", "15000")
    rows = reading.load_all(whole)
    assert len(rows) > 50
    _same(reading.load_all(parts), rows)
    # Now a tile is a row: it is read, counted, and rejected, by itself.
    assert reading.stats(parts)["splits"]["train"]["source_rows"] == len(rows)
    assert main(["verify", str(parts), "--raw", f"{rasters}/labels/*.tif"]) == 0


@_SLOW
def test_tiles_of_one_picture_stay_in_one_split(rasters, convert, tmp_path):
    out = convert(
        tmp_path / "out",
        *_of_rasters(rasters, "labels", "--split_by", "train=0.5,val=0.5"),
        *("--max_pixels", "15000"),
    )
    pictures = [
        {key.partition("@")[0] for key in reading.load_all(out, split)}
        for split in reading.stats(out)["splits"]
    ]
    assert not set.intersection(*pictures) or len(pictures) == 1
    assert set().union(*pictures) == {"one", "two", "small"}


@_SLOW
def test_validate_plan_show_and_limit_know_tiles_of_big_pictures(
    rasters, convert, tmp_path, capsys
):
    flags = [*_of_rasters(rasters), "--max_pixels", "15000"]
    assert main(["validate", *flags]) == 0
    assert main(["plan", *flags]) == 0
    assert "58 rows with images (png), 5 classes" in capsys.readouterr().out
    sheet = tmp_path / "look.png"
    shown = ["--label_maps", f"{rasters}/labels/*.tif", *K, "--max_pixels", "99999"]
    assert main(["show", *shown, "--limit", "2", "--output", str(sheet)]) == 0
    assert sheet.is_file()
    out = convert(tmp_path / "out", *flags, "--limit", "7")
    assert len(reading.load_all(out)) == 7


def test_strips_beyond_the_limit_are_refused(rasters, convert, tmp_path, capsys):
    out = tmp_path / "out"
    flags = ["convert", *_of_rasters(rasters, "strips"), "--max_pixels", "15000"]
    assert main([*flags, "--output", str(out)]) == 1
    printed = capsys.readouterr()
    assert "300 x 200 = 60000 pixels" in printed.out + printed.err
    assert "gdal_translate -co TILED=YES" in printed.out + printed.err


@_SLOW
def test_one_bad_tile_costs_itself(rasters, convert, tmp_path):
    directory = tmp_path / "bad"
    shutil.copytree(rasters / "images", directory / "images")
    (directory / "labels").mkdir()
    label = tifffile.imread(rasters / "labels/one.tif").copy()
    label[299, 199] = 77
    (directory / "images/two.tif").unlink()
    (directory / "images/small.tif").unlink()
    tifffile.imwrite(directory / "labels/one.tif", label, tile=(32, 64))
    out = convert(
        tmp_path / "out",
        *_of_rasters(directory),
        *("--max_pixels", "15000", "--max_rejected", "0.2"),
    )
    stats = reading.stats(out)["splits"]["train"]
    rejected = (out / "rejected").iterdir()
    lines = [line for file in rejected for line in file.read_text().splitlines()]
    assert len(lines) == 1
    assert "77" in lines[0]
    assert stats["source_rows"] > 20


# ------------------------------------------------------------------------------- images


def test_bands_and_range(convert, tmp_path):
    rng = np.random.default_rng(0)
    bands = rng.integers(0, 4000, (40, 60, 5), np.uint16)
    contents = {"labels/a.png": data.png(data.regions(rng, 40, 60, [0, 1]))}
    data.write_tree(tmp_path, contents)
    (tmp_path / "images").mkdir()
    tifffile.imwrite(
        tmp_path / "images/a.tif", bands, photometric="minisblack", planarconfig=1
    )
    sources = [
        *("--label_maps", f"{tmp_path}/labels/*", "--images", f"{tmp_path}/images/*"),
        *K,
    ]
    out = convert(
        tmp_path / "out",
        *sources,
        *("--image_bands", "3,2,1", "--image_range", "0,3999"),
    )
    levels = reading.load_all(out)["a"]["image"] * 255
    exact = bands[..., [2, 1, 0]].astype(float) * 255 / 3999
    assert np.abs(levels - exact).max() <= 0.501
    assert main(["verify", str(out), "--raw", f"{tmp_path}/labels/*"]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--image_bands", "3,2"], "three bands, as 3,2,1, or one"),
        (["--image_bands", "0,1,2"], "must be 1 or more"),
        (["--image_range", "9,9"], "the smaller one first"),
        (["--image_range", "a,9"], "not a number"),
        (["--jpeg_label_maps"], "does not say which are meant"),
    ],
)
def test_wrong_options(flags, message, rows, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["convert", *_flags(rows, "tif"), *flags, "--output", out]) == 2
    assert message in capsys.readouterr().err
