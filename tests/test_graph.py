"""The transform graph loses nothing to the one pass.

The graph is held against one that TF Transform makes as its documentation does: a
plain analysis over the pixels of every row.
"""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from tests import data_generation as data
from tests import reading

K = 4
SIZE = (24, 32)


def _plain_preprocessing_fn(inputs):
    """Everything from the pixels, in one function, with TF Transform's analyzers."""

    def decode_label(encoded):
        ids = tf.io.decode_png(encoded, channels=1)[..., 0]
        return tf.ensure_shape(tf.cast(ids, tf.int64), SIZE)

    def decode_image(encoded):
        levels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return tf.ensure_shape(levels, [*SIZE, 3])

    label = tf.map_fn(decode_label, inputs["label"], fn_output_signature=tf.int64)
    image = tf.map_fn(decode_image, inputs["image"], fn_output_signature=tf.uint8)
    mask = tf.one_hot(label, K, dtype=tf.int64)
    pixels = tf.reduce_sum(mask, [1, 2])
    occurs = tf.cast(pixels > 0, tf.int64)
    counted = tf.reduce_sum(pixels, -1, keepdims=True)
    levels = tf.reshape(tf.cast(image, tf.int64), [-1, SIZE[0] * SIZE[1], 3])
    rows = {
        "class_pixels": pixels,
        "class_images": occurs,
        "presence_pixels": occurs * counted,
        "ignored_pixels": SIZE[0] * SIZE[1] - counted,
        "image_pixels": tf.ones_like(counted) * SIZE[0] * SIZE[1],
        "image_sum": tf.reduce_sum(levels, 1),
        "image_square_sum": tf.reduce_sum(levels**2, 1),
    }
    totals = {
        name: tft.sum(value, reduce_instance_dims=False, name=name)
        for name, value in rows.items()
    }
    batch = tf.shape(inputs["label"])[0]
    outputs = {n: tf.tile(v[tf.newaxis], [batch, 1]) for n, v in totals.items()}
    for name, value in rows.items():
        outputs[name] = tf.ensure_shape(outputs[name], [None, value.shape[1]])
    count = tf.cast(totals["image_pixels"], tf.float64)
    mean = tf.cast(totals["image_sum"], tf.float64) / count
    square = tf.cast(totals["image_square_sum"], tf.float64) / count
    scaled = (tf.cast(image, tf.float64) - mean) / tf.sqrt(square - mean**2)
    return outputs | {
        "mask": tf.one_hot(label, K),
        "image": tf.cast(scaled, tf.float32),
    }


@pytest.fixture(scope="module")
def two_graphs(tmp_path_factory, convert):
    """Our graph and the plain one, of the same PNG rows."""
    directory = tmp_path_factory.mktemp("graphs")
    rng = np.random.default_rng(7)
    rows = []
    for number in range(10):
        label = data.regions(rng, *SIZE, [0, 1, 3, 255])  # class 2 never occurs
        row = {
            "label": data.png(label),
            "image": data.png(data.picture(rng, *SIZE)),
        }
        data.write_tree(
            directory,
            {
                f"labels/{number}.png": row["label"],
                f"images/{number}.png": row["image"],
            },
        )
        rows.append(row)
    out = convert(
        directory / "out",
        *("--label_maps", f"{directory}/labels/*.png", "--normalize", "zscore"),
        *("--images", f"{directory}/images/*.png", "--size", "24x32"),
        *("--num_classes", K, "--ignore_label", 255),
    )
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in ("label", "image")}
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec(spec)
    )
    with tft_beam.Context(temp_dir=str(directory / "tmp")):
        transform_fn = (rows, metadata) | tft_beam.AnalyzeDataset(
            _plain_preprocessing_fn
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(directory / "plain"))
    return rows, out, directory / "plain"


