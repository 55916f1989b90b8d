"""Each finding, from just above its threshold and from just below it."""

import functools
import math
import pathlib
import re

import numpy as np
import pytest

from maskbeam.pipeline.report import findings
from maskbeam.pipeline.report.colors import colors_of
from maskbeam.transforms import classes
from tests import data_generation as data
from tests import findings_of, reading

_ROOT = pathlib.Path(__file__).parent.parent
SIDE = 16
PIXELS = SIDE * SIDE
IGNORED = 255
ROWS = 20  # of each split, where a case does not say


def _label(*counts, side=SIDE):
    """A label map that has so many pixels of class 0, 1, ...; the rest is ignored."""
    rest = side * side - sum(counts)
    values = np.repeat([*range(len(counts)), IGNORED], [*counts, rest])
    return values.astype(np.uint8).reshape(side, side)


HALF = _label(PIXELS // 2, PIXELS // 2)
PLAIN = {split: [HALF] * ROWS for split in ("train", "val")}


def _with_first(label, split="train"):
    return {**PLAIN, split: [label, *PLAIN[split][1:]]}


def _strays(count):
    label = HALF.copy()
    label[2 : 2 * count : 2, 8] = 1  # alone in the upper half, which is 0
    assert np.count_nonzero(label[: SIDE // 2]) == count - 1
    return label


def _mixed(count, side=64):
    """A label map of 4,096 pixels, so many of which are of class 1."""
    return _label(side * side - count, count, side=side)


def _js(first, second):
    """The divergence by entropies: of the middle, less the mean of both."""

    def entropy(share):
        return -sum(p * math.log2(p) for p in (share, 1 - share) if p)

    middle = (first + second) / 2
    return entropy(middle) - (entropy(first) + entropy(second)) / 2


# The fewest pixels of 4,096 whose share is too far from a half.
_FAR = next(n for n in range(2048, 4097) if _js(0.5, n / 4096) > 0.1)


def _divided(count):
    return {"train": [_mixed(2048)] * ROWS, "val": [_mixed(count)] * ROWS}


def _few(count):
    """A third class is in so many rows of val, and in all of train."""
    three = _label(100, 100, 56)
    val = [three] * count + [HALF] * (ROWS + 5 - count)
    return {"train": [three] * ROWS, "val": val}


# By the finding's name: rows by split just beyond, rows just short of it, options.
CASES: dict[str, tuple[dict, dict, dict]] = {
    "one_class": ({"train": [_label(PIXELS)] * 2}, PLAIN, {"num_classes": (1, 2)}),
    "class_without_pixels": (
        PLAIN,
        {**PLAIN, "train": [_label(100, 100, 56)] * ROWS},
        {"num_classes": 3},
    ),
    "class_in_one_split": (
        {**PLAIN, "train": [_label(100, 100, 56)] * ROWS},
        {split: [_label(120, 120, 1)] * ROWS for split in PLAIN},
        {"num_classes": 3},
    ),
    "mostly_ignored": (
        {split: [_label(64, 63)] * ROWS for split in PLAIN},
        {split: [_label(64, 64)] * ROWS for split in PLAIN},
        {},
    ),
    "few_images": (_few(19), _few(20), {"num_classes": 3}),
    "different_shares": (_divided(_FAR), _divided(_FAR - 1), {}),
    "one_picture": (
        {"train": [_label(128, 128), _label(127, 127)]},
        {"train": [_label(128, 128), _label(128, 128)]},
        {},
    ),
    "masks_of_one_class": (
        _with_first(_label(PIXELS)),
        _with_first(_label(PIXELS - 1, 1)),
        {"num_classes": 3},
    ),
    "stray_pixels": (
        _with_first(_strays(4)),
        _with_first(_strays(3)),
        {},
    ),
    "sizes_vary": (
        _with_first(_label(33 * 16, 33 * 17, side=33)),
        _with_first(_label(32 * 16, 32 * 16, side=32)),
        {},
    ),
}


def _write(directory, rows):
    for split, labels in rows.items():
        contents = {
            f"{n:02}_{split}.png": data.png(one) for n, one in enumerate(labels)
        }
        data.write_tree(directory / split, contents)
    return {split: f"{directory}/{split}/*" for split in rows}


def _given(directory, rows, options):
    given = {"num_classes": 2, "ignore_label": [IGNORED], **options}
    return {"label_maps": _write(directory, rows), "output": "out", **given}


@pytest.mark.parametrize("name", CASES)
def test_from_above_and_from_below(name, tmp_path):
    above, below, options = CASES[name]
    both = options.get("num_classes", 2)
    first, second = both if isinstance(both, tuple) else (both, both)
    find = functools.partial(findings_of.messages, tmp_path)
    found = find(_given(tmp_path / "above", above, {**options, "num_classes": first}))
    assert name in found
    short = find(_given(tmp_path / "below", below, {**options, "num_classes": second}))
    assert name not in short
    assert name in findings.THRESHOLDS


@pytest.mark.parametrize(("count", "is_found"), [(11, True), (10, False)])
@pytest.mark.parametrize("options", [{}, {"num_classes": 3, "tile": (SIDE, SIDE)}])
def test_one_class_is_usual_in_tiles_and_of_two(options, count, is_found, tmp_path):
    train = [_label(PIXELS)] * count + [HALF] * (ROWS - count)
    given = _given(tmp_path, {**PLAIN, "train": train}, options)
    assert ("masks_of_one_class" in findings_of.messages(tmp_path, given)) == is_found


@pytest.mark.parametrize(("change", "is_found"), [(0, True), (1, False)])
def test_images_of_one_color(change, is_found, tmp_path):
    image = data.filled((SIDE, SIDE), (7, 99, 200))
    image[3, 5, 1] += change
    rng = np.random.default_rng(0)
    rest = [data.picture(rng, SIDE, SIDE) for _ in range(ROWS - 1)]
    given = _given(tmp_path / "labels", {"train": [HALF] * ROWS}, {})
    images = _write(tmp_path / "images", {"train": [image, *rest]})
    found = findings_of.messages(tmp_path, {**given, "images": images})
    assert ("images_of_one_color" in found) == is_found
    if is_found:
        assert "1 of 20 images of train" in found["images_of_one_color"]


def test_rejected_rows(tmp_path):
    given = _given(tmp_path, _with_first(_label(64, 64, 64)), {})
    message = findings_of.messages(tmp_path, given)["rejected_rows"]
    assert message.startswith("1 row was rejected, by stage: classes (1)")


def test_a_clean_dataset_has_none(tmp_path):
    assert findings_of.messages(tmp_path, _given(tmp_path, PLAIN, {})) == {}


@pytest.mark.parametrize("name", ["label_maps", "images_only"])
def test_all_of_val_is_ignored(name, tmp_path):
    given = _given(tmp_path, {"train": [HALF] * 2}, {})
    rng = np.random.default_rng(0)
    rest = [data.picture(rng, SIDE, SIDE) for _ in range(2)]
    given["images"] = _write(tmp_path / "images", {"train": rest})
    if name == "label_maps":
        given["label_maps"] |= _write(tmp_path, {"val": [_label()] * 2})
        given["images"] |= _write(tmp_path / "images", {"val": rest})
    else:
        given["images_only"] = _write(tmp_path / "images", {"val": rest})
    found = findings_of.messages(tmp_path, given)
    assert ("mostly_ignored" in found) == (name == "label_maps")


def test_few_images_in_all_are_said_once(tmp_path):
    rows = {**PLAIN, "val": [HALF] * 19}
    message = findings_of.messages(tmp_path, _given(tmp_path, rows, {}))["few_images"]
    assert message.startswith("val has 19 images")


def test_a_message_says_how_much_and_where(tmp_path):
    rows = {"train": [_label(200, 56), *[_label(256)] * 3]}
    found = findings_of.messages(tmp_path, _given(tmp_path, rows, {}))
    assert (
        "00_train alone has 100% of the pixels of class_1 in train"
        in found["one_picture"]
    )
    assert "3 of 4 label maps of train" in found["masks_of_one_class"]


def test_the_page_of_the_documentation_names_all():
    text = (_ROOT / "docs/report.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", text)) == findings.THRESHOLDS


def test_divergence_is_that_of_entropies():
    for first, second in ((0.5, 0.5), (0, 1), (0.2, 0.9), (1 / 3, 0)):
        pairs = (np.array([share, 1 - share]) for share in (first, second))
        assert findings.divergence(*pairs) == pytest.approx(_js(first, second))


@pytest.mark.engines  # ten conversions; the steps themselves are tried every day
@pytest.mark.parametrize("name", CASES)
def test_a_run_finds_what_its_steps_find(name, convert, tmp_path, capsys):
    rows, _, options = CASES[name]
    both = options.get("num_classes", 2)
    number = both[0] if isinstance(both, tuple) else both
    given = _given(tmp_path / "rows", rows, {**options, "num_classes": number})
    flags = [f"{split}={glob}" for split, glob in given["label_maps"].items()]
    more = ["--num_classes", number, "--ignore_label", IGNORED]
    out = convert(tmp_path / "out", "--label_maps", *flags, *more)
    found = {one["name"]: one["message"] for one in reading.stats(out)["warnings"]}
    assert found == findings_of.messages(tmp_path, given)
    said = capsys.readouterr().err
    assert all(message in said for message in found.values())


# ------------------------------------------------------------------------------ colours

# Simulates what people see who lack one kind of cone: of linear RGB, the matrices of
# severity 1.0 in Machado, Oliveira and Fernandes, "A Physiologically-based Model for
# Simulation of Color Vision Deficiency" (2009).
_SEEN = {
    "protanopia": [
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ],
    "deuteranopia": [
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ],
}


@pytest.mark.parametrize("matrix", [np.eye(3), *_SEEN.values()], ids=["all", *_SEEN])
def test_classes_without_a_color_are_told_apart(matrix):
    colors = colors_of(classes.numbered(7))
    seen = np.clip((colors / 255) ** 2.2 @ np.transpose(matrix), 0, 1) ** (1 / 2.2)
    apart = np.linalg.norm(seen[:, np.newaxis] - seen, axis=-1) + 9 * np.eye(7)
    assert apart.min() > 0.15  # of 1.73, black to white; of VOC's palette it is 0.04


def test_many_classes_have_colors_of_their_own():
    colors = colors_of(classes.numbered(200))
    assert len({tuple(color) for color in colors.tolist()}) == 200
