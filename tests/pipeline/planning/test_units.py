"""Keys, splits, shards, pairs and units."""

import dataclasses

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.pipeline import keys
from maskbeam.pipeline.elements import Entry, Rejection, Row, Segment
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import listing, pairing, sizes, units
from maskbeam.pipeline.planning.survey import survey
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import Source
from maskbeam.transforms import classes, features
from tests import data_generation as data

CLASSES = classes.numbered(3, [255])


def _options(**changes):
    label_maps = changes.pop("label_maps", (Source("train", "/d/*.png"),))
    return Options(label_maps=label_maps, class_map=CLASSES, **changes)


@pytest.mark.parametrize(
    ("path", "pattern", "suffix", "key"),
    [
        ("/d/a.png", "/d/*.png", "", "a"),
        ("/d/x/a.b.png", "/d/*/*.png", "", "x/a.b"),
        ("/d/x/y/a.png", "/d/x/**", "", "y/a"),
        ("/d/x/pre_a.png", "/d/x/pre_*.png", "", "pre_a"),
        ("/d/x/a.png", "/d/x/a.png", "", "a"),
        ("/d/c1/a_labelIds.png", "/d/c?/*_labelIds.png", "_labelIds", "c1/a"),
        ("/d/[x]/a.png", "/d/[[]x]/*.png", "", "a"),
        ("/d/[x]/y/a.png", "/d/[[]x]/*/*.png", "", "y/a"),
        ("/d/x/a.png", "/d/[xy]/*.png", "", "x/a"),
        ("gs://b/l/c/a.png", "gs://b/l/*/*.png", "", "c/a"),
        ("/d/a.png", "/d/*.png", "_no", "a"),
    ],
)
def test_keys_are_below_the_fixed_directory(path, pattern, suffix, key):
    assert keys.key_of(path, Source("train", pattern), suffix) == key


def test_a_place_in_a_file_adds_to_the_key():
    source = Source("train", "/d/*.npz")
    assert keys.key_of("/d/a.npz", source, "", "#label#3") == "a#label#3"
    assert keys.key_of("/d/a.npz", source, "#label", "#label") == "a"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.PNG", "picture"),
        ("a.jpeg", "picture"),
        ("a.npy", "array"),
        ("a.npz", "array"),
        ("train-00000-of-00010", "records"),
        ("x.tfrecord-00000-of-00010", "records"),
        ("x.tfrecord.gz", "records"),
        ("x.tfrec", "records"),
        ("x-000.TAR", "records"),
        ("x.tar.gz", "records"),
        ("train-00000-of-00010.parquet", "records"),
        ("train.txt", "list"),
    ],
)
def test_names_say_how_files_are_read(name, kind):
    assert listing.kind_of(f"/d/{name}") == kind


@pytest.mark.parametrize("name", ["notes.md", "tfrecord", "a", "a.png.bak"])
def test_other_names_are_refused(name):
    with pytest.raises(UsageError, match="is of no format"):
        listing.kind_of(f"/d/{name}")


def test_splits_get_their_shares():
    options = _options(split_by=(("train", 0.7), ("val", 0.2), ("test", 0.1)))
    found = [keys.split_of(str(i), options) for i in range(20_000)]
    for split, share in options.split_by:
        assert abs(found.count(split) / 20_000 - share) < 0.02


@given(st.text(max_size=20), st.integers(0, 5), st.floats(0.01, 0.99))
@settings(max_examples=100, deadline=None)
def test_a_split_is_the_keys_and_the_seeds_alone(key, seed, share):
    options = _options(split_by=(("a", share), ("b", 1 - share)), seed=seed)
    grouped = dataclasses.replace(options, group_by="^(.*)$")
    assert keys.split_of(key, options) in ("a", "b")
    assert keys.split_of(key, options) == keys.split_of(key, options)
    if "\n" not in key:
        assert keys.split_of(key, grouped) == keys.split_of(key, options)


def test_another_seed_deals_anew():
    one, two = (_options(split_by=(("a", 0.5), ("b", 0.5)), seed=s) for s in (1, 2))
    found = [
        keys.split_of(str(i), one) == keys.split_of(str(i), two) for i in range(200)
    ]
    assert 50 < sum(found) < 150


