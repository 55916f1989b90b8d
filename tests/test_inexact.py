"""Masks that are not exact, or hold ids in one channel, pixel by pixel."""

import dataclasses
import functools
import io
import json
import math
import re

import hypothesis
import jsonschema
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from launch_scripts import make_stats_schema
from maskbeam.pipeline import verify
from maskbeam.pipeline.elements import RawRow, RejectedError
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.planning.first_class_map import Counts, Found, first_class_map
from maskbeam.pipeline.printing import moved_lines
from maskbeam.pipeline.rows import moves
from maskbeam.pipeline.rows.check import RowCheck
from maskbeam.pipeline.rows.label_maps import LabelMaps
from maskbeam.pipeline.rows.moves import Moved
from maskbeam.transforms import (
    class_files,
    classes,
    decode,
    features,
    pictures,
    raw_rows,
)
from maskbeam.transforms.classes import (
    IGNORED,
    UNKNOWN,
    ClassMap,
    LabelClass,
    color_code,
    color_levels,
)
from maskbeam.transforms.png_kinds import CHANNELS, Kind
from tests import data_generation as data
from tests import findings_of, png_kinds, reading
from tests.png_kinds import GREY, GREY_ALPHA, PALETTE, RGB, RGBA

WHITE = (255, 255, 255)


def of_text(text):
    return class_files.parse_class_map(text, "mine.yaml")


BINARY = of_text("{base: binary, threshold: 128}")


def _colors(*by_class, ignore=(), **fields):
    """A map of colours: each class a list of them."""
    named = (
        LabelClass(f"c{index}", tuple(map(color_code, colors)))
        for index, colors in enumerate(by_class)
    )
    codes = tuple(map(color_code, ignore))
    return ClassMap("m", tuple(named), codes, encoding="color", **fields)


# ----------------------------------------------------------------------------- oracles


def brute_nearest(levels, class_map):
    """What each colour means, and the square of how far it was moved; all by all."""
    order = [(c, i) for i, k in enumerate(class_map.classes) for c in k.ids]
    order += [(c, IGNORED) for c in class_map.ignore]
    colors = np.array([(c >> 16, c >> 8 & 255, c & 255) for c, _ in order])
    apart = levels[..., np.newaxis, :].astype(int) - colors
    squares = (apart**2).sum(-1)
    best = squares.argmin(-1)  # NumPy's is the first
    square = squares.min(-1)
    unknown = IGNORED if class_map.others == "ignore" else UNKNOWN
    is_near = square <= class_map.nearest**2
    meaning = np.array([index for _, index in order])[best]
    return np.where(is_near, meaning, unknown), np.where(is_near, square, 0)


def brute_moved(distances):
    """The counts, from the distance of each pixel, in levels."""
    far = [math.isqrt(s - 1) + 1 if s else 0 for s in distances.ravel().tolist()]
    moved = [d for d in far if d]
    return Moved(len(moved), len(far), int(bool(moved)), max(far), sum(moved))


@functools.lru_cache(maxsize=64)
def _graph(class_map):
    spec = tf.TensorSpec([], tf.string)
    function = tf.function(
        lambda encoded: tf.gather(
            class_map.forward_table(16), decode.label_ids(encoded, class_map)
        ),
        [spec],
        autograph=False,
    )
    return function.get_concrete_function()


def meanings(encoded, class_map):
    """What pixels mean, as the converter and as the graph reads them: i32[H W]."""
    header = picture_header.read_header(encoded)
    reader = LabelMaps(class_map)
    reader.check_kind(header)
    found, _ = reader.meanings(encoded, header)
    np.testing.assert_array_equal(_graph(class_map)(tf.constant(encoded)), found)
    return found


def look(encoded, class_map):
    """What the converter counts of a label map."""
    header = picture_header.read_header(encoded)
    return LabelMaps(class_map).read(encoded, header)[2]


def refused(encoded, class_map):
    """Why the converter rejects a label map; the graph fails on it too."""
    header = picture_header.read_header(encoded)
    reader = LabelMaps(class_map)

    def read():
        reader.check_kind(header)
        reader.read(encoded, header)

    with pytest.raises(RejectedError) as raised:
        read()
    config = features.Config(class_map.num_classes, "bits")
    in_graph = raw_rows.label_row(config, class_map)
    with pytest.raises(tf.errors.InvalidArgumentError) as failed:
        in_graph(tf.constant(encoded))
    return raised.value.reason, str(failed.value)


