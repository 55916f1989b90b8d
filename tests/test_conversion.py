"""Conversions from Python: what goes in, what comes out, what is raised."""

import inspect
import logging
import pathlib
from typing import Any

import numpy as np
import pytest

from maskbeam.pipeline import Options, UsageError, convert
from maskbeam.pipeline.errors import BadDataError, RunnerError
from maskbeam.transforms import ClassMap, load
from maskbeam.transforms.classes import LabelClass
from tests import data_generation as data
from tests import reading

IDS = [0, 1, 2, 255]
CLASSES: dict[str, Any] = {"num_classes": 3, "ignore_label": 255}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Six small label maps with images."""
    directory = tmp_path_factory.mktemp("tree")
    data.label_tree(directory, 6, IDS, images=True)
    return directory


def test_it_does_what_the_command_does(tree, tmp_path, run_maskbeam, capfd):
    outcome = convert(
        label_maps={"train": tree / "labels/*.png"},
        images=[f"train={tree}/images/*"],
        size=(20, 24),
        presence=True,
        output=tmp_path / "function",
        **CLASSES,
    )
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    done = run_maskbeam(
        *("convert", "--label_maps", f"{tree}/labels/*.png"),
        *("--images", f"{tree}/images/*", "--size=20x24", "--presence"),
        *("--num_classes=3", "--ignore_label=255", "--output", tmp_path / "command"),
    )
    assert done.returncode == 0, done.stderr
    made, expected = tmp_path / "function", tmp_path / "command"
    assert reading.checksums(made) == reading.checksums(expected)
    manifests = [reading.manifest(made), reading.manifest(expected)]
    for manifest in manifests:  # TensorFlow numbers functions by process
        manifest["files"] = list(manifest["files"])
        del manifest["self_sha256"], manifest["made"], manifest["command"]
    assert manifests[0] == manifests[1]
    assert outcome.directory == str(made)
    assert outcome.status == "done"
    assert outcome.records == {"train": 6}
    assert outcome.rejections == {}
    assert outcome.warnings == tuple(reading.stats(made)["warnings"])
    assert outcome.counters["rows"] == 6


def test_it_runs_again_in_the_same_process(tree, tmp_path):
    outcomes = [
        convert(label_maps=f"{tree}/labels/*.png", output=tmp_path / name, **CLASSES)
        for name in ("first", "second")
    ]
    first, second = (pathlib.Path(outcome.directory) for outcome in outcomes)
    assert first != second
    assert reading.checksums(first) == reading.checksums(second)
    assert outcomes[0].counters == outcomes[1].counters
    keys = [row["key"] for row in load(str(second), "train").as_numpy_iterator()]
    assert len(set(keys)) == 6


def test_it_shows_what_the_command_shows_if_asked(tree, tmp_path, capfd):
    convert(
        label_maps=f"{tree}/labels/*.png",
        output=tmp_path / "out",
        show=True,
        **CLASSES,
    )
    printed = capfd.readouterr().out
    assert "6 rows, 3 classes" in printed
    assert f"0 rows rejected; written to {tmp_path / 'out'}" in printed


def test_rejections_and_warnings_are_in_the_outcome(tmp_path, capfd):
    made = data.label_tree(tmp_path, 4, IDS)
    unknown = np.full((4, 4), 77, np.uint8)
    data.write_tree(
        tmp_path, {"labels/text.png": b"text", "labels/unknown.png": data.png(unknown)}
    )
    pattern = f"{tmp_path}/labels/*.png"
    out = tmp_path / "out"
    outcome = convert(
        label_maps=[f"train={pattern}", f"val={pattern}"],
        output=out,
        max_rejected=0.5,
        **CLASSES,
    )
    assert outcome.records == {"train": len(made), "val": len(made)}
    assert outcome.rejections == {"classes": 2, "header": 2}
    warning = outcome.warnings[0]
    assert (warning["name"], warning["split"]) == ("repeated_keys", "")
    assert "6 keys are in more than one split" in warning["message"]
    assert "rejected_rows" in {one["name"] for one in outcome.warnings}
    stats = reading.stats(out)
    assert stats["warnings"] == list(outcome.warnings)
    assert stats["rejections"] == outcome.rejections
    assert stats["rejected"] == 4
    assert capfd.readouterr().err == ""


def test_bad_data_is_raised_with_its_rejections(tmp_path):
    data.label_tree(tmp_path, 2, IDS)
    data.write_tree(tmp_path, {"labels/text.png": b"text"})
    with pytest.raises(BadDataError, match="--max_rejected") as raised:
        convert(
            label_maps=f"{tmp_path}/labels/*.png", output=tmp_path / "out", **CLASSES
        )
    assert raised.value.rejections == {"header": 1}
    (path,) = raised.value.files
    assert "labels/text.png" in pathlib.Path(path).read_text()


def test_a_failing_runner_is_raised_with_its_cause(tree, tmp_path, monkeypatch, capfd):
    from maskbeam.pipeline.rows import write

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(write, "make_record", full)
    handlers = list(logging.getLogger().handlers)
    with pytest.raises(RunnerError, match="No space left on device") as raised:
        convert(label_maps=f"{tree}/labels/*.png", output=tmp_path / "out", **CLASSES)
    assert raised.value.__cause__ is not None
    assert logging.getLogger().handlers == handlers


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"num_clases": 3}, "did you mean num_classes"),
    "a value": ({"size": (0, 4), **CLASSES}, "--size must be at least 1x1"),
    "a kind": ({"limit": "few", **CLASSES}, "'few' is not a whole number"),
    "a switch": ({"presence": "yes", **CLASSES}, "'yes' must be True or False"),
    "a choice": ({"normalize": "none", **CLASSES}, "must be one of unit"),
    "two": ({"classes": "camvid11", **CLASSES}, "use one of them"),
    "no classes": ({}, "say what the label values mean"),
    "no output": ({"output": None, **CLASSES}, "--output"),
    "no file": ({"label_maps": "/nowhere/*.png", **CLASSES}, "matches no file"),
    "beam": ({"beam_options": ["--no_such"], **CLASSES}, "--no_such"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_is_a_usage_error(tree, tmp_path, case):
    given, word = WRONG[case]
    usual = {"label_maps": f"{tree}/labels/*.png", "output": tmp_path / "out"}
    with pytest.raises(UsageError, match=word):
        convert(**usual | given)
    assert not (tmp_path / "out").exists()


def test_a_wrong_call_does_not_wait_for_tensorflow(tmp_path, run_python):
    printed = run_python(
        "import sys\n"
        "from maskbeam.pipeline import UsageError, convert\n"
        "try:\n"
        "    convert(label_maps='/nowhere/*.png', num_classes=3, output=sys.argv[1])\n"
        "except UsageError as error:\n"
        "    print(error, 'tensorflow' in sys.modules)\n",
        str(tmp_path / "out"),
    )
    assert "matches no file" in printed
    assert printed.strip().endswith("False")


def test_class_maps_are_taken_as_they_are(tree, tmp_path):
    classes = ClassMap(
        "two",
        (LabelClass("low", (0, 1)), LabelClass("high", (2,))),
        ignore=(255,),
    )
    out = tmp_path / "out"
    convert(label_maps=f"{tree}/labels/*.png", classes=classes, output=out)
    assert reading.stats(out)["classes"] == ["low", "high"]
    assert next(iter(reading.checksums(out))).startswith("two-train")


def test_auto_finds_the_classes(tree, tmp_path, capfd):
    out = tmp_path / "out"
    convert(label_maps=f"{tree}/labels/*.png", classes="auto", output=out)
    assert reading.stats(out)["classes"] == ["class_0", "class_1", "class_2"]
    assert capfd.readouterr().out == ""


def test_options_take_text_and_values_alike():
    classes = ClassMap("one", (LabelClass("one", (0,)),))
    text: dict[str, Any] = {
        "label_maps": "train=/d/*.png",
        "size": "20x30",
        "shard_mb": "64",
        "record_keys": "label=a,key=b",
        "max_rejected": "0.5",
    }
    values: dict[str, Any] = {
        "label_maps": [{"split": "train", "pattern": "/d/*.png"}],
        "size": [20, 30],
        "shard_mb": 64,
        "record_keys": {"label": "a", "key": "b"},
        "max_rejected": 0.5,
    }
    options = Options(class_map=classes, **text)
    assert options == Options(class_map=classes, **values)
    assert Options.from_json(options.to_json(), classes) == options


def test_the_documentation_of_options_is_their_declaration():
    assert "resize to this; without it rows keep their sizes" in (Options.__doc__ or "")
    assert "label maps" in (inspect.getdoc(convert) or "")
