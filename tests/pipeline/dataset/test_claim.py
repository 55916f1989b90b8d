"""An output is claimed without touching what no run of ours has written."""

import json

import pytest

from maskbeam.pipeline.dataset import claim, leftovers
from maskbeam.pipeline.errors import UsageError
from tests import data_generation as data

SHARD = "street-train.tfrecord-00000-of-00001"
TEMPORARY = ".unfinished-0123456789ab"

NOTES = {
    "unfinished.json": lambda name: {"names": [SHARD, name], "temporary": [TEMPORARY]},
    "unfinished.json, temporary": lambda name: {"names": [], "temporary": [name]},
    "manifest.json": lambda name: {
        "splits": {"train": {"shards": [{"file": SHARD}, {"file": name}]}}
    },
}
FOREIGN = [
    *("", ".", "..", "/", "../mine", "/etc", "./stats.json", "stats.json/", "mine"),
    *("serving", "rejected", "serving/1/..", "serving/0", "transform_graph/../../mine"),
    *("../a-b.tfrecord-00000-of-00001", "a/b-c.tfrecord-00000-of-00001"),
    *(f"{SHARD}\n", f"{SHARD}/../..", "rejected/rejected-../../mine.jsonl"),
    *(".unfinished-", ".unfinished-0123456789ab/..", 7, None, ["a"], {"a": 1}),
]


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize("name", FOREIGN, ids=repr)
def test_names_that_no_run_writes_remove_nothing(note, name, tmp_path):
    _refused(tmp_path, note.partition(",")[0], NOTES[note](name))


@pytest.mark.parametrize("split", ["../../up", "a/../../mine", "..", "a b", "a\n"])
def test_splits_that_no_run_has_remove_nothing(split, tmp_path):
    _refused(tmp_path, "manifest.json", {"splits": {split: {"shards": []}}})


def _refused(directory, file, tree):
    """Nothing beside a note is touched, and the message names it."""
    contents = {file: json.dumps(tree).encode(), SHARD: b"", "stats.json": b""}
    out = data.write_tree(directory / "out", contents)
    data.write_tree(directory, {"mine/a.txt": b"mine"})
    before = sorted(directory.rglob("*"))
    with pytest.raises(UsageError, match="by hand") as raised:
        claim.check_claim(str(out), overwrite=True)
    assert str(out / file) in str(raised.value)
    assert sorted(directory.rglob("*")) == before


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"null", b'"a"', b"\xff", b"[" * 100_000, b"{}{}"],
    ids=lambda content: repr(content[:9]),
)
@pytest.mark.parametrize("file", ["unfinished.json", "manifest.json"])
def test_a_mangled_note_is_one_line(content, file, tmp_path):
    data.write_tree(tmp_path, {file: content, SHARD: b"", "stats.json": b""})
    with pytest.raises(UsageError, match="--overwrite removes nothing") as raised:
        claim.check_claim(str(tmp_path), overwrite=True)
    assert str(tmp_path / file) in str(raised.value)
    assert (tmp_path / SHARD).exists()


def test_nothing_behind_a_link_is_removed(tmp_path):
    data.write_tree(tmp_path, {"models/1/saved_model.pb": b"mine"})
    note = json.dumps({"splits": {"train": {"shards": [{"file": SHARD}]}}})
    out = data.write_tree(tmp_path / "out", {"manifest.json": note.encode()})
    (out / "serving").symlink_to(tmp_path / "models")
    with pytest.raises(UsageError, match="serving is a link"):
        claim.check_claim(str(out), overwrite=True)


def test_what_a_run_wrote_is_found(tmp_path):
    note = {"names": [SHARD, "serving/1"], "temporary": [TEMPORARY]}
    data.write_tree(tmp_path, {"unfinished.json": json.dumps(note).encode()})
    found = leftovers.find(str(tmp_path))
    assert found == leftovers.Leftovers(frozenset({SHARD, "serving/1"}), (TEMPORARY,))
    assert leftovers.find(str(tmp_path / "other")) == leftovers.Leftovers()


def _dataset(directory):
    files = ("transform_graph/a", "serving/1/b", "serving/2/c", "stats.json")
    tree = {
        "splits": {"train": {"shards": [{"file": SHARD}]}},
        "files": dict.fromkeys(files, {}),
    }
    contents = {"manifest.json": json.dumps(tree).encode(), SHARD: b""}
    return data.write_tree(directory, contents | dict.fromkeys(files, b""))


def test_all_models_that_the_manifest_lists_are_found(tmp_path):
    found = leftovers.find(str(_dataset(tmp_path))).names
    assert {"transform_graph", "serving/1", "serving/2", SHARD, "stats.json"} <= found


@pytest.mark.parametrize("name", ["transform_graph/x/y", "serving/1/.x", "serving/2/x"])
def test_a_file_of_somebody_else_within_a_directory_of_ours_stays(name, tmp_path):
    data.write_tree(_dataset(tmp_path), {name: b"mine"})
    with pytest.raises(UsageError, match="move it elsewhere") as raised:
        claim.check_claim(str(tmp_path), overwrite=True)
    assert f"{tmp_path}/{name} is not maskbeam's" in str(raised.value)
    assert (tmp_path / name).read_bytes() == b"mine"
