"""Steps of the pipeline by themselves."""

import json
import pickle
import struct

import apache_beam as beam
import numpy as np
import pytest

from maskbeam.pipeline import elements, printing
from maskbeam.pipeline.dataset import rejections, shards, tfds_files
from maskbeam.pipeline.elements import Origins, RawRow, RejectedError, Rejection
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import sizes
from maskbeam.pipeline.planning.plan import Plan, SplitPlan
from maskbeam.pipeline.rows import check, encode
from maskbeam.pipeline.rows.batches import Batch
from maskbeam.pipeline.runtime.coders import SizedCoder
from maskbeam.pipeline.values import RecordKeys, Source
from maskbeam.transforms import class_files, classes, features, summaries
from maskbeam.transforms.png_kinds import SIGNATURE
from tests import data_generation as data

CONFIG = features.Config(3, "bits")
OPTIONS = Options(
    label_maps=(Source("train", "/d/*"),), class_map=classes.numbered(3, [255])
)
# Of so few rows the skew check may take any.
_SPLIT = SplitPlan(10, (), 0, (), 1, 10, ((10, 10),), 1000, None)
PLAN = Plan(CONFIG, RecordKeys(), {"train": _SPLIT})


def _raw(key, ids):
    return RawRow(key, f"/d/{key}.png", "", data.png(ids), None)


def test_a_batch_larger_than_a_unit_is_cut_in_order(monkeypatch):
    monkeypatch.setattr(sizes, "UNIT_BYTES", 3 * 10 * 10)
    rng = np.random.default_rng(0)
    rows = [_raw(str(i), data.regions(rng, 10, 10, [0, 1, 2])) for i in range(10)]
    rows[4] = RawRow("4", "/d/4.png", "", b"text", None)
    batch = Batch("train", 2, (5, 0), rows)
    step = check.CheckBatch(OPTIONS, PLAN)
    step.setup()
    found = list(step.process(batch))
    (rejected,) = [f.value for f in found if hasattr(f, "tag")]
    assert (rejected.key, rejected.stage) == ("4", "header")
    batches = [f for f in found if not hasattr(f, "tag")]
    assert [len(b.rows) for b in batches] == [3, 3, 3]
    assert [b.part for b in batches] == [(5, 0, 0), (5, 0, 1), (5, 0, 2)]
    keys = [row.key for b in batches for row in b.rows]
    assert keys == [str(i) for i in range(10) if i != 4]


def test_a_row_that_protobuf_cannot_hold_is_rejected_by_its_header():
    config = features.Config(1000, "float32", size=(1000, 1000))
    row_check = check.RowCheck(classes.numbered(1000), config, 10**8)
    with pytest.raises(RejectedError) as raised:
        next(row_check(_raw("a", np.zeros((4, 4), np.uint8))))
    assert raised.value.stage == "size"
    assert "4000000000 bytes" in raised.value.reason
    assert "--mask_encoding" in raised.value.reason


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("num_classes", [3, 300])
def test_counts_and_indices_are_numpys(depth, num_classes):
    class_map = class_files.parse_class_map(
        "name: m\nignore: [450]\nothers: ignore\nclasses:\n"
        + "".join(
            f"- {{name: c{i}, ids: [{(i * 37) % 400}]}}\n" for i in range(num_classes)
        ),
        "text",
    )
    rng = np.random.default_rng(0)
    ids = rng.integers(0, min(460, np.iinfo(depth).max + 1), (11, 13)).astype(depth)
    meaning = {c.ids[0]: i for i, c in enumerate(class_map.classes)}
    expected = np.vectorize(lambda value: meaning.get(value, -1))(ids)
    config = features.Config(num_classes, "bits")
    (row,) = check.RowCheck(class_map, config, 10**8)(_raw("a", ids))
    ignored = np.iinfo(row.runs.values.dtype).max
    index = row.runs.repeat(row.runs.values).reshape(row.height, row.width)
    np.testing.assert_array_equal(index, np.where(expected < 0, ignored, expected))
    counts = [(expected == k).sum() for k in range(num_classes)]
    total = summaries.zero(num_classes, False)
    summaries.add_row(total, row.summary)
    np.testing.assert_array_equal(total[features.CLASS_PIXELS], counts)
    assert total[features.IGNORED_PIXELS] == (expected < 0).sum()


