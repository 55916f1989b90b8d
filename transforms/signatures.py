"""The serving model: raw bytes to tensors, by named signatures.

It is a SavedModel of TensorFlow's own operations. To load it takes TensorFlow, in any
language, and neither this package, nor TF Transform, nor Beam.

    signature      from                                to
    image          image_bytes string[B]               image
    label_map      label_bytes string[B]               label, mask, ...
    example        examples string[B], tf.Examples     image, label, mask, ...
    decode_record  records string[B]                   key, image, label, mask, ...
    to_png         scores f32[B H W K]                 label, png_bytes, color_png_bytes

`serving_default` is `image`, or `label_map` if there are no images. Rows of several
sizes are padded to the largest of the batch (label -1, all else 0), and `height` and
`width` say how large each row is.
"""

import os
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from maskbeam.transforms import (
    extras,
    features,
    masks,
    pictures,
    raw_rows,
    record_columns,
    summaries,
    warmup,
)
from maskbeam.transforms.classes import ClassMap

IMAGE, LABEL_MAP, EXAMPLE = "image", "label_map", "example"
DECODE_RECORD, TO_PNG = "decode_record", "to_png"
DEFAULT = "serving_default"
_INPUTS = {
    IMAGE: features.IMAGE_BYTES,
    LABEL_MAP: features.LABEL_BYTES,
    EXAMPLE: "examples",
    DECODE_RECORD: "records",
    TO_PNG: "scores",
}
_CLASS_NAMES = "classes.txt"
_WARMUP_SIDE = 8  # in pixels; scores of many classes are large whatever the picture

Tensors = dict[str, tf.Tensor]
RowFn = Callable[[tf.Tensor], Tensors]
BatchFn = Callable[[tf.Tensor], Tensors]


class ExampleKeys(NamedTuple):
    """The features of the tf.Examples that `example` reads.

    Attributes:
        label: the encoded label map.
        image: the encoded image.
    """

    label: str = features.EXAMPLE_LABEL
    image: str = features.EXAMPLE_IMAGE


def save(
    path: str,
    config: features.Config,
    class_map: ClassMap,
    constants: record_columns.Constants,
    keys: ExampleKeys,
) -> None:
    """Writes a serving model.

    Args:
        path: the model's directory, on any filesystem of TensorFlow's.
        config: sizes, images, the mask encoding.
        class_map: from id to class index.
        constants: the training split's constants.
        keys: the features of the tf.Examples that `example` reads.
    """
    model = tf.Module()
    functions = _functions(config, class_map, _as_numpy(constants), keys)
    signatures = {
        name: tf.function(function, [_spec(name, config)], autograph=False)
        for name, function in functions.items()
    }
    signatures[DEFAULT] = signatures[IMAGE if config.with_images else LABEL_MAP]
    with tempfile.TemporaryDirectory() as scratch:
        names = os.path.join(scratch, _CLASS_NAMES)
        with open(names, "w", encoding="utf-8") as file:
            file.write("".join(f"{name}\n" for name in class_map.names))
        model.class_names = tf.saved_model.Asset(names)
        tf.saved_model.save(model, path, signatures)
    warmup.save(path, _warmup_requests(config, class_map, keys))


def _as_numpy(constants: record_columns.Constants) -> record_columns.Constants:
    """Makes constants arrays: a saved function can hold no tensors of this process."""
    return record_columns.Constants(
        *(None if value is None else value.numpy() for value in constants)
    )


def _spec(signature: str, config: features.Config) -> tf.TensorSpec:
    name = _INPUTS[signature]
    if signature == TO_PNG:
        shape = [None, None, None, config.num_classes]
        return tf.TensorSpec(shape, tf.float32, name)
    return tf.TensorSpec([None], tf.string, name)


def _functions(
    config: features.Config,
    class_map: ClassMap,
    constants: record_columns.Constants,
    keys: ExampleKeys,
) -> dict[str, BatchFn]:
    """Makes the signatures' functions, by name."""
    label_row = raw_rows.label_row(config, class_map)
    image_row = raw_rows.image_row(config)
    parse_record = record_columns.record_parser(config)
    example_spec = {keys.label: tf.io.FixedLenFeature([], tf.string)}
    if config.with_images:
        example_spec[keys.image] = tf.io.FixedLenFeature([], tf.string)

    def image(encoded: tf.Tensor) -> Tensors:
        levels = summaries.normalize(
            image_row(encoded), constants.scale, constants.offset
        )
        return {features.IMAGE: levels}

    def label_map(encoded: tf.Tensor) -> Tensors:
        label = label_row(encoded)
        more = extras.columns(label, config, constants.class_weights)
        return {features.LABEL: label} | more

    def example(serialized: tf.Tensor) -> Tensors:
        found = tf.io.parse_single_example(serialized, example_spec)
        row = label_map(found[keys.label])
        return row | image(found[keys.image]) if config.with_images else row

    def record(serialized: tf.Tensor) -> Tensors:
        return record_columns.decode_columns(
            parse_record(serialized), config, constants
        )

    def with_masks(row_fn: RowFn) -> BatchFn:
        batch_fn = _batched(row_fn, config)
        return lambda rows: record_columns.with_mask(batch_fn(rows), config)

    functions = {
        LABEL_MAP: with_masks(label_map),
        EXAMPLE: with_masks(example),
        DECODE_RECORD: with_masks(record),
        TO_PNG: _to_png(class_map),
    }
    if config.with_images:
        functions[IMAGE] = _batched(image, config)
    return functions


