"""Every file is held against the manifest before anything of a dataset is loaded."""

import hashlib
import json
import random
import shutil

import pytest

from maskbeam.pipeline import verify_files
from maskbeam.pipeline.command_line import main
from tests import data_generation as data
from tests import reading


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, convert):
    """Rows with images, in two splits, and a rejected one."""
    directory = tmp_path_factory.mktemp("files")
    data.label_tree(directory, 6, [0, 1, 2], images=True)
    data.write_tree(directory, {"labels/row_000.png": b"no picture"})
    return convert(
        directory / "out",
        *("--label_maps", f"{directory}/labels/*.png", "--max_rejected", "0.5"),
        *("--images", f"{directory}/images/*", "--split_by", "train=0.7,val=0.3"),
        *("--num_classes", 3),
    )


@pytest.fixture
def copy(dataset, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(dataset, tmp_path / "copy")


def _files(directory):
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file()
    )


def _compare(directory):
    return verify_files.compare(str(directory), reading.manifest(directory))


def test_all_files_and_itself_are_in_the_manifest(dataset):
    manifest = reading.manifest(dataset)
    assert manifest["files"] == {
        name: {
            "bytes": (dataset / name).stat().st_size,
            "sha256": hashlib.sha256((dataset / name).read_bytes()).hexdigest(),
        }
        for name in _files(dataset)
        if name != "manifest.json"
    }
    assert any(name.startswith("rejected/") for name in manifest["files"])
    seal = manifest.pop("self_sha256")
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(canonical.encode()).hexdigest() == seal
    assert _compare(dataset) == ([], [])


def test_each_file_that_differs_or_is_missing_is_named(dataset, copy):
    rng = random.Random(7)
    names = [name for name in _files(dataset) if name != "manifest.json"]
    assert len(names) > 15
    for name in names:
        path, sound = copy / name, (dataset / name).read_bytes()
        for change in ("flip", "cut", "longer", "missing"):
            content = bytearray(sound)
            if change == "flip":
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            path.write_bytes(
                {"cut": sound[:-1], "longer": sound + b"\0"}.get(change, content)
            )
            if change == "missing":
                path.unlink()
            faults, notes = _compare(copy)
            # What may be made again is no fault.
            told, others = (notes, faults) if name == "report.html" else (faults, notes)
            assert [line.partition(": ")[0] for line in told] == [name], change
            assert others == []
        path.write_bytes(sound)
    assert _compare(copy) == ([], [])


def test_a_fault_is_told_before_anything_is_loaded(copy, capfd, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.saved_model, "load", None)
    shutil.rmtree(copy / "serving")
    (copy / "stats.json").write_text("{}")
    assert main(["verify", str(copy)]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert all(line.startswith("maskbeam: ") for line in lines)
    assert "maskbeam: serving/1/saved_model.pb: the file is missing" in lines
    assert sum("stats.json: 2 bytes, and the manifest says" in line for line in lines)
    assert len(lines) == 7


def test_a_flip_in_the_manifest_is_one_line(dataset, copy, capfd):
    rng = random.Random(3)
    sound = (dataset / "manifest.json").read_bytes()
    whole = json.loads(sound)
    silent = 0
    for _ in range(60):
        content = bytearray(sound)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (copy / "manifest.json").write_bytes(content)
        try:
            silent += (same := json.loads(content) == whole)
        except ValueError:
            same = False
        if not same:
            assert main(["verify", str(copy)]) in (1, 2), content
            (line,) = capfd.readouterr().err.splitlines()
            assert "manifest.json" in line
    assert silent < 5


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 10**5, b"\xff", b"7"])
@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_a_mangled_manifest_is_one_line(content, command, copy, capfd):
    (copy / "manifest.json").write_bytes(content)
    assert main([command, str(copy)]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"maskbeam: {copy}/manifest.json is damaged: ")


def test_foreign_files_are_faults_where_they_may_be_loaded(copy):
    for name in ("transform_graph/a", "serving/2/saved_model.pb", "serving/1/.hidden"):
        data.write_tree(copy, {name: b"mine"})
    (copy / "serving" / "3").symlink_to(copy / "elsewhere")
    data.write_tree(copy, {"notes.txt": b"", "more/a.txt": b"", "rejected/b.txt": b""})
    faults, notes = _compare(copy)
    named = [fault.partition(" is not maskbeam's")[0] for fault in faults]
    assert named == [
        "'serving/1/.hidden'",
        "'serving/2/saved_model.pb'",
        "'serving/3'",
        "'transform_graph/a'",
    ]
    assert notes == ["not of the dataset: more, notes.txt, rejected"]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", ".", "a//b"])
def test_names_that_lead_out_are_not_read(name, copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = {"bytes": 0, "sha256": ""}
    del manifest["self_sha256"]
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    manifest["self_sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    (fault,), _ = verify_files.compare(str(copy), manifest)
    assert fault.endswith("leads out of the dataset")


@pytest.mark.parametrize("tree", [7, None, [], {"stats.json": 7}, {"stats.json": {}}])
def test_other_trees_in_place_of_files(tree, copy):
    manifest = reading.manifest(copy) | {"files": tree}
    del manifest["self_sha256"]
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    manifest["self_sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    assert verify_files.compare(str(copy), manifest).faults


def test_a_manifest_of_before_is_verified_as_before(copy, capfd):
    manifest = reading.manifest(copy)
    del manifest["files"], manifest["self_sha256"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert main(["verify", str(copy)]) == 0
    printed = capfd.readouterr()
    assert "note: manifest.json is of an earlier version, which lists" in printed.out
    shard = next(copy.glob("*-train.tfrecord-*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    ((fault,), _) = _compare(copy)
    assert fault.startswith(f"{shard.name}: ")


def test_an_export_within_the_dataset_is_a_part_of_it(copy, tmp_path, capfd):
    before = reading.manifest(copy)
    assert main(["export", str(copy), "--to", str(tmp_path / "m"), "--version=2"]) == 0
    assert reading.manifest(copy) == before
    to = str(copy / "serving")
    assert main(["export", str(copy), "--to", to, "--version", "2"]) == 0
    added = reading.manifest(copy)["files"].keys() - before["files"].keys()
    assert added == {
        name.replace("serving/1/", "serving/2/")
        for name in before["files"]
        if name.startswith("serving/1/")
    }
    assert _compare(copy) == ([], [])
    assert main(["verify", str(copy)]) == 0
    capfd.readouterr()