@pytest.mark.parametrize(
    ("encoding", "num_classes", "side", "shape", "size"),
    [
        ("bits", 150, 9500, "[9500 9500 3]", 9500 * 9500 * 3 * 8),
        ("uint8", 150, 4000, "[4000 4000 150]", 4000 * 4000 * 150),
        ("float32", 150, 2000, "[2000 2000 150]", 2000 * 2000 * 150 * 4),
    ],
)
def test_a_mask_beyond_2_gib_is_rejected_before_it_is_made(
    encoding, num_classes, side, shape, size
):
    config = features.Config(num_classes, encoding)
    step = check.RowCheck(classes.numbered(num_classes), config, 10**8)
    header = struct.pack(">II", side, side) + b"\x08\0\0\0\0"
    raw = RawRow("a", "a.png", "", SIGNATURE + b"\0\0\0\rIHDR" + header + b"1234", None)
    with pytest.raises(RejectedError) as caught:
        list(step(raw))
    assert caught.value.stage == "size"
    assert f"{shape} takes {size} bytes before it is deflated" in caught.value.reason
    # With fewer pixels it is the missing rest of the file that is refused.
    small = struct.pack(">II", 10, 10) + b"\x08\0\0\0\0"
    data_of_small = SIGNATURE + b"\0\0\0\rIHDR" + small + b"1234"
    with pytest.raises(RejectedError, match="damaged"):
        list(step(raw._replace(label_bytes=data_of_small)))


def test_beam_is_told_no_size_that_it_cannot_count():
    class Huge:
        nbytes = 2**40

    assert SizedCoder().estimate_size(Huge()) == 2**31 - 1


def test_beam_does_not_pickle_batches_to_see_their_size(monkeypatch):
    monkeypatch.setattr(pickle, "dumps", None)
    ids = np.zeros((4, 6), np.uint8)
    batch = Batch("train", 0, (0, 0), [_raw("a", ids)])
    step = check.CheckBatch(OPTIONS, PLAN)
    step.setup()
    (checked,) = step.process(batch)
    encoder = encode.EncodeBatch(CONFIG)
    encoder.setup()
    (encoded,) = encoder.process(checked)
    for element, size in (
        (batch, batch.rows[0].nbytes),
        (checked, 24),
        (encoded, 1),  # its words, one a run
    ):
        coder = beam.coders.registry.get_coder(type(element))
        assert coder.get_impl().estimate_size(element) == size


def _pieces(path, part, content):
    path.write_bytes(content)
    total = summaries.zero(3, with_images=False)
    total[features.CLASS_PIXELS] += part[0]
    return elements.WrittenRecords(part, str(path), 1, len(content), {(4, 4): 1}, total)


def test_assembling_a_shard_is_retryable(tmp_path):
    plan = Plan(
        CONFIG,
        OPTIONS.record_keys,
        {"train": SplitPlan(3, (), 0, (), 2, 1, (), 0, None)},
    )
    place = (str(tmp_path), "set", plan)
    fragments = [
        _pieces(tmp_path / "b", (1, 0), b"second"),
        _pieces(tmp_path / "a", (0, 2), b"first"),
        # The same part once more, as a worker that was thought dead leaves it.
        _pieces(tmp_path / "c", (1, 0), b"second"),
    ]
    for order in (fragments, fragments[::-1]):
        found = shards.assemble(*place, ("train", 1), order)
        assert found.path == "set-train.tfrecord-00001-of-00002"
        assert (tmp_path / found.path).read_bytes() == b"firstsecond"
        assert (found.records, found.bytes) == (2, 11)
        assert found.sizes == {(4, 4): 2}
        assert found.summary[features.CLASS_PIXELS].tolist() == [1, 1, 1]
    empty = shards.assemble(*place, ("train", 0), [])
    assert (empty.records, (tmp_path / empty.path).read_bytes()) == (0, b"")
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    ("records", "rejected", "share", "verdict"),
    [
        (5, 0, 0.0, ""),
        (99, 1, 0.01, ""),
        (98, 2, 0.01, "2 of 100 rows were rejected"),
        (0, 3, 1.0, "no record was written"),
        (0, 0, 1.0, "no record was written"),
    ],
)
def test_verdicts(records, rejected, share, verdict):
    found = rejections.judge(records, _rejected(rejected), share, {})
    assert verdict in found
    assert bool(found) == bool(verdict)
    assert "twice" in rejections.judge(
        5, _rejected(0), 1.0, {rejections.DUPLICATE: (1, ["'a' at x and at y"])}
    )


