"""Every mask encoding, held against NumPy, zlib and Pillow; and a fifth one, added."""

import ast
import io
import pathlib
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.rows import encode
from maskbeam.pipeline.rows.run_lengths import runs_of
from maskbeam.transforms import features, masks, serving, stored_masks, tfds_json
from tests import data_generation as data
from tests import oracles, reading
from tests.benchmarks import scenes

ENCODINGS = ["bits", "png", "uint8", "float32"]
DEPTHS = [1, 2, 8, 9, 16, 17, 33, 64, 65, 255, 256, 300]
SHAPE = (7, 13)
ROOT = pathlib.Path(__file__).parent.parent.parent

encodings = pytest.mark.parametrize("encoding", ENCODINGS)
depths = pytest.mark.parametrize("num_classes", DEPTHS)
sizes = pytest.mark.parametrize("size", [SHAPE, None], ids=["fixed", "native"])


def _label(num_classes):
    """A label map, -1 ignored, which has the first class and the last."""
    label = np.random.default_rng(num_classes).integers(-1, num_classes, SHAPE)
    label.flat[:3] = [-1, 0, num_classes - 1]
    return label


def _index(label, num_classes):
    dtype = np.uint8 if num_classes <= 255 else np.uint16
    return np.where(label < 0, np.iinfo(dtype).max, label).astype(dtype)


def _one_hot(label, num_classes):
    return (label[..., np.newaxis] == np.arange(num_classes)).astype(np.uint8)


def _stored(encoding, num_classes, size):
    return stored_masks.of(features.Config(num_classes, encoding, size))


def _encoded(stored, label):
    index = _index(label, stored.num_classes).ravel()
    return stored.encode(tf.constant(index)).numpy()


def _pixels_by_hand(encoding, column):
    """What a column holds, by readers that share no code with ours."""
    if encoding == "float32":
        found = np.concatenate([part.ravel() for part in column.parts])
        assert found.size == column.size
        return found
    if encoding == "png":
        return np.array(Image.open(io.BytesIO(column)))
    return np.frombuffer(zlib.decompress(column), np.uint8)


def _expected_pixels(encoding, label, num_classes):
    mask = _one_hot(label, num_classes)
    if encoding == "png":
        return _index(label, num_classes)
    if encoding != "bits":
        return mask.ravel()
    width = next((bits for bits in (8, 16, 32, 64) if num_classes <= bits), 64)
    fill = -num_classes % width
    padded = np.pad(mask, ((0, 0), (0, 0), (0, fill)))
    return np.packbits(padded, axis=-1, bitorder="little").ravel()


@encodings
@depths
@sizes
def test_what_is_written_is_numpys_mask(encoding, num_classes, size):
    stored, label = _stored(encoding, num_classes, size), _label(num_classes)
    encoded = _encoded(stored, label)
    assert encoded.dtype == stored.dtype
    assert encoded.shape == (label.size, *stored.depth)
    assert encoded.nbytes == label.size * stored.bytes_per_pixel
    columns = stored.write([encoded], *SHAPE)
    name = f"mask/{encoding}"
    if size is None and encoding != "png":
        np.testing.assert_array_equal(
            columns.pop(f"{name}/shape"), [*SHAPE, *stored.depth]
        )
        name += "/value"
    assert set(columns) == {name}
    found = _pixels_by_hand(encoding, columns[name])
    expected = _expected_pixels(encoding, label, num_classes)
    np.testing.assert_array_equal(found, expected)


@encodings
@depths
@sizes
def test_what_was_written_is_read(encoding, num_classes, size):
    stored, label = _stored(encoding, num_classes, size), _label(num_classes)
    encoded = _encoded(stored, label)
    record = data.serialized(stored.write([encoded], *SHAPE))
    columns = tf.io.parse_single_example(record, stored.feature_spec())
    columns |= {
        "image/height": tf.constant(SHAPE[0], tf.int64),
        "image/width": tf.constant(SHAPE[1], tf.int64),
    }
    pixels = stored.pixels(columns)
    assert pixels.dtype == stored.dtype
    np.testing.assert_array_equal(pixels, encoded.reshape(*SHAPE, *stored.depth))
    index = stored.index(pixels)
    assert index.dtype == masks.index_dtype(num_classes)
    np.testing.assert_array_equal(index, _index(label, num_classes))
    assert stored.is_one_hot == (encoding in ("uint8", "float32"))
    if stored.is_one_hot:
        np.testing.assert_array_equal(pixels, _one_hot(label, num_classes))


