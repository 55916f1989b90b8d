"""The serving model gives what `load` gives, to whoever loads it."""

import functools
import io
import json
import shutil
import zlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.dataset import serving_model
from maskbeam.transforms import serving, signatures
from maskbeam.transforms.classes import ClassMap, LabelClass
from tests import data_generation as data
from tests import reading
from tests.rarely import rarely

SIZE = (24, 32)
# Nothing but TensorFlow can be imported here.
_BARE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        banned = ("maskbeam", "tensorflow_transform", "tfx_bsl", "apache_beam")
        if name.partition(".")[0] in banned:
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
import numpy as np
import tensorflow as tf

out, files = sys.argv[1:]
model = tf.saved_model.load(f"{out}/serving/1")
columns = dict(np.load(files, allow_pickle=True))
found = {}
for signature, name in (
    ("serving_default", "image_bytes"),
    ("image", "image_bytes"),
    ("label_map", "label_bytes"),
    ("example", "examples"),
    ("decode_record", "records"),
):
    values = tf.constant(columns[name].tolist())
    for column, value in model.signatures[signature](**{name: values}).items():
        found[f"{signature} {column}"] = value.numpy()
np.savez(files, **found)
"""


def _example(label: bytes, image: bytes) -> bytes:
    def feature(content: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))

    columns = {
        "image/segmentation/class/encoded": feature(label),
        "image/encoded": feature(image),
    }
    features = tf.train.Features(feature=columns)
    return tf.train.Example(features=features).SerializeToString()


_DAILY = [("float32", ("--size", "90x120"))]
_CASES = [
    pytest.param(
        encoding,
        size,
        id=f"{encoding}-{'resized' if size else 'native'}",
        marks=() if (encoding, size) in _DAILY else pytest.mark.engines,
    )
    for encoding in ("bits", "png", "uint8", "float32")
    for size in ((), ("--size", "90x120"))
]


@pytest.mark.parametrize(("encoding", "size"), _CASES)
def test_every_signature_equals_load_where_nothing_is_installed(
    encoding, size, camvid, convert, run_python, tmp_path
):
    labels, images = tmp_path / "labels", tmp_path / "images"
    labels.mkdir()
    images.mkdir()
    names = sorted(path.name for path in (camvid / "train").iterdir())[:5]
    for number, name in enumerate(names):
        label: Image.Image = Image.open(camvid / "trainannot" / name)
        image: Image.Image = Image.open(camvid / "train" / name)
        if not size:  # rows of several sizes
            box = (0, 0, 200 - 16 * number, 100 + 9 * number)
            label, image = label.crop(box), image.crop(box)
        label.save(labels / name)
        image.save(images / name)
    out = convert(
        tmp_path / "out",
        *("--label_maps", labels / "*.png", "--images", images / "*.png"),
        *("--classes", "camvid11", "--mask_encoding", encoding, *size),
        *("--weight_map=median_frequency", "--presence", "--boundary=2"),
        "--normalize=zscore",
    )
    rows = reading.load_all(out)
    keys = sorted(rows)
    raw_labels = [(labels / f"{key}.png").read_bytes() for key in keys]
    raw_images = [(images / f"{key}.png").read_bytes() for key in keys]
    records = {}
    for shard in out.glob("*.tfrecord-*"):
        for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            records[features["key"].bytes_list.value[0].decode()] = record
    files = tmp_path / "columns.npz"
    np.savez(
        files,
        image_bytes=np.array(raw_images, object),
        label_bytes=np.array(raw_labels, object),
        examples=np.array(list(map(_example, raw_labels, raw_images)), object),
        records=np.array([records[key] for key in keys], object),
    )
    run_python(_BARE, str(out), str(files))
    found = np.load(files, allow_pickle=True)
    compared = set()
    for name in found.files:
        signature, column = name.split()
        if column in ("height", "width"):
            continue
        for number, key in enumerate(keys):
            value = found[name][number]
            if column == "key":
                assert value.decode() == key
                continue
            expected = rows[key][column]
            if value.ndim > 1:
                height, width = expected.shape[:2]
                padding = value[height:], value[:, width:]
                beyond = -1 if column == "label" else 0
                assert all((part == beyond).all() for part in padding)
                value = value[:height, :width]
            np.testing.assert_array_equal(value, expected, name)
        compared.add((signature, column))
    label_columns = {"label", "mask", "weight", "presence", "boundary"}
    everything = label_columns | {"image"}
    assert compared == {
        *((signature, "image") for signature in ("serving_default", "image")),
        *(("label_map", column) for column in label_columns),
        *(("example", column) for column in everything),
        *(("decode_record", column) for column in everything | {"key"}),
    }


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Raw rows: `labels/` and `images/`."""
    directory = tmp_path_factory.mktemp("serving")
    data.label_tree(directory, 10, [0, 1, 2, 255], images=True)
    return directory


