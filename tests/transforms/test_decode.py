import functools
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from maskbeam.transforms import classes, decode
from maskbeam.transforms.classes import ClassMap, LabelClass, color_code
from maskbeam.transforms.png_kinds import KINDS, Kind
from tests import data_generation as data
from tests import png_kinds
from tests.png_kinds import GREY_ALPHA, PALETTE, RGB, RGBA

INDEX = classes.numbered(1)


def _saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", data.ODD_SIZES)
def test_grey_ids_are_pillows(dtype, shape):
    top = np.iinfo(dtype).max
    ids = np.random.default_rng(0).integers(0, top, shape, endpoint=True)
    encoded = data.png(ids.astype(dtype))
    expected = np.array(Image.open(io.BytesIO(encoded)))
    np.testing.assert_array_equal(expected, ids)
    np.testing.assert_array_equal(decode.label_ids(tf.constant(encoded), INDEX), ids)
    np.testing.assert_array_equal(
        decode.grey_ids(tf.constant(encoded), tf.as_dtype(dtype)), ids
    )


GREY = Image.fromarray(np.zeros((5, 6), np.uint8))
RED = Image.fromarray(data.filled((5, 6), (1, 0, 0)))


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"text" * 20, id="text"),
        pytest.param(_saved(GREY)[:40], id="cut"),
        pytest.param(_saved(RED), id="rgb"),
        pytest.param(_saved(RED.convert("RGBA")), id="rgba"),
        pytest.param(_saved(GREY, "JPEG"), id="jpeg"),
    ],
)
def test_label_ids_refuses_what_would_be_no_ids(encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.label_ids(tf.constant(encoded), INDEX)


@pytest.mark.parametrize("shape", data.ODD_SIZES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_images_are_pillows(shape, mode, kind):
    picture = data.picture(np.random.default_rng(0), *shape)
    encoded = _saved(Image.fromarray(picture).convert(mode), kind)
    expected = np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))
    found = decode.image_levels(tf.constant(encoded))
    np.testing.assert_array_equal(found, expected)


def test_progressive_jpeg_is_pillows():
    picture = data.picture(np.random.default_rng(0), 33, 50)
    encoded = _saved(Image.fromarray(picture), "JPEG", progressive=True)
    expected = np.array(Image.open(io.BytesIO(encoded)))
    np.testing.assert_array_equal(decode.image_levels(tf.constant(encoded)), expected)


