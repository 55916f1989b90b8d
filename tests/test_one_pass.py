"""No row is read or decoded twice, and the summary's counters say so."""

import re

import pytest
import tensorflow as tf

from maskbeam.pipeline.rows import images as images_module
from maskbeam.pipeline.rows import row_files
from maskbeam.transforms import decode
from tests import data_generation as data

_ROWS = 9


@pytest.fixture
def calls(monkeypatch):
    """How often each thing was done, counted where it is done."""
    counts = {}

    def count(owner, name):
        original = getattr(owner, name)
        counts[name] = 0

        def counting(*arguments):
            counts[name] += tf.executing_eagerly()  # and not when the graph is made
            return original(*arguments)

        monkeypatch.setattr(owner, name, counting)

    count(decode, "ids")
    count(images_module, "_levels")
    count(row_files, "_read")
    return counts


@pytest.mark.parametrize("source", ["files", "tiles", "records"])
def test_each_row_is_read_and_decoded_once(source, convert, tmp_path, calls, capsys):
    data.label_tree(tmp_path, _ROWS, [0, 1, 2], images=True)
    (tmp_path / "labels/row_000.png").write_bytes(b"no picture")
    inputs = ["--label_maps", tmp_path / "labels/*", "--images", tmp_path / "images/*"]
    if source == "tiles":
        inputs += ["--tile", "16x16"]
    if source == "records":
        inputs = ["--label_maps", _record_file(tmp_path)]
    convert(tmp_path / "out", *inputs, "--num_classes=3", "--max_rejected=0.2")
    summary = capsys.readouterr().out
    shown = re.search(
        r"(\d+) rows read; (\d+) label maps and (\d+) images decoded\n1 rows rejected",
        summary,
    )
    assert shown is not None, summary
    rows, label_maps, images = map(int, shown.groups())
    # The bad row is refused by its header, before either is decoded.
    assert (rows, label_maps, images) == (_ROWS, _ROWS - 1, _ROWS - 1)
    assert calls["ids"] == label_maps
    assert calls["_levels"] == images
    assert calls["_read"] == (0 if source == "records" else 2 * _ROWS)


def _record_file(directory):
    path = directory / "rows.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for label in sorted((directory / "labels").iterdir()):
            (image,) = (directory / "images").glob(f"{label.stem}.*")
            features = {
                "image/segmentation/class/encoded": label.read_bytes(),
                "image/encoded": image.read_bytes(),
                "image/filename": label.stem.encode(),
            }
            example = tf.train.Example(
                features=tf.train.Features(
                    feature={
                        name: tf.train.Feature(
                            bytes_list=tf.train.BytesList(value=[value])
                        )
                        for name, value in features.items()
                    }
                )
            )
            writer.write(example.SerializeToString())
    return path
