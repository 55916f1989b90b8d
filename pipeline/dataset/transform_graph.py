"""Writes the transform graph, from the training split's summary.

A summary has all sums that TF Transform's analyzers would take a pass over the pixels
for. With them as constants the preprocessing function holds no analyzers, and TF
Transform writes its graph without a pipeline, as TFX does in that case.
"""

import os
import tempfile

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import metadata_io

from maskbeam.pipeline.dataset import inventory
from maskbeam.pipeline.dataset.inventory import Inventory
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files, features, summaries
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.preprocessing import make_preprocessing_fn


def write(
    directory: str,
    config: features.Config,
    class_map: ClassMap,
    train: summaries.Summary,
) -> Inventory:
    """Writes `transform_graph/`, which `tft.TFTransformOutput` opens.

    Args:
        directory: the dataset's directory, on any of Beam's filesystems.
        config: sizes, images, normalisation.
        class_map: from id to class index.
        train: the sums over the training split.

    Returns:
        What its files hold.
    """
    spec = _raw_feature_spec(config)
    # TensorFlow knows fewer filesystems than Beam.
    with tempfile.TemporaryDirectory(prefix="maskbeam-") as scratch:
        impl_helper.analyze_in_place(
            make_preprocessing_fn(config, class_map, train),
            force_tf_compat_v1=False,
            feature_specs=spec,
            type_specs={name: tf.TensorSpec([None], tf.string) for name in spec},
            transform_output_path=scratch,
        )
        metadata_io.write_metadata(
            tft.DatasetMetadata.from_feature_spec(spec),
            os.path.join(scratch, tft.TFTransformOutput.RAW_METADATA_DIR),
        )
        name = dataset_files.TRANSFORM_GRAPH
        files.copy_directory(scratch, files.join(directory, name))
        return inventory.of_directory(scratch, name)


def _raw_feature_spec(config: features.Config) -> dict[str, tf.io.FixedLenFeature]:
    """Describes what the graph's callers send: encoded bytes."""
    names = [features.LABEL_BYTES]
    if config.with_images:
        names.append(features.IMAGE_BYTES)
    return {name: tf.io.FixedLenFeature([], tf.string) for name in names}
