"""In a pipeline of a user's, rows become what they become in ours."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from maskbeam.transforms import (
    decode_images,
    decode_label_maps,
    load,
    make_preprocessing_fn,
)
from tests import data_generation as data
from tests.rarely import rarely

_DOCS = pathlib.Path(__file__).parents[2] / "docs/tfx.md"
_LABEL, _IMAGE = "image/segmentation/class/encoded", "image/encoded"
_STRING = tf.io.FixedLenFeature([], tf.string)
_K = 4


def _documented():
    """The two modules that the documentation shows, as functions."""
    functions = []
    for code in re.findall(r"```python\n(.*?)```", _DOCS.read_text("utf-8"), re.DOTALL):
        names: dict[str, object] = {}
        exec(compile(code, _DOCS, "exec"), names)  # noqa: S102 - it is ours
        functions.append(names["preprocessing_fn"])
    return functions


def _transformed(rows, spec, preprocessing_fn, directory):
    """What TF Transform makes of rows, and the path of its graph."""
    schema = schema_utils.schema_from_feature_spec(spec)
    metadata = dataset_metadata.DatasetMetadata(schema)
    with tft_beam.Context(temp_dir=str(directory / "tmp"), desired_batch_size=2):
        found, transform_fn = (
            rows,
            metadata,
        ) | tft_beam.AnalyzeAndTransformDataset(preprocessing_fn)
        _ = transform_fn | tft_beam.WriteTransformFn(str(directory / "graph"))
    return found[0], str(directory / "graph")


@pytest.fixture(scope="module")
def camvid_rows(camvid):
    """Some rows of the street scenes, as tf.Examples have them."""
    labels = [p for p in sorted((camvid / "trainannot").glob("*.png"))]
    pairs = [(p, camvid / "train" / p.name) for p in labels]
    pairs = [(label, image) for label, image in pairs if image.exists()][:5]
    assert len(pairs) == 5
    return [
        {_LABEL: label.read_bytes(), _IMAGE: image.read_bytes()}
        for label, image in pairs
    ], pairs


def test_the_documented_module_gives_what_load_gives(camvid_rows, convert, tmp_path):
    rows, pairs = camvid_rows
    listed = "".join(f"{image} {label}\n" for label, image in pairs)
    (tmp_path / "pairs.txt").write_text(listed)
    out = convert(
        tmp_path / "out",
        *("--label_maps", tmp_path / "pairs.txt", "--classes", "camvid11"),
        *("--size", "360x480", "--normalize", "zscore"),
        *("--weight_map", "median_frequency"),
    )
    spec = {_LABEL: _STRING, _IMAGE: _STRING}
    found, _ = _transformed(rows, spec, _documented()[0], tmp_path)
    expected = {row["key"].numpy(): row for row in load(str(out), "train")}
    assert len(found) == len(expected) == 5
    for row, (label, _) in zip(found, pairs, strict=True):
        (key,) = [key for key in expected if key.decode().endswith(label.stem)]
        assert row.keys() == expected[key].keys() - {"key"}
        for name, values in row.items():
            np.testing.assert_array_equal(values, expected[key][name], name)


def test_the_pieces_work_in_a_function_of_ones_own(camvid_rows, tmp_path):
    rows, _ = camvid_rows
    found, _ = _transformed(rows, {_LABEL: _STRING}, _documented()[1], tmp_path)
    shares = np.stack([row["share_of_class"] for row in found])
    np.testing.assert_allclose(shares.sum(0)[shares.sum(0) > 0], 1, rtol=1e-5)
    for row, raw in zip(found, rows, strict=True):
        label = decode_label_maps([raw[_LABEL]], "camvid11", size=(90, 120))
        np.testing.assert_array_equal(row["label"], label[0])


@pytest.fixture(scope="module")
def of_many_sizes():
    """Rows of three sizes, with ignored pixels."""
    rng = np.random.default_rng(0)
    rows = []
    for height, width in ((9, 14), (16, 11), (1, 1), (9, 14)):
        label = data.regions(rng, height, width, [0, 1, 3, 255])
        image = data.picture(rng, height, width)
        rows.append((label, image))
    return rows


_MANY = {"normalize": "imagenet", "presence": True, "boundary": 2}
_OF_STATISTICS = {"normalize": "zscore", "weight_map": "inverse_frequency"}


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (_MANY, None),
        *rarely((_MANY, (12, 10)), (_OF_STATISTICS, None), (_OF_STATISTICS, (12, 10))),
    ],
)
def test_all_columns_equal_ours(options, size, of_many_sizes, convert, tmp_path):
    rows = []
    for number, (label, image) in enumerate(of_many_sizes):
        row = {"l": data.png(label), "i": data.png(image)}
        data.write_tree(
            tmp_path,
            {f"labels/{number}.png": row["l"], f"images/{number}.png": row["i"]},
        )
        rows.append(row)
    flags = [] if size is None else ["--size", f"{size[0]}x{size[1]}"]
    for name, value in options.items():
        flags += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*.png", "--num_classes", _K),
        *("--images", f"{tmp_path}/images/*.png", "--ignore_label", 255, *flags),
    )
    function = make_preprocessing_fn(
        f"{out}/classes.yaml", label_key="l", image_key="i", size=size, **options
    )
    _, graph = _transformed(rows, {"l": _STRING, "i": _STRING}, function, tmp_path)
    columns = tft.TFTransformOutput(graph).transform_raw_features(
        {name: tf.constant([row[name] for row in rows]) for name in "li"}
    )
    expected = {row["key"].numpy(): row for row in load(str(out), "train")}
    assert columns.keys() == expected[b"0"].keys() - {"key"}
    for number in range(len(rows)):
        for name, values in columns.items():
            found = values[number]
            if isinstance(found, tf.RaggedTensor):
                found = found.to_tensor()
            other = expected[str(number).encode()][name]
            np.testing.assert_array_equal(found, other, name)


@pytest.mark.parametrize("kind", ["sparse", "column"])
def test_features_may_be_sparse_or_columns(kind, of_many_sizes):
    label, _ = of_many_sizes[0]
    encoded = tf.constant([[data.png(label)]] * 2)
    feature = tf.sparse.from_dense(encoded) if kind == "sparse" else encoded
    function = make_preprocessing_fn("camvid11", label_key="l", size=(5, 5))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the value 255"):
        function({"l": feature})
    known = tf.constant([[data.png(np.full((5, 5), 3, np.uint8))]] * 2)
    feature = tf.sparse.from_dense(known) if kind == "sparse" else known
    assert (function({"l": feature})["label"].numpy() == 3).all()


def test_images_are_levels(of_many_sizes):
    images = [image for _, image in of_many_sizes]
    found = decode_images([data.png(image) for image in images])
    for row, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(row.to_tensor(), image)


@pytest.mark.parametrize(
    ("classes", "options", "why"),
    [
        ("none", {}, "neither a preset nor a file"),
        ("camvid11", {"normalize": "z"}, "must be one of unit"),
    ],
)
def test_what_is_not_possible_is_said_at_once(classes, options, why):
    with pytest.raises(ValueError, match=why):
        make_preprocessing_fn(classes, label_key="l", **options)
