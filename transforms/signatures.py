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
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from maskbeam.transforms import (
    example_parser,
    extras,
    features,
    masks,
    normalizing,
    own_columns,
    pictures,
    raw_rows,
    record_columns,
    saved_models,
    served_records,
    warmup,
)
from maskbeam.transforms.attempts import attempt, attempt_or
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.decode import require
from maskbeam.transforms.request_batches import (
    BatchFn,
    Row,
    batched,
    judged,
    one_size,
)

Tensors = dict[str, tf.Tensor]
Finish = Callable[[Tensors], Tensors]

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
_WARMUP_SIDE = 8  # in pixels; of scores, which may have 65,535 classes, one pixel


class ExampleKeys(NamedTuple):
    """The features of the tf.Examples that `example` reads.

    Attributes:
        label: the encoded label map.
        image: the encoded image.
        key: the row's key, for columns of the user's own that hang on it; "" where it
            is missing.
    """

    label: str = features.EXAMPLE_LABEL
    image: str = features.EXAMPLE_IMAGE
    key: str = features.EXAMPLE_KEY


def save(
    path: str,
    config: features.Config,
    class_map: ClassMap,
    constants: record_columns.Constants,
    keys: ExampleKeys,
    own: tf.Module | None = None,
) -> None:
    """Writes a serving model.

    Args:
        path: the model's directory, on any filesystem of TensorFlow's.
        config: sizes, images, the mask encoding.
        class_map: from id to class index.
        constants: the training split's constants.
        keys: the features of the tf.Examples that `example` reads.
        own: the model of the user's own function, if the configuration has columns of
            it.
    """
    model = tf.Module()
    model.preprocessing = own  # which holds its tables
    finish = _finish(config, own)
    functions = _functions(config, class_map, _as_numpy(constants), keys, finish)
    signatures = {
        name: tf.function(function, [_spec(name, config)], autograph=False)
        for name, function in functions.items()
    }
    signatures[DEFAULT] = signatures[IMAGE if config.with_images else LABEL_MAP]
    with saved_models.in_memory() as scratch:
        names = os.path.join(scratch, _CLASS_NAMES)
        with tf.io.gfile.GFile(names, "wb") as file:
            file.write("".join(f"{name}\n" for name in class_map.names).encode())
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
    finish: Finish,
) -> dict[str, BatchFn]:
    """Makes the signatures' functions, by name."""
    label, image = _label_parts(config, class_map, constants), None
    if config.with_images:
        image = _image_parts(config, constants)
    parts = {
        LABEL_MAP: label,
        EXAMPLE: _example_parts(keys, label, image, config),
        DECODE_RECORD: served_records.row(config, constants),
    }
    if image is not None:
        parts[IMAGE] = image
    functions = {
        name: batched(Row(row.judge, _finished(row, finish)), config)
        for name, row in parts.items()
    }
    return functions | {TO_PNG: _to_png(class_map)}


def _finish(config: features.Config, own: tf.Module | None) -> Finish:
    """Makes the function from a row's parts to its columns.

    Parts are `label` and what is made of it, `levels`, `image` and `key`, as far as
    there are any.
    """
    functions = {} if own is None else own_columns.functions_of(own, config)

    def finish(parts: Tensors) -> Tensors:
        columns = {n: parts[n] for n in parts if n != features.LEVELS}
        return columns | own_columns.of_row(functions, parts, config)

    return finish


def _finished(row: Row, finish: Finish) -> Callable[[tf.Tensor], Tensors]:
    return lambda encoded: finish(row.decode(encoded))


def _label_parts(
    config: features.Config, class_map: ClassMap, constants: record_columns.Constants
) -> Row:
    label_row = raw_rows.label_row(config, class_map)
    sides = raw_rows.label_sides(config.max_pixels)

    def decode(encoded: tf.Tensor) -> Tensors:
        label = label_row(encoded)
        more = extras.columns(label, config, constants.class_weights)
        return {features.LABEL: label} | more

    return Row(lambda encoded: judged(sides(encoded)), decode)


def _image_parts(config: features.Config, constants: record_columns.Constants) -> Row:
    image_row = raw_rows.image_row(config)
    sides = raw_rows.image_sides(config.max_pixels)

    def decode(encoded: tf.Tensor) -> Tensors:
        levels = image_row(encoded)
        image = normalizing.normalize(levels, constants.scale, constants.offset)
        return {features.LEVELS: levels, features.IMAGE: image}

    return Row(lambda encoded: judged(sides(encoded)), decode)


def _example_parts(
    keys: ExampleKeys, label: Row, image: Row | None, config: features.Config
) -> Row:
    """Makes what is done with a tf.Example as the converter reads it."""
    names = [keys.label] if image is None else [keys.label, keys.image]
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in names}

    @raw_rows.traced
    def parse(serialized: tf.Tensor) -> Tensors:
        return attempt(
            lambda one: example_parser.parse(one, spec),
            serialized,
            f"this is no tf.Example with one string in {' and in '.join(spec)}",
        )

    def judge(serialized: tf.Tensor) -> tf.Tensor:
        found = parse(serialized)
        work = label.judge(found[keys.label])
        if image is None:
            return work
        return work + image.judge(found[keys.image]) * [0, 0, 1]

    def decode(serialized: tf.Tensor) -> Tensors:
        found = parse(serialized)
        row = label.decode(found[keys.label])
        if config.needs_key:
            row |= {features.KEY: _key_of(serialized, keys.key)}
        if image is None:
            return row
        row |= image.decode(found[keys.image])
        if config.size is not None:
            return row
        return one_size(row, "the tf.Example", config)

    return Row(judge, decode)


def _key_of(serialized: tf.Tensor, name: str) -> tf.Tensor:
    """Reads the key that a tf.Example may have."""
    spec = {name: tf.io.FixedLenFeature([], tf.string)}
    nothing = {name: tf.constant("")}
    found = attempt_or(lambda one: example_parser.parse(one, spec), serialized, nothing)
    return found[name]


def _to_png(class_map: ClassMap) -> BatchFn:
    samples, palette = pictures.sample_table(class_map), class_map.palette()

    def to_png(scores: tf.Tensor) -> Tensors:
        start = _check_scores(scores, class_map.num_classes)
        index = pictures.best_class(scores[start:])
        return {
            features.LABEL: tf.where(index == class_map.num_classes, -1, index),
            features.PNG_BYTES: pictures.to_png(index, samples),
            features.COLOR_PNG_BYTES: pictures.to_png(index, palette),
        }

    return to_png


def _check_scores(scores: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Checks that PNGs can be made of scores: i32[], 0, to hang what is made on.

    Of no pixels TensorFlow's encoder ends the process.
    """
    # Model servers do not hold a request against the signature's shape; this one is not
    # what the signature says, but what came.
    came = tf.raw_ops.PlaceholderWithDefault(input=scores, shape=None)
    sides = tf.shape(came)
    message = tf.strings.join(
        [
            "scores of shape [",
            tf.strings.reduce_join(tf.strings.as_string(sides), separator=" "),
            f"] must be [B H W {num_classes}], height and width 1 to "
            f"{pictures.MAX_SIDE}",
        ]
    )
    four = tf.concat([sides, [-1] * 4], axis=0)[:4]
    count, height, width, depth = tf.unstack(four, num=4)
    is_sound = (tf.size(sides) == 4) & (depth == num_classes)
    for side in (height, width):
        is_sound &= ((side > 0) | (count == 0)) & (side <= pictures.MAX_SIDE)
    return require(is_sound, message, tf.constant(0))


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
    one_hot = masks.of_label(index[:, :1, :1], config.num_classes)
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