@pytest.mark.parametrize("encoded", [b"", b"GIF89a...", b"\xff\xd8\xff\xe0cut"])
def test_no_picture_is_an_error(encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.image_levels(tf.constant(encoded))


def test_a_requirement_that_nobody_asks_for_is_not_run():
    """What an assertion could not do: it would run all the same."""

    def both(condition):
        guarded = decode.require(condition, "no", tf.constant([1]))
        return {"guarded": guarded, "other": tf.constant([2])}

    spec = tf.TensorSpec([], tf.bool)
    # What TF Transform's loader does to the graph.
    wrapped = tf.compat.v1.wrap_function(both, [spec])
    other = wrapped.prune(wrapped.inputs, wrapped.structured_outputs["other"])
    assert other(tf.constant(False)).numpy() == [2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="no"):
        wrapped(tf.constant(False))


SMALL = data.png(np.random.default_rng(0).integers(0, 99, (5, 6)).astype(np.uint8))


# Within the signature, IHDR, IDAT and IEND, and at their borders.
CUTS = [1, 8, 12, 23, 24, 25, 26, 33, 41, len(SMALL) - 13, len(SMALL) - 1]


@pytest.mark.parametrize("length", CUTS)
def test_label_ids_refuses_a_png_cut_anywhere(length):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.label_ids(tf.constant(SMALL[:length]), INDEX)


@pytest.mark.parametrize("at", ["header", "pixels", "end"])
def test_label_ids_refuses_a_png_with_a_wrong_byte(at):
    damaged = bytearray(SMALL)
    damaged[{"header": 18, "pixels": 45, "end": len(SMALL) - 15}[at]] ^= 0x55
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.label_ids(tf.constant(bytes(damaged)), INDEX)


COLORS = np.array([[0, 0, 0], [128, 64, 128], [0, 0, 142], [255, 255, 255]])
COLOR_MAP = ClassMap(
    "colors",
    tuple(
        LabelClass(f"c{i}", (color_code(color),))
        for i, color in enumerate(COLORS.tolist())
    ),
    encoding="color",
)
DIVIDED = {
    encoding: ClassMap("d", (LabelClass("a", (1,)),), encoding=encoding, divisor=1000)
    for encoding in ("panoptic", "instance")
}
ADE20K = ClassMap("a", (LabelClass("a", (1,)),), encoding="ade20k")


@functools.cache
def _graph(class_map):
    spec = tf.TensorSpec([], tf.string)
    return tf.function(lambda data: decode.label_ids(data, class_map), [spec])


def _both(encoded, kind, class_map):
    """The ids as the converter reads them, and as the graph does."""
    eager = decode.ids(encoded, Kind(*kind), class_map).numpy()
    graph = _graph(class_map)(tf.constant(encoded)).numpy()
    # The largest id stands for all unknown colours, and ids of the graph have 16 bits.
    unknown = np.iinfo(eager.dtype).max
    is_unknown = (class_map.encoding == "color") & (eager == unknown)
    np.testing.assert_array_equal(graph, np.where(is_unknown, 65535, eager.astype(int)))
    assert eager.dtype.itemsize * 8 == class_map.id_depth(kind[1])
    return eager


@pytest.mark.parametrize("interlaced", [False, True], ids=["plain", "adam7"])
@pytest.mark.parametrize("size", png_kinds.SIZES)
@pytest.mark.parametrize("kind", KINDS["index"], ids=str)
def test_index_ids_are_the_files_own_samples(kind, size, interlaced):
    channels = png_kinds.CHANNELS[kind.color_type]
    samples = np.random.default_rng(0).integers(0, 2**kind.depth, (*size, channels))
    samples[..., 1:3] = samples[..., :1] if channels >= 3 else samples[..., 1:3]
    encoded = png_kinds.encode(samples, *kind, interlaced=interlaced)
    np.testing.assert_array_equal(_both(encoded, kind, INDEX), samples[..., 0])
    if kind.color_type == PALETTE or (kind.depth >= 8 and channels == 1):
        opened = np.array(Image.open(io.BytesIO(encoded)))  # Pillow scales the others
        np.testing.assert_array_equal(opened, samples[..., 0])


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("transparency", [b"\0", b"\0\x80", b"\0" * 256])
@pytest.mark.parametrize("same", [False, True], ids=["colors", "one_color"])
def test_the_palette_does_not_matter(depth, transparency, same):
    samples = np.arange(91).reshape(7, 13, 1) % 2**depth
    palette = np.full((2**depth, 3), 128) if same else None
    encoded = png_kinds.encode(
        samples,
        PALETTE,
        depth,
        palette=palette,
        transparency=transparency[: 2**depth],
    )
    found = _both(encoded, (PALETTE, depth), INDEX)
    np.testing.assert_array_equal(found, samples[..., 0])


@pytest.mark.parametrize("interlaced", [False, True], ids=["plain", "adam7"])
@pytest.mark.parametrize("size", png_kinds.SIZES)
@pytest.mark.parametrize("kind", [(RGB, 8), (RGBA, 8), (RGB, 16), (RGBA, 16)])
def test_color_ids_are_positions_in_the_table(kind, size, interlaced):
    color_type, depth = kind
    rng = np.random.default_rng(1)
    index = rng.integers(0, len(COLORS), size)
    samples = COLORS[index] * (257 if depth == 16 else 1)
    if color_type == RGBA:  # any alpha: it says nothing of the class
        alpha = rng.integers(0, 2**depth, (*size, 1))
        samples = np.concatenate([samples, alpha], axis=-1)
    encoded = png_kinds.encode(samples, color_type, depth, interlaced=interlaced)
    found = COLOR_MAP.forward_table(8)[_both(encoded, kind, COLOR_MAP)]
    np.testing.assert_array_equal(found, index)


@pytest.mark.parametrize("threshold", [1, 128, 255])
def test_a_threshold_makes_levels_0_and_255(threshold):
    corners = [0x000000, 0x00FFFF, 0xFFFF00, 0xFFFFFF]
    class_map = ClassMap(
        "blurred",
        tuple(LabelClass(f"c{code}", (code,)) for code in corners[1:]),
        ignore=(0,),
        encoding="color",
        threshold=threshold,
    )
    samples = np.random.default_rng(0).integers(0, 256, (40, 50, 3))
    encoded = png_kinds.encode(samples, RGB, 8)
    sharp = 255 * (samples >= threshold)
    codes = sharp[..., 0] << 16 | sharp[..., 1] << 8 | sharp[..., 2]
    expected = np.full(codes.shape, 255)
    for place, code in enumerate(corners):
        expected[codes == code] = place
    np.testing.assert_array_equal(_both(encoded, (RGB, 8), class_map), expected)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_file_is_of_its_colors_where_the_map_says_so(depth):
    palette = COLORS[np.arange(2**depth) % 4]
    samples = np.arange(91).reshape(7, 13, 1) % 2**depth
    encoded = png_kinds.encode(samples, PALETTE, depth, palette=palette)
    found = COLOR_MAP.forward_table(8)[_both(encoded, (PALETTE, depth), COLOR_MAP)]
    np.testing.assert_array_equal(found, samples[..., 0] % 4)


def test_grey_is_a_color_too():
    samples = np.array([[[0], [255], [7]]])
    encoded = png_kinds.encode(samples, 0, 8)
    np.testing.assert_array_equal(_both(encoded, (0, 8), COLOR_MAP), [[0, 3, 255]])


def test_a_deep_color_between_two_of_8_bits_is_refused():
    samples = np.array([[[128 * 257, 64 * 257, 128 * 257], [128 * 257, 64 * 257, 9]]])
    encoded = png_kinds.encode(samples, RGB, 16)
    for decoded in (
        lambda: decode.ids(encoded, Kind(RGB, 16), COLOR_MAP),
        lambda: _graph(COLOR_MAP)(tf.constant(encoded)),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="two bytes"):
            decoded()


def test_more_than_255_colors_take_ids_of_16_bits():
    codes = np.random.default_rng(0).choice(2**24, 300, replace=False)
    many = ClassMap(
        "many",
        tuple(LabelClass(str(c), (int(c),)) for c in codes),
        encoding="color",
    )
    samples = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)
    encoded = png_kinds.encode(samples[np.newaxis], RGB, 8)
    found = many.forward_table(16)[_both(encoded, (RGB, 8), many)]
    np.testing.assert_array_equal(found, [np.arange(300)])


