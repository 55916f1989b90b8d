"""Whether a dataset on disk is the one that was written.

Four questions: do the shards hold what the manifest says, does every record parse and
load, are the constants in the transform graph those that the records' own pixels give,
and, where the raw rows are at hand, does serving make of them what the records hold.
Nothing here trusts `stats.json`: it is one of the things that are checked.
"""

import collections
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from pipeline import files, header, raws, skew, tfrecords
from pipeline.options import Source
from pipeline.rows import DamagedError, RawRow
from transforms import (
    class_files,
    features,
    layout,
    records,
    serving,
    summaries,
    tiles,
)

ALL_WELL = "shards, records and graph agree"


def find_faults(directory: str) -> list[str]:
    """Checks a dataset; gives what is wrong with it, a line each.

    Raises:
        FileNotFoundError: there is no dataset.
        ValueError: its manifest is of an unknown format.
    """
    manifest = records.read_manifest(directory)
    config = records.read_config(manifest)
    faults: list[str] = []
    totals: dict[str, summaries.Summary] = {}
    for split, found in manifest["splits"].items():
        total = summaries.zero(config.num_classes, config.with_images)
        keys: collections.Counter[bytes] = collections.Counter()
        for shard in found["shards"]:
            path = files.join(directory, shard["file"])
            shard_faults = _check_shard(path, shard)
            if not shard_faults:
                shard_faults += _check_records(
                    path, shard["records"], config, total, keys
                )
            faults += (f"{shard['file']}: {fault}" for fault in shard_faults)
        faults += (
            f"split {split}: the key {key.decode()!r} is there {count} times"
            for key, count in keys.items()
            if count > 1
        )
        if sum(shard["records"] for shard in found["shards"]) != found["records"]:
            faults.append(f"split {split}: its shards do not add up to its records")
        totals[split] = total
    if not faults:
        train = summaries.add(
            (totals[split] for split in summaries.graph_splits(totals)),
            config.num_classes,
            config.with_images,
        )
        statistics = summaries.statistics(train)
        faults += _check_stats(directory, totals, statistics)
        faults += _check_graph(directory, train | statistics)
    return faults


def find_skew(directory: str, label_maps: Sequence[Source]) -> tuple[int, list[str]]:
    """Holds the serving model, run on raw rows, against the records.

    Args:
        directory: of the dataset.
        label_maps: where the raw label maps are; images are where they were when the
            dataset was made.

    Returns:
        How many rows were compared, and what differs, a line each.

    Raises:
        FileNotFoundError: there is no dataset, or no serving model.
        UsageError: the sources contradict the options of the dataset.
    """
    manifest = records.read_manifest(directory)
    config = records.read_config(manifest)
    constants = records.constants_of(records.read_stats(directory), config)
    class_map = class_files.load_class_map(files.join(directory, layout.CLASSES))
    check = skew.SkewCheck(serving.load_transform(directory), config, constants)
    places = _places(directory, manifest)
    compared = 0
    faults: list[str] = []
    for split, raw in raws.rows(raws.options_of(manifest, class_map, label_maps)):
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


def _places(
    directory: str, manifest: Mapping[str, Any]
) -> dict[tuple[str, str], tuple[str, int, int]]:
    """Where each record is: (split, key) to (path, offset, length)."""
    places = {}
    for split, found in manifest["splits"].items():
        for shard in found["shards"]:
            path, at = files.join(directory, shard["file"]), 0
            for record in tfrecords.records(path):
                at += tfrecords.HEAD_BYTES
                example = tf.train.Example.FromString(record)
                (key,) = example.features.feature[features.KEY].bytes_list.value
                places[split, key.decode()] = path, at, len(record)
                at += len(record) + tfrecords.TAIL_BYTES
    return places


def _record_key(raw: RawRow, config: features.Config) -> str:
    """The key of a raw row's record; of its first tile, where there are tiles."""
    if config.resize != "tile" or raw.label_bytes is None:
        return raw.key
    found = header.read_header(raw.label_bytes)
    return tiles.tile_key(raw.key, (0, 0), (found.height, found.width))


