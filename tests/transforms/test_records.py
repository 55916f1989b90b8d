import ast
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import data_generation as data
from transforms import records

ROWS = 20
SIZES = [(10, 14), (7, 21), (12, 12)]
ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def native(tmp_path_factory, convert):
    """Rows of three sizes in two shards, with images."""
    directory = tmp_path_factory.mktemp("native")
    data.label_tree(
        directory, ROWS, [0, 1, 2, 255], size=lambda i: SIZES[i % 3], images=True
    )
    return convert(directory / "out", *_arguments(directory))


@pytest.fixture(scope="module")
def fixed(tmp_path_factory, convert):
    """The same, resized, from two record shards' worth of files."""
    directory = tmp_path_factory.mktemp("fixed")
    data.label_tree(directory, ROWS, [0, 1, 2, 255])
    return convert(
        directory / "out",
        *("--label_maps", f"{directory}/labels/*.png", "--num_classes", 3),
        *("--ignore_label", 255, "--size", "8x16", "--split_by", "train=0.5,val=0.5"),
    )


def _arguments(directory):
    return [
        *("--label_maps", f"{directory}/labels/*.png"),
        *("--images", f"{directory}/images/*", "--num_classes", 3),
        *("--ignore_label", 255),
    ]


def _keys(rows):
    return [key for batch in rows for key in np.atleast_1d(batch["key"].numpy())]


def test_batches_of_several_sizes_are_padded(native):
    single = {row["key"].numpy(): row for row in records.load(str(native), "train")}
    assert len(single) == ROWS
    padded = 0
    for batch in records.load(str(native), "train", batch_size=6):
        for number, key in enumerate(batch["key"].numpy()):
            row = single[key]
            height, width = row["label"].shape
            assert batch["height"][number] == height
            assert batch["width"][number] == width
            for name, fill in (("label", -1), ("mask", 0), ("image", 0)):
                found = batch[name][number].numpy()
                np.testing.assert_array_equal(found[:height, :width], row[name])
                assert (found[height:] == fill).all()
                assert (found[:, width:] == fill).all()
                padded += found[height:].size + found[:, width:].size
    assert padded


def test_fixed_sizes_have_static_shapes(fixed):
    spec = records.load(str(fixed), "train", batch_size=4).element_spec
    assert spec["mask"].shape.as_list() == [None, 8, 16, 3]
    assert spec["label"].shape.as_list() == [None, 8, 16]
    assert "height" not in spec


def test_shuffle_is_by_seed_and_loses_nothing(native):
    plain = _keys(records.load(str(native), "train"))
    first, again, other = (
        _keys(records.load(str(native), "train", shuffle=True, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert first != plain
    assert sorted(first) == sorted(plain)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_readers_share_the_rows_between_them(native, count):
    parts = [
        _keys(records.load(str(native), "train", shard=(index, count)))
        for index in range(count)
    ]
    assert all(parts)
    assert sorted(sum(parts, [])) == sorted(_keys(records.load(str(native), "train")))
    with pytest.raises(ValueError, match="index < count"):
        records.load(str(native), "train", shard=(count, count))


@pytest.mark.parametrize("dtype", [tf.bool, tf.uint8, tf.float16])
def test_mask_dtype_and_class_axis(native, dtype):
    rows = zip(
        records.load(str(native), "train"),
        records.load(str(native), "train", mask_dtype=dtype, class_axis=-3),
        strict=True,
    )
    for plain, other in rows:
        assert other["mask"].dtype == dtype
        moved = np.moveaxis(other["mask"].numpy().astype(np.float32), 0, -1)
        np.testing.assert_array_equal(moved, plain["mask"])
    with pytest.raises(ValueError, match="class_axis"):
        records.load(str(native), "train", class_axis=0)


def test_raw_gives_the_columns_as_they_lie(native):
    rows = list(records.load(str(native), "train", raw=True))
    assert len(rows) == ROWS
    assert {row["image/format"].numpy() for row in rows} == {b"jpeg", b"png"}
    assert "mask/bits/value" in rows[0]


def test_what_is_not_there_is_named(native, tmp_path):
    with pytest.raises(ValueError, match="no split 'test'; there are train"):
        records.load(str(native), "test")
    with pytest.raises(FileNotFoundError, match="no dataset"):
        records.load(str(tmp_path), "train")
    (tmp_path / "unfinished.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="unfinished run"):
        records.load(str(tmp_path), "train")
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 99"):
        records.load(str(tmp_path), "train")


def test_reading_imports_neither_beam_nor_tf_transform():
    code = (
        "import sys, transforms.records, transforms.masks\n"
        "bad = {'apache_beam', 'tensorflow_transform', 'tfx_bsl'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "transforms").glob("*.py")))
def test_what_travels_to_serving_leaves_beam_behind(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not {n for n in imported if n.split(".")[0] in ("apache_beam", "pipeline")}