def _entry(path, *, role="label", split="train", **more):
    return Entry(role, split, path, **more)


def _pair(entries, **needed):
    return list(pairing.pair_by_key("a", entries, pairing.Pairing(**needed)))


def test_pairs_meet_by_split_and_key():
    entries = [
        _entry("/i/a.png", role="image"),
        _entry("/l/a.png"),
        _entry("/v/a.png", split="val"),
    ]
    found = _pair(entries, with_images=True)
    assert found[0] == ("train", Row("a", keys.rank_of("a", 0), entries[1], entries[0]))
    assert isinstance(found[1], Rejection)
    assert found[1][:3] == ("a", "val", "/v/a.png")
    assert "no image" in found[1].reason


@pytest.mark.parametrize("reverse", [False, True])
def test_of_duplicates_the_smallest_path_stays(reverse):
    entries = [_entry(f"/{name}/a.png") for name in "cab"]
    found = _pair(entries[::-1] if reverse else entries, with_images=False)
    rejected = [f for f in found if isinstance(f, Rejection)]
    assert [r.source for r in rejected] == ["/b/a.png", "/c/a.png"]
    ((_, row),) = [f for f in found if not isinstance(f, Rejection)]
    assert row.label.path == "/a/a.png"
    assert all("/a/a.png" in r.reason for r in rejected)


def test_a_list_says_which_rows_a_split_has():
    entries = [
        _entry("/l/a.png"),
        _entry("/l/a.png", split="val"),
        _entry("/val.txt", role="listed", split="val"),
        _entry("/test.txt", role="listed", split="test"),
    ]
    listed = frozenset({"train", "val", "test"})
    lost, (split, row) = _pair(entries, with_images=False, listed=listed)
    assert (split, row.label) == ("val", entries[1])
    assert lost[:3] == ("a", "test", "/test.txt")
    assert "the list names it" in lost.reason


def test_a_split_of_images_alone_needs_no_label_map():
    image = _entry("/i/a.png", role="image", split="test")
    ((split, row),) = _pair([image], with_images=True, images_only=frozenset({"test"}))
    assert (split, row.label, row.image, row.source) == (
        "test",
        None,
        image,
        "/i/a.png",
    )
    (lost,) = _pair([image], with_images=True)
    assert "no label map" in lost.reason


def test_a_panoptic_label_map_needs_its_segments():
    known = (Segment(9, 1, 4),)
    entries = [
        _entry("/l/a.png"),
        _entry("/l.json", role="segments", segments=known),
        _entry("/m/a.png", split="val"),
        _entry("/n.json", role="segments", split="other", segments=known),
    ]
    (split, row), lost = _pair(entries, with_images=False, with_segments=True)
    assert (split, row.segments) == ("train", known)
    assert lost[:3] == ("a", "val", "/m/a.png")
    assert "JSON" in lost.reason


