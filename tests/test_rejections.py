"""Bad input: each case is named, counted and written; no other row is lost."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from tests import data_generation as data
from tests import reading
from tests.test_convert import _write_records

IDS = [0, 1, 2, 255]
CLASSES = ["--num_classes", "3", "--ignore_label", "255"]
GOOD = 12


def _huge_png():
    """A PNG whose header promises far more than its few bytes hold."""
    header = struct.pack(">IIBBBBB", 200_000, 100_000, 8, 0, 0, 0, 0)

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def _label(value=0):
    return data.png(np.full((24, 32), value, np.uint8))


def _rgb(height=24, width=32):
    return data.picture(np.random.default_rng(0), height, width)


# label map, words that the reason holds
BAD_LABELS = {
    "empty": (b"", ["empty"]),
    "text": (b"not a picture at all", ["neither PNG nor JPEG", "not a pictur"]),
    "truncated": (
        data.png(np.random.default_rng(1).integers(0, 3, (24, 32)).astype(np.uint8))[
            :-60
        ],
        ["damaged or cut off"],
    ),
    "cut_header": (_label()[:20], ["within its header", "20 bytes"]),
    "rgb": (data.png(_rgb()), ["8-bit RGB", "no class ids"]),
    "rgba": (data.png(data.filled((24, 32), (255, 9, 9, 255))), ["8-bit RGBA"]),
    "jpeg": (data.jpeg(_rgb()), ["JPEG"]),
    "value": (_label(37), ["label value 37 at 768 pixels", "0..2", "255"]),
    "huge": (_huge_png(), ["100000 x 200000", "--max_pixels"]),
}


@pytest.fixture(scope="module")
def bad_run(tmp_path_factory, convert):
    """One run over good rows and every bad label map."""
    directory = tmp_path_factory.mktemp("bad")
    made = data.label_tree(directory, GOOD, IDS)
    data.write_tree(
        directory, {f"labels/{n}.png": b for n, (b, _) in BAD_LABELS.items()}
    )
    # A second file of the same key, in another folder of the same glob.
    data.write_tree(directory, {"labels/row_000.npy": _npy(made["row_000"])})
    out = convert(
        directory / "out",
        *("--label_maps", f"{directory}/labels/*", *CLASSES),
        *("--max_rejected", "0.9"),
    )
    return directory, made, out


def _npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_label_map_is_rejected_with_its_reason(bad_run, name):
    directory, _, out = bad_run
    found = [line for line in reading.rejections(out) if line["key"] == name]
    assert len(found) == 1
    assert found[0]["split"] == "train"
    assert found[0]["source"] == str(directory / "labels" / f"{name}.png")
    assert found[0]["stage"] in ("header", "decode", "classes")
    for word in BAD_LABELS[name][1]:
        assert word in found[0]["reason"]


def test_duplicate_key_keeps_the_smallest_path(bad_run):
    directory, _, out = bad_run
    found = [line for line in reading.rejections(out) if line["key"] == "row_000"]
    assert [line["source"] for line in found] == [str(directory / "labels/row_000.png")]
    assert "duplicate key" in found[0]["reason"]
    assert "row_000.npy" in found[0]["reason"]


def test_no_good_row_is_lost_and_bad_ones_are_counted(bad_run):
    _, made, out = bad_run
    rows = reading.load_all(out)
    assert set(rows) == set(made)
    for key, ids in made.items():
        reading.assert_is_one_hot(rows[key], ids, {0: 0, 1: 1, 2: 2, 255: -1})
    assert reading.manifest(out)["rejected"] == len(BAD_LABELS) + 1
    assert reading.stats(out)["rejected"] == len(BAD_LABELS) + 1
    assert len(reading.rejections(out)) == len(BAD_LABELS) + 1


BAD_IMAGES = {
    "row_001": (data.jpeg(_rgb(24, 33)), ["24 x 32", "24 x 33", "differ"]),
    "row_002": (b"GIF89a......", ["damaged: its header cannot be read"]),
    "row_004": (data.jpeg(_rgb())[:-200], ["damaged or cut off"]),
    "row_005": (None, ["no image"]),
    "alone": (data.png(_rgb()), ["no label map"]),
}


def test_bad_images_and_missing_partners(tmp_path, convert):
    made = data.label_tree(tmp_path, 9, IDS, images=True)
    for key, (content, _) in BAD_IMAGES.items():
        for path in tmp_path.glob(f"images/{key}.*"):
            path.unlink()
        if content is not None:
            data.write_tree(tmp_path, {f"images/{key}.png": content})
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*.png", *CLASSES),
        *("--images", f"{tmp_path}/images/*", "--max_rejected", "0.9"),
    )
    found = {line["key"]: line for line in reading.rejections(out)}
    assert set(found) == set(BAD_IMAGES)
    for key, (_, words) in BAD_IMAGES.items():
        for word in words:
            assert word in found[key]["reason"]
    assert set(reading.load_all(out)) == set(made) - set(BAD_IMAGES)


def test_too_many_rejections_fail_after_writing_them_all(tmp_path, run_maskbeam):
    data.label_tree(tmp_path, 5, IDS)
    data.write_tree(tmp_path, {"labels/a.png": b"", "labels/b.png": _label(9)})
    arguments = ["convert", "--label_maps", f"{tmp_path}/labels/*.png", *CLASSES]
    arguments += ["--output", tmp_path / "out"]
    done = run_maskbeam(*arguments)
    assert done.returncode == 1
    assert "2 of 7 rows were rejected" in done.stderr
    assert "--max_rejected" in done.stderr
    assert "label value 9" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert len(reading.rejections(tmp_path / "out")) == 2
    verdict = json.loads((tmp_path / "out/rejected/verdict.json").read_text())
    assert verdict["rejected"] == 2
    again = run_maskbeam(*arguments, "--max_rejected", "0.3")
    assert again.returncode == 2
    verdict_path = tmp_path / "out/rejected/verdict.json"
    assert f"a run that made no dataset, and {verdict_path} says why" in again.stderr
    allowed = run_maskbeam(*arguments, "--max_rejected", "0.3", "--overwrite")
    assert allowed.returncode == 0
    assert not (tmp_path / "out/rejected/verdict.json").exists()
    assert len(reading.rejections(tmp_path / "out")) == 2
    assert reading.manifest(tmp_path / "out")["splits"]["train"]["records"] == 5


def _starts(content):
    """Where the records of a plain TFRecord file begin."""
    starts = [0]
    while starts[-1] < len(content):
        (length,) = struct.unpack_from("<Q", content, starts[-1])
        starts.append(starts[-1] + 16 + length)
    return starts


@pytest.mark.parametrize("damage", ["length", "content", "gzip_cut"])
def test_damaged_record_file_gives_what_stands_before(tmp_path, convert, damage):
    rng = np.random.default_rng(0)
    made = {str(i): data.regions(rng, 20, 20, IDS) for i in range(8)}
    path = tmp_path / "x.tfrecord"
    _write_records(path, made, gzip=damage == "gzip_cut")
    content = bytearray(path.read_bytes())
    starts = _starts(content) if damage != "gzip_cut" else []
    if damage == "length":
        content[starts[5]] ^= 1
    elif damage == "content":
        content[starts[5] + 30] ^= 1
    else:
        del content[-100:]
    path.write_bytes(content)
    out = convert(
        tmp_path / "out",
        *("--label_maps", path, *CLASSES, "--max_rejected", "0.5"),
    )
    rows = reading.load_all(out)
    if damage == "content":
        assert list(rows) == [str(i) for i in range(8) if i != 5]
        (line,) = reading.rejections(out)
        assert "content does not hold" in line["reason"]
        assert line["source"] == f"{path}#5"
        return
    kept = len(rows)
    assert kept == 5 if damage != "gzip_cut" else 0 < kept < 8
    assert list(rows) == [str(i) for i in range(kept)]
    (line,) = reading.rejections(out)
    assert f"damaged at record {kept}" in line["reason"]
    assert line["source"] == f"{path}#{kept}"
    # The file's rows have about one size, so the estimate is about right.
    assert abs(line.get("rows", 1) - (8 - kept)) <= 1
    assert f"about {line.get('rows', 1)} rows" in line["reason"]


def test_what_is_lost_of_a_record_file_is_judged_as_so_many_rows(tmp_path, convert):
    """One bit, and all that follows is gone: that is not one row."""
    made = {f"{i:03}": np.full((9, 9), i % 3, np.uint8) for i in range(200)}
    path = tmp_path / "x.tfrecord"
    _write_records(path, made)
    content = bytearray(path.read_bytes())
    content[_starts(content)[50]] ^= 1
    path.write_bytes(content)
    arguments = ("--label_maps", path, *CLASSES, "--overwrite")
    convert(tmp_path / "out", *arguments, "--max_rejected", "0.5", code=1)
    verdict = json.loads((tmp_path / "out/rejected/verdict.json").read_text())
    assert verdict["records"] == 50
    assert verdict["rejected"] == pytest.approx(150, abs=2)
    # At the first record nobody can say what is lost.
    content[0] ^= 1
    path.write_bytes(content)
    _write_records(tmp_path / "y.tfrecord", {"y": np.zeros((9, 9), np.uint8)})
    arguments = ("--label_maps", tmp_path / "*.tfrecord", *CLASSES, "--overwrite")
    convert(tmp_path / "out", *arguments, "--max_rejected", "0.9", code=1)
    verdict = json.loads((tmp_path / "out/rejected/verdict.json").read_text())
    assert "nobody can say how many" in verdict["reason"]
    convert(tmp_path / "out", *arguments, "--max_rejected", "1")


def test_bad_records_are_rejected_by_themselves(tmp_path, convert):
    rng = np.random.default_rng(0)
    made = {str(i): data.regions(rng, 20, 20, IDS) for i in range(3)}
    path = tmp_path / "x.tfrecord"
    _write_records(path, made)
    with tf.io.TFRecordWriter(str(tmp_path / "y.tfrecord")) as writer:
        writer.write(b"\xff\xff no tf.Example")
        writer.write(tf.train.Example().SerializeToString())
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/*.tfrecord", *CLASSES),
        *("--max_rejected", "0.5"),
    )
    assert set(reading.load_all(out)) == set(made)
    reasons = {line["source"]: line["reason"] for line in reading.rejections(out)}
    assert "no tf.Example" in reasons[f"{tmp_path}/y.tfrecord#0"]
    assert "no feature" in reasons[f"{tmp_path}/y.tfrecord#1"]


def test_duplicate_keys_in_record_files_fail_and_name_both_places(
    tmp_path, run_maskbeam
):
    made = {"same": np.zeros((8, 8), np.uint8)}
    _write_records(tmp_path / "x.tfrecord", made)
    _write_records(tmp_path / "y.tfrecord", made)
    done = run_maskbeam(
        *("convert", "--label_maps", f"{tmp_path}/*.tfrecord", *CLASSES),
        *("--output", tmp_path / "out", "--max_rejected", "1"),
    )
    assert done.returncode == 1
    assert f"'same' at {tmp_path}/x.tfrecord#0" in done.stderr
    assert f"{tmp_path}/y.tfrecord#0" in done.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_the_same_key_in_two_splits_is_a_warning(tmp_path, run_maskbeam):
    data.label_tree(tmp_path, 2, IDS)
    pattern = f"{tmp_path}/labels/*.png"
    done = run_maskbeam(
        *("convert", "--label_maps", f"train={pattern}", f"val={pattern}", *CLASSES),
        *("--output", tmp_path / "out"),
    )
    assert done.returncode == 0
    assert "2 keys are in more than one split" in done.stderr
    assert "'row_000' in train, val" in done.stderr


def test_arrays_that_are_no_label_maps(tmp_path, convert):
    data.label_tree(tmp_path, 3, IDS)
    arrays = {
        "float": np.zeros((4, 4), np.float32),
        "negative": np.full((4, 4), -1, np.int32),
        "flat": np.zeros(4, np.uint8),
        "no_pixels": np.zeros((0, 4), np.uint8),
        "large": np.full((4, 4), 70_000),
    }
    contents = {f"labels/{name}.npy": _npy(array) for name, array in arrays.items()}
    contents["labels/cut.npy"] = _npy(np.zeros((9, 9), np.uint8))[:-5]
    contents["labels/text.npz"] = b"no archive"
    data.write_tree(tmp_path, contents)
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*", *CLASSES, "--max_rejected", "0.9"),
    )
    reasons = {line["key"]: line["reason"] for line in reading.rejections(out)}
    assert set(reasons) == {*arrays, "cut", "text"}
    assert "float32" in reasons["float"]
    assert "-1 at 16 pixels" in reasons["negative"]
    assert "[4]" in reasons["flat"]
    assert "70000" in reasons["large"]
    assert len(reading.load_all(out)) == 3


def test_links_are_followed_and_those_that_lead_nowhere_are_reported(tmp_path, convert):
    made = data.label_tree(tmp_path / "elsewhere", 3, IDS)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "city").symlink_to(tmp_path / "elsewhere" / "labels")
    (tmp_path / "labels" / "city" / "lost.png").symlink_to(tmp_path / "nowhere")
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*/*.png", *CLASSES),
        *("--max_rejected", "0.5"),
    )
    assert set(reading.load_all(out)) == {f"city/{key}" for key in made}
    (line,) = reading.rejections(out)
    assert line["key"] == "city/lost"
    assert "cannot be read" in line["reason"]


def test_one_bad_of_camvid(camvid, tmp_path, convert):
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        for path in (camvid / f"{split}annot").glob("*.png"):
            (tmp_path / split / path.name).symlink_to(path)
    victim = next((tmp_path / "train").iterdir())
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content[: len(content) // 2])
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"train={tmp_path}/train/*.png"),
        *("--label_maps", f"val={tmp_path}/val/*.png"),
        *("--classes", "camvid11", "--max_rejected", "0.01"),
    )
    splits = reading.manifest(out)["splits"]
    assert splits["train"]["records"] + splits["val"]["records"] == 467
    (line,) = reading.rejections(out)
    assert line["key"] == victim.stem
