"""Reads again the raw rows that a dataset was made of, and compares its records."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from maskbeam.pipeline import source_rows
from maskbeam.pipeline.dataset import skew
from maskbeam.pipeline.elements import RawRow, Rejection
from maskbeam.pipeline.formats import picture_header, tfrecords
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import Source
from maskbeam.transforms import (
    class_files,
    dataset_files,
    features,
    own_columns,
    record_columns,
    serving,
    tiles,
)
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.manifest import read_config, read_manifest, read_stats


def options_of(
    manifest: Mapping[str, Any], class_map: ClassMap, label_maps: Sequence[Source]
) -> Options:
    """Returns the options that a dataset was made with, with other label maps.

    Args:
        manifest: the dataset's manifest.
        class_map: the dataset's class map.
        label_maps: where the raw label maps are.

    Raises:
        UsageError: they contradict each other.
    """
    made = Options.from_json(manifest["options"], class_map)
    splits = {source.split for source in label_maps}
    return dataclasses.replace(
        made,
        label_maps=tuple(label_maps),
        images=tuple(source for source in made.images if source.split in splits),
        # Rows that these left out have no record, so they are passed over.
        images_only=(),
        split_list=(),
        limit=None,
    )


def find_skew(directory: str, label_maps: Sequence[Source]) -> tuple[int, list[str]]:
    """Compares what the serving model makes of raw rows with their records.

    Args:
        directory: the dataset's directory.
        label_maps: where the raw label maps are; images are where they were when the
            dataset was made.

    Returns:
        How many rows were compared, and the differences, a line each.

    Raises:
        FileNotFoundError: there is no dataset, or no serving model.
        UsageError: the sources contradict the options of the dataset.
    """
    manifest = read_manifest(directory)
    config = read_config(manifest)
    stats = read_stats(directory, manifest, config)
    constants = record_columns.constants_of(stats, config)
    class_map = class_files.load_class_map(files.join(directory, dataset_files.CLASSES))
    own = own_columns.load(directory, config)
    check = skew.SkewCheck(serving.load_transform(directory), config, constants, own)
    places = _record_places(directory, manifest)
    compared = 0
    faults: list[str] = []
    for split, raw in source_rows.rows(options_of(manifest, class_map, label_maps)):
        if isinstance(raw, Rejection):
            continue
        key = _record_key(raw, config)
        if (place := places.get((split, key))) is None:
            continue  # it was rejected, or left out by --limit
        compared += 1
        record = files.read_part(*place)
        faults += (
            f"split {split}, row {key!r}: {difference}"
            for difference in check.differences(
                raw.label_bytes, raw.image_bytes, record
            )
        )
    return compared, faults


def _record_places(
    directory: str, manifest: Mapping[str, Any]
) -> dict[tuple[str, str], tuple[str, int, int]]:
    """Finds where each record is: (split, key) to (path, offset, length)."""
    places = {}
    for split, found in manifest["splits"].items():
        for shard in found["shards"]:
            path, at = files.join(directory, shard["file"]), 0
            for record in tfrecords.records(path):
                # `verify` has found no damage.
                assert isinstance(record, bytes)
                at += tfrecords.HEAD_BYTES
                example = tf.train.Example.FromString(record)
                (key,) = example.features.feature[features.KEY].bytes_list.value
                places[split, key.decode()] = path, at, len(record)
                at += len(record) + tfrecords.TAIL_BYTES
    return places


def _record_key(raw: RawRow, config: features.Config) -> str:
    """Returns the key of a raw row's record, or of its first tile if it has tiles."""
    if config.resize != "tile" or raw.is_tile or raw.label_bytes is None:
        return raw.key
    found = picture_header.read_header(raw.label_bytes)
    return tiles.tile_key(raw.key, (0, 0), (found.height, found.width))
