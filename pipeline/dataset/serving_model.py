"""The serving model: written beside the shards, and held against a sample of rows."""

import pickle
import tempfile
from collections.abc import Iterable

from maskbeam.pipeline.dataset import skew
from maskbeam.pipeline.elements import SkewSample
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import RecordKeys
from maskbeam.transforms import features, record_columns, serving, signatures
from maskbeam.transforms.classes import ClassMap

_SKEW_PIXELS = 32 << 20  # that the model is held against; or one row


def write(
    directory: str,
    config: features.Config,
    class_map: ClassMap,
    constants: record_columns.Constants,
    keys: RecordKeys,
) -> serving.Transform:
    """Writes a dataset's serving model, and loads it.

    Args:
        directory: of the dataset.
        config: sizes, images, the mask encoding.
        class_map: from id to class index.
        constants: of the training split.
        keys: of the tf.Examples that the converter reads: serving reads the same.
    """
    # TensorFlow knows fewer filesystems than Beam.
    with tempfile.TemporaryDirectory(prefix="maskbeam-") as scratch:
        signatures.save(scratch, config, class_map, constants, _example_keys(keys))
        transform = serving.Transform(scratch)
        files.copy_directory(scratch, serving.model_path(directory))
    return transform


def _example_keys(keys: RecordKeys) -> signatures.ExampleKeys:
    usual = signatures.ExampleKeys()
    return signatures.ExampleKeys(keys.label or usual.label, keys.image or usual.image)


def first_difference(check: skew.SkewCheck, samples: Iterable[SkewSample]) -> str:
    """Holds the model against rows, as many as are worth the time.

    Args:
        check: compares one row.
        samples: the rows, by place.

    Returns:
        How the first row that differs does; empty where none does.
    """
    pixels = 0
    for sample in samples:
        if pixels >= _SKEW_PIXELS:
            break
        pixels += sample.pixels
        record = files.read_part(sample.path, sample.offset, sample.length)
        label, image = pickle.loads(files.read(sample.raw_path))
        for difference in check.differences(label, image, record):
            return f"row {sample.key!r} of split {sample.split}: {difference}"
    return ""