def _inputs(rows):
    return (
        *("--label_maps", f"{rows}/labels/*.png", "--images", f"{rows}/images/*"),
        *("--num_classes", 3, "--ignore_label", 255),
    )


@pytest.fixture(scope="module")
def dataset(rows, convert):
    return convert(rows / "out", *_inputs(rows), "--size", "24x32")


@pytest.fixture
def copy(dataset, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(dataset, tmp_path / "copy")


def test_all_operations_are_tensorflows_own(dataset):
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.framework import op_def_registry

    content = (dataset / "serving/1/saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    functions = {function.signature.name for function in graph.library.function}
    operations = {node.op for node in nodes} - functions
    assert "DecodePng" in operations
    for operation in operations:
        module = op_def_registry.get(operation)
        assert module is not None, operation
        assert hasattr(tf.raw_ops, operation) or operation.startswith("_"), operation


def test_signatures_and_tensors_have_the_documented_names(dataset):
    model = tf.saved_model.load(str(dataset / "serving/1"))
    names = {
        name: (
            set(function.structured_input_signature[1]),
            set(function.structured_outputs),
        )
        for name, function in model.signatures.items()
    }
    label_map = {"label", "mask"}
    assert names == {
        "serving_default": ({"image_bytes"}, {"image"}),
        "image": ({"image_bytes"}, {"image"}),
        "label_map": ({"label_bytes"}, label_map),
        "example": ({"examples"}, label_map | {"image"}),
        "decode_record": ({"records"}, label_map | {"image", "key"}),
        "to_png": ({"scores"}, {"label", "png_bytes", "color_png_bytes"}),
    }
    classes = (dataset / "serving/1/assets/classes.txt").read_text()
    assert classes.split() == ["class_0", "class_1", "class_2"]


def test_label_maps_alone_are_served_by_default(rows, convert, tmp_path):
    out = convert(tmp_path / "out", *_inputs(rows)[:2], *_inputs(rows)[4:])
    model = tf.saved_model.load(str(out / "serving/1"))
    assert "image" not in model.signatures
    encoded = (rows / "labels/row_000.png").read_bytes()
    found = model.signatures["serving_default"](label_bytes=tf.constant([encoded]))
    expected = reading.load_all(out)["row_000"]
    np.testing.assert_array_equal(found["mask"][0], expected["mask"])


@pytest.mark.parametrize(
    "encoded", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
)
def test_what_is_no_picture_is_an_invalid_argument(encoded, dataset):
    model = tf.saved_model.load(str(dataset / "serving/1"))
    whole = data.png(np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match="(?i)image|png|jpeg"):
        model.signatures["image"](image_bytes=tf.constant([whole, encoded]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.signatures["label_map"](label_bytes=tf.constant([encoded]))


def test_a_label_value_outside_the_class_map_is_an_invalid_argument(dataset):
    model = tf.saved_model.load(str(dataset / "serving/1"))
    encoded = data.png(np.full((5, 5), 7, np.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the value 7"):
        model.signatures["label_map"](label_bytes=tf.constant([encoded]))


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 0, 5, 3), "1 0 5 3"),
        ((2, 5, 0, 3), "2 5 0 3"),
        ((1, 1, 1_000_001, 3), "1 1 1000001 3"),
    ],
)
def test_scores_that_no_png_can_be_made_of(shape, said, dataset):
    """Of no pixels TensorFlow's encoder ends the process; libpng has a longest side."""
    transform = serving.load_transform(str(dataset))
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"shape \[{said}\] must"):
        transform.to_png(tf.zeros(shape))
    assert transform.to_png(tf.zeros([0, 0, 0, 3]))["png_bytes"].shape == (0,)


@pytest.fixture(scope="module")
def native(rows, convert):
    """A dataset of rows of several sizes; a picture has 3,000 pixels at most."""
    options = ("--max_pixels=3000", "--mask_encoding=bits")
    return convert(rows / "native", *_inputs(rows), *options)


def test_pictures_are_judged_by_their_headers(native):
    model = serving.load_transform(str(native))
    graph = tft.TFTransformOutput(str(native / "transform_graph"))
    for column, what in (("image_bytes", "image"), ("label_bytes", "label map")):
        for encoded in (
            data.png(np.zeros((60, 51), np.uint8)),
            *([data.jpeg(np.zeros((60, 51, 3), np.uint8))] if what == "image" else []),
        ):
            raw = {column: tf.constant([encoded])}
            match = f"the {what} is 60 x 51 pixels; .* at most 3000"
            with pytest.raises(tf.errors.InvalidArgumentError, match=match):
                model(**raw)
            with pytest.raises(tf.errors.InvalidArgumentError, match=match):
                graph.transform_raw_features(raw, drop_unused_features=True)
        raw = {column: tf.constant([data.png(np.zeros((60, 50), np.uint8))])}
        assert len(model(**raw)) > 1


def test_no_answer_has_more_than_two_gigabytes(native, dataset):
    model = serving.load_transform(str(native))
    wide, high = (data.png(np.zeros(s, np.uint8)) for s in ((1, 3000), (3000, 1)))
    found = model(label_bytes=tf.constant([wide, wide]))
    assert found["mask"].shape == (2, 1, 3000, 3)
    # 60 rows of 3,000 x 3,000 pixels and 12 bytes.
    with pytest.raises(tf.errors.InvalidArgumentError, match="540000000 pixels in all"):
        model(image_bytes=tf.constant([wide, high] * 30))
    # Label and mask, 16 bytes a pixel.
    many = [data.png(np.zeros((1, 1), np.uint8))] * 180_000
    sized = serving.load_transform(str(dataset))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="180000 rows of 138240000"
    ):
        sized(label_bytes=tf.constant(many))


