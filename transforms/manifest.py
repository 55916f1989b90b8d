"""What a dataset says about itself: manifest, configuration, statistics.

TensorFlow is loaded for what is not on this machine only: a command on a directory that
is no dataset does not wait for it.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import IO, Any, TypeVar

from maskbeam.transforms import dataset_files, normalization_names, own_records
from maskbeam.transforms.features import Config
from maskbeam.transforms.texts import quoted

_Shape = TypeVar("_Shape")

SEAL = "self_sha256"  # the manifest's own checksum
READ_ELSEWHERE = "copy the dataset to a disk, or to gs://, and read it there"


class DamagedDatasetError(ValueError):
    """A file of a dataset is not what was written."""


def read_manifest(directory: str) -> dict[str, Any]:
    """Reads a dataset's manifest.

    Raises:
        FileNotFoundError: there is none, so there is no dataset.
        DamagedDatasetError: it cannot be read.
        ValueError: this version does not know its format, or TensorFlow has no
            filesystem for it.
    """
    path = os.path.join(directory, dataset_files.MANIFEST)
    if not exists(path, READ_ELSEWHERE):
        unfinished = os.path.join(directory, dataset_files.UNFINISHED)
        stopped = exists(unfinished, READ_ELSEWHERE)
        why = "an unfinished run" if stopped else "no dataset"
        raise FileNotFoundError(
            f"{directory} holds {why}: {dataset_files.MANIFEST} is missing"
        )
    manifest = _read_json(path)
    if manifest.get("format") != dataset_files.FORMAT:
        raise ValueError(
            f"{path} is of format {quoted(manifest.get('format'))}; this version reads "
            f"{dataset_files.FORMAT}"
        )
    from maskbeam.transforms import json_shapes

    _check(manifest, json_shapes.Manifest, path)
    return manifest


def seal_of(manifest: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a manifest's canonical JSON, without its own checksum.

    That has sorted keys, no spaces, and no characters beyond ASCII.
    """
    tree = {name: value for name, value in manifest.items() if name != SEAL}
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def exists(path: str, advice: str) -> bool:
    """Checks whether a file or directory is there.

    Args:
        path: the file or directory.
        advice: what to do if TensorFlow has no filesystem for it.

    Raises:
        ValueError: TensorFlow has no filesystem for it.
    """
    if _is_local(path):
        return os.path.exists(path)
    import tensorflow as tf

    try:
        there: bool = tf.io.gfile.exists(path)
    except tf.errors.UnimplementedError as error:
        raise ValueError(
            f"TensorFlow has no filesystem for {path}: {advice}"
        ) from error
    return there


def read_config(manifest: Mapping[str, Any]) -> Config:
    """Reads what the graph, the records and their reader agree on.

    Raises:
        DamagedDatasetError: the manifest's options are not those of a dataset.
    """
    options = manifest["options"]
    # A dataset of an earlier version has no fields that came later.
    agreed = {
        field.name: options[field.name]
        for field in dataclasses.fields(Config)
        if field.name in options
    }
    name = f"{dataset_files.MANIFEST}, options,"
    config = _check(agreed, Config, name)
    try:
        normalization_names.moments_of(config.normalize)
    except ValueError as error:
        raise DamagedDatasetError(f"{name} is damaged: normalize {error}") from error
    if fault := own_records.fault(config.own_columns):
        raise DamagedDatasetError(f"{name} is damaged: {fault}")
    positive = (config.num_classes, config.max_pixels, *(config.size or ()))
    if min(positive) < 1 or min(config.overlap, config.boundary) < 0:
        raise DamagedDatasetError(f"{name} is damaged: a number is too small")
    return config


def shards_of(manifest: Mapping[str, Any], split: str) -> dict[str, int]:
    """Returns the files of a split that are not empty, and their numbers of records.

    Raises:
        DamagedDatasetError: a shard is called as none of ours is.
        ValueError: there is no such split.
    """
    splits = manifest["splits"]
    if split not in splits:
        raise ValueError(f"no split {split!r}; there are {', '.join(sorted(splits))}")
    shards = splits[split]["shards"]
    for shard in shards:
        if not dataset_files.is_shard(shard["file"]):
            raise DamagedDatasetError(
                f"{dataset_files.MANIFEST} names {quoted(shard['file'])}, and no shard "
                "is called so"
            )
    return {s["file"]: s["records"] for s in shards if s["records"]}


def read_stats(
    directory: str, manifest: Mapping[str, Any], config: Config
) -> dict[str, Any]:
    """Reads a dataset's statistics.

    Args:
        directory: the dataset's.
        manifest: as `read_manifest` returns it.
        config: as `read_config` returns it.

    Raises:
        DamagedDatasetError: they cannot be read, or are not of this dataset.
        FileNotFoundError: there are none.
    """
    from maskbeam.transforms import json_shapes

    path = os.path.join(directory, dataset_files.STATS)
    stats = _read_json(path)
    found = _check(stats, json_shapes.Stats, path)
    splits, weights = found["splits"], found["class_weights"]
    lengths = {
        len(found["classes"]),
        len(weights["median_frequency"]),
        len(weights["inverse_frequency"]),
        *(len(split["class_pixels"]) for split in splits.values()),
        *(len(split["class_images"]) for split in splits.values()),
        *_more_lengths(found),
    }
    if lengths != {config.num_classes}:
        raise DamagedDatasetError(f"{path} is not of {config.num_classes} classes")
    if "heat_maps" in found and not _has_cells(found["heat_maps"]):
        raise DamagedDatasetError(f"{path} has heat maps of different sizes")
    if splits.keys() != manifest["splits"].keys():
        raise DamagedDatasetError(f"{path} has not the splits of the manifest")
    if config.with_images and not {"image_mean", "image_std"} <= found.keys():
        raise DamagedDatasetError(f"{path} has no moments of images")
    return stats


def _more_lengths(stats: Mapping[str, Any]) -> Iterator[int]:
    """Yields the lengths of what earlier versions did not count of each class."""
    for split in stats["splits"].values():
        yield from (len(split[n]) for n in ("presence_pixels", "most") if split.get(n))
    if "co_occurrence" in stats:
        yield from map(len, (stats["co_occurrence"], *stats["co_occurrence"]))
    if "heat_maps" in stats:
        yield len(stats["heat_maps"]["classes"])


def _has_cells(maps: Mapping[str, Any]) -> bool:
    """Whether all heat maps have as many cells as they say."""
    cells = maps["rows"] * maps["columns"]
    return all(len(one) == cells for one in (maps["sampled"], *maps["classes"]))


def _check(tree: Mapping[str, Any], shape: type[_Shape], name: str) -> _Shape:
    """Makes of JSON what it should hold.

    Raises:
        DamagedDatasetError: it holds something else.
    """
    import msgspec  # a command that reads no dataset needs none

    try:
        return msgspec.convert(tree, shape)
    except msgspec.ValidationError as error:
        raise DamagedDatasetError(f"{name} is damaged: {error}") from error


def _read_json(path: str) -> dict[str, Any]:
    try:
        with _opened(path) as file:
            tree = json.load(file)
    except (ValueError, RecursionError) as error:
        raise DamagedDatasetError(f"{path} is damaged: {error}") from error
    if not isinstance(tree, dict):
        raise DamagedDatasetError(f"{path} is damaged: it holds no object of JSON")
    return tree


def _opened(path: str) -> IO[str]:
    if _is_local(path):
        return open(path, encoding="utf-8")
    import tensorflow as tf

    file: IO[str] = tf.io.gfile.GFile(path)
    return file


def _is_local(path: str) -> bool:
    return "://" not in path
