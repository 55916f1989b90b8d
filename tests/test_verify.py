"""`verify` finds what was changed, and names it."""

import json
import logging
import shutil
import struct

import numpy as np
import pytest
import tensorflow as tf

from maskbeam.pipeline import verify_records
from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.formats import tfrecords
from maskbeam.transforms import load_transform
from tests import data_generation as data
from tests import reading
from tests.rarely import rarely


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, convert):
    """Rows with images, in two splits."""
    directory = tmp_path_factory.mktemp("verify")
    data.label_tree(directory, 12, [0, 1, 2, 255], images=True)
    return convert(
        directory / "out",
        *("--label_maps", f"{directory}/labels/*.png", "--normalize", "zscore"),
        *("--images", f"{directory}/images/*", "--split_by", "train=0.7,val=0.3"),
        *("--num_classes", 3, "--ignore_label", 255),
    )


@pytest.fixture
def copy(dataset, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(dataset, tmp_path / "copy")


def _shard(directory):
    return next(directory.glob("*-train.tfrecord-*"))


def _verify(directory, capfd):
    capfd.readouterr()
    code = main(["verify", str(directory)])
    return code, capfd.readouterr()


def test_a_sound_dataset_is_verified(dataset, capfd):
    code, printed = _verify(dataset, capfd)
    assert (code, printed.err) == (0, "")
    assert "agree" in printed.out


@pytest.mark.engines
def test_tensorflow_does_not_warn_of_retracing(convert, tmp_path, monkeypatch):
    """As it does where one function is made, and called, again and again."""
    data.label_tree(tmp_path, 1, [0, 1])
    maps = ("--label_maps", f"{tmp_path}/labels/*", "--num_classes", "2")
    dataset = convert(tmp_path / "out", *maps)
    said: list[logging.LogRecord] = []
    monkeypatch.setattr(tf.get_logger(), "handle", said.append)
    for _ in range(8):
        assert main(["verify", str(dataset), "--raw", maps[1]]) == 0
    assert not [one for one in said if "retracing" in one.getMessage()]


def test_missing_shard(copy, capfd):
    _shard(copy).unlink()
    code, printed = _verify(copy, capfd)
    assert code == 1
    assert "-train.tfrecord-00000-of-00001: the file is missing" in printed.err


def test_changed_byte(copy, capfd):
    content = bytearray(_shard(copy).read_bytes())
    content[100] ^= 1
    _shard(copy).write_bytes(content)
    code, printed = _verify(copy, capfd)
    assert code == 1
    assert "SHA-256" in printed.err


def test_cut_shard_whose_manifest_agrees(copy, capfd):
    _shard(copy).write_bytes(_shard(copy).read_bytes()[:-10])
    reading.reseal(copy)
    code, printed = _verify(copy, capfd)
    assert code == 1
    assert "damaged at record" in printed.err


def test_altered_record_with_sound_checksums(copy, capfd):
    """One mask replaced by another record's: only the pixels tell."""
    records = [r for r in tfrecords.records(str(_shard(copy))) if isinstance(r, bytes)]
    records[0] = records[1]
    _shard(copy).write_bytes(b"".join(map(tfrecords.frame, records)))
    reading.reseal(copy)
    code, printed = _verify(copy, capfd)
    assert code == 1
    assert "is there 2 times" in printed.err


def test_altered_statistics(copy, capfd):
    path = copy / "stats.json"
    stats = json.loads(path.read_text())
    stats["splits"]["train"]["class_pixels"][1] += 1
    path.write_text(json.dumps(stats))
    reading.reseal(copy)
    code, printed = _verify(copy, capfd)
    assert code == 1
    assert "class_pixels of train" in printed.err


def test_altered_constant_in_the_graph(copy, dataset, capfd):
    stats = json.loads((dataset / "stats.json").read_text())
    counted = stats["splits"]["train"]["class_pixels"]
    path = copy / "transform_graph" / "transform_fn" / "saved_model.pb"
    content = path.read_bytes()
    packed = struct.pack("<3q", *counted)
    assert content.count(packed) >= 1
    changed = np.array(counted)
    changed[2] += 5
    path.write_bytes(content.replace(packed, struct.pack("<3q", *changed)))
    reading.reseal(copy)
    code, printed = _verify(copy, capfd)
    assert code == 1
    assert f"class_pixels[2] is {counted[2] + 5}" in printed.err
    assert str(counted[2]) in printed.err


def _plant(path, written):
    """Puts a model there that writes a file, and answers as if nothing was."""

    def label_map(label_bytes):
        tf.io.write_file(written, "mine")
        return {"label": tf.zeros([1, 24, 32], tf.int32)}

    spec = tf.TensorSpec([None], tf.string, "label_bytes")
    planted = tf.function(label_map, input_signature=[spec], autograph=False)
    names = ("label_map", "transform_signature", "serving_default")
    tf.saved_model.save(tf.Module(), str(path), dict.fromkeys(names, planted))


@pytest.mark.parametrize("place", ["serving/1", "transform_graph/transform_fn"])
def test_a_graph_that_writes_files_is_not_run(place, copy, tmp_path, capfd):
    """Its checksums are right: whoever puts it there can make them so."""
    shutil.rmtree(copy / place)
    _plant(copy / place, str(tmp_path / "written"))
    reading.reseal(copy)
    code, printed = _verify(copy, capfd)
    assert code == 1
    assert f"{place} is not run, for it has the operation 'WriteFile'" in printed.err
    assert printed.err.count("\n") == 1
    if place == "serving/1":
        with pytest.raises(ValueError, match="'WriteFile'"):
            load_transform(str(copy))
        to = ("--to", str(tmp_path / "models"), "--version", "1")
        assert main(["export", str(copy), *to]) == 1
        assert not (tmp_path / "models").exists()
    assert not (tmp_path / "written").exists()


def test_record_count_that_does_not_hold(copy, capfd):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["splits"]["train"]["shards"][0]["records"] += 1
    path.write_text(json.dumps(manifest))
    reading.reseal(copy)
    code, printed = _verify(copy, capfd)
    assert code == 1
    assert "records, and the manifest says" in printed.err


@pytest.mark.parametrize("size", [[], ["--size", "8x9"]], ids=["native", "sized"])
@pytest.mark.parametrize("value", [0.5, *rarely(None, 1.0)])
def test_large_records_of_floats(size, value, convert, tmp_path, capfd, monkeypatch):
    """They are read in parts, and nothing in them goes unseen."""
    data.label_tree(tmp_path, 3, [0, 1, 2, 255], images=True)
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*", "--images", f"{tmp_path}/images/*"),
        *("--num_classes", 3, "--ignore_label", 255, "--mask_encoding", "float32"),
        *size,
    )
    monkeypatch.setattr(verify_records, "_PARSED_BYTES", 0)
    monkeypatch.setattr(verify_records, "_PART_BYTES", 1)  # a line each
    if value is None:
        assert _verify(out, capfd)[0] == 0
        return
    shard = _shard(out)
    records = [r for r in tfrecords.records(str(shard)) if isinstance(r, bytes)]
    before, after = struct.pack("<3f", 0, 1, 0), struct.pack("<3f", value, 1, 0)
    records[1] = records[1].replace(before, after, 1)
    shard.write_bytes(b"".join(map(tfrecords.frame, records)))
    reading.reseal(out)
    code, printed = _verify(out, capfd)
    assert code == 1
    assert "record 1 does not load: the mask is not the one-hot" in printed.err
