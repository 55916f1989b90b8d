"""Panoptic JSONs that are none: an error of one kind, soon, and in little memory."""

import json
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.elements import Segment
from maskbeam.pipeline.formats import panoptic_json
from tests import data_generation as data

SOUND = data.panoptic_json({"a.png": [(1, 7, 30), (2**24 - 1, 8, 2)], "b.png": []})


def _read(tmp_path: pathlib.Path, text: str | bytes):
    path = tmp_path / "x.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(panoptic_json.annotations(str(path)))


def test_a_sound_one_is_read(tmp_path):
    assert _read(tmp_path, SOUND) == [
        ("a.png", (Segment(1, 7, 30), Segment(2**24 - 1, 8, 2))),
        ("b.png", ()),
    ]


def test_text_may_hold_what_would_pass_the_bounds_outside(tmp_path):
    """Brackets and digits within a text are no depth, and no number."""
    name = "[" * 500 + "0" * 500 + '\\"' + "\\\\" + ".png"
    text = SOUND.replace("a.png", name)
    assert _read(tmp_path, text)[0][0] == json.loads(f'"{name}"')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        SOUND[: len(SOUND) // 2],
        SOUND.replace('"id": 1,', '"id": ' + "9" * 4301 + ","),
        SOUND.replace('"id": 1,', '"id": ' + "9" * 99 + ","),
        SOUND.replace('"id": 1,', '"id": NaN,'),
        SOUND.replace('"id": 1,', '"id": 1e999,'),
        SOUND.replace('"id": 1,', '"id": 1.5,'),
        SOUND.replace('"id": 1,', '"id": true,'),
        SOUND.replace('"id": 1,', '"id": "1",'),
        SOUND.replace('"id": 1,', '"id": -1,'),
        SOUND.replace('"id": 1,', ""),
        SOUND.replace('"a.png"', "5"),
        SOUND.replace('"segments_info": [', '"segments_info": 5, "x": [', 1),
        '{"annotations": ' + "[" * 100_000,
        '{"annotations": [{"file_name": "' + "x" * (3 << 20) + '"}]}',
        '{"annotations": [5]}',
        SOUND.encode("utf-16"),
        SOUND.replace('"id": 1,', '"id": 1e99999999999,'),
        SOUND.replace('"id": 1,', '"id": 1.' + "3" * 10**5 + ","),
        SOUND.replace('"id": 1,', f'"id": {2**63},'),
        SOUND.replace('"a.png"', '["a.png"]'),
        SOUND.replace('"file_name"', '"\\'),
        "\0" + SOUND,
        '{"a": ' * 10**6,
        '{"other": ' + "[" * 200 + "]" * 200 + ", " + SOUND[1:],
        '{"other": [' + "1, " * (1 << 19) + "1], " + SOUND[1:],
    ],
    ids=range(27),
)
def test_what_is_no_panoptic_json_is_an_error(text, tmp_path):
    with pytest.raises(ValueError, match="is no JSON of COCO's panoptic format") as got:
        _read(tmp_path, text)
    assert len(str(got.value)) < 500 + len(str(tmp_path))
    assert "\n" not in str(got.value)


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_is_read_of_any_json_is_json_s(tmp_path_factory, draw):
    directory = tmp_path_factory.getbasetemp()
    content = SOUND.encode()
    for _ in range(draw.draw(st.integers(0, 3))):
        at = draw.draw(st.integers(0, len(content)))
        new = draw.draw(st.sampled_from([b"", b"[", b'"', b"9", b"\\", b"}", b"e7"]))
        content = content[:at] + new + content[at + draw.draw(st.integers(0, 2)) :]
    try:
        found = _read(directory, content)
    except ValueError:
        return

    # What follows a whole JSON may be anything: nothing is lost by it.
    whole, _ = json.JSONDecoder().raw_decode(content.decode())

    def of(segment):
        return segment["id"], segment["category_id"], segment["area"]

    assert found == [
        (picture["file_name"], tuple(map(of, picture["segments_info"])))
        for picture in whole.get("annotations", [])
    ]