def test_graph_equals_a_plain_analysis_constant_for_constant(two_graphs):
    rows, out, plain_directory = two_graphs
    plain = tft.TFTransformOutput(str(plain_directory)).transform_raw_features(
        {name: tf.constant([row[name] for row in rows]) for name in rows[0]}
    )
    ours = tft.TFTransformOutput(str(out / "transform_graph")).transform_raw_features(
        {f"{name}_bytes": tf.constant([row[name] for row in rows]) for name in rows[0]},
        drop_unused_features=True,
    )
    names = [name for name in plain if name not in ("mask", "image")]
    assert len(names) == 7
    for name in names:
        np.testing.assert_array_equal(ours[f"stats/{name}"], plain[name], name)
    np.testing.assert_array_equal(ours["mask"], plain["mask"])
    np.testing.assert_allclose(ours["image"], plain["image"], atol=2e-6)


def test_graph_holds_the_weights_of_stats_json(two_graphs):
    rows, out, _ = two_graphs
    graph = tft.TFTransformOutput(str(out / "transform_graph"))
    found = graph.transform_raw_features(
        {"label_bytes": tf.constant([rows[0]["label"]])}, drop_unused_features=True
    )
    stats = reading.stats(out)
    for name, weights in stats["class_weights"].items():
        assert weights[2] is None
        expected = [0 if weight is None else weight for weight in weights]
        np.testing.assert_array_equal(
            found[f"stats/{name}"][0], np.array(expected, np.float32), name
        )


def test_every_analyzer_is_named(two_graphs):
    _, out, _ = two_graphs
    spec = tft.TFTransformOutput(
        str(out / "transform_graph")
    ).transformed_feature_spec()
    assert {name for name in spec if name.startswith("stats/")} == {
        *(f"stats/{name}" for name in ("class_pixels", "class_images")),
        *(f"stats/{name}" for name in ("presence_pixels", "ignored_pixels")),
        *(f"stats/image_{name}" for name in ("pixels", "sum", "square_sum")),
        *(f"stats/image_{name}" for name in ("mean", "std")),
        *(f"stats/{name}" for name in ("median_frequency", "inverse_frequency")),
    }


def test_serving_needs_no_label(two_graphs):
    rows, out, _ = two_graphs
    graph = tft.TFTransformOutput(str(out / "transform_graph"))
    found = graph.transform_raw_features(
        {"image_bytes": tf.constant([row["image"] for row in rows])},
        drop_unused_features=True,
    )
    loaded = reading.load_all(out)
    for number in range(len(rows)):
        np.testing.assert_array_equal(
            found["image"][number], loaded[str(number)]["image"]
        )


@pytest.mark.parametrize("value", [2, 7, 254])
def test_graph_refuses_ids_that_the_map_does_not_name(tmp_path, convert, value):
    data.label_tree(tmp_path, 2, [0, 1])
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*.png", "--num_classes", 2),
    )
    graph = tft.TFTransformOutput(str(out / "transform_graph"))
    wrong = data.png(np.full((4, 5), value, np.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"the value {value};"):
        graph.transform_raw_features({"label_bytes": tf.constant([wrong])})


def test_rows_of_several_sizes_go_through_the_graph_together(tmp_path, convert):
    sizes = [(5, 9), (12, 3), (7, 7)]
    made = data.label_tree(tmp_path, 3, [0, 1, 2], size=lambda i: sizes[i])
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{tmp_path}/labels/*.png", "--num_classes", 3),
    )
    graph = tft.TFTransformOutput(str(out / "transform_graph"))
    raw = [(tmp_path / f"labels/{key}.png").read_bytes() for key in made]
    outputs = graph.transform_raw_features({"label_bytes": tf.constant(raw)})
    loaded = reading.load_all(out)
    for number, (key, ids) in enumerate(made.items()):
        label = outputs["label"][number].to_tensor().numpy()
        np.testing.assert_array_equal(label, ids)
        np.testing.assert_array_equal(
            outputs["mask"][number].to_tensor().numpy(), loaded[key]["mask"]
        )
