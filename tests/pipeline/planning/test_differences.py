"""What makes the keys of two sides meet."""

import random

import pytest

from maskbeam.pipeline.planning import differences

NUMBERS = [f"{n:06}" for n in range(40)]

# how both sides are made of a number, and what must be found
MADE = {
    "one ending": ("img{}_mask", "img{}", ("ending", "_mask", "")),
    "ending without separator": ("cat{}L", "cat{}", ("ending", "L", "")),
    "extension within": ("{}.jpg", "{}", ("ending", ".jpg", "")),
    "two endings": (
        "aachen/a_{}_gtFine_labelIds",
        "aachen/a_{}_leftImg8bit",
        ("ending", "_gtFine_labelIds", "_leftImg8bit"),
    ),
    "endings that begin alike": (
        "a_{}_labels",
        "a_{}_leftImg",
        ("ending", "_labels", "_leftImg"),
    ),
    "ending of images": ("{}", "{}_rgb", ("ending", "", "_rgb")),
    "beginning": ("MSK_{}", "IMG_{}", ("text", "MSK", "IMG")),
    "in the middle": ("18_label_{}", "18_camera_{}", ("text", "label", "camera")),
    "folder in the middle": (
        "s/Labels/{}",
        "s/Images/{}",
        ("text", "Labels", "Images"),
    ),
    "folder more": ("masks/{}", "{}", ("text", "masks/", "")),
    "folder more of images": ("{}", "a/b/{}", ("text", "", "a/b/")),
    "capitals": ("DSC{}", "dsc{}", ("capitals", "", "")),
}


@pytest.mark.parametrize("case", MADE)
def test_finds_what_makes_all_keys_meet(case):
    left, right, expected = MADE[case]
    lefts = [left.format(number) for number in NUMBERS]
    rights = [right.format(number) for number in NUMBERS]
    random.Random(0).shuffle(rights)
    found = differences.find(lefts, rights, 1.0)
    assert found is not None
    assert (found.kind, found.left, found.right) == expected
    assert dict(found.pairs) == {
        left.format(number): right.format(number) for number in NUMBERS
    }


def test_folders_of_many_names_are_counted():
    lefts = [f"city{n % 7}/{number}" for n, number in enumerate(NUMBERS)]
    found = differences.find(lefts, NUMBERS, 1.0)
    assert found is not None
    assert (found.kind, found.left) == ("folders", "1")
    assert len(found.pairs) == len(NUMBERS)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_samples_of_both_sides_are_enough(share):
    rng = random.Random(1)
    lefts = [f"a{n}_mask" for n in range(5000) if rng.random() < share]
    rights = [f"a{n}" for n in range(5000) if rng.random() < share]
    found = differences.find(lefts, rights, share)
    assert found is not None
    assert (found.kind, found.left, found.right) == ("ending", "_mask", "")


def test_keys_of_nothing_in_common_have_no_difference():
    rng = random.Random(2)
    words = ["".join(rng.choices("abcdefghij", k=9)) for _ in range(200)]
    assert differences.find(words[:100], words[100:], 1.0) is None
    # One number begins as another, and nothing follows from that.
    assert differences.find(["1", "2", "3"], ["10", "7", "8"], 1.0) is None
