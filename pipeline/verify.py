"""Checks whether a dataset on disk is the one that was written.

Do all files hold what the manifest says (`verify_files`)? Does every record parse and
load? Do the statistics and the constants in the transform graph follow from the
records' pixels? Nothing here trusts `stats.json`: it is checked too. `verify_sources`
compares records with raw rows.
"""

import collections
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from maskbeam.pipeline import verify_files
from maskbeam.pipeline.elements import DamagedError
from maskbeam.pipeline.formats import tfrecords
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.verify_files import Compared
from maskbeam.transforms import (
    dataset_files,
    example_parser,
    features,
    known_ops,
    record_columns,
    saved_models,
    serving,
    summaries,
)
from maskbeam.transforms.manifest import (
    DamagedDatasetError,
    read_config,
    read_manifest,
    read_stats,
)

_PART_BYTES = 64 << 20

ALL_WELL = "shards, records and graph agree"


def find_faults(directory: str) -> Compared:
    """Checks a dataset.

    Nothing of it is loaded before all its files are what the manifest says.

    Raises:
        FileNotFoundError: there is no dataset.
        ValueError: its manifest has an unknown format.
    """
    manifest = read_manifest(directory)
    compared = verify_files.compare(directory, manifest)
    if not compared.faults:
        compared.faults.extend(_find_faults_within(directory, manifest))
    return compared


def _find_faults_within(directory: str, manifest: Mapping[str, Any]) -> list[str]:
    """Checks what sound files hold; returns what is wrong with it, a line each."""
    config = read_config(manifest)
    faults: list[str] = []
    totals: dict[str, summaries.Summary] = {}
    for split, found in manifest["splits"].items():
        total = summaries.zero(config.num_classes, config.with_images)
        keys: collections.Counter[bytes] = collections.Counter()
        for shard in found["shards"]:
            path = files.join(directory, shard["file"])
            shard_faults = _check_records(path, shard["records"], config, total, keys)
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
        # They are programs: others than ours are not run.
        foreign = list(_foreign_models(directory))
        faults += foreign or _check_graph(directory, train | statistics)
    return faults


def _check_records(
    path: str,
    count: int,
    config: features.Config,
    total: summaries.Summary,
    keys: collections.Counter[bytes],
) -> Iterator[str]:
    """Loads every record, and adds its summary to the total; yields what is wrong."""
    spec = record_columns.feature_spec(config)
    # What wrote these records may be anything.
    parse = tf.function(
        lambda record: example_parser.parse(record, spec),
        [tf.TensorSpec([], tf.string)],
        autograph=False,
    )
    found = 0
    try:
        for record in tfrecords.records(path):
            found += 1
            if isinstance(record, tfrecords.BadRecord):
                yield f"record {found - 1}: {record.reason}"
                continue
            try:
                columns = parse(record)
                keys[columns[features.KEY].numpy()] += 1
                summary = _summary(columns, config)
            except (
                tf.errors.InvalidArgumentError,
                tf.errors.DataLossError,
                ValueError,
            ) as error:
                yield f"record {found - 1} does not load: {error}"
                continue
            summaries.add_row(total, summary)
    except DamagedError as error:
        yield f"damaged at record {error.row}: {error.reason}"
    if found != count:
        yield f"{found} records, and the manifest says {count}"


def _summary(
    columns: dict[str, tf.Tensor], config: features.Config
) -> summaries.RowSummary:
    """Summarises a record, from the tensors that the model would get.

    Raises:
        ValueError: the mask is not the one-hot encoding of the label.
    """
    # Scale 1 and offset 0 leave the image's levels as they are.
    constants = record_columns.Constants(tf.ones([3]), tf.zeros([3]))
    plain = dataclasses.replace(config, weight_map="none", presence=False, boundary=0)
    row = record_columns.decode_columns(columns, plain, constants)
    label = row[features.LABEL]
    height, width = label.shape
    # The mask of a whole picture takes 4 K times its pixels.
    lines = max(1, _PART_BYTES // (4 * config.num_classes * max(1, width)))
    counts = np.zeros(config.num_classes + 1, np.int64)
    for top in range(0, height, lines):
        names = {features.LABEL, features.MASK} & row.keys()
        part = {name: row[name][top : top + lines] for name in names}
        mask = record_columns.with_mask(part, config)[features.MASK].numpy()
        classes = part[features.LABEL].numpy()
        if not _is_one_hot(mask, classes):
            raise ValueError("the mask is not the one-hot encoding of the label")
        counts += np.bincount(classes.ravel() + 1, minlength=counts.size)
    image = None
    if config.with_images:
        image = row[features.IMAGE].numpy().astype(np.uint8)
    return summaries.of_row(counts[1:], int(counts[0]), image)


def _is_one_hot(mask: npt.NDArray[np.float32], label: npt.NDArray[np.int32]) -> bool:
    """Checks whether a mask has a 1 where its label says, and nothing else."""
    is_counted = label >= 0
    at_label = np.take_along_axis(mask, np.maximum(label, 0)[..., np.newaxis], -1)
    ones = np.count_nonzero(mask)
    return bool(
        ones == np.count_nonzero(is_counted) and (at_label[..., 0] == is_counted).all()
    )


def _check_stats(
    directory: str,
    totals: dict[str, summaries.Summary],
    statistics: Mapping[str, tf.Tensor],
) -> Iterator[str]:
    stats = read_stats(directory)
    for name, values in statistics.items():
        found = stats.get(name) or stats["class_weights"][name]
        for index, wanted in enumerate(values.numpy().tolist()):
            # A class that never occurs has no weight.
            if (found[index] or 0.0) != wanted:
                yield (
                    f"{dataset_files.STATS}: {name}[{index}] is {found[index]}, and "
                    f"the records' pixels give {wanted}"
                )
    for split, total in totals.items():
        for name, value in stats["splits"][split].items():
            if name in total and not np.array_equal(total[name], np.ravel(value)):
                yield (
                    f"{dataset_files.STATS}: {name} of {split} is {value}, and the "
                    f"records' pixels give {total[name].tolist()}"
                )


def _foreign_models(directory: str) -> Iterator[str]:
    """Yields why models of the dataset are not run, if so."""
    graph = (dataset_files.TRANSFORM_GRAPH, tft.TFTransformOutput.TRANSFORM_FN_DIR)
    for path in (files.join(directory, *graph), serving.model_path(directory)):
        try:
            known_ops.check(path)
        except DamagedDatasetError as error:
            yield str(error)


def _check_graph(directory: str, constants: Mapping[str, Any]) -> Iterator[str]:
    """Checks the graph's constants against the training split's pixels."""
    folder = files.join(directory, dataset_files.TRANSFORM_GRAPH)
    with saved_models.loadable(folder) as path:
        graph = tft.TFTransformOutput(path)
        no_bytes = {name: tf.constant([""]) for name in graph.raw_feature_spec()}
        outputs = graph.transform_raw_features(no_bytes, drop_unused_features=True)
    for name, value in constants.items():
        found = outputs[features.STATS_PREFIX + name].numpy()[0]
        wanted = np.asarray(value).astype(found.dtype)
        for index in np.flatnonzero(found != wanted):
            yield (
                f"{dataset_files.TRANSFORM_GRAPH}: {name}[{index}] is {found[index]}, "
                f"and the records' pixels give {wanted[index]}"
            )