def _rejected(rows, uncounted=0):
    return rejections.Rejected({"decode": rows} if rows else {}, uncounted)


def test_a_tail_that_nobody_can_count_is_a_verdict():
    found = rejections.judge(1000, _rejected(1, 1), 0.5, {})
    assert "the rest of 1 damaged files was lost, and nobody can say how many" in found
    assert not rejections.judge(1000, _rejected(1, 1), 1.0, {})


def test_rejections_count_what_they_stand_for(tmp_path):
    """The rest of a damaged file is as many rows as it is thought to have."""
    made = [
        Rejection("", "train", "x#5", "read", "damaged", rows=149),
        Rejection("", "train", "y#0", "read", "damaged", rows=None),
        Rejection("b", "train", "b.png", "classes", "value", rank=7),
        Rejection("a", "train", "a.png", "classes", "value", rank=2**64 - 3),
    ]
    # A worker that was thought dead brings a rejection twice.
    _, found = rejections.write_rejections(str(tmp_path), "train", [*made, made[2]])
    assert found.by_stage == {"read": 150, "classes": 2}
    assert found.uncounted == 1
    assert found.origins == Origins(2, 4)
    (path,) = (tmp_path / "rejected").iterdir()
    trees = [json.loads(line) for line in path.read_text().splitlines()]
    assert [tree.get("rows", 1) for tree in trees] == [149, None, 1, 1]
    assert all("rank" not in tree for tree in trees)
    both = rejections.add_rejections([found, found])
    assert (both.rows, both.uncounted, both.origins) == (304, 2, Origins(4, 8))


def test_few_counts_all_and_shows_the_smallest():
    few = rejections.Few()
    accumulators = []
    for start in (0, 40, 80):
        accumulator = few.create_accumulator()
        for number in range(start, start + 40):
            accumulator = few.add_input(accumulator, f"{number:03}")
        accumulators.append(accumulator)
    count, shown = few.extract_output(few.merge_accumulators(accumulators[::-1]))
    assert (count, shown) == (120, ["000", "001", "002", "003", "004"])


@pytest.mark.parametrize("encoding", ["bits", "png", "uint8", "float32"])
@pytest.mark.parametrize("size", [None, (4, 6)])
def test_features_are_what_tfds_writes(encoding, size):
    import tensorflow_datasets as tfds

    config = features.Config(70, encoding, size, with_images=True, image_storage="png")
    found = tfds.features.FeaturesDict.from_json(tfds_files.make_features(config))
    height, width = size or (None, None)
    shape, dtype = {
        "bits": ((height, width, 2), np.int64),
        "png": ((height, width, 1), np.uint8),
        "uint8": ((height, width, 70), np.uint8),
        "float32": ((height, width, 70), np.float32),
    }[encoding]
    mask = found[f"mask/{encoding}"]
    if encoding == "float32" and size is None:
        assert mask["shape"].shape == (3,)
        mask = mask["value"]
        assert (mask.shape, mask.np_dtype) == ((None,), dtype)
    else:
        assert (mask.shape, mask.np_dtype) == (shape, dtype)
    assert found["image/encoded"].shape == (height, width, 3)
    # TFDS says the same of its own accord.
    again = tfds.features.FeaturesDict.from_json(found.to_json())
    assert again.get_serialized_info() == found.get_serialized_info()


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (4_600_000, "4.6 MB")]
)
def test_bytes_for_people(count, text):
    assert printing.human_bytes(count) == text


@pytest.mark.parametrize("limit", ["SKEW_PIXELS", "SKEW_BYTES"])
def test_a_large_row_is_not_held_for_the_skew_check(limit, monkeypatch):
    """Its raw bytes, record and tensors would be in memory together."""
    batch = Batch("train", 0, (0,), [_raw("a", np.zeros((10, 10), np.uint8))])

    def found():
        step = check.CheckBatch(OPTIONS, PLAN)
        step.setup()
        ((row,),) = (checked.rows for checked in step.process(batch))
        return row.raw

    assert found() == batch.rows[0]
    monkeypatch.setattr(check, limit, 99)
    assert found() is None