# ----------------------------------------------------------------------------- nearest

_LEVEL = st.sampled_from([0, 1, 2, 3, 100, 101, 127, 128, 254, 255])
_COLOR = st.tuples(_LEVEL, _LEVEL, _LEVEL)


@st.composite
def _nearest_maps(draw):
    colors = draw(st.lists(_COLOR, min_size=2, max_size=9, unique=True))
    ends = sorted(draw(st.sets(st.integers(1, len(colors)), min_size=1, max_size=4)))
    parts = [colors[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    return _colors(
        *parts,
        ignore=colors[ends[-1] :],
        nearest=draw(st.sampled_from([1, 2, 3, 40, 141, 255, 360, 441])),
        others=draw(st.sampled_from(["error", "ignore"])),
    )


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(_nearest_maps(), st.lists(_COLOR, min_size=1, max_size=60))
def test_the_nearest_color_is_that_of_all(class_map, colors):
    levels = np.array([colors], np.uint8)
    expected, squares = brute_nearest(levels, class_map)
    encoded = data.png(levels)
    np.testing.assert_array_equal(meanings(encoded, class_map), expected)
    if not (expected == UNKNOWN).any():
        assert look(encoded, class_map).moved == brute_moved(squares)


@pytest.mark.parametrize("compared", [1, 7, 64, 1 << 16])
def test_many_colors_are_compared_in_parts(compared, monkeypatch):
    from maskbeam.transforms import nearest_colors

    monkeypatch.setattr(nearest_colors, "_COMPARED", compared)
    rng = np.random.default_rng(compared)
    codes = rng.choice(2**24, 300, replace=False).tolist()  # ids of 16 bits
    class_map = _colors(*([color_levels(code)] for code in codes), nearest=30)
    levels = rng.integers(0, 256, (20, 31, 3)).astype(np.uint8)
    exact = np.array([color_levels(code) for code in codes])
    levels[:4] = exact[:124].reshape(4, 31, 3)
    expected, squares = brute_nearest(levels, class_map)
    assert {UNKNOWN} < set(expected.ravel().tolist())
    encoded = data.png(levels)
    np.testing.assert_array_equal(meanings(encoded, class_map), expected)
    ignoring = dataclasses.replace(class_map, others="ignore")
    assert look(encoded, ignoring).moved == brute_moved(squares)


def test_of_equally_near_colors_the_first_wins():
    middle = data.png(data.filled((1, 1), (10, 0, 0)))
    low, high = (0, 0, 0), (20, 0, 0)
    cases: list = [
        ([[low], [high]], [], 0),
        ([[high], [low]], [], 0),
        ([[(90, 9, 9), high], [low]], [], 0),
        ([[(90, 9, 9)], [low], [high]], [], 1),
        ([[high]], [low], 0),  # those ignored come last
        ([[(90, 9, 9)]], [high, low], IGNORED),
    ]
    for by_class, ignore, meaning in cases:
        class_map = _colors(*by_class, ignore=ignore, nearest=10)
        assert meanings(middle, class_map) == [[meaning]]
        stricter = dataclasses.replace(class_map, nearest=9)
        assert meanings(middle, stricter) == [[UNKNOWN]]


@pytest.mark.parametrize("distance", range(1, 20))
def test_the_tolerance_is_the_largest_distance(distance):
    """Of all colours about black those within a ball, its surface included."""
    class_map = _colors([(0, 0, 0)], nearest=distance)
    side = np.arange(12)
    cube = np.stack(np.meshgrid(side, side, side), -1).reshape(12, -1, 3)
    inside = (cube.astype(int) ** 2).sum(-1) <= distance * distance
    found = meanings(data.png(cube.astype(np.uint8)), class_map)
    np.testing.assert_array_equal(found, np.where(inside, 0, UNKNOWN))


@pytest.mark.parametrize("kind", [(RGBA, 8), (RGB, 16), (PALETTE, 8), (GREY, 8)])
def test_nearest_reads_all_files_that_color_does(kind):
    class_map = _colors([(0, 0, 0)], [(200, 200, 200)], nearest=100, others="ignore")
    rng = np.random.default_rng(0)
    level = rng.choice([0, 3, 60, 150, 200, 255], (7, 13))
    color_type, depth = kind
    samples = np.repeat(level[..., np.newaxis], png_kinds.CHANNELS[color_type], -1)
    palette = np.repeat(np.arange(256)[:, np.newaxis], 3, 1)
    if color_type == RGBA:  # whatever alpha is
        samples[..., 3] = rng.integers(0, 256, (7, 13))
    encoded = png_kinds.encode(
        samples * (257 if depth == 16 else 1), *kind, palette=palette
    )
    expected, squares = brute_nearest(np.stack([level] * 3, -1), class_map)
    np.testing.assert_array_equal(meanings(encoded, class_map), expected)
    assert look(encoded, class_map).moved == brute_moved(squares)


def test_what_is_too_far_is_named_as_ever():
    class_map = _colors([(0, 0, 0)], [WHITE], nearest=40)
    levels = data.filled((2, 3), (3, 3, 3))
    levels[1, 1] = (40, 2, 0)
    reason, failed = refused(data.png(levels), class_map)
    assert "[40, 2, 0] at 1 pixels" in reason
    assert "[3, 3, 3]" not in reason
    assert "none is within `nearest: 40`" in reason
    assert "(a colour)" in failed
    exact = dataclasses.replace(class_map, nearest=0)
    assert "`nearest: 40`" in refused(data.png(levels), exact)[0]


# --------------------------------------------------------------------------- threshold


@st.composite
def _parted_maps(draw):
    threshold = draw(st.integers(1, 255))
    low = draw(st.sets(st.integers(0, threshold - 1), min_size=1, max_size=3))
    high = draw(st.sets(st.integers(threshold, 255), min_size=1, max_size=3))
    odd = draw(st.sets(st.integers(min(low) + 1, 65535), max_size=2)) - low - high
    named = [LabelClass("low", tuple(low)), LabelClass("high", (*odd, *high))]
    order = draw(st.permutations(named))
    levels = {value for value in odd if threshold <= value <= 255}
    return ClassMap("m", tuple(order), threshold=threshold), low, high | levels


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(_parted_maps(), st.integers(0, 2**32))
def test_a_threshold_parts_the_levels_of_two_classes(made, seed):
    class_map, low, high = made
    levels = np.random.default_rng(seed).integers(0, 256, (9, 40))
    is_high = levels >= class_map.threshold
    place = {name: index for index, name in enumerate(class_map.names)}
    expected = np.where(is_high, place["high"], place["low"])
    encoded = data.png(levels.astype(np.uint8))
    np.testing.assert_array_equal(meanings(encoded, class_map), expected)
    distances = np.array(
        [
            min(abs(level - named) for named in (high if of_high else low))
            for level, of_high in zip(levels.ravel(), is_high.ravel(), strict=True)
        ]
    )
    assert look(encoded, class_map).moved == brute_moved(distances**2)
    assert set(class_map.inverse_table().tolist()) <= low | high


@pytest.mark.parametrize("kind", BINARY.kinds, ids=str)
def test_white_is_white_in_few_bits(kind):
    color_type, depth = kind
    channels = png_kinds.CHANNELS[color_type]
    most = 2**depth - 1
    samples = np.random.default_rng(0).integers(0, most + 1, (9, 13, channels))
    samples[..., 1:3] = samples[..., :1] if channels > 2 else samples[..., 1:3]
    encoded = png_kinds.encode(samples, color_type, depth)
    levels = np.rint(samples[..., 0] * 255 / most)
    np.testing.assert_array_equal(meanings(encoded, BINARY), levels >= 128)
    far = np.where(levels >= 128, 255 - levels, levels)
    far = np.where(levels == 128, 127, far)
    expected = brute_moved(far.astype(int) ** 2)
    assert look(encoded, BINARY).moved == expected


def test_an_id_of_the_other_side_is_no_level():
    """Preset binary has 1 too, which under a threshold is a blurred black."""
    encoded = data.png(np.array([[0, 1, 127, 128, 255]], np.uint8))
    assert meanings(encoded, BINARY).tolist() == [[0, 0, 0, 1, 1]]
    assert look(encoded, BINARY).moved == Moved(3, 5, 1, 127, 1 + 127 + 127)
    exact = class_files.preset("binary")
    assert meanings(encoded, exact).tolist() == [[0, 1, UNKNOWN, UNKNOWN, 1]]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ((GREY, 16), "a threshold is of 8-bit levels"),
        ((GREY_ALPHA, 16), "a threshold is of 8-bit levels"),
        ((PALETTE, 8), "`channel: red`"),
        ((RGB, 16), "colours are no class ids"),
    ],
)
def test_what_has_other_levels_is_refused_under_a_threshold(kind, words):
    samples = np.zeros((3, 4, png_kinds.CHANNELS[kind[0]]), int)
    reason, failed = refused(png_kinds.encode(samples, *kind), BINARY)
    assert str(Kind(*kind)) in reason
    assert words in reason
    assert "encoding" in failed


