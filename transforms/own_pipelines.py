"""For a TFX Transform component, or a pipeline of your own with TF Transform.

There maskbeam reads no files and writes no records: what it does to a row goes into
your `preprocessing_fn`. Statistics come from TF Transform's own analyzers, in a pass
over the pixels of all rows that you analyse.
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from maskbeam.transforms import (
    class_files,
    features,
    normalization_names,
    preprocessing,
    summaries,
)
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.preprocessing import Batch

_ENCODING = "png"  # of records, which are not made here


def decode_label_maps(
    encoded: tf.Tensor,
    classes: ClassMap | str,
    *,
    size: tuple[int, int] | None = None,
    resize: features.Resize = "stretch",
) -> Batch:
    """Decodes label maps to class indices, as a class map says.

    Args:
        encoded: string[B], PNGs. An empty string is one that is left out, as TF
            Transform has it in serving: all ignored, or without a size, no pixels.
        classes: a class map, or the name of a preset or a file.
        size: (height, width) in pixels of all results; None if they keep their own.
        resize: how label maps are brought to that size.

    Returns:
        i64[B H W] with -1 where ignored; ragged in height and width without a size.

    Raises:
        tf.errors.InvalidArgumentError: one is no PNG of the class map's encoding, or
            has a value that the class map does not know.
        ValueError: there is no such class map.
    """
    class_map = _class_map(classes)
    config = features.Config(
        num_classes=class_map.num_classes,
        mask_encoding=_ENCODING,
        size=size,
        resize=resize,
    )
    label: Batch = preprocessing.label_batch(config, class_map)(encoded)
    return label


def decode_images(
    encoded: tf.Tensor,
    *,
    size: tuple[int, int] | None = None,
    resize: features.Resize = "stretch",
    exif: features.Exif = "upright",
) -> Batch:
    """Decodes images to levels.

    Args:
        encoded: string[B], PNGs or JPEGs. An empty string is one that is left out:
            all black, or without a size, no pixels.
        size: (height, width) in pixels of all results; None if they keep their own.
        resize: how images are brought to that size; as for their label maps.
        exif: whether JPEGs are turned `upright`, as their EXIF data says.

    Returns:
        u8[B H W 3], red, green and blue; ragged in height and width without a size.

    Raises:
        tf.errors.InvalidArgumentError: one is neither.
    """
    config = features.Config(
        num_classes=1,
        mask_encoding=_ENCODING,
        size=size,
        resize=resize,
        with_images=True,
        exif=exif,
    )
    levels: Batch = preprocessing.image_batch(config)(encoded)
    return levels


def make_preprocessing_fn(
    classes: ClassMap | str,
    *,
    label_key: str,
    image_key: str | None = None,
    size: tuple[int, int] | None = None,
    resize: features.Resize = "stretch",
    normalize: str = normalization_names.UNIT,
    weight_map: features.WeightMap = "none",
    presence: bool = False,
    boundary: int = 0,
    exif: features.Exif = "upright",
) -> Callable[[Mapping[str, Any]], dict[str, Batch]]:
    """Makes a `preprocessing_fn` that does all that maskbeam does to a row.

    A row that it cannot decode fails the whole run, as it does in any function of TF
    Transform: `maskbeam validate` names such rows beforehand. An empty string is a
    picture that is left out. All pixels go through TF Transform, so keep its batches
    small (`tft_beam.Context(desired_batch_size=...)`).

    Args:
        classes: a class map, or the name of a preset or a file.
        label_key: the feature that has the encoded label map, string[B].
        image_key: the feature that has the encoded image; None if there are none.
        size: (height, width) in pixels of all rows; None if they keep their own.
        resize: how rows are brought to that size.
        normalize: how images are scaled: `unit`, `symmetric`, `zscore`, `imagenet` or
            `mean=R,G,B:std=R,G,B`. `zscore` takes an analysis.
        weight_map: which class weights `weight` has at each pixel. They take one, too.
        presence: whether there is `presence`.
        boundary: how wide `boundary` is, in pixels; 0 leaves it out.
        exif: whether JPEGs are turned `upright`, as their EXIF data says.

    Returns:
        A function of those features that returns `label` i64[B H W], -1 where ignored,
        `mask` f32[B H W K], and where they are asked for `image` f32[B H W 3], `weight`
        f32[B H W], `presence` f32[B K] and `boundary` f32[B H W]; ragged in height and
        width without a size.

    Raises:
        ValueError: there is no such class map or normalisation.
    """
    class_map = _class_map(classes)
    normalization_names.moments_of(normalize)
    config = features.Config(
        num_classes=class_map.num_classes,
        mask_encoding=_ENCODING,
        size=size,
        resize=resize,
        with_images=image_key is not None,
        normalize=normalize,
        weight_map=weight_map,
        presence=presence,
        boundary=boundary,
        exif=exif,
    )

    def preprocessing_fn(inputs: Mapping[str, Any]) -> dict[str, Batch]:
        encoded = _one_each(inputs[label_key])
        label, levels = preprocessing.label_batch(config, class_map)(encoded), None
        if image_key is not None:
            encoded = _one_each(inputs[image_key])
            levels = preprocessing.image_batch(config)(encoded)
        statistics = _statistics(label, levels, config)
        return preprocessing.model_columns(label, levels, config, statistics)

    return preprocessing_fn


def _class_map(classes: ClassMap | str) -> ClassMap:
    return class_files.load_class_map(classes) if isinstance(classes, str) else classes


def _one_each(feature: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Makes a feature string[B]: some pipelines have it sparse, or as [B 1]."""
    if isinstance(feature, tf.SparseTensor):
        feature = tf.sparse.to_dense(feature)
    if feature.shape.rank == 1:
        return feature
    return tf.squeeze(tf.ensure_shape(feature, [None, 1]), 1)


def _statistics(
    label: Batch, levels: "Batch | None", config: features.Config
) -> dict[str, tf.Tensor]:
    """Computes what the columns need, by analyzers only where they need any."""
    if config.weight_map == "none" and config.normalize != normalization_names.ZSCORE:
        zero = summaries.zero(config.num_classes, config.with_images)
        return summaries.statistics({n: tf.constant(v) for n, v in zero.items()})
    import tensorflow_transform as tft

    rows = summaries.of_batch(label, levels, config.num_classes)
    return summaries.statistics(
        {
            name: tft.sum(value, reduce_instance_dims=False, name=name)
            for name, value in rows.items()
        }
    )
