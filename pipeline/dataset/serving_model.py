"""Writes the serving model, and compares it with the records of a sample of rows."""

import functools
from collections.abc import Iterable

import tensorflow as tf

from maskbeam.pipeline.dataset import inventory, skew
from maskbeam.pipeline.dataset.inventory import Inventory
from maskbeam.pipeline.elements import SkewSample
from maskbeam.pipeline.planning.plan import SKEW_PIXELS
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import RecordKeys
from maskbeam.transforms import (
    dataset_files,
    features,
    record_columns,
    saved_models,
    serving,
    signatures,
)
from maskbeam.transforms.classes import ClassMap


def write(
    directory: str,
    config: features.Config,
    class_map: ClassMap,
    constants: record_columns.Constants,
    keys: RecordKeys,
    own: tf.Module | None = None,
) -> tuple[serving.Transform, Inventory]:
    """Writes a dataset's serving model, and loads it.

    Args:
        directory: the dataset's directory.
        config: sizes, images, the mask encoding.
        class_map: from id to class index.
        constants: the training split's constants.
        keys: the features of the tf.Examples that the converter reads: serving reads
            the same.
        own: the model of the user's own function, if there is one.

    Returns:
        The model, and what its files hold.
    """
    values = tuple(None if one is None else tuple(one.numpy()) for one in constants)
    make = _make if own is None else _make.__wrapped__
    contents, transform = make(config, class_map, values, _example_keys(keys), own)
    files.write_all(serving.model_path(directory), contents)
    return transform, inventory.of_contents(contents, dataset_files.SERVING_MODEL)


# To trace, save and load a model takes seconds. A process that converts again makes the
# same one most often: nothing of the rows is in it but constants, if those are.
@functools.lru_cache(maxsize=4)
def _make(
    config: features.Config,
    class_map: ClassMap,
    constants: tuple[tuple[float, ...] | None, ...],
    keys: signatures.ExampleKeys,
    own: tf.Module | None,
) -> tuple[dict[str, bytes], serving.Transform]:
    """Makes a serving model; gives its files, and the model that they load as."""
    tensors = record_columns.Constants(
        *(None if one is None else tf.constant(one, tf.float32) for one in constants)
    )
    with saved_models.in_memory() as scratch:
        signatures.save(scratch, config, class_map, tensors, keys, own)
        return saved_models.contents(scratch), serving.Transform(scratch)


def _example_keys(keys: RecordKeys) -> signatures.ExampleKeys:
    usual = signatures.ExampleKeys()
    return signatures.ExampleKeys(
        keys.label or usual.label, keys.image or usual.image, keys.key or usual.key
    )


def first_difference(check: skew.SkewCheck, samples: Iterable[SkewSample]) -> str:
    """Compares rows until one differs, or enough are compared.

    Args:
        check: compares one row.
        samples: where the rows and their records are.

    Returns:
        The first difference, in words; "" if there is none.
    """
    pixels = 0
    for sample in samples:
        if pixels >= SKEW_PIXELS:
            break
        pixels += sample.pixels
        record = files.read_part(sample.path, sample.offset, sample.length)
        for difference in check.differences(*_raw_bytes(sample), record):
            return f"row {sample.key!r} of split {sample.split}: {difference}"
    return ""


def _raw_bytes(sample: SkewSample) -> tuple[bytes | None, bytes | None]:
    """Reads a row's label map and its image."""
    label, image = sample.raw_lengths
    path, places = sample.raw_path, ((0, label), (label or 0, image))
    label_bytes, image_bytes = (
        None if length is None else files.read_part(path, start, length)
        for start, length in places
    )
    return label_bytes, image_bytes