def test_colors_of_a_threshold_are_counted_too():
    class_map = _colors([(0, 0, 0)], [WHITE], threshold=100, others="ignore")
    levels = np.array([[(0, 0, 0), (99, 0, 3), (255, 100, 255), (0, 200, 0)]], np.uint8)
    encoded = data.png(levels)
    assert meanings(encoded, class_map).tolist() == [[0, 0, 1, IGNORED]]
    assert look(encoded, class_map).moved == Moved(2, 4, 1, 155, 100 + 155)


# ---------------------------------------------------------------------- channel, greys

IDS = classes.numbered(256)


def _of_channel(channel):
    return dataclasses.replace(IDS, channel=channel)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("color_type", [RGB, RGBA])
@pytest.mark.parametrize("interlaced", [False, True])
def test_ids_are_in_the_channel_that_the_map_says(channel, color_type, interlaced):
    channels = png_kinds.CHANNELS[color_type]
    samples = np.random.default_rng(0).integers(0, 256, (7, 13, channels))
    encoded = png_kinds.encode(samples, color_type, 8, interlaced=interlaced)
    class_map = _of_channel(channel)
    if CHANNELS.index(channel) >= channels:
        reason, _ = refused(encoded, class_map)
        assert "8-bit RGB, which encoding index" in reason
        assert "it has no alpha" in reason
        return
    expected = samples[..., CHANNELS.index(channel)]
    np.testing.assert_array_equal(meanings(encoded, class_map), expected)


