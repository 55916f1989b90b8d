import ast
import os
import pathlib
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tensorflow as tf

from maskbeam.transforms import features, masks, record_columns, records
from tests import data_generation as data

ROWS = 20
SIZES = [(10, 14), (7, 21), (12, 12)]
ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def native(tmp_path_factory, convert):
    """Rows of three sizes in one shard, with images."""
    directory = tmp_path_factory.mktemp("native")
    data.label_tree(
        directory, ROWS, [0, 1, 2, 255], size=lambda i: SIZES[i % 3], images=True
    )
    return convert(directory / "out", *_arguments(directory))


@pytest.fixture(scope="module")
def fixed(tmp_path_factory, convert):
    """Rows of one size in two splits."""
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


def test_columns_have_one_order(native):
    """Whatever seed this process hashes names with."""
    orders = set()
    for seed in range(2):
        program = (
            "from maskbeam.transforms import records;"
            f"print(list(records.load({str(native)!r}, 'train').element_spec))"
        )
        orders.add(
            subprocess.run(
                [sys.executable, "-c", program],
                env={**os.environ, "PYTHONHASHSEED": str(seed)},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
    assert orders == {"['key', 'image', 'label', 'mask']\n"}


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
    assert "mask/png" in rows[0]


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


def test_reading_imports_neither_beam_nor_tf_transform(run_python):
    code = (
        "import sys, maskbeam.transforms.records, maskbeam.transforms.masks\n"
        "import maskbeam.transforms.classes, maskbeam.transforms.summaries\n"
        "bad = {'apache_beam', 'tensorflow_transform', 'tfx_bsl'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    run_python(code)


@pytest.mark.parametrize("path", sorted((ROOT / "transforms").glob("*.py")))
def test_what_travels_to_serving_leaves_beam_behind(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not {n for n in imported if n.split(".")[0] in ("apache_beam", "pipeline")}


# Rows of each of four record files, and so of the shards that they become.
SHARD_ROWS = [7, 1, 4, 3]


@pytest.fixture(scope="module")
def sharded(tmp_path_factory, convert):
    """Rows in four shards, one for each record file."""
    directory = tmp_path_factory.mktemp("sharded")
    rng = np.random.default_rng(0)
    for number, rows in enumerate(SHARD_ROWS):
        path = str(directory / f"{number}.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for row in range(rows):
                label = data.png(data.regions(rng, 9, 7, [0, 1, 2, 255]))
                example = tf.train.Example()
                values = {"key": b"%d_%d" % (number, row), "label": label}
                for name, value in values.items():
                    example.features.feature[name].bytes_list.value.append(value)
                writer.write(example.SerializeToString())
    out = convert(
        directory / "out",
        *("--label_maps", f"{directory}/*.tfrecord", "--num_classes", 3),
        *("--ignore_label", 255, "--record_keys", "label=label,key=key"),
    )
    assert len(list(out.glob("*-train.tfrecord-*"))) == len(SHARD_ROWS)
    return out


ALL_KEYS = [b"%d_%d" % (n, i) for n, rows in enumerate(SHARD_ROWS) for i in range(rows)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 15])
def test_readers_partition_several_shards(sharded, count):
    parts = [
        _keys(records.load(str(sharded), "train", shard=(index, count)))
        for index in range(count)
    ]
    assert all(parts)
    assert sorted(sum(parts, [])) == sorted(ALL_KEYS)
    if count <= len(SHARD_ROWS):  # then a shard is one reader's alone
        readers = [{key.split(b"_")[0] for key in part} for part in parts]
        assert sum(map(len, readers)) == len(SHARD_ROWS)


def test_more_readers_than_rows_leave_some_without(sharded):
    parts = [
        _keys(records.load(str(sharded), "train", shard=(index, 20)))
        for index in range(20)
    ]
    assert sorted(sum(parts, [])) == sorted(ALL_KEYS)


@pytest.mark.parametrize("shard", [(-1, 2), (2, 2), (0, 0)], ids=str)
def test_a_reader_that_cannot_be_is_refused(sharded, shard):
    with pytest.raises(ValueError, match="index < count"):
        records.load(str(sharded), "train", shard=shard)


def test_rows_come_in_the_order_of_the_shards(sharded):
    assert _keys(records.load(str(sharded), "train")) == ALL_KEYS


def test_shuffle_mixes_shards_anew_in_each_epoch(sharded):
    rows = records.load(str(sharded), "train", shuffle=True, seed=3, batch_size=4)
    epochs = [_keys(rows) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    for epoch in epochs:
        assert sorted(epoch) == sorted(ALL_KEYS)
    again = records.load(str(sharded), "train", shuffle=True, seed=3, batch_size=4)
    assert [_keys(again) for _ in range(3)] == epochs


@pytest.mark.parametrize("count", [2, 5])
def test_shuffled_readers_partition_the_rows(sharded, count):
    parts = [
        _keys(
            records.load(
                str(sharded), "train", shuffle=True, seed=1, shard=(index, count)
            )
        )
        for index in range(count)
    ]
    assert sorted(sum(parts, [])) == sorted(ALL_KEYS)


def test_batches_hold_every_row_the_last_one_what_is_left(fixed):
    both = [_keys(records.load(str(fixed), split)) for split in ("train", "val")]
    assert all(both)
    assert sorted(sum(both, [])) == [b"row_%03d" % n for n in range(ROWS)]
    for split, keys in zip(("train", "val"), both, strict=True):
        batches = list(records.load(str(fixed), split, batch_size=3))
        assert _keys(batches) == keys
        sizes = [len(batch["key"]) for batch in batches]
        assert sizes == [3] * (len(keys) // 3) + [len(keys) % 3] * (len(keys) % 3 > 0)


@pytest.mark.parametrize("dtype", [tf.bool, tf.uint8, tf.float32])
def test_padding_is_zero_in_any_dtype_and_on_either_axis(native, dtype):
    single = {row["key"].numpy(): row for row in records.load(str(native), "train")}
    options = {"mask_dtype": dtype, "class_axis": -3, "batch_size": 5}
    for batch in records.load(str(native), "train", **options):
        mask = np.moveaxis(batch["mask"].numpy(), 1, -1)
        assert batch["mask"].dtype == dtype
        assert mask.shape[:3] == batch["label"].shape
        for number, key in enumerate(batch["key"].numpy()):
            expected = np.zeros(mask.shape[1:], dtype.as_numpy_dtype)
            one = single[key]["mask"].numpy()
            expected[: one.shape[0], : one.shape[1]] = one
            np.testing.assert_array_equal(mask[number], expected)


def test_single_rows_at_native_sizes_have_no_padding(native):
    for row in records.load(str(native), "train"):
        assert set(row) == {"key", "label", "mask", "image"}
        number = int(row["key"].numpy()[-3:])
        assert row["label"].shape == SIZES[number % 3]
        assert row["mask"].shape == (*SIZES[number % 3], 3)
        assert row["image"].shape == (*SIZES[number % 3], 3)


def test_raw_columns_come_in_batches_too(native):
    single = {
        row["key"].numpy(): row for row in records.load(str(native), "train", raw=True)
    }
    batches = list(records.load(str(native), "train", raw=True, batch_size=6))
    assert [len(batch["key"]) for batch in batches] == [6, 6, 6, 2]
    for batch in batches:
        for number, key in enumerate(batch["key"].numpy()):
            for name, value in single[key].items():
                np.testing.assert_array_equal(batch[name][number], value)


DEPTHS = [1, 8, 9, 16, 17, 32, 33, 64, 65, 150, 255, 256, 1000]


def _record(label, num_classes, encoding, fixed):
    """A record as section 3 of the design has it, by NumPy, zlib and Pillow."""
    mask = np.eye(num_classes + 1, dtype=np.uint8)[label][..., :-1]  # -1: the last row
    if encoding == "bits":
        width = next((b for b in (8, 16, 32, 64) if num_classes <= b), 64)
        words = -(-num_classes // width)
        padded = np.pad(mask, ((0, 0), (0, 0), (0, words * width - num_classes)))
        stored = zlib.compress(np.packbits(padded, -1, bitorder="little").tobytes())
        shape = [*label.shape, words] if words > 1 else label.shape
    elif encoding == "png":
        dtype = np.uint8 if num_classes <= 255 else np.uint16
        index = np.where(label < 0, np.iinfo(dtype).max, label).astype(dtype)
        stored, shape = data.png(index), None
    else:
        stored = zlib.compress(mask.tobytes()) if encoding == "uint8" else mask
        shape = mask.shape
    example = tf.train.Example()
    feature = example.features.feature
    feature["key"].bytes_list.value.append(b"k")
    feature["image/height"].int64_list.value.append(label.shape[0])
    feature["image/width"].int64_list.value.append(label.shape[1])
    column = f"mask/{encoding}"
    if shape is not None and not fixed:
        feature[f"{column}/shape"].int64_list.value.extend(shape)
        column += "/value"
    if encoding == "float32":
        feature[column].float_list.value.extend(mask.ravel().astype(np.float32))
    else:
        feature[column].bytes_list.value.append(stored)
    return example.SerializeToString()


@pytest.mark.parametrize("fixed_size", [True, False], ids=["fixed", "native"])
@pytest.mark.parametrize("num_classes", DEPTHS)
@pytest.mark.parametrize("encoding", ["bits", "png", "uint8", "float32"])
def test_a_record_made_by_hand_is_read(encoding, num_classes, fixed_size):
    label = np.random.default_rng(0).integers(-1, num_classes, (7, 13))
    label.flat[:3] = [-1, 0, num_classes - 1]
    size = label.shape if fixed_size else None
    config = features.Config(num_classes, encoding, size)
    record = _record(label, num_classes, encoding, fixed_size)
    columns = record_columns.record_parser(config)(tf.constant(record))
    expected = label[..., np.newaxis] == np.arange(num_classes)
    for dtype in (tf.float32, tf.bool, tf.uint8):
        row = record_columns.decode_record(
            columns, config, record_columns.Constants(), dtype
        )
        assert set(row) == {"key", "label", "mask"}
        assert (row["label"].dtype, row["mask"].dtype) == (tf.int32, dtype)
        np.testing.assert_array_equal(row["label"], label)
        np.testing.assert_array_equal(row["mask"], expected)
        index = masks.index_from_label(row["label"], num_classes)
        assert index.dtype.max == (255 if num_classes <= 255 else 65535)
        for found, value in zip(
            masks.expand(index, num_classes, dtype), (label, expected), strict=True
        ):
            np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9)], ids=str)
@pytest.mark.parametrize("encoding", ["bits", "png", "uint8", "float32"])
def test_a_record_that_is_all_ignored_is_read(encoding, shape):
    label = np.full(shape, -1)
    config = features.Config(9, encoding)
    record = _record(label, 9, encoding, fixed=False)
    row = record_columns.decode_record(
        record_columns.record_parser(config)(tf.constant(record)),
        config,
        record_columns.Constants(),
    )
    np.testing.assert_array_equal(row["label"], label)
    np.testing.assert_array_equal(row["mask"], np.zeros((*shape, 9)))


@pytest.mark.parametrize("batch_size", [None, 6])
@pytest.mark.parametrize("folder", ["native", "fixed"])
def test_packed_rows_expand_to_what_plain_ones_hold(folder, batch_size, request):
    directory = str(request.getfixturevalue(folder))
    plain = records.load(directory, "train", batch_size=batch_size)
    packed = records.load(directory, "train", batch_size=batch_size, packed=True)
    for row, small in zip(plain, packed, strict=True):
        index = small.pop("index")
        assert index.dtype == tf.uint8
        label, mask = masks.expand(index, 3)
        assert not {"label", "mask"} & set(small)
        for name, found in (small | {"label": label, "mask": mask}).items():
            assert found.dtype == row[name].dtype
            np.testing.assert_array_equal(found, row[name])


def test_the_number_of_elements_is_known(sharded):
    rows = sum(SHARD_ROWS)
    for options, expected in (
        ({}, rows),
        ({"batch_size": 4}, -(-rows // 4)),
        ({"batch_size": 4, "shuffle": True, "packed": True}, -(-rows // 4)),
        ({"batch_size": 4, "raw": True}, -(-rows // 4)),
        ({"shard": (1, 2)}, None),
        ({"shard": (3, 9)}, None),
    ):
        found = records.load(str(sharded), "train", **options)
        read = sum(1 for _ in found)
        assert found.cardinality().numpy() == read
        assert expected in (None, read)


def test_pairs_are_the_same_rows(native):
    plain = records.load(str(native), "train", batch_size=6)
    pairs = records.load(str(native), "train", batch_size=6, as_supervised=True)
    packed = records.load(
        str(native), "train", batch_size=6, as_supervised=True, packed=True
    )
    for row, (image, mask), (_, index) in zip(plain, pairs, packed, strict=True):
        np.testing.assert_array_equal(image, row["image"])
        np.testing.assert_array_equal(mask, row["mask"])
        np.testing.assert_array_equal(masks.expand(index, 3)[1], row["mask"])


def test_keras_fits_and_knows_the_steps(native):
    import keras

    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(3, 1)])
    model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    train = records.load(
        str(native), "train", batch_size=6, shuffle=True, as_supervised=True
    )
    history = model.fit(train, epochs=2, verbose=0)
    assert history.params["steps"] == -(-ROWS // 6)
    assert np.isfinite(history.history["loss"]).all()


def test_what_has_no_pairs_is_told(fixed, native):
    with pytest.raises(ValueError, match="have no images"):
        records.load(str(fixed), "train", as_supervised=True)
    with pytest.raises(ValueError, match="raw columns are"):
        records.load(str(native), "train", raw=True, as_supervised=True)