def _records(directory):
    shards = sorted(map(str, directory.glob("*.tfrecord-*")))
    return list(tf.data.TFRecordDataset(shards).as_numpy_iterator())


def _changed(record, change):
    example = tf.train.Example.FromString(record)
    change(example.features.feature)
    return example.SerializeToString()


_NO_CLASS = "neither ignored nor one of the 3"
_HOSTILE_MASKS: dict[str, list[tuple[Any, str]]] = {
    "bits": [(8, _NO_CLASS), (3, _NO_CLASS), (128, _NO_CLASS)],
    "png": [(3, _NO_CLASS), (254, _NO_CLASS)],
    "uint8": [([1, 1, 0], _NO_CLASS), ([0, 2, 0], _NO_CLASS)],
    "float32": [([0, 0.5, 0], _NO_CLASS), ([0, 1, 1], _NO_CLASS)],
}


def _with_pixel(encoding, value):
    """Makes what puts a stored pixel of that value, or vector, into a mask."""

    def change(features):
        column = features["mask/" + encoding]
        size = features["image/height"].int64_list.value[0]
        size *= features["image/width"].int64_list.value[0]
        pixels = np.zeros([size, *np.shape(value)])
        pixels[size // 2] = value
        if encoding == "float32":
            column.float_list.value[:] = pixels.ravel()
            return
        shape = SIZE if encoding == "png" else (-1,)
        array = pixels.astype(np.uint8).reshape(shape)
        deflated = zlib.compress(array.tobytes())
        column.bytes_list.value[0] = data.png(array) if encoding == "png" else deflated

    return change


@pytest.mark.parametrize("encoding", _HOSTILE_MASKS)
def test_a_record_with_pixels_that_mean_nothing_is_refused(
    encoding, rows, convert, tmp_path
):
    """They loaded as some label, or as none."""
    options = ("--size=24x32", f"--mask_encoding={encoding}", "--limit=1")
    out = convert(tmp_path / "out", *_inputs(rows), *options)
    model = serving.load_transform(str(out))
    (record,) = _records(out)
    sound = _changed(record, _with_pixel(encoding, 0 if encoding != "bits" else 4))
    if encoding in ("bits", "png"):
        label = model.decode_record(tf.constant([sound]))["label"].numpy().ravel()
        assert label[len(label) // 2] == (2 if encoding == "bits" else 0)
    for value, message in _HOSTILE_MASKS[encoding]:
        changed = _changed(record, _with_pixel(encoding, value))
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            model.decode_record(tf.constant([record, changed]))


def _put(column, value):
    def change(features):
        feature = features[column]
        name = "int64_list" if isinstance(value, int) else "bytes_list"
        getattr(feature, name).value[0] = value

    return change


_DAMAGED = "mask is damaged, or not of the record's height and width"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_put("image/height", -1), "record's mask is -1 x"),
        (_put("image/width", 0), "x 0 pixels"),
        (_put("image/height", 2**62), "at most 3000 are decoded"),
        (_put("image/height", 7), _DAMAGED),
        (_put("mask/bits/value", b"\xffjunk"), _DAMAGED),
        (_put("mask/bits/value", zlib.compress(bytes(1 << 24))), _DAMAGED),
        (_put("image/encoded", b"\xffjunk"), "neither JPEG nor PNG"),
        (lambda f: f.pop("key"), "no record of the dataset's: a tf.Example with"),
        (lambda f: f["key"].bytes_list.value.append(b""), "no record of the dataset's"),
    ],
)
def test_a_record_that_is_none_of_the_datasets(change, message, native):
    model, record = serving.load_transform(str(native)), _records(native)[0]
    model.decode_record(tf.constant([record]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.decode_record(tf.constant([_changed(record, change)]))


def test_lengths_that_lie_end_nothing(native):
    """TensorFlow's parser of tf.Examples is killed by a length of 2 GiB or more."""
    model = tf.saved_model.load(str(native / "serving/1"))
    lie = b"\x0a\xac\x86\xff\xd8\x0f"
    record = _records(native)[0]
    key = tf.train.Example.FromString(record).features.feature["key"]
    (name,) = key.bytes_list.value
    damaged = record.replace(b"\x0a" + bytes([len(name)]) + name, lie + name)
    assert damaged != record
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="no record of the dataset"
    ):
        model.signatures["decode_record"](records=tf.constant([damaged]))
    example = _example(b"label", b"image").replace(b"\x0a\x05label", lie + b"label")
    with pytest.raises(tf.errors.InvalidArgumentError, match="this is no tf.Example"):
        model.signatures["example"](examples=tf.constant([example]))


def test_label_map_and_image_of_an_example_have_one_size(native):
    model = tf.saved_model.load(str(native / "serving/1"))
    one, other = (data.png(np.zeros(s, np.uint8)) for s in ((5, 6), (6, 5)))
    model.signatures["example"](examples=tf.constant([_example(one, one)]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ in size"):
        model.signatures["example"](examples=tf.constant([_example(one, other)]))


@pytest.mark.parametrize(
    "name",
    rarely("native-bits", "sized-png"),
)
def test_hostile_requests_are_answered_or_invalid(name, run_python, tmp_path):
    """A few dozen; `python -m tests.benchmarks.hostile_requests` sends thousands."""
    printed = run_python(  # it may end the process
        "import pathlib, sys\n"
        "from tests.benchmarks import hostile_requests\n"
        "work, name = sys.argv[1:]\n"
        "counts = hostile_requests.send_a_few(pathlib.Path(work), name, 40)\n"
        "print(sorted(counts))\n",
        *(str(tmp_path), name),
    )
    assert printed.splitlines()[-1] == "['INVALID_ARGUMENT', 'answer']"


_COLORS = [(0, 0, 0), (250, 3, 8), (1, 2, 3)]
_MAPS = {
    "grey of 8 bits": ClassMap(
        "m", (LabelClass("a", (7, 9)), LabelClass("b", (0,))), (3,)
    ),
    "grey of 16 bits": ClassMap(
        "m", (LabelClass("a", (300,)), LabelClass("b", (0,))), (500,)
    ),
    "color": ClassMap(
        "m",
        tuple(
            LabelClass(f"c{i}", (r << 16 | g << 8 | b,))
            for i, (r, g, b) in enumerate(_COLORS)
        ),
        (0x010101,),
        encoding="color",
    ),
    "ade20k": ClassMap(
        "m",
        (LabelClass("a", (300,)), LabelClass("b", (2977,))),
        (5,),
        encoding="ade20k",
    ),
    "panoptic, grey": ClassMap(
        "m",
        (LabelClass("a", (7,)), LabelClass("b", (60,))),
        (1,),
        "error",
        "panoptic",
        1000,
    ),
    "panoptic, RGB": ClassMap(
        "m",
        (LabelClass("a", (7,)), LabelClass("b", (200,))),
        (1,),
        "error",
        "panoptic",
        1000,
    ),
    "instance": ClassMap(
        "m",
        (LabelClass("a", (7,)), LabelClass("b", (26,))),
        (1,),
        "error",
        "instance",
        1000,
    ),
}


@pytest.mark.parametrize("name", _MAPS)
def test_a_label_map_comes_back_as_the_png_that_it_was(name):
    from maskbeam.transforms import features, pictures, raw_rows

    class_map = _MAPS[name]
    rng = np.random.default_rng(0)
    index = rng.integers(0, class_map.num_classes + 1, (2, 9, 7))
    encoded = pictures.to_png(
        tf.constant(index, tf.int32), pictures.sample_table(class_map)
    )
    label_row = raw_rows.label_row(
        features.Config(class_map.num_classes, "bits"), class_map
    )
    expected = np.where(index == class_map.num_classes, -1, index)
    for one, label in zip(encoded, expected, strict=True):
        np.testing.assert_array_equal(label_row(one), label)


def test_scores_become_original_ids_and_colors(rows, convert, tmp_path):
    (tmp_path / "map.yaml").write_text(
        "name: m\nignore: [255]\nclasses:\n"
        "- {name: a, ids: [1], color: [10, 20, 30]}\n"
        "- {name: b, ids: [0, 2], color: [40, 50, 60]}\n"
    )
    out = convert(
        tmp_path / "out", *_inputs(rows)[:4], "--classes", tmp_path / "map.yaml"
    )
    to_png = serving.load_transform(str(out)).to_png
    nan = float("nan")
    scores = [[[1, 2], [2, 1], [-3, -3], [0, 0], [nan, 9], [-1, -2]]]
    found = to_png(tf.constant([scores], tf.float32))
    # Of equal scores the first class, of no scores none.
    assert found["label"].numpy().tolist() == [[[1, 0, 0, -1, -1, 0]]]
    ids = np.array(Image.open(io.BytesIO(found["png_bytes"].numpy()[0])))
    assert ids.tolist() == [[0, 1, 1, 255, 255, 1]]
    colors = np.array(Image.open(io.BytesIO(found["color_png_bytes"].numpy()[0])))
    a, b, none = [10, 20, 30], [40, 50, 60], [0, 0, 0]
    assert colors.tolist() == [[b, a, a, none, none, a]]


def _prediction_log():
    """tensorflow.serving.PredictionLog as far as warm-up needs it, from its .proto."""
    from tensorflow.core.framework import tensor_pb2

    file = descriptor_pb2.FileDescriptorProto(
        name="warmup.proto", package="tensorflow.serving", syntax="proto3"
    )
    text, message = (
        descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
        descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
    )
    bytes_ = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
    many = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED

    def add(parent, name, *fields):
        made = parent.add(name=name)
        for field, number, kind, target, label in fields:
            made.field.add(
                name=field, number=number, type=kind, type_name=target, label=label
            )
        return made

    one = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    types = file.message_type
    add(types, "ModelSpec", ("signature_name", 3, text, None, one))
    own = ".tensorflow.serving."
    request = add(
        types,
        "PredictRequest",
        ("model_spec", 1, message, f"{own}ModelSpec", one),
        ("inputs", 2, message, f"{own}PredictRequest.InputsEntry", many),
    )
    entry = add(
        request.nested_type,
        "InputsEntry",
        ("key", 1, text, None, one),
        ("value", 2, bytes_, None, one),  # a TensorProto's bytes lie the same way
    )
    entry.options.map_entry = True
    add(types, "PredictLog", ("request", 1, message, f"{own}PredictRequest", one))
    add(types, "PredictionLog", ("predict_log", 6, message, f"{own}PredictLog", one))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("tensorflow.serving.PredictionLog")
    return message_factory.GetMessageClass(found), tensor_pb2.TensorProto


def test_warmup_requests_run(dataset):
    log_class, tensor_class = _prediction_log()
    model = tf.saved_model.load(str(dataset / "serving/1"))
    path = dataset / "serving/1/assets.extra/tf_serving_warmup_requests"
    seen = set()
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = log_class.FromString(record).predict_log.request
        name = request.model_spec.signature_name
        inputs = {
            key: tf.make_ndarray(tensor_class.FromString(value))
            for key, value in request.inputs.items()
        }
        model.signatures[name](**{key: tf.constant(v) for key, v in inputs.items()})
        seen.add(name)
    assert seen == set(model.signatures) - {"decode_record"}


@pytest.mark.parametrize(
    ("num_classes", "size"), [(19, (1024, 2048)), (300, (1024, 2048)), (65535, None)]
)
def test_warmup_requests_are_small(num_classes, size, tmp_path):
    from maskbeam.transforms import classes, features, record_columns

    config = features.Config(num_classes, "png", size=size, with_images=True)
    constants = record_columns.Constants(tf.ones([3]), tf.zeros([3]))
    class_map = classes.numbered(num_classes)
    keys = signatures.ExampleKeys()
    signatures.save(str(tmp_path), config, class_map, constants, keys)
    path = tmp_path / "assets.extra/tf_serving_warmup_requests"
    assert path.stat().st_size < 300_000  # 65,535 classes are a pixel of 262,140 bytes
    names = [
        prediction_log_pb2.PredictionLog.FromString(
            record
        ).predict_log.request.model_spec.signature_name
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    expected = ["image", "label_map", "example", "to_png", "serving_default"]
    assert sorted(names) == sorted(expected)


# ----------------------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("keras", ()),
        ("tf_keras", ("--size", "24x32")),
        pytest.param("keras", ("--size", "24x32"), marks=pytest.mark.engines),
        pytest.param("tf_keras", (), marks=pytest.mark.engines),
    ],
    ids=["keras-native", "tf_keras-resized", "keras-resized", "tf_keras-native"],
)
def test_a_model_with_the_graph_in_front(
    kind, size, rows, convert, run_python, tmp_path
):
    keras = pytest.importorskip(kind)
    out = convert(tmp_path / "out", *_inputs(rows), *size)
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 3, padding="same")(inputs))
    path = str(tmp_path / "model/1")
    serving.attach(model, str(out), path)
    names = ["row_000.jpg", "row_001.png"]
    encoded = [(rows / "images" / name).read_bytes() for name in names]
    row = serving.load_transform(str(out))(image_bytes=tf.constant(encoded))
    expected = np.argmax(model(row["image"]), axis=-1)
    # In a session, as model servers run it; in Python that fills variables otherwise.
    code = (
        "import sys, tensorflow.compat.v1 as tf\n"
        "files = [open(name, 'rb').read() for name in sys.argv[2:]]\n"
        "with tf.Session(graph=tf.Graph()) as session:\n"
        "    model = tf.saved_model.load(session, ['serve'], sys.argv[1])\n"
        "    signature = model.signature_def['serving_default']\n"
        "    fed = {signature.inputs['image_bytes'].name: files}\n"
        "    found = session.run(signature.outputs['png_bytes'].name, fed)\n"
        "print(repr(found.tolist()))\n"
    )
    paths = [str(rows / "images" / name) for name in names]
    printed = run_python(code, path, *paths)
    pngs = eval(printed.splitlines()[-1])
    loaded = tf.saved_model.load(path).signatures["serving_default"]
    found = loaded(image_bytes=tf.constant(encoded))
    assert found["png_bytes"].numpy().tolist() == pngs
    for one, label in zip(pngs, expected, strict=True):
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(one))), label)