@pytest.mark.parametrize("channel", ["red", "green", "blue"])
def test_grey_is_in_all_three_channels_and_palettes_have_colors(channel):
    class_map = _of_channel(channel)
    rng = np.random.default_rng(0)
    for color_type, depth in [(GREY, 1), (GREY, 2), (GREY, 4), (GREY, 8), (GREY, 16)]:
        samples = rng.integers(0, min(256, 2**depth), (7, 13, 1))
        encoded = png_kinds.encode(samples, color_type, depth)
        np.testing.assert_array_equal(meanings(encoded, class_map), samples[..., 0])
    palette = rng.integers(0, 256, (16, 3))
    samples = rng.integers(0, 16, (7, 13, 1))
    encoded = png_kinds.encode(samples, PALETTE, 4, palette=palette)
    expected = palette[samples[..., 0], CHANNELS.index(channel)]
    np.testing.assert_array_equal(meanings(encoded, class_map), expected)
    short = png_kinds.encode(samples, PALETTE, 4, palette=palette[:9])
    header = picture_header.read_header(short)
    with pytest.raises(RejectedError, match="its palette has 9 colours"):
        LabelMaps(class_map).read(short, header)


def test_alpha_of_grey_files():
    samples = np.random.default_rng(0).integers(0, 256, (7, 13, 2))
    encoded = png_kinds.encode(samples, GREY_ALPHA, 8)
    found = meanings(encoded, _of_channel("alpha"))
    np.testing.assert_array_equal(found, samples[..., 1])


def test_a_threshold_of_a_channel():
    class_map = dataclasses.replace(BINARY, channel="green")
    samples = np.random.default_rng(0).integers(0, 256, (7, 13, 3))
    found = meanings(png_kinds.encode(samples, RGB, 8), class_map)
    np.testing.assert_array_equal(found, samples[..., 1] >= 128)


