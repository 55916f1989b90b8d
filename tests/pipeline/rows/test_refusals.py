"""What rejected rows are told, to the letter: users search for these words."""

import numpy as np
import pytest
import tensorflow as tf

from maskbeam.pipeline.rows import refusals
from maskbeam.transforms import class_files, classes
from maskbeam.transforms.png_kinds import GREY, PALETTE, RGB, Kind

IDS = classes.numbered(3)
COLORS = class_files.parse_class_map(
    "{name: m, encoding: color, classes: [{name: a, color: [1, 2, 3]}]}", "text"
)
PANOPTIC = class_files.parse_class_map(
    "{name: p, encoding: panoptic, divisor: 1000, classes: [{name: a, ids: [1]}]}",
    "text",
)


def _unknown(values, class_map):
    pixels = np.arange(1, len(values) + 1)
    return refusals.unknown_values(np.array(values), pixels, class_map)


def test_unknown_values_are_shown_with_their_pixels():
    text = _unknown([7, 9], IDS)
    assert text.startswith(
        f"label value 7 at 1 pixels, 9 at 2 pixels, outside class map {IDS.name}, "
        "which has 0..2; "
    )
    assert "if it is a class, raise --num_classes; ids with gaps are named" in text
    in_file = _unknown([7, 9], class_files.preset("camvid11"))
    assert in_file.endswith("name it there, under a class or under `ignore`")


@pytest.mark.parametrize(("count", "more"), [(4, ""), (5, " and 1 more values")])
def test_of_many_unknown_values_four_are_shown(count, more):
    text = _unknown(range(10, 10 + count), IDS)
    assert f"13 at 4 pixels{more}, outside" in text
    assert "14 at" not in text


def test_the_usual_ignore_label_has_a_hint_that_fits():
    """The hint names a flag where there is no file, and a field where there is one."""
    text = _unknown([3, 4, 5, 6, 255], IDS)
    assert "raise --num_classes; " in text
    assert "; 255 often marks pixels to leave out" in text
    assert text.endswith("name it by --ignore_label 255")
    text = _unknown([255], class_files.preset("camvid11"))
    assert text.endswith("if so, name it in `ignore`")
    colors = _unknown([255], COLORS)  # there it is a blue
    assert "0, 0, 255" in colors
    assert "often marks" not in colors
    assert "`others: ignore`" in colors


def test_of_0_and_255_the_hint_is_the_binary_preset():
    assert "use --classes binary" in _unknown([255], classes.numbered(2))
    assert "use --classes binary" in _unknown([255], classes.numbered(1))
    assert "binary" not in _unknown([255], classes.numbered(3))
    assert "binary" not in _unknown([2, 255], classes.numbered(2))


@pytest.mark.parametrize(
    ("kind", "class_map", "found", "way_out"),
    [
        (None, IDS, "JPEG", "JPEG changes label values"),
        (None, PANOPTIC, "JPEG", "JPEG changes label values"),
        (Kind(RGB, 16), IDS, "16-bit RGB", "colours are no class ids"),
        (Kind(PALETTE, 8), PANOPTIC, "8-bit palette", "`encoding: index`"),
        (Kind(GREY, 16), COLORS, "16-bit grey", "does not read"),  # no way out
    ],
)
def test_other_kinds_have_their_way_out(kind, class_map, found, way_out):
    text = refusals.other_kind(kind, class_map)
    assert text.startswith(f"{found}, which encoding {class_map.encoding} of class map")
    assert way_out in text
    assert not text.endswith("; ")


@pytest.mark.parametrize(
    ("label", "turn", "is_exif"),
    [
        ((4, 6), 6, True),  # drawn as if the image lay on its side
        ((4, 6), 1, False),
        ((4, 5), 6, False),
    ],
)
def test_exif_is_named_only_where_it_explains_the_size(label, turn, is_exif):
    text = refusals.other_size(label, (6, 4), turn, "image x.jpg")
    assert text.startswith(
        f"label map and image differ in size: 4 x {label[1]} and 6 x 4 (height x "
        "width), image x.jpg"
    )
    assert (f"EXIF orientation, {turn}," in text) is is_exif


def test_tensorflows_own_places_are_left_out():
    message = (
        "{{function_node __wrapped__DecodePng}} Invalid PNG data, size 3 [Op:DecodePng]"
    )
    assert refusals.damaged(message) == "damaged or cut off: Invalid PNG data, size 3"
    assert refusals.damaged("plain") == "damaged or cut off: plain"


def test_our_own_messages_are_not_called_damage():
    from maskbeam.transforms import decode

    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        decode.require(tf.constant(False), "what is wrong", tf.constant(0))
    assert refusals.damaged(str(caught.value.message)) == "what is wrong"


def test_too_many_pixels_are_multiplied_out():
    assert refusals.too_many_pixels(30, 40, 1000) == (
        "its header promises 30 x 40 = 1200 pixels, and --max_pixels is 1000"
    )
