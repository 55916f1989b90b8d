"""Rejections summed by reason, and what is advised after them."""

import json

import numpy as np
import pytest

from maskbeam.pipeline import conversion, printing, reasons
from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.elements import Rejection
from maskbeam.pipeline.errors import BadDataError
from tests import data_generation as data

ALIKE = {
    "values": (
        "label value 2 at 53 pixels, outside class map a, which has 0..1; hint",
        "label value 7 at 1 pixels, 9 at 4 pixels and 3 more values, outside",
    ),
    "paths": (
        "image /data/b 1.png: neither PNG nor JPEG: the file begins with b'II*\\x00, '",
        "image /data/b 22.png: neither PNG nor JPEG: the file begins with b'GIF;'",
    ),
    "sizes": (
        "label map and image differ in size: 40 x 56 and 32 x 56 (height x width), i",
        "label map and image differ in size: 1 x 2 and 3 x 4 (height x width), j",
    ),
    "members": (
        "the sample 'a, b' has no 'png'; it has x",
        "the sample 'c' has no 'png'",
    ),
    "negative": ("label value -1 at 3 pixels is", "label value 70000 at 10 pixels is"),
}


@pytest.mark.parametrize("case", ALIKE)
def test_reasons_that_differ_in_the_rows_own_values_are_one(case):
    one, other = ALIKE[case]
    assert reasons.kind_of(one) == reasons.kind_of(other)


def test_other_reasons_are_others():
    found = {reasons.kind_of(one) for one, _ in ALIKE.values()}
    assert len(found) == len(ALIKE)
    assert reasons.kind_of("label map: 8-bit RGB") != reasons.kind_of("label map: JPEG")


def _write(path, counts):
    """Writes rejections: how many of each (stage, reason)."""
    lines = [
        Rejection(f"k{n}", "train", f"/d/{n}.png", stage, reason.format(n)).to_json()
        for (stage, reason), count in counts.items()
        for n in range(count)
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def test_the_table_has_the_most_frequent_first_and_few_lines(tmp_path, capsys):
    counts = {("read", letter): 20 + n for n, letter in enumerate("abcdefghijkl")}
    counts["classes", "label value {} at 4 pixels"] = 100
    found = reasons.add_up([_write(tmp_path / "x.jsonl", counts)])
    assert found.count == sum(counts.values())
    assert [reason.count for reason in found.most] == sorted(
        counts.values(), reverse=True
    )
    printing.print_reasons(found, "DIR")
    head, *lines, rest, where = capsys.readouterr().out.splitlines()
    assert head.split() == ["rows", "stage", "for", "example"]
    assert lines[0].split(maxsplit=2) == [
        "100",
        "classes",
        "/d/0.png: label value 0 at 4 pixels",
    ]
    assert lines[1].split()[0] == "31"
    assert len(lines) == 10
    assert rest.split() == [str(20 + 21 + 22), "other", "reasons"]
    assert where == "each row is named in DIR"


def test_memory_is_bounded_by_the_kinds_that_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(reasons, "_MAX_KINDS", 3)
    counts = {("read", word): 2 for word in ("a", "b", "c", "d", "e")}
    found = reasons.add_up([_write(tmp_path / "x.jsonl", counts)])
    assert (found.count, len(found.most), found.others) == (10, 3, 4)


VALUES = ("classes", "label value {} at 4 pixels, outside class map m; hint")
DAMAGE = ("decode", "label map: damaged or cut off: x")
COLOURS = (
    "header",
    "label map: 8-bit RGB, which encoding index of class map m does not",
)


@pytest.mark.parametrize(
    ("counts", "stage"),
    [
        ({VALUES: 10}, "classes"),
        ({VALUES: 18, DAMAGE: 2}, "classes"),
        ({VALUES: 17, DAMAGE: 3}, None),
        ({DAMAGE: 10}, None),
        ({COLOURS: 10}, "header"),
        ({}, None),
    ],
)
def test_a_reason_that_an_option_mends_is_systematic(tmp_path, counts, stage):
    found = reasons.add_up([_write(tmp_path / "x.jsonl", counts)]).systematic
    assert (found and found.example.stage) == stage


# bad label maps beside four good ones: words of the advice, and words it has not
ADVICE = {
    "one damaged": ([b"text"], ["or allow for them by --max_rejected"], []),
    "most damaged": ([b"text"] * 5, ["Mend the rows in"], ["allow for"]),
    "one of other values": (
        [data.png(np.full((4, 4), 9, np.uint8))],
        ["label value 9 at 16 pixels", "1 of 1 rows", "--classes auto"],
        ["allow for", "Mend the rows"],
    ),
    "one of colours": (
        [data.png(data.filled((4, 4), (1, 2, 3)))],
        ["8-bit RGB", "1 of 1 rows"],
        ["allow for", "--classes auto"],
    ),
}


@pytest.mark.parametrize("case", ADVICE)
def test_a_loss_is_offered_only_where_it_may_be_meant(tmp_path, case):
    bad, words, others = ADVICE[case]
    data.label_tree(tmp_path, 4, [0, 1, 2])
    data.write_tree(tmp_path, {f"labels/z{n}.png": d for n, d in enumerate(bad)})
    with pytest.raises(BadDataError) as raised:
        conversion.convert(
            label_maps=f"{tmp_path}/labels/*", num_classes=3, output=tmp_path / "out"
        )
    message = str(raised.value)
    assert "--overwrite starts anew" in message
    assert all(word in message for word in words), message
    assert not any(word in message for word in others), message


def test_convertand_validate_print_the_table(tmp_path, convert, capfd):
    data.label_tree(tmp_path, 4, [0, 1, 2])
    bad = {f"labels/z{n}.png": b"text" for n in range(3)}
    data.write_tree(tmp_path, {**bad, "labels/y.png": b""})
    given = ["--label_maps", f"{tmp_path}/labels/*", "--num_classes", "3"]
    line = ["3", "header", f"{tmp_path}/labels/z0.png:"]
    out = convert(tmp_path / "out", *given, "--max_rejected", "0.6")
    printed = capfd.readouterr().out
    assert line in [found.split()[:3] for found in printed.splitlines()]
    assert f"each row is named in {out}/rejected" in printed
    assert main(["validate", *given]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert line in [found.split()[:3] for found in lines]
    rows = [json.loads(found) for found in lines if found.startswith("{")]
    assert [row["stage"] for row in rows] == ["header"] * 4
