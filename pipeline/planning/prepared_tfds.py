"""TensorFlow Datasets: the files of a prepared dataset, and the features to read.

TFDS keeps a prepared dataset as TFRecord files of tf.Example, whose features are named
like the dataset's own, nested names joined by `/`; `tf_examples` reads them. Nothing is
downloaded or prepared here.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.runtime.loading import loading
from maskbeam.pipeline.values import RecordKeys

KEYS = ("file_name", "filename", "image_id", "id", "key")


@dataclasses.dataclass(frozen=True)
class TfdsSource:
    """A prepared dataset.

    Attributes:
        splits: the TFRecord files of each split.
        keys: the features, all named.
    """

    splits: dict[str, tuple[str, ...]]
    keys: RecordKeys


def find(name: str, data_dir: str | None, keys: RecordKeys) -> TfdsSource:
    """Finds a prepared dataset, and which of its features make a row.

    The label map is the one LabeledImage, or else the one Image of one channel; the
    image the one Image of three; the key the first Text of `KEYS`.

    Args:
        name: as TFDS takes it (`name`, `name/config:1.0.0`), or the directory of the
            dataset's `features.json`.
        data_dir: where datasets are prepared; None for TFDS's own place.
        keys: what the user named, which wins.

    Raises:
        UsageError: TFDS is not installed, the dataset is not prepared as TFRecord, or
            its features leave open which is which.
    """
    builder = _builder(name, data_dir)
    kind = builder.info.file_format.value
    if kind != "tfrecord":
        raise UsageError(
            f"{builder.data_dir} is prepared as {kind}, and only tfrecord is read: "
            "prepare it anew by `tfds build --file_format=tfrecord`"
        )
    splits = {
        split: tuple(str(path) for path in info.filepaths)
        for split, info in builder.info.splits.items()
    }
    if not splits or not all(files.exists(paths[0]) for paths in splits.values()):
        raise UsageError(
            f"{builder.data_dir} describes a dataset and lacks its records: prepare it "
            "anew by `tfds build`, or copy all of its directory"
        )
    features = dict(_flat(builder.info.features))
    return TfdsSource(splits, _resolve(features, keys, str(builder.data_dir)))


def _builder(name: str, data_dir: str | None) -> Any:
    """TFDS's builder of a prepared dataset, from its files alone."""
    try:
        with loading():
            import tensorflow_datasets as tfds
            from google.protobuf.json_format import ParseError
            from tensorflow_datasets.core import read_only_builder
    except ImportError as error:
        raise UsageError(
            f"reading {name} needs TensorFlow Datasets ({error}): "
            "pip install 'maskbeam[tfds]'"
        ) from error
    try:
        if files.exists(files.join(name, "features.json")):
            return tfds.builder_from_directory(name)
        return read_only_builder.builder_from_files(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        place = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
        raise UsageError(
            f"{name} is not prepared in {place}, nor is it a directory that holds a "
            "features.json: prepare it by `tfds build` or "
            f"tfds.builder({name!r}).download_and_prepare(), or say where it is"
        ) from error
    except (ValueError, ImportError, OSError, ParseError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"TFDS cannot open {name!r}: {reason}; give a name like pets/config:1.0.0, "
            "or a directory that holds a whole features.json"
        ) from error


def _flat(feature: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The features of a dataset, by the names that they have in a tf.Example."""
    import tensorflow_datasets as tfds

    if not isinstance(feature, tfds.features.FeaturesDict):
        yield name, feature
        return
    for part, inner in feature.items():
        yield from _flat(inner, f"{name}/{part}" if name else part)


def _resolve(features: Mapping[str, Any], keys: RecordKeys, place: str) -> RecordKeys:
    """Names what the user left open, and checks what they named."""
    import tensorflow_datasets as tfds

    there = ", ".join(f"{n} ({_in_words(f)})" for n, f in sorted(features.items()))
    pictures = {n: f for n, f in features.items() if _is_picture(f)}
    label, image, key = keys.label, keys.image, keys.key
    for option, named in (("label", label), ("image", image)):
        if named and named not in pictures:
            raise UsageError(
                f"--record_keys {option}={named}: {place} has no Image of whole "
                "numbers by that name, and TFDS keeps a Tensor, or an Image of "
                f"floats, in a form that is not read here; it has {there}"
            )
    if key and key not in features:
        raise UsageError(
            f"--record_keys key={key}: {place} has no feature by that name; it has "
            f"{there}"
        )
    others = [n for n in pictures if n not in (label, image)]
    if label is None:
        grey = [n for n in others if pictures[n].shape[-1] == 1]
        labeled = [
            n for n in grey if isinstance(pictures[n], tfds.features.LabeledImage)
        ]
        label = _only(labeled or grey, "label", place, there)
        if not label:
            raise UsageError(
                f"no feature of {place} is a LabeledImage or an Image of one channel; "
                f"it has {there}: name the label map by --record_keys label=FEATURE"
            )
    if image is None:
        colour = [n for n in others if n != label and pictures[n].shape[-1] == 3]
        image = _only(colour, "image", place, there)
    if key is None:
        texts = {n for n, f in features.items() if isinstance(f, tfds.features.Text)}
        key = next((n for n in KEYS if n in texts), "")
    return RecordKeys(label, image, key)


def _only(names: list[str], option: str, place: str, there: str) -> str:
    """The only one of some features; empty if there is none."""
    if len(names) > 1:
        raise UsageError(
            f"several features of {place} may be the {option}: {', '.join(names)}; it "
            f"has {there}: name the right one by --record_keys {option}=FEATURE"
        )
    return names[0] if names else ""


def _is_picture(feature: Any) -> bool:
    """Whether its bytes are a picture; TFDS hides floats in the bytes of a PNG."""
    import numpy as np
    import tensorflow_datasets as tfds

    return isinstance(feature, tfds.features.Image) and np.issubdtype(
        feature.np_dtype, np.integer
    )


def _in_words(feature: Any) -> str:
    return " ".join(repr(feature).split())