def test_a_pixel_that_is_not_grey_refuses_the_file():
    levels = data.filled((5, 6), (7, 7, 7))
    levels[3, 2], levels[4, 5] = (7, 7, 8), (7, 6, 7)
    for picture in (levels, np.dstack([levels, np.full((5, 6), 9, np.uint8)])):
        reason, failed = refused(data.png(picture), IDS)
        assert "2 pixels have other colours, the first [7, 7, 8] in row 3" in reason
        assert "column 2; colours are no class ids" in reason
        assert "channel" not in reason
        assert "at 2 pixels" in failed


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_channel_alone_is_offered(channel):
    levels = np.zeros((4, 5, 3), np.uint8)
    levels[..., channel] = np.arange(20).reshape(4, 5)
    reason, _ = refused(data.png(levels), IDS)
    assert f"add `channel: {CHANNELS[channel]}`" in reason


def test_a_label_map_in_alpha_is_not_read_as_one_color():
    levels = data.filled((4, 5), (7, 7, 7, 0))
    levels[1, 2, 3] = 1
    reason, failed = refused(data.png(levels), IDS)
    assert "`channel: alpha`" in reason
    assert "`channel: alpha`" in failed
    assert meanings(data.png(levels), _of_channel("alpha"))[1, 2] == 1
    levels[0, 0, :3] = 8  # then alpha is beside the point
    found = meanings(data.png(levels), IDS)
    np.testing.assert_array_equal(found, levels[..., 0])
    with pytest.raises(ValueError, match="`channel: alpha`"):
        first_class_map(Found(Counts(), Counts(), alpha_only=1), "m")


def test_a_damaged_file_is_damaged():
    encoded = data.png(data.filled((40, 50), (7, 7, 7)))[:-30]
    header = picture_header.read_header(encoded)
    for class_map in (IDS, _of_channel("red"), _colors([(7, 7, 7)], nearest=3)):
        with pytest.raises(RejectedError, match="damaged"):
            LabelMaps(class_map).read(encoded, header)


@pytest.mark.parametrize(
    "class_map",
    [
        BINARY,
        of_text(
            "{base: binary, threshold: 1, classes: []}".replace(", classes: []", "")
        ),
        dataclasses.replace(BINARY, channel="blue"),
        *(_of_channel(channel) for channel in CHANNELS),
        dataclasses.replace(classes.numbered(3), channel="alpha"),
        ClassMap("m", (LabelClass("a", (255, 0)),), channel="alpha"),
        _colors([(0, 0, 0)], [(9, 9, 9)], ignore=[WHITE], nearest=441),
    ],
    ids=str,
)
def test_what_the_model_writes_the_map_reads(class_map):
    k = class_map.num_classes
    index = np.resize(np.arange(k), (7, k))
    (encoded,) = pictures.to_png(
        tf.constant(index[np.newaxis]), pictures.sample_table(class_map)
    ).numpy()
    np.testing.assert_array_equal(meanings(encoded, class_map), index)


# ---------------------------------------------------------------------------- the file

