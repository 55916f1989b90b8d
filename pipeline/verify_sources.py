"""Reads again the raw rows that a dataset was made of, and compares its records."""

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from maskbeam.pipeline.dataset import skew
from maskbeam.pipeline.elements import BadRow, DamagedError, Entry, RawRow, Rejection
from maskbeam.pipeline.formats import limits, picture_header, record_files, tfrecords
from maskbeam.pipeline.keys import split_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import listing
from maskbeam.pipeline.planning.listing import kind_of
from maskbeam.pipeline.planning.pairing import pair_by_key, pairing_of
from maskbeam.pipeline.rows import read
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import Source
from maskbeam.transforms import (
    class_files,
    dataset_files,
    features,
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


def rows(options: Options) -> Iterator[tuple[str, RawRow]]:
    """Reads raw rows, with the split of each; leaves out what cannot be read."""
    yield from _named_rows(options)
    for source in options.label_maps:
        for file in sorted(listing.matched(source, "label_maps", options)):
            if kind_of(file.path, source.pattern) == "records":
                yield from _record_rows(file.path, source.split, options)


def _named_rows(options: Options) -> Iterator[tuple[str, RawRow]]:
    pairing = pairing_of(options, with_images=bool(options.images))
    found: dict[str, list[Entry]] = collections.defaultdict(list)
    for element in listing.sources_of(options):
        for key, entry in listing.listed(element, options):
            found[key].append(entry)
    for key, entries in found.items():
        for paired in pair_by_key(key, entries, pairing):
            if isinstance(paired, Rejection):
                continue
            split, row = paired
            raw = read.read_row(row, split, options.max_pixels)
            if isinstance(raw, RawRow):
                yield split, raw


def _record_rows(
    path: str, split: str, options: Options
) -> Iterator[tuple[str, RawRow]]:
    keys = record_files.resolve(path, options.record_keys)
    most = limits.picture_bytes(options.max_pixels)
    try:
        for row in record_files.rows(path, keys, most=most):
            if not isinstance(row, BadRow):
                dealt = options.split_by
                yield split_of(row.key, options) if dealt else split, row
    except DamagedError:
        return


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
    constants = record_columns.constants_of(read_stats(directory), config)
    class_map = class_files.load_class_map(files.join(directory, dataset_files.CLASSES))
    check = skew.SkewCheck(serving.load_transform(directory), config, constants)
    places = _record_places(directory, manifest)
    compared = 0
    faults: list[str] = []
    for split, raw in rows(options_of(manifest, class_map, label_maps)):
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
    if config.resize != "tile" or raw.label_bytes is None:
        return raw.key
    found = picture_header.read_header(raw.label_bytes)
    return tiles.tile_key(raw.key, (0, 0), (found.height, found.width))
