"""Names that do not meet are told before a row is read."""

import unicodedata
from typing import Any

import numpy as np
import pytest

from maskbeam.pipeline.elements import Entry
from maskbeam.pipeline.errors import BAD_DATA, DONE, WRONG_COMMAND
from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import meeting
from maskbeam.pipeline.planning.key_searches import KeySearches
from maskbeam.pipeline.planning.meeting import Apart
from maskbeam.pipeline.planning.survey import survey
from maskbeam.transforms import classes
from tests import data_generation as data
from tests import reading

CLASSES = ["--num_classes", "3", "--ignore_label", "255"]
PNG = data.png(np.zeros((4, 5), np.uint8))


def _tree(directory, labels, images):
    """Writes one picture under all names."""
    names = [f"labels/{name}.png" for name in labels]
    names += [f"images/{name}.png" for name in images]
    return data.write_tree(directory, dict.fromkeys(names, PNG))


def _apart(directory, **more):
    given = {
        "label_maps": f"{directory}/labels/**",
        "images": f"{directory}/images/**",
        **more,
    }
    found = survey(Options(class_map=classes.numbered(3, [255]), **given))
    return found.apart or Apart("", DONE, 0)


def test_all_meet(tmp_path):
    _tree(tmp_path, ["a", "b"], ["b", "a"])
    assert not _apart(tmp_path).message