@encodings
@pytest.mark.parametrize("num_classes", [3, 17, 70])
def test_a_mask_in_parts_is_the_same_mask(encoding, num_classes):
    """A large one is never whole; its deflate stream may differ, and its bytes not."""
    stored, label = (
        _stored(encoding, num_classes, None),
        np.random.default_rng(0).integers(-1, num_classes, (40, 33)),
    )
    runs = runs_of(_index(label, num_classes))
    encoder = encode.make_encoder(features.Config(num_classes, encoding))
    parts = [part.repeat(encoder(part.values)) for part in runs.parts(170)]
    assert len(parts) == 8
    record = data.serialized(stored.write(iter(parts), *label.shape))
    columns = tf.io.parse_single_example(record, stored.feature_spec())
    columns |= {"image/height": np.int64(40), "image/width": np.int64(33)}
    index = stored.index(stored.pixels(columns))
    np.testing.assert_array_equal(index, _index(label, num_classes))


def _read_as(size, encoding, other_size):
    """Reads a mask of `SHAPE` where the record says that it is 7 x 12."""
    stored, other = (_stored(encoding, 3, each) for each in (size, other_size))
    columns = stored.write([_encoded(stored, _label(3))], *SHAPE)
    record = data.serialized(columns)
    parsed = tf.io.parse_single_example(record, other.feature_spec())
    return other.pixels(
        parsed | {"image/height": np.int64(7), "image/width": np.int64(12)}
    )


@encodings
def test_a_column_of_another_size_is_refused(encoding):
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        _read_as(SHAPE, encoding, (7, 12))
    if encoding == "png":  # whose own header says what it is
        assert _read_as(None, encoding, None).shape == SHAPE
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            _read_as(None, encoding, None)


@encodings
@pytest.mark.parametrize("num_classes", [8, 9, 16, 17, 33])
def test_estimates_are_near_the_truth(encoding, num_classes):
    kind = scenes.Scenes(
        "drawn", (360, 480), (*range(num_classes), 255), min(12, num_classes), "", 1
    )
    ids = scenes.draw(np.random.default_rng(0), kind)
    stored = _stored(encoding, num_classes, ids.shape)
    label = np.where(ids == 255, -1, ids.astype(int))
    column = stored.write([_encoded(stored, label)], *ids.shape)[stored.column]
    written = 4 * column.size if encoding == "float32" else len(column)
    estimate = stored.estimated_bytes(len(data.png(ids)), ids.size)
    assert written / 2 < estimate < written * 2
    if encoding == "float32":
        assert estimate == written


def test_auto_is_png():
    assert stored_masks.choose("auto") == "png"
    for asked in ENCODINGS:
        assert stored_masks.choose(asked) == asked


def test_an_unknown_encoding_is_told_the_known_ones():
    known = "'rle'; there are bits, png, uint8, float32"
    with pytest.raises(ValueError, match=known):
        stored_masks.choose("rle")
    with pytest.raises(ValueError, match=known):
        _stored("rle", 3, None)


def test_sizes_are_known_before_tensorflow_is_loaded(run_python):
    run_python(
        "import sys\n"
        "from maskbeam.transforms import features, stored_masks\n"
        "for encoding in stored_masks.ENCODINGS:\n"
        "    config = features.Config(300, encoding, (4, 6))\n"
        "    stored = stored_masks.of(config)\n"
        "    stored.bytes_per_pixel, stored.tfds_feature(), stored.column\n"
        "    stored.estimated_bytes(100.0, 24)\n"
        "bad = {'tensorflow', 'isal'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )


def test_reading_a_dataset_needs_no_isal(tmp_path, convert, run_python):
    data.label_tree(tmp_path, 2, [0, 1, 2])
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*.png", "--num_classes", 3),
    )
    run_python(
        "import sys\nsys.modules['isal'] = None\n"
        "from maskbeam.transforms.records import load\n"
        "assert len(list(load(sys.argv[1], 'train'))) == 2\n",
        str(out),
    )


# ------------------------------------------------------------- a fifth, in one place


class Raw(stored_masks.StoredTensor):
    """Class indices as plain bytes: u8, or u16 above 255 classes."""

    @property
    def dtype(self):
        return np.dtype(np.uint8 if self.num_classes <= 255 else np.uint16)

    def estimated_bytes(self, png_bytes, pixels):
        return pixels * self.bytes_per_pixel

    def tfds_feature(self):
        shape = [*(self.size or (-1, -1))]
        return tfds_json.tensor(shape, self.dtype.name, "bytes")

    def encode(self, index):
        return tf.identity(index)

    def value(self, parts, pixels):
        return b"".join(part.tobytes() for part in parts)

    def flat(self, value):
        return tf.io.decode_raw(value, self.dtype)

    def index(self, pixels):
        return pixels


@pytest.fixture
def raw(monkeypatch):
    """The table with the fifth encoding in it."""
    monkeypatch.setitem(stored_masks.ENCODINGS, "raw", Raw)