def _batched(row_fn: RowFn, config: features.Config) -> BatchFn:
    """Maps a function of one row over a batch: string[B] to columns [B ...].

    If sizes vary, pictures are padded, and `height` and `width` are columns too.
    """

    def shaped(one: tf.Tensor) -> Tensors:
        return {
            name: tf.ensure_shape(value, [*(config.size or (None, None)), *depth])
            if (depth := _depth(name, config)) is not None
            else value
            for name, value in row_fn(one).items()
        }

    traced = tf.function(
        shaped, [tf.TensorSpec([], tf.string)], autograph=False
    ).get_concrete_function()
    specs = {
        name: tf.TensorSpec(value.shape, value.dtype)
        for name, value in traced.structured_outputs.items()
    }
    if config.size is not None:
        return lambda rows: tf.map_fn(traced, rows, fn_output_signature=specs)
    return lambda rows: _padded(traced, rows, specs)


def _depth(name: str, config: features.Config) -> list[int] | None:
    """Returns what follows height and width in a picture's shape; None if not one."""
    if name == features.IMAGE:
        return [3]
    if name == features.MASK:
        return [config.num_classes]
    return [] if name in (features.LABEL, features.WEIGHT, features.BOUNDARY) else None


def _padded(row_fn: RowFn, rows: tf.Tensor, specs: dict[str, tf.TensorSpec]) -> Tensors:
    """Maps a function over rows of several sizes, and pads to the largest."""
    pictures_of = [name for name, spec in specs.items() if spec.shape.rank > 1]

    def ragged(one: tf.Tensor) -> dict[str, tf.Tensor | tf.RaggedTensor]:
        columns: dict[str, tf.Tensor | tf.RaggedTensor] = dict(row_fn(one))
        height, width, *_ = tf.unstack(tf.shape(columns[pictures_of[0]], tf.int64))
        for name in pictures_of:
            columns[name] = tf.RaggedTensor.from_tensor(columns[name])
        return columns | {features.HEIGHT: height, features.WIDTH: width}

    signature = {
        name: tf.RaggedTensorSpec(spec.shape, spec.dtype, ragged_rank=1)
        if name in pictures_of
        else spec
        for name, spec in specs.items()
    }
    side = tf.TensorSpec([], tf.int64)
    columns = tf.map_fn(
        ragged,
        rows,
        fn_output_signature=signature | {features.HEIGHT: side, features.WIDTH: side},
    )
    for name in pictures_of:
        beyond = -1 if name == features.LABEL else 0
        columns[name] = columns[name].to_tensor(beyond)
    return columns


def _to_png(class_map: ClassMap) -> BatchFn:
    samples, palette = pictures.sample_table(class_map), class_map.palette()

    def to_png(scores: tf.Tensor) -> Tensors:
        index = pictures.best_class(scores)
        return {
            features.LABEL: tf.where(index == class_map.num_classes, -1, index),
            features.PNG_BYTES: pictures.to_png(index, samples),
            features.COLOR_PNG_BYTES: pictures.to_png(index, palette),
        }

    return to_png


def _warmup_requests(
    config: features.Config, class_map: ClassMap, keys: ExampleKeys
) -> dict[str, dict[str, tf.Tensor]]:
    """Makes inputs for every signature but `decode_record`, by signature.

    A model server runs them before it takes requests: a model's first call is slow.
    Records differ by dataset.
    """
    index = tf.zeros([1, _WARMUP_SIDE, _WARMUP_SIDE], tf.int32)
    label = pictures.to_png(index, pictures.sample_table(class_map))
    image = pictures.to_png(index, class_map.palette())
    feature = {keys.label: _bytes_feature(label), keys.image: _bytes_feature(image)}
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    one_hot = masks.of_label(index, config.num_classes)
    inputs = {
        LABEL_MAP: label,
        EXAMPLE: tf.constant([example.SerializeToString()]),
        TO_PNG: one_hot,
    }
    if config.with_images:
        inputs[IMAGE] = image
    inputs[DEFAULT] = image if config.with_images else label
    return {
        name: {_INPUTS.get(name, _default_input(config)): value}
        for name, value in inputs.items()
    }


def _default_input(config: features.Config) -> str:
    return _INPUTS[IMAGE if config.with_images else LABEL_MAP]


def _bytes_feature(strings: tf.Tensor) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=strings.numpy()))