# label maps, images, --max_rejected: exit code, words of the message
KINDS = {
    "none": (["a_m", "b_m"], ["a", "b"], 0, WRONG_COMMAND, "_suffix _m makes them"),
    "none allowed": (["a_m"], ["a"], 1, WRONG_COMMAND, "0 of 1 label maps"),
    "half": (["a", "b_m"], ["a", "b"], 0, BAD_DATA, "1 of 2 label maps"),
    "half allowed": (["a", "b_m"], ["a", "b"], 0.7, DONE, "`b_m` / `b`"),
    "half not allowed": (["a", "b_m"], ["a", "b"], 0.6, BAD_DATA, "rejected is 0.6"),
    "more images": (["a"], ["a", "b"], 0, BAD_DATA, "no label map of 'b'"),
    "more label maps": (["a", "b"], ["a"], 0, BAD_DATA, "no image of 'b'"),
    "nothing alike": (["qrs"], ["xyz"], 0, WRONG_COMMAND, "`qrs` / `xyz`"),
    "hyphen": (["a-m"], ["a"], 0, WRONG_COMMAND, "--strip_label_suffix=-m makes"),
    "blank": (["a m"], ["a"], 0, WRONG_COMMAND, "--strip_label_suffix ' m' makes"),
    "both": (["1_m"], ["1_i"], 0, WRONG_COMMAND, "_m --strip_image_suffix _i makes"),
    "capitals": (["A1"], ["a1"], 0, WRONG_COMMAND, "capitals"),
    "folders": (
        ["x/1", "y/2"],
        ["1", "2"],
        0,
        WRONG_COMMAND,
        "begin with a folder more",
    ),
    "one folder": (["x/1", "x/2"], ["1", "2"], 0, WRONG_COMMAND, "write `x/` out"),
    "beginning": (
        ["M_1"],
        ["I_1"],
        0,
        WRONG_COMMAND,
        "--label_key '^M_(.*)' --image_key '^I_(.*)' makes them meet",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_and_whether_the_run_ends(tmp_path, kind):
    labels, images, allowed, code, words = KINDS[kind]
    _tree(tmp_path, labels, images)
    found = _apart(tmp_path, max_rejected=allowed)
    assert words in found.message
    assert found.code == code
    assert found.rejected == len(set(labels) ^ set(images))


def test_the_flags_make_them_meet(tmp_path):
    _tree(tmp_path, ["1_m", "2_m"], ["1_i", "2_i"])
    suffixes = {"strip_label_suffix": "_m", "strip_image_suffix": "_i"}
    assert not _apart(tmp_path, **suffixes).message
    wrong = _apart(tmp_path, **suffixes | {"strip_label_suffix": "_mask"})
    assert "_m, in place of --strip_label_suffix _mask, makes" in wrong.message


def test_splits_that_changed_places(tmp_path):
    _tree(tmp_path, ["t/1", "t/2", "v/3"], ["t/1", "t/2", "v/3"])
    found = _apart(
        tmp_path,
        label_maps=[f"train={tmp_path}/labels/t/*", f"val={tmp_path}/labels/v/*"],
        images=[f"train={tmp_path}/images/v/*", f"val={tmp_path}/images/t/*"],
    )
    assert "in split train, val, 0 of 3 label maps" in found.message
    assert "changed places" in found.message
    one = _apart(
        tmp_path,
        label_maps=[f"train={tmp_path}/labels/t/*", f"val={tmp_path}/labels/v/*"],
        images=[f"train={tmp_path}/images/t/*", f"val={tmp_path}/images/t/*"],
    )
    assert "in split val, 0 of 1 label maps" in one.message
    assert one.code == BAD_DATA


def test_a_list_of_which_nothing_is_a_label_map(tmp_path):
    _tree(tmp_path, ["a_m", "b_m"], [])
    (tmp_path / "names.txt").write_text("a\nb\n")
    (tmp_path / "paths.txt").write_text("labels/a_m.png\n")
    given = {"images": (), "split_list": f"train={tmp_path}/names.txt"}
    found = _apart(tmp_path, **given)
    assert found.code == WRONG_COMMAND
    assert "none of the 2 keys" in found.message
    assert "--strip_label_suffix _m makes" in found.message
    given["split_list"] = f"train={tmp_path}/paths.txt"
    assert "`labels/a_m` / `a_m`" in _apart(tmp_path, **given).message
    assert _apart(tmp_path, **given, max_rejected=1).code == WRONG_COMMAND


def test_rows_that_are_dealt_to_splits_meet_wherever_they_go(tmp_path):
    names = [f"{n}" for n in range(30)]
    _tree(tmp_path, names, names[1:])
    found = _apart(tmp_path, split_by="train=0.5,val=0.5")
    assert found.rejected == 1
    assert "'0'" in found.message


def test_some_of_very_many_names_tell_the_same(monkeypatch):
    monkeypatch.setattr(meeting, "_MAX_RANKS", 1000)
    monkeypatch.setattr(meeting, "_MAX_NAMES", 500)
    given: dict[str, Any] = {"label_maps": "l/*", "images": "i/*"}
    options = Options(class_map=classes.numbered(2), **given)
    names = meeting.Names(options, {}, KeySearches(options))
    for number in range(20_000):
        label = f"{number}" if number % 4 == 0 else f"{number}_m"
        for entry in (
            Entry("image", "train", f"{number}"),
            Entry("label", "train", label),
        ):
            names.add(entry.path, rank_of(entry.path, options.seed), entry)
    held = names._keys["train", "label"]
    assert len(held.ranks) <= 1000
    assert len(held.names) <= 500
    found = names.find_apart({"train": 20_000}, with_records=False)
    assert found is not None
    assert found.code == DONE  # it is no proof
    assert "about " in found.message
    assert "--strip_label_suffix _m makes" in found.message
    met = meeting.compare(held, names._keys["train", "image"])
    assert met.left == pytest.approx(20_000, rel=0.1)
    assert met.both == pytest.approx(5000, rel=0.2)


def test_convert_says_it_before_anything_is_written(tmp_path, convert, capfd):
    _tree(tmp_path, ["a_mask", "b_mask"], ["a", "b"])
    sources = ["--label_maps", f"{tmp_path}/labels/*", "--images"]
    sources += [f"{tmp_path}/images/*"]
    for classes_ in (CLASSES, ["--classes", "auto"]):
        out = convert(tmp_path / "out", *sources, *classes_, code=2)
        message = capfd.readouterr().err
        assert message.count("\n") == 1
        assert "`a_mask` / `a`" in message
        assert not out.exists()
    data.write_tree(tmp_path, {"labels/c.png": PNG, "images/c.png": PNG})
    convert(tmp_path / "out", *sources, *CLASSES, code=1)
    assert "1 of 3 label maps" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
    allowed = convert(tmp_path / "out", *sources, *CLASSES, "--max_rejected", "0.9")
    assert "1 of 3 label maps" in capfd.readouterr().err
    assert set(reading.load_all(allowed)) == {"c"}


def test_validate_says_it_and_goes_on(tmp_path, run_maskbeam):
    _tree(tmp_path, ["a_mask"], ["a"])
    done = run_maskbeam(
        *("validate", "--label_maps", f"{tmp_path}/labels/*", *CLASSES),
        *("--images", f"{tmp_path}/images/*"),
    )
    assert done.returncode == 1
    assert "--strip_label_suffix _mask makes them meet" in done.stderr
    assert "0 rows accepted, 2 rejected" in done.stdout


def test_keys_are_compared_in_one_form_of_unicode(tmp_path, convert):
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    assert composed != apart
    (tmp_path / "list.txt").write_text(f"{apart}2\n")
    _tree(tmp_path, [f"{composed}1", f"{composed}2"], [f"{apart}1", f"{composed}2"])
    assert not _apart(tmp_path).message
    listed = {"images": (), "split_list": f"train={tmp_path}/list.txt"}
    assert not _apart(tmp_path, **listed).message
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*", *CLASSES),
        *("--images", f"{tmp_path}/images/*"),
    )
    assert set(reading.load_all(out)) == {f"{composed}1", f"{composed}2"}


def test_two_names_that_are_one_in_unicode_are_a_duplicate(tmp_path, convert):
    names = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    _tree(tmp_path, names, [])
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*", *CLASSES, "--max_rejected", "0.5"),
    )
    first, second = sorted(f"{tmp_path}/labels/{name}.png" for name in names)
    (line,) = reading.rejections(out)
    assert line["key"] == names[0]
    assert line["source"] == second
    assert f"duplicate key: {first} has it too" in line["reason"]
    assert set(reading.load_all(out)) == {names[0]}