_TWO = "classes: [{name: a, ids: [0]}, {name: b, ids: [255]}]"
_COLORED = "encoding: color, classes: [{name: a, color: [0, 0, 0]}]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{{name: m, nearest: 0x1BA, {_COLORED}}}", "`nearest` is 442; 1..441"),
        (f"{{name: m, nearest: -1, {_COLORED}}}", "`nearest` is -1"),
        (f"{{name: m, nearest: 1.5, {_COLORED}}}", "`nearest` must be a whole number"),
        (f"{{name: m, nearest: 'yes', {_COLORED}}}", "`nearest` must be"),
        (f"{{name: m, nearest: 40, {_TWO}}}", "the encoding color alone takes"),
        (
            f"{{name: m, nearest: 40, threshold: 128, {_COLORED}}}",
            "a `threshold`, after which all levels are 0 or 255, and `nearest`",
        ),
        ("{base: deepglobe, nearest: 40}", "`threshold: 0`"),
        (f"{{name: m, threshold: 256, {_TWO}}}", "1..255 is possible"),
        (
            f"{{name: m, threshold: 128, ignore: [9], {_TWO}}}",
            "but 2 classes and 1 ignored ids",
        ),
        ("{base: camvid11, threshold: 128}", "but 11 classes"),
        (
            "{base: binary, threshold: 128, drop: [background]}",
            "but 1 classes and",
        ),
        (
            "{name: m, threshold: 128, classes: [{name: a, ids: [0]}, {name: b, ids: "
            "[1]}]}",
            "class 'b' has no id from 128 to 255: add the level that means it, as 255",
        ),
        (
            "{name: m, threshold: 7, classes: [{name: a, ids: [9]}, {name: b, ids: "
            "[255]}]}",
            "class 'a' has no id below it: add the level that means it, as 0",
        ),
        (
            f"{{name: m, encoding: panoptic, divisor: 9, threshold: 9, {_TWO}}}",
            "the encoding color or index alone takes a `threshold`",
        ),
        (f"{{name: m, channel: alpha, {_COLORED}}}", "index alone takes a `channel`"),
        (f"{{name: m, channel: Red, {_TWO}}}", "`channel` is 'Red'; it can be red, "),
        (f"{{name: m, channel: 0, {_TWO}}}", "`channel` is 0"),
        (
            "{name: m, channel: alpha, classes: [{name: a, ids: [256]}]}",
            "id 256 of class 'a' is outside 0..255",
        ),
    ],
)
def test_a_map_that_contradicts_itself_says_where(text, words):
    with pytest.raises(ValueError, match=re.escape(words)) as raised:
        of_text(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "{base: binary, threshold: 128}",
        "{base: binary, threshold: 128, channel: green}",
        f"{{name: m, channel: alpha, {_TWO}}}",
        f"{{name: m, nearest: 441, {_COLORED}}}",
        "{base: deepglobe, threshold: 0, nearest: 30}",
    ],
)
def test_the_keys_are_written_and_read_back(text):
    made = of_text(text)
    assert made.moves or made.channel
    assert class_files.parse_class_map(class_files.to_yaml(made), "again") == made


def test_a_base_hands_its_keys_down(tmp_path):
    def derived(base, **fields):
        (tmp_path / "base.yaml").write_text(class_files.to_yaml(base))
        text = "".join(f"{key}: {value}\n" for key, value in fields.items())
        path = tmp_path / "mine.yaml"
        path.write_text(f"base: base.yaml\n{text}")
        return class_files.load_class_map(str(path))

    made = derived(dataclasses.replace(BINARY, channel="blue"))
    assert (made.name, made.threshold, made.channel) == ("mine", 128, "blue")
    assert derived(made, name="other", channel="null").channel is None
    assert derived(made, threshold=0).threshold == 0
    near = _colors([(0, 0, 0)], [(9, 9, 9)], nearest=40)
    assert derived(near).nearest == 40
    assert derived(near, nearest=3).nearest == 3
    assert derived(near, drop="[c1]").ignore == (color_code((9, 9, 9)),)
    # What two classes make of more is known when they are made.
    city = of_text(
        "{base: voc2012, encoding: color, threshold: 0, nearest: 20, ignore: "
        "['#E0E0C0']}"
    )
    assert (city.nearest, city.num_classes) == (20, 21)
    colored = derived(dataclasses.replace(BINARY, channel="red"), encoding="color")
    assert (colored.channel, colored.threshold) == (None, 128)


# ------------------------------------------------------------------------- what counts


def test_roots_are_rounded_up_exactly():
    counts = np.zeros(moves.SQUARES, np.int64)
    for square in (0, 1, 2, 4, 5, 194_481, 194_482, 195_075):
        counts[square] = 1
        expected = math.isqrt(square - 1) + 1 if square else 0
        found = moves.of_squares(counts)
        assert (found.farthest, found.of, found.pixels) == (
            expected,
            1,
            int(square > 0),
        )
        counts[square] = 0


def test_counts_add_up_in_any_order():
    rng = np.random.default_rng(0)
    many = [Moved(*rng.integers(0, 99, 5).tolist()) for _ in range(9)]
    assert sum(many, Moved()) == sum(many[::-1], Moved())
    assert sum(many, Moved()).farthest == max(one.farthest for one in many)