@given(st.lists(st.text(max_size=5), unique=True, max_size=40), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_units_hold_all_rows_once_in_order_of_rank(names, rows_per_unit):
    rows = [Row(n, keys.rank_of(n, 0), _entry(n), None) for n in names]
    made = list(units.cut_units("train", 3, rows, rows_per_unit))
    assert [u.part for u in made] == list(range(len(made)))
    assert all(len(u.rows) <= rows_per_unit for u in made)
    flat = [row for unit in made for row in unit.rows]
    assert flat == sorted(rows, key=lambda row: (row.rank, row.key))
    assert list(units.cut_units("train", 3, rows[::-1], rows_per_unit)) == made


def test_survey_counts_and_samples(tmp_path):
    data.label_tree(tmp_path, 30, [0, 1], images=True)
    np.save(tmp_path / "labels" / "stack.npy", np.zeros((4, 24, 32), np.uint8))
    found = survey(_options(label_maps=(Source("train", f"{tmp_path}/labels/*"),)))
    split = found.splits["train"]
    assert (split.rows, split.shards) == (34, 1)
    assert set(split.sizes) == {(24, 32)}
    assert not found.config.with_images
    assert found.one_hot_bytes == 34 * 24 * 32 * 3 * 4
    limited = survey(
        _options(label_maps=(Source("train", f"{tmp_path}/labels/*"),), limit=5)
    )
    assert limited.rows == 5
    ranks = sorted(
        keys.rank_of(key, 0)
        for key in (
            *(f"row_{i:03}" for i in range(30)),
            *(f"stack#{i}" for i in range(4)),
        )
    )
    assert limited.splits["train"].limit_rank == ranks[4]


def test_what_will_be_rejected_is_no_sample(tmp_path):
    data.label_tree(tmp_path, 5, [0, 1])
    large = data.png(np.zeros((60, 60), np.uint8))
    data.write_tree(tmp_path, {"labels/large.png": large, "labels/empty.png": b""})
    found = survey(
        _options(label_maps=(Source("train", f"{tmp_path}/labels/*"),), max_pixels=3599)
    )
    assert found.splits["train"].rows == 7
    assert found.splits["train"].sizes == ((24, 32),) * 5


@pytest.mark.parametrize("shard_mb", [1, 2, 1000])
def test_shards_are_as_large_as_asked(tmp_path, shard_mb):
    data.label_tree(tmp_path, 20, [0, 1], size=lambda i: (100, 300))
    options = _options(
        label_maps=(Source("train", f"{tmp_path}/labels/*"),),
        mask_encoding="float32",
        shard_mb=shard_mb,
    )
    found = survey(options)
    stored = 20 * 100 * 300 * 3 * 4
    assert found.stored_bytes == pytest.approx(stored, rel=0.01)
    assert found.splits["train"].shards == -(-found.stored_bytes // (shard_mb << 20))


@pytest.mark.parametrize("num_classes", [2, 16, 64, 65, 150, 300])
@pytest.mark.parametrize("encoding", ["bits", "png", "uint8", "float32"])
def test_units_keep_their_ceiling(num_classes, encoding):
    config = features.Config(num_classes, encoding, with_images=True)
    for side in (1, 100, 1024, 4096):
        one = sizes.unit_bytes(config, side, side)
        size = sizes.RowSize(side, side, 100.0, 100)
        rows = sizes.rows_per_unit([size], config)
        assert rows == 1 or rows * one <= sizes.UNIT_BYTES


def test_files_are_whole_or_not_there(tmp_path):
    path = str(tmp_path / "x")

    def interrupted():
        with files.create(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    files.write(path, b"first")
    files.write(path, b"second")
    assert files.read(path) == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("group_rows", [1, 16384])
def test_how_names_are_grouped_changes_no_unit(group_rows, monkeypatch, tmp_path):
    data.label_tree(tmp_path, 9, [0, 1], images=True)
    monkeypatch.setattr(units, "_GROUP_ROWS", group_rows)
    monkeypatch.setattr(units, "_WAITING_NAMES", 4)
    for path in sorted(tmp_path.glob("images/row_003.*")):
        path.unlink()
    options = _options(
        label_maps=(Source("train", f"{tmp_path}/labels/*.png"),),
        images=(Source("train", f"{tmp_path}/images/*"),),
    )
    cut = survey(options)
    cut.splits["train"] = dataclasses.replace(
        cut.splits["train"], named_shards=3, rows_per_unit=2
    )
    names = [f"row_{n:03}" for n in range(9) if n != 3]
    expected = []
    for shard in range(3):
        rows = [n for n in names if keys.shard_of(n, options.seed, 3) == shard]
        rows.sort(key=lambda n: keys.rank_of(n, options.seed))
        parts = [rows[at : at + 2] for at in range(0, len(rows), 2)]
        expected += [(shard, number, part) for number, part in enumerate(parts)]
    with beam.Pipeline(runner="FnApiRunner") as root:
        found = root | units.PlanUnits(options, cut)
        made = found["units"] | beam.Map(
            lambda unit: (unit.shard, unit.part, [row.key for row in unit.rows])
        )
        assert_that(made, equal_to(expected))
        rejected = found[units.REJECTED] | beam.Map(lambda one: one.key)
        assert_that(rejected, equal_to(["row_003"]), label="rejected")