def test_a_model_of_other_classes_is_not_attached(rows, convert, tmp_path):
    out = convert(tmp_path / "out", *_inputs(rows))
    path = tmp_path / "model"
    for shape in ((4, 6, 8, 2), (4, 6, 8), (4, 3)):
        scores = tf.zeros(shape)
        with pytest.raises(ValueError, match="has 3 classes: its last layer must give"):
            serving.attach(lambda image, training, s=scores: s, str(out), str(path))
    assert not path.exists()


def test_no_model_is_attached_to_label_maps_alone(rows, convert, tmp_path):
    out = convert(tmp_path / "out", *_inputs(rows)[:2], *_inputs(rows)[4:])
    with pytest.raises(ValueError, match="have no images"):
        serving.attach(None, str(out), str(tmp_path / "model"))
    with pytest.raises(FileNotFoundError, match="no serving model"):
        serving.load_transform(str(tmp_path))


# ------------------------------------------------------------------------------- skew


def _verify(directory, rows, capfd):
    capfd.readouterr()
    code = main(["verify", str(directory), "--raw", f"{rows}/labels/*.png"])
    return code, capfd.readouterr()


def test_sound_rows_are_verified(dataset, rows, capfd):
    code, printed = _verify(dataset, rows, capfd)
    assert (code, printed.err) == (0, "")
    assert "10 raw rows compared" in printed.out


