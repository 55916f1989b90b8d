"""Writes the transform graph, from the training split's summary.

A summary has all sums that TF Transform's analyzers would take a pass over the pixels
for. With them as constants the preprocessing function holds no analyzers, and TF
Transform writes its graph without a pipeline, as TFX does in that case.
"""

import os

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import metadata_io

from maskbeam.pipeline.dataset import inventory
from maskbeam.pipeline.dataset.inventory import Inventory
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files, features, saved_models, summaries
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.preprocessing import make_preprocessing_fn


def write(
    directory: str,
    config: features.Config,
    class_map: ClassMap,
    train: summaries.Summary,
    own: tf.Module | None = None,
) -> Inventory:
    """Writes `transform_graph/`, which `tft.TFTransformOutput` opens.

    Args:
        directory: the dataset's directory, on any of Beam's filesystems.
        config: sizes, images, normalisation.
        class_map: from id to class index.
        train: the sums over the training split.
        own: the model of the user's own function, if there is one.

    Returns:
        What its files hold.
    """
    spec = _raw_feature_spec(config)
    with saved_models.in_memory() as scratch:
        impl_helper.analyze_in_place(
            make_preprocessing_fn(config, class_map, train, own),
            force_tf_compat_v1=False,
            feature_specs=spec,
            type_specs={name: tf.TensorSpec([None], tf.string) for name in spec},
            transform_output_path=scratch,
        )
        metadata_io.write_metadata(
            tft.DatasetMetadata.from_feature_spec(spec),
            os.path.join(scratch, tft.TFTransformOutput.RAW_METADATA_DIR),
        )
        contents = saved_models.contents(scratch)
    name = dataset_files.TRANSFORM_GRAPH
    files.write_all(files.join(directory, name), contents)
    return inventory.of_contents(contents, name)


def _raw_feature_spec(config: features.Config) -> dict[str, tf.io.FixedLenFeature]:
    """Describes what the graph's callers send: encoded bytes, and maybe the key."""
    names = [features.LABEL_BYTES]
    if config.with_images:
        names.append(features.IMAGE_BYTES)
    if config.needs_key:
        names.append(features.KEY)
    return {name: tf.io.FixedLenFeature([], tf.string) for name in names}
