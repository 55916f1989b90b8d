"""Pictures of other formats become PNGs: each against its own library's reading."""

import importlib.util
import io
import itertools
import struct
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from maskbeam.pipeline.elements import Window
from maskbeam.pipeline.formats import pictures, tiff_directory
from maskbeam.pipeline.options import Options
from maskbeam.transforms import classes
from tests import data_generation as data
from tests import peaks

MAX_PIXELS = 10_000
OPTIONS = Options(class_map=classes.numbered(4), max_pixels=MAX_PIXELS)
RNG = np.random.default_rng(0)
IDS = data.regions(RNG, 50, 70, [0, 1, 2, 200])
PHOTO = data.picture(RNG, 50, 70)
COLORS = RNG.integers(0, 256, (256, 3), np.uint8)


def _opened(encoded):
    return Image.open(io.BytesIO(encoded))


def _label(encoded, options=OPTIONS):
    return np.asarray(_opened(pictures.label_map(encoded, options)))


def _image(encoded, **more):
    given_ = Options(class_map=classes.numbered(4), max_pixels=MAX_PIXELS, **more)
    made = _opened(pictures.image(encoded, given_))
    assert made.mode == "RGB"
    return np.asarray(made)


def _tiff(values, **more):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **more)
    return buffer.getvalue()


def _by_pillow(picture, kind, **more):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **more)
    return buffer.getvalue()


# ------------------------------------------------------------------------------- TIFF

LAYOUTS: dict[str, dict] = {"strips": {"rowsperstrip": 16}, "tiles": {"tile": (16, 32)}}
COMPRESSIONS = (None, "lzw", "deflate", "packbits")
VALUES = {
    "u8": (IDS, "L"),
    "u16": (IDS.astype(np.uint16) * 300, "I;16"),
    "palette": (IDS, "P"),
    "float32": (IDS.astype(np.float32), "I;16"),
    "float64": (IDS.astype(np.float64) * 100, "I;16"),
    "int32": (IDS.astype(np.int32), "I;16"),
}


@pytest.mark.parametrize(
    ("layout", "compression", "kind"),
    [*itertools.product(LAYOUTS, COMPRESSIONS, VALUES)],
)
@pytest.mark.parametrize("is_big", [False, True], ids=["classic", "big"])
def test_each_kind_of_tiff_is_the_label_map_that_was_saved(
    layout, compression, kind, is_big
):
    values, mode = VALUES[kind]
    more = {"photometric": "minisblack"}
    if kind == "palette":
        # 16 bits a level.
        more = {"photometric": "palette", "colormap": COLORS.T.astype(np.uint16) * 257}
    more |= {"compression": compression, "bigtiff": is_big}
    encoded = _tiff(values, **LAYOUTS[layout], **more)
    np.testing.assert_array_equal(_label(encoded), values)
    made = _opened(pictures.label_map(encoded, OPTIONS))
    assert made.mode == mode
    if mode == "P":
        np.testing.assert_array_equal(made.convert("RGB"), COLORS[values])
        np.testing.assert_array_equal(_image(encoded), COLORS[values])
    # What another library reads of the file.
    if kind in ("u8", "u16", "palette", "float32"):
        np.testing.assert_array_equal(np.asarray(_opened(encoded)), values)


def _by_hand(data, size, bits, *, compression=1, order="<"):
    """A TIFF of one strip, tag by tag (TIFF 6.0, 2 and 4)."""
    at = 8 + len(data) + len(data) % 2
    tags = [(256, size[1]), (257, size[0]), (258, bits), (259, compression), (262, 1)]
    tags += [(273, 8), (277, 1), (278, size[0]), (279, len(data))]
    entries = [struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags]
    start = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, at)
    directory = struct.pack(f"{order}H", len(tags)) + b"".join(entries) + bytes(4)
    return start + data.ljust(at - 8, b"\0") + directory


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_tiffs_of_few_bits(bits, order):
    """Rows begin at whole bytes, and the highest bit of a byte comes first."""
    values = RNG.integers(0, 2**bits, (50, 70))
    bits_of = values[..., np.newaxis] >> np.arange(bits)[::-1] & 1
    packed = np.packbits(bits_of.reshape(50, -1).astype(np.uint8), axis=1)
    encoded = _by_hand(packed.tobytes(), (50, 70), bits, order=order)
    np.testing.assert_array_equal(_label(encoded), values)


