"""`--label_key` and `--image_key`: keys that are found in those of files."""

import json
import re
import shlex
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskbeam.pipeline import keys
from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.errors import DONE, UsageError
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import meeting
from maskbeam.pipeline.planning.survey import survey
from maskbeam.transforms import classes
from tests import data_generation as data
from tests import reading

N3 = ("--num_classes", "3")
RGB = data.png(np.zeros((4, 5, 3), np.uint8))


def _label(number):
    """A label map that no other number has."""
    ids = np.zeros((4, 5), np.uint8)
    ids.flat[number] = 1 + number % 2
    return ids


def _tree(directory, labels, images):
    """Writes label maps and images under names, numbered in their order."""
    named = {f"l/{name}.png": data.png(_label(n)) for n, name in enumerate(labels)}
    return data.write_tree(directory, named | {f"i/{name}.png": RGB for name in images})


def _globs(directory):
    return (
        *("--label_maps", f"{directory}/l/**"),
        *("--images", f"{directory}/i/**"),
        *N3,
    )


@pytest.mark.parametrize(
    ("regex", "key", "expected"),
    [
        ("^MSK_(.*)", "MSK_07", "07"),
        ("[0-9]+$", "a1_22", "22"),
        ("(?P<a>.*)/L/(?P<b>.*)", "s/t/L/0", "s/t/0"),
        ("(?P<z>[a-z]+)_(x)_(?P<a>[0-9]+)", "q_x_1", "q/1"),  # as they stand
        ("(?P<a>x)?(?P<b>[0-9]+)", "7", "7"),  # one takes no part
        ("(a)?b", "b", None),  # nor does the first group
        ("a*", "b", None),  # an empty text is no key
        ("^MSK_", "x", None),
        ("(?i)é(.)", "É1", "1"),
        (r"x(\C)", "xé", r"\xc3"),  # half of a character
    ],
)
def test_what_a_key_is(regex, key, expected):
    assert keys.searched(key, regex) == expected


@given(
    st.sampled_from(["(a+)b", "a(?P<x>b*)c?(?P<y>a)", "b.a", "(?:a|b)+c", "(c)|(a)b"]),
    st.text("abc/", max_size=12),
)
def test_it_is_what_pythons_own_search_finds(regex, key):
    match = re.search(regex, key)
    expected = None
    if match and match.groupdict():
        expected = "/".join(filter(None, match.groupdict().values()))
    elif match:
        expected = match[1] if match.re.groups else match[0]
    assert keys.searched(key, regex) == (expected or None)


def test_rows_have_the_keys_that_are_found(tmp_path, convert, capsys):
    names = [f"s{n % 2}/Labels/MSK_{n:03}_m" for n in range(6)]
    _tree(tmp_path, names, [f"{n}" for n in range(6)])
    out = convert(
        tmp_path / "out",
        *_globs(tmp_path),
        *("--strip_label_suffix", "_m", "--label_key", "0*([0-9]+)$"),
    )
    rows = reading.load_all(out)
    assert rows.keys() == {str(n) for n in range(6)}
    for number in range(6):
        assert np.array_equal(rows[str(number)]["label"], _label(number))
    assert main(["verify", str(out), "--raw", f"{tmp_path}/l/**"]) == 0
    assert "6 raw rows compared" in capsys.readouterr().out
    limited = convert(
        tmp_path / "limited",
        *_globs(tmp_path),
        *("--strip_label_suffix", "_m", "--label_key", "0*([0-9]+)$", "--limit", 2),
    )
    assert len(reading.load_all(limited)) == 2
    command = ["--strip_label_suffix", "_m", "--label_key", "0*([0-9]+)$"]
    for name in ("plan", "validate"):
        assert main([name, *_globs(tmp_path), *command]) == 0


@pytest.mark.engines  # it takes long
def test_files_without_a_key_are_rejected_by_name(tmp_path, convert, capsys):
    """So are two files that come to one key, and images; counts agree."""
    labels = ["m_1", "m_2", "x_2", "other", "m_3"]
    _tree(tmp_path, labels, ["i1", "i2", "i3", "photo"])
    flags = ("--label_key", "^._([0-9]+)$", "--image_key", "^i([0-9])")
    convert(tmp_path / "no", *_globs(tmp_path), *flags, code=1)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "names of 1 of 5 label maps say no key, such as: --label_key '^._(" in said
    assert "of 1 of 4 images say no key, such as: --image_key '^i([0-9])' f" in said
    assert "finds nothing in 'other'" in said
    out = convert(tmp_path / "out", *_globs(tmp_path), *flags, "--max_rejected", 1)
    rows = reading.load_all(out)
    assert rows.keys() == {"1", "2", "3"}
    assert np.array_equal(rows["2"]["label"], _label(1))
    found = {line["source"]: line for line in reading.rejections(out)}
    assert found.keys() == {
        f"{tmp_path}/{name}.png" for name in ("l/other", "l/x_2", "i/photo")
    }
    assert {line["stage"] for line in found.values()} == {"pair"}
    reason = found[f"{tmp_path}/l/other.png"]["reason"]
    assert reason == "--label_key '^._([0-9]+)$' finds nothing in 'other'"
    assert "--image_key" in found[f"{tmp_path}/i/photo.png"]["reason"]
    assert "duplicate key" in found[f"{tmp_path}/l/x_2.png"]["reason"]