@pytest.fixture(scope="module", params=["20x24", None], ids=["resized", "native"])
def fifth(request, tmp_path_factory, convert):
    """A dataset of the fifth encoding; gives what it was made of, its labels, and it.

    At native sizes its indices are of 16 bits.
    """
    directory, size = tmp_path_factory.mktemp("fifth"), request.param
    shapes, ids = [(24, 32), (17, 23)], [0, 1, 2, 3, 4, 254]
    made = data.label_tree(
        directory, 10, ids, size=lambda i: shapes[i % 2], images=True
    )
    sources = [
        *("--label_maps", f"{directory}/labels/*.png"),
        *("--images", f"{directory}/images/*", "--mask_encoding", "raw"),
        *("--num_classes", "5" if size else "300", "--ignore_label"),
        *(["254", "--size", size] if size else ["1000"]),
    ]
    labels = {}
    for key, found in made.items():
        label = found.astype(int)
        if size:
            rows, columns = (
                oracles.nearest(*sides)
                for sides in zip(label.shape, (20, 24), strict=True)
            )
            label = label[rows][:, columns]
        labels[key] = np.where(label == 254, -1, label) if size else label
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(stored_masks.ENCODINGS, "raw", Raw)
        return sources, labels, convert(directory / "out", *sources)


def test_a_fifth_encoding_loads(fifth, raw):
    _, labels, out = fifth
    rows = reading.load_all(out)
    assert rows.keys() == labels.keys()
    for key, label in labels.items():
        np.testing.assert_array_equal(rows[key]["label"], label)
        expected = _one_hot(label, rows[key]["mask"].shape[-1])
        np.testing.assert_array_equal(rows[key]["mask"], expected)


def test_tfds_loads_a_fifth_encoding(fifth):
    import tensorflow_datasets as tfds

    _, labels, out = fifth
    builder = tfds.builder_from_directory(str(out))
    rows = list(tfds.as_numpy(builder.as_dataset(split="train")))
    assert len(rows) == len(labels)
    for row in rows:
        found, label = row["mask/raw"], labels[row["key"].decode()]
        ignored = np.iinfo(found.dtype).max
        np.testing.assert_array_equal(found, np.where(label < 0, ignored, label))


def test_serving_decodes_a_fifth_encoding(fifth, raw):
    _, _, out = fifth
    rows = reading.load_all(out)
    shards = [str(path) for path in out.glob("*.tfrecord-*")]
    records = [record.numpy() for record in tf.data.TFRecordDataset(shards)]
    served = serving.load_transform(str(out)).decode_record(tf.constant(records))
    assert len(records) == len(rows)
    for number, key in enumerate(served["key"].numpy()):
        row = rows[key.decode()]
        height, width = row["label"].shape
        for name in ("label", "mask", "image"):
            found = served[name][number, :height, :width]
            np.testing.assert_array_equal(found, row[name], name)


def test_commands_know_a_fifth_encoding(fifth, raw, capfd):
    sources, _, out = fifth
    assert main(["plan", *sources]) == 0
    assert "raw masks: about" in capfd.readouterr().out
    assert main(["inspect", str(out)]) == 0
    printed = capfd.readouterr().out
    assert "raw masks" in printed
    assert "mask/raw" in printed
    assert main(["verify", str(out), "--raw", sources[1]]) == 0
    assert "10 raw rows compared" in capfd.readouterr().out


# ---------------------------------------------------------------------- no other room


def _compared(source):
    """Where a source tells encodings apart by name: the expressions.

    It compares a name, or `mask_encoding`; has a table of its own; or matches a name.
    """
    names = set(ENCODINGS)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            text = ast.unparse(node)
            # "png" also is a format of images.
            about_images = "image_storage" in text or "image_format" in text
            constants = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant)}
            found = (names & constants and not about_images) or "mask_encoding" in text
        elif isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            found = len(names & keys) > 1
        elif isinstance(node, ast.MatchValue):
            found = ast.unparse(node).strip("'") in names
        else:
            continue
        if found:
            yield ast.unparse(node)


@pytest.mark.parametrize(
    "source",
    [
        "config.mask_encoding == 'bits'",
        "config.mask_encoding in others",
        "encoding != 'uint8'",
        "stored.encoding in ('png', 'bits')",
        "{'bits': 1, 'png': 2}[config.mask_encoding]",
        "match encoding:\n    case 'float32':\n        pass",
    ],
)
def test_a_comparison_would_be_found(source):
    assert list(_compared(source))


def test_no_other_room_tells_encodings_apart():
    own = ROOT / "transforms/stored_masks.py"
    others = (
        path
        for folder in ("pipeline", "transforms", "launch_scripts")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != own
    )
    found = {
        str(path.relative_to(ROOT)): lines
        for path in others
        if (lines := list(_compared(path.read_text(encoding="utf-8"))))
    }
    assert not found