@pytest.mark.parametrize("bits", [1, 8])
def test_where_white_is_zero_black_becomes_zero(bits):
    values = IDS > 1 if bits == 1 else IDS
    encoded = _tiff(values, photometric="miniswhite")
    shown = np.asarray(_opened(encoded).convert("L"))  # as viewers show it
    expected = shown // 255 if bits == 1 else shown
    np.testing.assert_array_equal(_label(encoded), expected)
    np.testing.assert_array_equal(_image(encoded)[..., 0], shown)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("planar", "compression"),
    [
        *(("contig", found) for found in (*COMPRESSIONS, "jpeg", "webp", "zstd")),
        *(("separate", found) for found in (*COMPRESSIONS, "zstd")),
    ],
)
def test_tiff_images(planar, layout, compression):
    values = PHOTO if planar == "contig" else np.moveaxis(PHOTO, -1, 0)
    more = {"photometric": "rgb", "planarconfig": planar, "compression": compression}
    lossless = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
    encoded = _tiff(values, **LAYOUTS[layout], **more, **lossless)
    expected = PHOTO
    if compression == "jpeg":  # what its library makes of it
        expected = tifffile.imread(io.BytesIO(encoded))
        assert np.abs(expected.astype(int) - PHOTO).mean() < 10
    np.testing.assert_array_equal(_image(encoded), expected)
    if compression not in ("jpeg", "webp"):
        np.testing.assert_array_equal(_label(encoded), PHOTO)