@pytest.mark.engines  # it takes long
def test_without_images_a_share_may_lack_a_key(tmp_path, convert, capsys):
    _tree(tmp_path, ["m1", "m2", "m3", "x"], [])
    given_ = ("--label_maps", f"{tmp_path}/l/*", *N3, "--label_key", "^m(.)")
    convert(tmp_path / "no", *given_, "--max_rejected", 0.2, code=1)
    assert "(--max_rejected is 0.2)" in capsys.readouterr().err
    out = convert(tmp_path / "out", *given_, "--max_rejected", 0.25)
    assert reading.load_all(out).keys() == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--label_key", "^q"), "all 1 label maps say no key, such as: --label_key"),
        (("--image_key", "^q"), "such as: --image_key '^q' finds nothing in 'a'"),
        (("--label_key", "(?=a)"), "is not a regular expression of RE2's"),
    ],
)
def test_an_expression_that_finds_nothing_is_refused(tmp_path, flags, words, capsys):
    _tree(tmp_path, ["a"], ["a"])
    assert main(["plan", *_globs(tmp_path), *flags]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_lists_say_their_own_keys(tmp_path, capsys):
    _tree(tmp_path, ["a"], ["a"])
    (tmp_path / "pairs.txt").write_text("i/a.png l/a.png\n")
    maps = ("--label_maps", f"{tmp_path}/pairs.txt", *N3)
    for flag in ("--label_key", "--image_key"):
        assert main(["plan", *maps, flag, "a"]) == 2
        said = capsys.readouterr().err
        assert re.search(f"{flag} 'a' is of (label maps|images) that are named", said)
    assert main(["plan", *maps]) == 0


def test_a_splits_list_names_what_is_found(tmp_path, convert, capsys):
    """What it leaves out need not have a key."""
    _tree(tmp_path, ["MSK_1", "MSK_2", "x"], ["1", "2", "3"])
    (tmp_path / "keys.txt").write_text("1\n")
    (tmp_path / "names.txt").write_text("MSK_1\n")
    given_ = (*_globs(tmp_path), "--label_key", "^MSK_(.*)")
    listed = f"train={tmp_path}/keys.txt"
    out = convert(tmp_path / "out", *given_, "--split_list", listed)
    assert reading.load_all(out).keys() == {"1"}
    listed = f"train={tmp_path}/names.txt"
    convert(tmp_path / "no", *given_, "--split_list", listed, code=2)
    assert "`MSK_1` / `1` (list / label map)" in capsys.readouterr().err


@pytest.mark.engines  # it takes long
def test_maps_in_arrays_and_images_alone_have_keys_too(tmp_path, convert):
    np.save(tmp_path / "stack.npy", np.stack([_label(n) for n in range(3)]))
    data.write_tree(tmp_path, {"test/IMG_7.png": RGB, "i/IMG_1.png": RGB})
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/stack.npy", *N3, "--label_key", "#([0-9])"),
        *("--images", f"{tmp_path}/i/*", "--images_only", f"test={tmp_path}/test/*"),
        *("--image_key", "^IMG_(.*)", "--max_rejected", 1),
    )
    assert reading.load_all(out).keys() == {"1"}
    assert reading.load_all(out, "test").keys() == {"7"}
    raw = str(tmp_path / "stack.npy")
    assert main(["verify", str(out), "--raw", raw]) == 0