def test_a_flipped_table_entry_is_named(copy, rows, capfd):
    """Id 1 becomes class 2 in the serving graph."""
    path = copy / "serving/1/saved_model.pb"
    content = path.read_bytes()
    table = np.full(65536, -2, "<i4")
    table[:3], table[255] = range(3), -1
    assert content.count(table.tobytes()) >= 1
    changed = table.copy()
    changed[1] = 2
    path.write_bytes(content.replace(table.tobytes(), changed.tobytes()))
    reading.reseal(copy)
    code, printed = _verify(copy, rows, capfd)
    assert code == 1
    assert "row 'row_000': column label differs in" in printed.err
    assert "1 in the record, 2 from serving" in printed.err


def test_an_altered_record_is_named(copy, rows, capfd):
    """The image of one row in another's record, checksums and counts all made right."""
    from maskbeam.pipeline.formats import tfrecords

    (shard,) = copy.glob("*.tfrecord-*")
    records = list(tfrecords.records(str(shard)))
    first, second = map(tf.train.Example.FromString, records[:2])
    keys = [e.features.feature["key"].bytes_list.value[0] for e in (first, second)]
    for example, key in ((first, keys[1]), (second, keys[0])):
        example.features.feature["key"].bytes_list.value[0] = key
    changed = [first.SerializeToString(), second.SerializeToString(), *records[2:]]
    shard.write_bytes(b"".join(map(tfrecords.frame, changed)))
    reading.reseal(copy)
    code, printed = _verify(copy, rows, capfd)
    assert code == 1
    for key in keys:
        assert f"row {key.decode()!r}: column label differs" in printed.err


