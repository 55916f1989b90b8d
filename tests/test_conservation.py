"""No row gets lost, or comes in, between the survey and the dataset."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.dataset import claim, conservation
from maskbeam.pipeline.dataset.rejections import Rejected
from maskbeam.pipeline.elements import Origins, WrittenRecords
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.census import Census, Counted, add_up
from maskbeam.pipeline.planning.survey import survey
from maskbeam.pipeline.values import Source
from maskbeam.transforms import classes
from tests import data_generation as data
from tests import reading
from tests.test_convert import _write_records

RANKS = st.lists(st.integers(0, 2**64 - 1), max_size=40)


def _census(ranks):
    census = Census()
    for rank in ranks:
        census.add(rank)
    return census


@given(RANKS, RANKS, st.randoms(use_true_random=False))
@settings(derandomize=True, deadline=None)
def test_a_census_knows_names_and_not_their_order(some, others, random):
    shuffled = [*some, *others]
    random.shuffle(shuffled)
    total = add_up([Counted(_census(some)), Counted(_census(others))]).listed
    assert total == _census(shuffled)
    assert total.total == len(shuffled)


@given(st.sets(st.integers(0, 2**64 - 1), min_size=1, max_size=40), st.data())
@settings(derandomize=True, deadline=None)
def test_a_name_that_is_missing_is_found(ranks, data):
    missing = data.draw(st.sampled_from(sorted(ranks)))
    left = _census(ranks - {missing})
    assert left != _census(ranks)
    assert left.may_lack(missing, _census(ranks))
    assert not _census(ranks).may_lack(missing, left)
    # Of one missing name in a bucket it is known which.
    assert not any(left.may_lack(rank, _census(ranks)) for rank in ranks - {missing})


@pytest.fixture
def then(monkeypatch):
    """Does something when the names are counted, and no worker has listed them."""

    def after_survey(change):
        original = claim.claim

        def claimed(*arguments):
            change()
            return original(*arguments)

        monkeypatch.setattr(claim, "claim", claimed)

    return after_survey


def _verdict(out):
    return json.loads((out / "rejected/verdict.json").read_text())["reason"]


def test_files_that_vanish_after_the_survey_are_named(convert, tmp_path, then):
    data.label_tree(tmp_path, 12, [0, 1, 2])
    labels = sorted((tmp_path / "labels").iterdir())

    def change():
        for path in labels[2:]:
            path.unlink()
        data.write_tree(
            tmp_path, {"labels/later.png": data.png(np.zeros((3, 3), "u1"))}
        )

    then(change)
    arguments = ["--label_maps", tmp_path / "labels/*", "--num_classes", 3]
    out = convert(tmp_path / "out", *arguments, "--max_rejected", 1, code=1)
    reason = _verdict(out)
    assert "'train' had 12 label maps when the run began, and workers found 3" in reason
    missing, _, new = reason.partition("new are")
    assert all(str(path) in missing for path in labels[2:])
    assert str(tmp_path / "labels/later.png") in new
    assert not (out / "manifest.json").exists()


def test_a_record_file_that_grows_after_the_survey_is_no_dataset(
    convert, tmp_path, then
):
    made = {str(i): np.full((9, 9), i % 3, np.uint8) for i in range(6)}
    path = tmp_path / "x.tfrecord"
    _write_records(path, made)
    size = path.stat().st_size
    # As a writer that goes on does it: at the end of a record.
    then(lambda: path.write_bytes(2 * path.read_bytes()))
    arguments = ["--label_maps", path, "--num_classes", 3, "--max_rejected", 0.9]
    out = convert(tmp_path / "out", *arguments, code=1)
    (line,) = reading.rejections(out)
    assert f"had {size} bytes when the run began, and has {2 * size}" in line["reason"]


@pytest.mark.parametrize("limited", [False, True])
def test_what_is_limited_or_listed_is_counted_so(convert, tmp_path, limited):
    """Rows that `--limit` or a list leaves out are not missed."""
    data.label_tree(tmp_path, 9, [0, 1, 2])
    names = [path.stem for path in sorted((tmp_path / "labels").iterdir())]
    (tmp_path / "list.txt").write_text("\n".join(names[:5]))
    some = ["--limit", 4] if limited else ["--split_list", tmp_path / "list.txt"]
    arguments = ["--label_maps", tmp_path / "labels/*", "--num_classes", 3]
    out = convert(tmp_path / "out", *arguments, *some)
    assert len(reading.load_all(out)) == (4 if limited else 5)


def test_rows_that_a_runner_loses_or_repeats_are_no_dataset(tmp_path):
    data.label_tree(tmp_path, 4, [0, 1, 2])
    options = Options(
        label_maps=(Source("train", f"{tmp_path}/labels/*"),),
        class_map=classes.numbered(3),
    )
    plan = survey(options)
    listed = plan.splits["train"].census
    sent = Origins(4, 1000)

    def loss(written, lost):
        shard = WrittenRecords((0,), "x", written.rows, 0, {}, {}, written)
        return conservation.first_loss(
            options,
            plan,
            {"train": Counted(listed, sent)},
            {"train": [shard]},
            {"train": Rejected({}, origins=lost)},
        )

    assert not loss(Origins(3, 900), Origins(1, 100))
    assert "4 rows were read, and 3 were written" in loss(Origins(3, 900), Origins())
    assert "the runner has lost or repeated" in loss(Origins(4, 900), Origins())
    # How many images were turned is no matter here.
    assert not loss(dataclasses.replace(sent, turned=2), Origins())


def test_a_file_name_that_is_not_utf_8_is_a_row(convert, tmp_path):
    label = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    path = str(tmp_path / "caf").encode() + b"\xe9.png"
    with open(path, "wb") as file:
        file.write(data.png(label))
    arguments = ["--label_maps", tmp_path / "*.png", "--num_classes", 3]
    rows = reading.load_all(convert(tmp_path / "out", *arguments))
    assert list(rows) == ["caf\\xe9"]
    np.testing.assert_array_equal(rows["caf\\xe9"]["label"], label)


def test_what_is_no_regular_file_costs_itself(convert, tmp_path):
    """A pipe would be waited for, and a device read for ever."""
    import os

    data.label_tree(tmp_path, 3, [0, 1, 2])
    os.mkfifo(tmp_path / "labels/pipe.png")
    (tmp_path / "labels/zero.png").symlink_to("/dev/zero")
    (tmp_path / "labels/loop.png").symlink_to("loop.png")
    arguments = ["--label_maps", tmp_path / "labels/*", "--num_classes", 3]
    out = convert(tmp_path / "out", *arguments, "--max_rejected", 0.6)
    reasons = {line["key"]: line["reason"] for line in reading.rejections(out)}
    assert set(reasons) == {"pipe", "zero", "loop"}
    assert "no regular file" in reasons["pipe"]
    assert "no regular file" in reasons["zero"]
    assert len(reading.load_all(out)) == 3