@pytest.mark.parametrize("resize", [{}, {"size": (8, 8), "resize": "tile"}])
@pytest.mark.parametrize("size", [(20, 24), (5, 7)])
def test_a_label_map_counts_once_whatever_becomes_of_it(resize, size):
    levels = np.random.default_rng(0).integers(0, 256, size)
    encoded = data.png(levels.astype(np.uint8))
    check = RowCheck(BINARY, features.Config(2, "bits", **resize), 10**8)
    rows = list(check(RawRow("a", "a.png", "", encoded, None)))
    found = sum((row.look.moved for row in rows if row.look.moved), Moved())
    assert found.of == levels.size
    assert found.pixels == np.count_nonzero((levels > 0) & (levels < 255))
    assert found.label_maps == 1


def test_maps_that_move_nothing_count_nothing():
    check = RowCheck(class_files.preset("binary"), features.Config(2, "bits"), 10**8)
    encoded = data.png(data.filled((4, 5), 255))
    (row,) = check(RawRow("a", "a.png", "", encoded, None))
    assert row.look.moved is None


@pytest.mark.parametrize(("count", "is_found"), [(13, True), (12, False)])
def test_more_than_a_twentieth_is_a_finding(count, is_found, tmp_path):
    """Of 256 pixels 12.8 are 5 %."""
    label = np.repeat([0, 255], 128).astype(np.uint8)
    label[:count] = 30
    rows = {"a.png": data.png(label.reshape(16, 16))}
    data.write_tree(tmp_path / "labels", rows)
    (tmp_path / "m.yaml").write_text("{base: binary, threshold: 128}")
    given = {"label_maps": f"{tmp_path}/labels/*", "classes": tmp_path / "m.yaml"}
    found = findings_of.messages(tmp_path, {**given, "output": "out"})
    assert ("moved_pixels" in found) == is_found
    if is_found:
        assert "5.1% of the pixels of train" in found["moved_pixels"]
        assert "30 levels from those that they became at most" in found["moved_pixels"]


# ------------------------------------------------------------------------ whole runs


def drawn(rng, colors, size=(60, 80), scale=4):
    """A label map as programs draw it: with smooth edges, u8[H W 3]."""
    large = Image.new("RGB", (size[1] * scale, size[0] * scale), tuple(colors[0]))
    pen = ImageDraw.Draw(large)
    for color in colors[1:] * 2:
        x, y, r = rng.integers(0, size[1] * scale), rng.integers(0, size[0] * scale), 60
        pen.ellipse([x - r, y - r, x + r, y + r], fill=tuple(color))
    return np.asarray(large.resize(size[::-1], Image.Resampling.BILINEAR))


COLORS = [(0, 0, 0), (128, 64, 128), (0, 0, 142), (70, 130, 180)]
NEAREST = """
name: mine
encoding: color
nearest: 110
others: ignore
ignore: [[0, 0, 0]]
classes:
  - {name: road, color: [128, 64, 128]}
  - {name: car, color: [0, 0, 142]}
  - {name: sky, color: [70, 130, 180]}
"""


def test_drawn_colors_with_smooth_edges(convert, tmp_path, capsys):
    rng = np.random.default_rng(0)
    levels = {
        split: {f"row_{n}": drawn(rng, COLORS) for n in range(3)}
        for split in ("train", "val")
    }
    files = {
        f"{split}/{key}.png": data.png(one)
        for split, rows in levels.items()
        for key, one in rows.items()
    }
    data.write_tree(tmp_path, files)
    (tmp_path / "mine.yaml").write_text(NEAREST)
    given = [f"{split}={tmp_path}/{split}/*.png" for split in levels]
    out = convert(
        tmp_path / "out", "--label_maps", *given, "--classes", tmp_path / "mine.yaml"
    )
    class_map = class_files.load_class_map(str(out / "classes.yaml"))
    assert class_map == of_text(NEAREST)
    total = Moved()
    for split, rows in levels.items():
        loaded, moved = reading.load_all(out, split), Moved()
        for key, one in rows.items():
            expected, squares = brute_nearest(one, class_map)
            np.testing.assert_array_equal(loaded[key]["label"], expected)
            moved += brute_moved(squares)
        encoded = {key: files[f"{split}/{key}.png"] for key in rows}
        reading.assert_graph_equals_load(out, loaded, labels=encoded)
        said = reading.stats(out)["splits"][split]["moved_pixels"]
        assert said == {"by": "nearest", **dataclasses.asdict(moved)}
        total += moved
    schema = json.loads(make_stats_schema.PATH.read_text(encoding="utf-8"))
    jsonschema.validate(reading.stats(out), schema)
    assert 0 < total.farthest <= 110
    assert total.pixels > 100
    printed = capsys.readouterr().out
    line = (
        f"{total.pixels:,} pixels of 6 label maps were moved to the nearest colour, "
        f"{total.farthest} levels at most"
    )
    assert printed.count(line) == 1
    assert 'scope="col">Moved pixels' in reading.report(out)
    assert f"of 3 label maps, {said['farthest']} levels at most" in reading.report(out)
    assert not verify.find_faults(str(out)).faults


