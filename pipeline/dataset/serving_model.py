"""Writes the serving model, and compares it with the records of a sample of rows."""

import tempfile
from collections.abc import Iterable

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
) -> tuple[serving.Transform, Inventory]:
    """Writes a dataset's serving model, and loads it.

    Args:
        directory: the dataset's directory.
        config: sizes, images, the mask encoding.
        class_map: from id to class index.
        constants: the training split's constants.
        keys: the features of the tf.Examples that the converter reads: serving reads
            the same.

    Returns:
        The model, and what its files hold.
    """
    # TensorFlow knows fewer filesystems than Beam.
    with tempfile.TemporaryDirectory(prefix="maskbeam-") as scratch:
        signatures.save(scratch, config, class_map, constants, _example_keys(keys))
        transform = serving.Transform(scratch)
        files.copy_directory(scratch, serving.model_path(directory))
        return transform, inventory.of_directory(scratch, dataset_files.SERVING_MODEL)


def _example_keys(keys: RecordKeys) -> signatures.ExampleKeys:
    usual = signatures.ExampleKeys()
    return signatures.ExampleKeys(keys.label or usual.label, keys.image or usual.image)


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