def test_bands_are_counted_from_one():
    bands = RNG.integers(0, 256, (50, 70, 6), np.uint8)
    encoded = _tiff(bands, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(
        _image(encoded, image_bands="4,3,2"), bands[..., [3, 2, 1]]
    )
    np.testing.assert_array_equal(
        _image(encoded, image_bands=6), bands[..., 5:].repeat(3, 2)
    )
    with pytest.raises(ValueError, match="6 bands: say which .* --image_bands"):
        _image(encoded)
    with pytest.raises(ValueError, match="6 bands, and --image_bands takes band 7"):
        _image(encoded, image_bands="7,1,1")
    with pytest.raises(ValueError, match="6 bands, and a label map has one"):
        _label(encoded)


def test_of_bands_without_names_nobody_guesses_colors():
    """Blue, green, red and near infrared, as satellites have them; and two of them."""
    for count, more in ((4, {}), (2, {"extrasamples": ["unspecified"]})):
        bands = RNG.integers(0, 256, (50, 70, count), np.uint8)
        encoded = _tiff(bands, photometric="minisblack", planarconfig="contig", **more)
        with pytest.raises(ValueError, match=f"{count} bands: say which"):
            _image(encoded)
        with pytest.raises(ValueError, match=f"{count} bands, and a label map"):
            _label(encoded)
    named = _tiff(
        RNG.integers(0, 256, (50, 70, 2), np.uint8),
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
    )
    assert _opened(pictures.label_map(named, OPTIONS)).mode == "LA"
    colors = RNG.integers(0, 256, (50, 70, 4), np.uint8)
    encoded = _tiff(colors, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(_image(encoded), colors[..., :3])


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_wide_images_need_a_range(dtype):
    values = RNG.integers(0, 5000, (50, 70, 3)).astype(dtype)
    encoded = _tiff(values, photometric="rgb")
    with pytest.raises(ValueError, match=r"--image_range MIN,MAX"):
        _image(encoded)
    # From 100 to 4000, rounded to even as everywhere in NumPy.
    expected = np.rint((values.astype(np.float64).clip(100, 4000) - 100) * 255 / 3900)
    made = _image(encoded, image_range="100,4000").astype(int)
    assert np.abs(made - expected).max() <= 1  # in one way or the other at halves
    assert (made == expected).mean() > 0.999
    assert made.min() == 0
    assert made.max() == 255


def test_no_number_is_black():
    values = np.full((4, 4), np.nan, np.float32)
    values[0, 0] = np.inf
    made = _image(_tiff(values), image_range=(0, 1))[..., 0]
    assert made[0, 0] == 255
    assert (made.ravel()[1:] == 0).all()


def test_overviews_and_masks_are_no_pictures():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(IDS, subfiletype=0)
        writer.write(IDS[::2, ::2], subfiletype=1)
        writer.write(IDS > 0, subfiletype=4, photometric="minisblack")
    assert len(tiff_directory.pages(buffer)) == 1
    np.testing.assert_array_equal(_label(buffer.getvalue()), IDS)


def test_pictures_of_a_stack():
    stack = np.stack([IDS, IDS[::-1], IDS[:, ::-1]])
    encoded = _tiff(stack, photometric="minisblack")
    pages = tiff_directory.pages(io.BytesIO(encoded))
    assert [(p.height, p.width) for p in pages] == [(50, 70)] * 3
    for number, expected in enumerate(stack):
        made = pictures.tiff_label_map(io.BytesIO(encoded), OPTIONS, number)
        np.testing.assert_array_equal(np.asarray(_opened(made)), expected)
    with pytest.raises(ValueError, match="3 pictures, and one is read here"):
        _label(encoded)
    with pytest.raises(ValueError, match="no picture 3"):
        pictures.tiff_label_map(io.BytesIO(encoded), OPTIONS, 3)


@given(
    top=st.integers(0, 49),
    left=st.integers(0, 69),
    height=st.integers(1, 50),
    width=st.integers(1, 70),
    kind=st.sampled_from(["grey", "contig", "separate"]),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_part_is_what_the_whole_has_there(top, left, height, width, kind):
    window = Window(top, left, min(height, 50 - top), min(width, 70 - left))
    values = PHOTO if kind == "contig" else np.moveaxis(PHOTO, -1, 0)
    if kind == "grey":
        encoded = _tiff(IDS, tile=(16, 32), compression="deflate")
    else:
        encoded = _tiff(values, tile=(16, 32), photometric="rgb", planarconfig=kind)
    made = pictures.tiff_label_map(io.BytesIO(encoded), OPTIONS, 0, window)
    whole = IDS if kind == "grey" else PHOTO
    np.testing.assert_array_equal(
        np.asarray(_opened(made)),
        whole[top : top + window.height, left : left + window.width],
    )


def test_the_limit_is_of_the_blocks_that_a_part_touches():
    encoded = _tiff(np.zeros((200, 200), np.uint8), tile=(96, 96))
    with pytest.raises(ValueError, match="200 x 200 = 40000 pixels"):
        _label(encoded)
    file = io.BytesIO(encoded)
    pictures.tiff_label_map(file, OPTIONS, 0, Window(0, 0, 96, 96))
    with pytest.raises(ValueError, match="96 x 192 = 18432 pixels"):
        pictures.tiff_label_map(file, OPTIONS, 0, Window(0, 90, 10, 10))


def test_the_library_of_compressions_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    np.testing.assert_array_equal(_label(_tiff(IDS)), IDS)
    for compression in COMPRESSIONS[1:]:
        with pytest.raises(ValueError, match=r"pip install 'maskbeam\[tiff\]'"):
            _label(_tiff(IDS, compression=compression))


def test_a_bomb_is_not_inflated():
    """Forty million times what a strip should have."""
    encoded = _by_hand(zlib.compress(bytes(1 << 28), 9), (10, 10), 8, compression=8)
    with peaks.growth() as grown, pytest.raises(Exception, match=r"(?i)space"):
        _label(encoded)
    assert grown.bytes < 100 << 20


def test_directories_in_a_circle_are_damage():
    encoded = bytearray(_tiff(IDS))
    (at,) = struct.unpack_from("<I", encoded, 4)
    (count,) = struct.unpack_from("<H", encoded, at)
    struct.pack_into("<I", encoded, at + 2 + 12 * count, at)
    with pytest.raises(ValueError, match="in a circle"):
        _label(bytes(encoded))


@pytest.mark.parametrize("turn", range(1, 9))
def test_images_are_turned_upright(turn):
    encoded = _tiff(PHOTO, photometric="rgb", extratags=[(274, "H", 1, turn, True)])
    exif = Image.Exif()
    exif[274] = turn
    upright = ImageOps.exif_transpose(
        _opened(_by_pillow(Image.fromarray(PHOTO), "PNG", exif=exif))
    )
    np.testing.assert_array_equal(_image(encoded), np.asarray(upright))
    np.testing.assert_array_equal(_image(encoded, exif="ignore"), PHOTO)
    webp = _by_pillow(Image.fromarray(PHOTO), "WEBP", lossless=True, exif=exif)
    np.testing.assert_array_equal(_image(webp), np.asarray(upright))


LOSSY = {
    "jpeg": {"compression": "jpeg", "photometric": "minisblack"},
    "jpegxl": {"compression": "jpegxl", "photometric": "minisblack"},
}


@pytest.mark.parametrize("kind", LOSSY)
def test_a_label_map_is_not_lossy(kind):
    encoded = _tiff(IDS, **LOSSY[kind])
    with pytest.raises(ValueError, match="changes label values.*--jpeg_label_maps"):
        _label(encoded)


REFUSED = {
    "half": (_tiff(IDS + np.float32(0.5)), r"label value 200\.5 at \d+ pixels"),
    "negative": (_tiff(-IDS.astype(np.int16) - 1), r"label value -201 at \d+ pixels"),
    "huge": (_tiff(IDS.astype(np.uint32) * 1000), "label value .* 0..65535"),
    "nan": (_tiff(np.full((3, 3), np.nan, "f4")), "label value nan at 9 pixels"),
    "complex": (_tiff(IDS.astype(np.complex64)), "complex64"),
    "volume": (
        _tiff(np.zeros((32, 32, 32), np.uint8), tile=(16, 16, 16), volumetric=True),
        "32 pixels deep",
    ),
    "cmyk": (
        _tiff(np.zeros((9, 9, 4), np.uint8), photometric="separated"),
        "separated: save it as RGB",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_label_map(kind):
    encoded, message = REFUSED[kind]
    with pytest.raises(ValueError, match=message):
        _label(encoded)


# ------------------------------------------------------------------------------ Pillow

_PALETTE = Image.fromarray(IDS, "P")
_PALETTE.putpalette(COLORS.tobytes())
_GREY, _RGB = Image.fromarray(IDS), Image.fromarray(PHOTO)
OTHERS = {
    "bmp": _by_pillow(_GREY, "BMP"),
    "bmp palette": _by_pillow(_PALETTE, "BMP"),
    "bmp rgb": _by_pillow(_RGB, "BMP"),
    "gif": _by_pillow(_PALETTE, "GIF"),
    "pgm": _by_pillow(_GREY, "PPM"),
    "ppm": _by_pillow(_RGB, "PPM"),
    "webp": _by_pillow(_RGB, "WEBP", lossless=True),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_as_pillow_reads_them(kind):
    encoded = OTHERS[kind]
    assert pictures.is_other(encoded)
    assert pictures.sides(io.BytesIO(encoded)) == (50, 70, True)
    theirs = _opened(encoded)
    if theirs.mode in ("L", "P"):
        np.testing.assert_array_equal(_label(encoded), IDS if kind != "gif" else theirs)
    else:
        np.testing.assert_array_equal(_label(encoded), PHOTO)
    made = _opened(pictures.label_map(encoded, OPTIONS)).convert("RGB")
    np.testing.assert_array_equal(made, theirs.convert("RGB"))
    np.testing.assert_array_equal(_image(encoded), theirs.convert("RGB"))


@pytest.mark.parametrize("is_plain", [False, True], ids=["raw", "plain"])
@pytest.mark.parametrize("highest", [1, 7, 20, 255, 256, 4095, 65535])
def test_netpbms_samples_are_ids_whatever_the_highest(highest, is_plain):
    values = RNG.integers(0, highest + 1, (5, 7))
    head = f"P{2 if is_plain else 5} # saved by hand\n7 5\n# and so\n{highest}\n"
    body = " ".join(map(str, values.ravel())).encode()
    if not is_plain:
        body = values.astype(">u2" if highest > 255 else "u1").tobytes()
    np.testing.assert_array_equal(_label(head.encode() + body), values)
    if highest == 20:  # as an image the highest is white
        assert (_image(head.encode() + body)[values == 20] == 255).all()


def test_bits_are_zero_and_one():
    bits = Image.fromarray(IDS > 1)
    for kind in ("PPM", "BMP"):
        encoded = _by_pillow(bits, kind)
        np.testing.assert_array_equal(_label(encoded), IDS > 1)
        np.testing.assert_array_equal(_image(encoded)[..., 0], 255 * (IDS > 1))


def test_what_moves_is_refused():
    frames = [Image.fromarray(IDS), Image.fromarray(IDS[::-1])]
    moving = _by_pillow(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="2 frames"):
        _label(moving)


def test_large_ones_are_refused_before_they_are_decoded():
    for kind in ("BMP", "GIF", "PPM", "WEBP", "TIFF"):
        encoded = _by_pillow(Image.new("L", (200, 100)), kind)
        with pytest.raises(ValueError, match="100 x 200 = 20000 pixels"):
            _label(encoded)


DAMAGED = [*OTHERS.values(), _tiff(IDS, compression="lzw"), _tiff(PHOTO, tile=(16, 16))]


@pytest.mark.parametrize("encoded", DAMAGED, ids=range(len(DAMAGED)))
def test_every_cut_file_is_refused(encoded):
    for length in {*range(12, 100, 7), len(encoded) // 2, len(encoded) - 200}:
        if pictures.is_other(cut := encoded[:length]):
            with pytest.raises(Exception, match="."):  # rows make it a rejection
                _label(cut)


def test_other_files_stay_as_they_are():
    for encoded in (data.png(IDS), data.jpeg(PHOTO), b"", b"BX", b"P7 "):
        assert pictures.label_map(encoded, OPTIONS) is encoded
        assert pictures.image(encoded, OPTIONS) is encoded