@pytest.mark.engines  # it takes long
def test_blurred_binary_masks_of_every_kind(convert, tmp_path):
    """As JPEG leaves them: grey, RGB and RGBA, beside an exact one of 1 bit."""
    rng = np.random.default_rng(0)
    shape = drawn(rng, [(0, 0, 0), WHITE])
    buffer = io.BytesIO()
    Image.fromarray(shape[..., 0]).save(buffer, "JPEG", quality=70)
    grey = np.asarray(Image.open(buffer))
    assert len(np.unique(grey)) > 9
    alpha = rng.integers(0, 256, grey.shape).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey >= 128).convert("1").save(buffer, "PNG")
    files = {
        "grey": data.png(grey),
        "rgb": data.png(np.stack([grey] * 3, -1)),
        "rgba": data.png(np.stack([grey] * 3 + [alpha], -1)),
        "bit": buffer.getvalue(),
    }
    data.write_tree(tmp_path, {f"labels/{k}.png": v for k, v in files.items()})
    (tmp_path / "mine.yaml").write_text("{base: binary, threshold: 128}")
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"{tmp_path}/labels/*.png",
        "--classes",
        tmp_path / "mine.yaml",
    )
    rows = reading.load_all(out)
    for row in rows.values():
        np.testing.assert_array_equal(row["label"], grey >= 128)
    reading.assert_graph_equals_load(out, rows, labels=files)
    moved = reading.stats(out)["splits"]["train"]["moved_pixels"]
    blurred = np.count_nonzero((grey > 0) & (grey < 255))
    assert (moved["by"], moved["pixels"], moved["of"], moved["label_maps"]) == (
        "threshold",
        3 * blurred,
        4 * grey.size,
        3,
    )
    assert class_files.load_class_map(str(out / "classes.yaml")).threshold == 128


@pytest.mark.engines  # it takes long
def test_ids_in_alpha_through_the_command(convert, tmp_path):
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 3, (7, 13, 4)).astype(np.uint8)
    files = {"a": data.png(samples)}
    data.write_tree(tmp_path, {"labels/a.png": files["a"]})
    (tmp_path / "m.yaml").write_text(
        "{name: m, channel: alpha, classes: [{name: a, ids: [0]}, {name: b, ids: [1]}, "
        "{name: c, ids: [2]}]}"
    )
    out = convert(
        tmp_path / "out",
        "--label_maps",
        f"{tmp_path}/labels/*.png",
        "--classes",
        tmp_path / "m.yaml",
    )
    rows = reading.load_all(out)
    np.testing.assert_array_equal(rows["a"]["label"], samples[..., 3])
    reading.assert_graph_equals_load(out, rows, labels=files)
    assert "moved_pixels" not in reading.stats(out)["splits"]["train"]
    assert 'scope="col">Moved pixels' not in reading.report(out)
    assert class_files.load_class_map(str(out / "classes.yaml")).channel == "alpha"


def test_nothing_is_said_where_nothing_was_moved():
    none = {"by": "nearest", **dataclasses.asdict(Moved(of=9))}
    assert moved_lines({"splits": {"train": {}, "val": {}}}) == []
    assert moved_lines({"splits": {"train": {"moved_pixels": none}}}) == []