@pytest.mark.engines  # it takes long
def test_segments_are_found_by_the_keys_of_their_label_maps(tmp_path, convert):
    codes = np.full((4, 5, 3), (1, 0, 0), np.uint8)
    data.write_tree(
        tmp_path,
        {"p/pan_1.png": data.png(codes), "p/none.png": data.png(codes)},
    )
    pictures = {"pan_1.png": [(1, 7, 20)], "none.png": [(1, 7, 20)]}
    (tmp_path / "p.json").write_text(data.panoptic_json(pictures))
    (tmp_path / "map.yaml").write_text(
        json.dumps(
            {
                "name": "m",
                "encoding": "coco_panoptic",
                "classes": [{"name": "a", "ids": [7]}],
            }
        )
    )
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/p/*", "--classes", tmp_path / "map.yaml"),
        *("--label_key", "^pan_(.*)", "--max_rejected", 1),
    )
    assert reading.load_all(out).keys() == {"1"}
    (line,) = reading.rejections(out)
    assert line["source"].endswith("none.png")


# names of label maps and of images; whether a flag is proposed
NAMES = {
    "prefix": ("MSK_{0:03}", "IMG_{0:03}", True),
    "prefix of one": ("mask.{0:03}", "{0:03}", True),
    "word": ("2018_label_front_{0:03}", "2018_camera_front_{0:03}", True),
    "word of one": ("a_mask_{0:03}", "a_{0:03}", True),
    "word of the other": ("a_{0:03}", "a_img_{0:03}", True),
    "folder": ("s{1}/Labels/{0:03}", "s{1}/Images/{0:03}", True),
    "folder that goes on": ("s{1}/cam_ids/{0:03}", "s{1}/cam/{0:03}", True),
    "prefix in folders": ("s{1}/mask_{0:03}", "s{1}/{0:03}", True),
    "many folders": ("s{0}/{0:03}", "{0:03}", True),
    "zeros": ("{0:05}", "{0}", True),
    "zeros and a prefix": ("mask_{0:05}", "{0}", True),
    "blanks": ("mask (1) {0}", "photo of {0}", True),
    "quotes": ("it's {0}", "its {0}", True),
    "other words in all": ("m{1} {0:02}", "p{0}", True),
    "letters": ("mask{0}_l", "phot{0}_r", False),
    "capitals": ("A{0}", "a{0}", False),
}


@pytest.mark.parametrize("kind", NAMES)
def test_what_is_proposed_makes_them_meet(kind, tmp_path):
    label, image, proposes = NAMES[kind]
    some = [(number, number % 3) for number in range(1, 13)]
    _tree(tmp_path, [], [image.format(*n) for n in some])
    for number in some:
        path = tmp_path / "l" / f"{label.format(*number)}.png"
        data.write_tree(tmp_path, {str(path.relative_to(tmp_path)): RGB})
    globs: dict[str, Any] = {
        "label_maps": f"{tmp_path}/l/**",
        "images": f"{tmp_path}/i/**",
    }
    options = Options(class_map=classes.numbered(3), **globs)
    apart = survey(options).apart
    assert isinstance(apart, meeting.Apart)
    proposed = re.findall(r"(--[a-z]+_key '.*') makes them meet", apart.message)
    assert len(proposed) == proposes, apart.message
    if proposes:
        words = shlex.split(proposed[0])
        flags = dict(zip(words[::2], words[1::2], strict=True))
        found: dict[str, Any] = {
            flag.removeprefix("--"): regex for flag, regex in flags.items()
        }
        plan = survey(Options(class_map=classes.numbered(3), **globs, **found))
        assert plan.apart is None
        assert plan.rows == len(some)


def test_none_is_proposed_that_would_part_others(tmp_path):
    _tree(tmp_path, ["M_1", "M_2", "3"], ["I_1", "I_2", "3"])
    globs: dict[str, Any] = {
        "label_maps": f"{tmp_path}/l/**",
        "images": f"{tmp_path}/i/**",
    }
    apart = survey(Options(class_map=classes.numbered(3), **globs)).apart
    assert apart is not None
    assert apart.code != DONE
    assert "_key" not in apart.message
    given_: dict[str, Any] = {"label_key": "(.*)", "image_key": "(.*)"}
    apart = survey(Options(class_map=classes.numbered(3), **globs, **given_)).apart
    assert apart is not None
    assert "change --label_key" in apart.message


def test_a_list_is_told_of_an_expression_where_no_image_needs_one(tmp_path):
    _tree(tmp_path, ["MSK_1", "MSK_2"], [])
    (tmp_path / "keys.txt").write_text("1\n2\n")
    sources: dict[str, Any] = {
        "label_maps": f"{tmp_path}/l/*",
        "split_list": f"train={tmp_path}/keys.txt",
    }
    apart = survey(Options(class_map=classes.numbered(3), **sources)).apart
    assert apart is not None
    assert "--label_key '^MSK_(.*)' makes them meet" in apart.message
    found = Options(class_map=classes.numbered(3), **sources, label_key="^MSK_(.*)")
    assert survey(found).apart is None


def test_keys_of_the_wrong_type_are_refused():
    given_: dict[str, Any] = {"label_maps": "l/*", "label_key": 5}
    with pytest.raises(UsageError, match="--label_key 5 is not a regular expression"):
        Options(class_map=classes.numbered(3), **given_)