@pytest.mark.parametrize("kind", [(RGB, 8), (RGBA, 8), (0, 16), (GREY_ALPHA, 16)])
@pytest.mark.parametrize("encoding", ["panoptic", "instance"])
def test_panoptic_ids_are_semantic_times_divisor_plus_instance(encoding, kind):
    values = np.array([[0, 7, 999, 1000, 1001, 26_003, 33_999]])
    if kind[0] in (RGB, RGBA):
        values = np.append(values, [[16_777_215]], axis=1)
        samples = np.stack([values & 255, values >> 8 & 255, values >> 16], axis=-1)
    else:
        samples = values[..., np.newaxis]
    missing = png_kinds.CHANNELS[kind[0]] - samples.shape[-1]
    alpha = np.full((*values.shape, missing), 255)
    encoded = png_kinds.encode(np.concatenate([samples, alpha], -1), *kind)
    expected = [
        value if encoding == "instance" and value < 1000 else value // 1000
        for value in values[0].tolist()
    ]
    np.testing.assert_array_equal(_both(encoded, kind, DIVIDED[encoding]), [expected])


@pytest.mark.parametrize("kind", KINDS["ade20k"], ids=str)
def test_ade20k_ids_do_not_overflow(kind):
    samples = np.array([[[0, 0, 3], [10, 255, 0], [19, 1, 9], [255, 255, 255]]])
    if kind.color_type == RGBA:
        samples = np.concatenate([samples, np.full((1, 4, 1), 255)], axis=-1)
    encoded = png_kinds.encode(samples, *kind)
    # utils_ade20k.py: (R / 10) * 256 + G
    expected = [[int(r / 10) * 256 + g for r, g, *_ in samples[0].tolist()]]
    np.testing.assert_array_equal(_both(encoded, kind, ADE20K), expected)


@pytest.mark.parametrize("class_map", [INDEX, ADE20K, DIVIDED["panoptic"]])
def test_kinds_that_an_encoding_does_not_read_are_refused(class_map):
    for color_type, depth in png_kinds.ALL:
        if Kind(color_type, depth) in KINDS[class_map.encoding]:
            continue
        samples = np.zeros((3, 3, png_kinds.CHANNELS[color_type]), int)
        encoded = png_kinds.encode(samples, color_type, depth)
        with pytest.raises(tf.errors.InvalidArgumentError, match="encoding"):
            decode.label_ids(tf.constant(encoded), class_map)


def test_a_jpeg_that_looks_like_a_grey_png_at_the_header_is_refused():
    encoded = bytearray(_saved(GREY, "JPEG", comment=b"x" * 30))
    encoded[24:26] = b"\x08\x00"
    assert Image.open(io.BytesIO(bytes(encoded))).size == (6, 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no PNG"):
        decode.label_ids(tf.constant(bytes(encoded)), INDEX)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_label_ids_in_a_map_of_a_dataset(dtype):
    ids = np.arange(91).reshape(7, 13).astype(dtype) * (1 if dtype == np.uint8 else 700)
    rows = tf.data.Dataset.from_tensors(data.png(ids))
    rows = rows.map(lambda encoded: decode.label_ids(encoded, INDEX))
    assert rows.element_spec.dtype == tf.int32
    (found,) = rows.as_numpy_iterator()
    np.testing.assert_array_equal(found, ids)


@pytest.mark.parametrize("mode", ["P", "LA", "RGBA", "1"])
def test_png_images_of_other_modes_are_pillows(mode):
    picture = data.picture(np.random.default_rng(0), 7, 13)
    encoded = _saved(Image.fromarray(picture).convert(mode))
    expected = np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))
    np.testing.assert_array_equal(decode.image_levels(tf.constant(encoded)), expected)


@pytest.mark.parametrize("subsampling", [0, 1, 2], ids=["444", "422", "420"])
@pytest.mark.parametrize("quality", [30, 75, 100])
def test_jpeg_noise_is_pillows(subsampling, quality):
    noise = np.random.default_rng(0).integers(0, 256, (33, 50, 3)).astype(np.uint8)
    encoded = _saved(
        Image.fromarray(noise), "JPEG", quality=quality, subsampling=subsampling
    )
    expected = np.array(Image.open(io.BytesIO(encoded)))
    np.testing.assert_array_equal(decode.image_levels(tf.constant(encoded)), expected)