def test_a_changed_weight_is_named(copy, rows, capfd):
    path = copy / "stats.json"
    stats = json.loads(path.read_text())
    stats["class_weights"]["median_frequency"][1] *= 1.5
    path.write_text(json.dumps(stats))
    reading.reseal(copy)
    code, printed = _verify(copy, rows, capfd)
    assert code == 1
    assert "median_frequency[1] is" in printed.err


def test_raw_rows_that_are_others_are_a_wrong_command(dataset, tmp_path, capfd):
    data.write_tree(tmp_path, {"labels/x.png": data.png(np.zeros((4, 4), np.uint8))})
    code, printed = _verify(dataset, tmp_path, capfd)
    assert code == 2
    assert "no row there is in the dataset" in printed.err


def test_skew_fails_the_conversion(rows, tmp_path, monkeypatch, capsys):
    """A serving model of another class map is written: its sample gives it away."""
    save = signatures.save

    def save_another(path, config, class_map, *more):
        turned = tuple(reversed(class_map.classes))
        save(path, config, ClassMap("m", turned, class_map.ignore), *more)

    compared = []
    first_difference = serving_model.first_difference

    def count(check, samples):
        compared.extend(samples)
        return first_difference(check, samples)

    make = functools.lru_cache(serving_model._make.__wrapped__)  # nobody else's models
    monkeypatch.setattr(serving_model, "_make", make)
    monkeypatch.setattr(signatures, "save", save_another)
    monkeypatch.setattr(serving_model, "first_difference", count)
    argv = ["convert", *map(str, _inputs(rows)), "--output", str(tmp_path / "out")]
    assert main(argv) == 1
    printed = capsys.readouterr().err
    assert "serving and records differ: row 'row_0" in printed
    assert len(compared) == 10
    assert "column label differs" in printed
    assert not (tmp_path / "out/manifest.json").exists()


# ----------------------------------------------------------------------------- export


def test_export_puts_the_model_where_servers_look(dataset, rows, tmp_path, capsys):
    argv = ["export", str(dataset), "--to", str(tmp_path / "street"), "--version", "7"]
    assert main(argv) == 0
    assert sorted(path.name for path in (tmp_path / "street").iterdir()) == ["7"]
    model = tf.saved_model.load(str(tmp_path / "street/7"))
    encoded = (rows / "images/row_000.jpg").read_bytes()
    found = model.signatures["serving_default"](image_bytes=tf.constant([encoded]))
    expected = reading.load_all(dataset)["row_000"]["image"]
    np.testing.assert_array_equal(found["image"][0], expected)
    assert (tmp_path / "street/7/assets.extra/tf_serving_warmup_requests").exists()
    assert main(argv) == 2
    assert "is there already" in capsys.readouterr().err


def test_export_of_nothing(tmp_path, capsys):
    argv = ["export", str(tmp_path), "--to", str(tmp_path / "to"), "--version", "1"]
    assert main(argv) == 2
    assert "holds no dataset" in capsys.readouterr().err
    assert main([*argv[:-1], "0"]) == 2
    assert not (tmp_path / "to").exists()
