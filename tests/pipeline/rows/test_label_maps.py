"""Label maps that a decoder reads without a word, and wrongly: each is rejected."""

import numpy as np
import pytest
import tensorflow as tf

from maskbeam.pipeline.elements import RejectedError
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.rows import label_maps
from maskbeam.pipeline.rows.label_maps import LabelMaps
from maskbeam.transforms import class_files, classes, decode
from maskbeam.transforms.png_kinds import GREY, PALETTE, RGB, RGBA
from tests import data_generation as data
from tests import png_kinds

COLORS = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]])
COLOR_MAP = class_files.parse_class_map(
    "{name: m, encoding: color, others: ignore, classes: [{name: a, color: [0, 0, 0]}, "
    "{name: b, color: [128, 0, 0]}, {name: c, color: [0, 128, 0]}]}",
    "text",
)


def _read(encoded, class_map):
    header = picture_header.read_header(encoded)
    runs, counts, _ = LabelMaps(class_map).read(encoded, header)
    np.testing.assert_array_equal(counts, runs.counts())
    return runs.repeat(runs.values)


def _reason(encoded, class_map):
    with pytest.raises(RejectedError) as caught:
        _read(encoded, class_map)
    assert caught.value.stage == "decode"
    return caught.value.reason


@pytest.mark.parametrize("depth", [2, 4, 8])
def test_pixels_beyond_the_palette_are_damage(depth):
    """Decoders make them black, which is a class here."""
    samples = np.arange(6).reshape(2, 3, 1) % 4
    short = png_kinds.encode(samples, PALETTE, depth, palette=COLORS)
    reason = _reason(short, COLOR_MAP)
    assert "its palette has 3 colours, and 1 pixels have an index beyond" in reason
    assert "up to 3" in reason
    # Samples that are class ids need no palette.
    found = _read(short, classes.numbered(4))
    np.testing.assert_array_equal(found, samples.ravel())


def test_a_short_palette_may_be_long_enough():
    samples = np.arange(6).reshape(2, 3, 1) % 3
    encoded = png_kinds.encode(samples, PALETTE, 8, palette=COLORS)
    np.testing.assert_array_equal(_read(encoded, COLOR_MAP), samples.ravel())


@pytest.mark.parametrize("kind", [(RGB, 16), (RGBA, 16), (GREY, 16)])
def test_deep_colors_that_are_no_color_of_8_bits_are_rejected_by_name(kind):
    """Were they unknown colours, `others: ignore` would leave them out."""
    color_type, depth = kind
    channels = png_kinds.CHANNELS[color_type]
    samples = np.full((2, 3, channels), 128 * 257)
    samples[1, 1, 0] += 1
    reason = _reason(png_kinds.encode(samples, color_type, depth), COLOR_MAP)
    assert reason.startswith("label map: its colours have 16 bits a channel")
    assert "(the two bytes of a level differ): save it with 8 bits" in reason


def test_a_picture_of_another_size_than_promised_is_rejected(monkeypatch):
    encoded = data.png(np.zeros((4, 6), np.uint8))
    monkeypatch.setattr(decode, "ids", lambda *_: tf.zeros([6, 4], tf.uint8))
    reason = _reason(encoded, classes.numbered(1))
    assert "its header promises 4 x 6 pixels, and 6 x 4 are decoded" in reason


def test_colors_are_looked_up_in_parts(monkeypatch):
    index = np.random.default_rng(0).integers(0, 3, (33, 20))
    encoded = data.png(COLORS.astype(np.uint8)[index])
    monkeypatch.setattr(label_maps, "LOOKED_UP", 70)
    np.testing.assert_array_equal(_read(encoded, COLOR_MAP), index.ravel())