def _check_shard(path: str, shard: dict[str, Any]) -> list[str]:
    """Holds a file against its line in the manifest."""
    if not files.exists(path):
        return ["the file is missing"]
    checksum, size = hashlib.sha256(), 0
    for chunk in files.chunks(path):
        checksum.update(chunk)
        size += len(chunk)
    if size != shard["bytes"]:
        return [f"{size} bytes, and the manifest says {shard['bytes']}"]
    if checksum.hexdigest() != shard["sha256"]:
        return ["its SHA-256 is not the manifest's: its content was changed"]
    return []


def _check_records(
    path: str,
    count: int,
    config: features.Config,
    total: summaries.Summary,
    keys: collections.Counter[bytes],
) -> Iterator[str]:
    """Loads every record, and adds what its pixels count to the total."""
    parse = records.record_parser(config)
    found = 0
    try:
        for record in tfrecords.records(path):
            found += 1
            try:
                columns = parse(record)
                keys[columns[features.KEY].numpy()] += 1
                summary = _summary(columns, config)
            except (tf.errors.InvalidArgumentError, ValueError) as error:
                yield f"record {found - 1} does not load: {error}"
                continue
            for name, values in summary.items():
                total[name] += values
    except DamagedError as error:
        yield f"damaged at record {error.row}: {error.reason}"
    if found != count:
        yield f"{found} records, and the manifest says {count}"


def _summary(
    columns: dict[str, tf.Tensor], config: features.Config
) -> summaries.Summary:
    """Counts a record's pixels, from what the model would get."""
    # Scale 1 and offset 0 leave the image's levels as they are.
    constants = records.Constants(tf.ones([3]), tf.zeros([3]))
    plain = dataclasses.replace(config, weight_map="none", presence=False, boundary=0)
    row = records.decode_record(columns, plain, constants)
    label = row[features.LABEL].numpy()
    mask = row[features.MASK].numpy()
    expected = np.eye(config.num_classes + 1, dtype=np.float32)[label][..., :-1]
    if not np.array_equal(mask, expected):
        raise ValueError("the mask is not the one-hot encoding of the label")
    counts = np.bincount(label.ravel() + 1, minlength=config.num_classes + 1)
    image = None
    if config.with_images:
        image = row[features.IMAGE].numpy().astype(np.uint8)
    return summaries.of_row(counts[1:], int(counts[0]), image)


def _check_stats(
    directory: str,
    totals: dict[str, summaries.Summary],
    statistics: Mapping[str, tf.Tensor],
) -> Iterator[str]:
    stats = records.read_stats(directory)
    for name, values in statistics.items():
        found = stats.get(name) or stats["class_weights"][name]
        for index, wanted in enumerate(values.numpy().tolist()):
            # A class that never occurs has no weight.
            if (found[index] or 0.0) != wanted:
                yield (
                    f"{layout.STATS}: {name}[{index}] is {found[index]}, and the "
                    f"records' pixels give {wanted}"
                )
    for split, total in totals.items():
        for name, value in stats["splits"][split].items():
            if name in total and not np.array_equal(total[name], np.ravel(value)):
                yield (
                    f"{layout.STATS}: {name} of {split} is {value}, and the records' "
                    f"pixels give {total[name].tolist()}"
                )


def _check_graph(directory: str, constants: Mapping[str, Any]) -> Iterator[str]:
    """Holds the graph's constants against those of the training split's pixels."""
    graph = tft.TFTransformOutput(files.join(directory, layout.TRANSFORM_GRAPH))
    no_bytes = {name: tf.constant([""]) for name in graph.raw_feature_spec()}
    outputs = graph.transform_raw_features(no_bytes, drop_unused_features=True)
    for name, value in constants.items():
        found = outputs[features.STATS_PREFIX + name].numpy()[0]
        wanted = np.asarray(value).astype(found.dtype)
        for index in np.flatnonzero(found != wanted):
            yield (
                f"{layout.TRANSFORM_GRAPH}: {name}[{index}] is {found[index]}, and the "
                f"records' pixels give {wanted[index]}"
            )
