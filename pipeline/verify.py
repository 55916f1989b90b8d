"""Checks whether a dataset on disk is the one that was written.

Do all files hold what the manifest says (`verify_files`)? Does every record parse and
load? Do the statistics and the constants in the transform graph follow from the
records' pixels? Nothing here trusts `stats.json`: it is checked too. `verify_sources`
compares records with raw rows.
"""

import collections
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from maskbeam.pipeline import verify_files
from maskbeam.pipeline.dataset import statistics
from maskbeam.pipeline.rows.profile import Profile, add_up
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.verify_files import Compared
from maskbeam.pipeline.verify_records import OwnCheck, check_records, own_check
from maskbeam.transforms import (
    dataset_files,
    features,
    known_ops,
    own_records,
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

_ALL = "all splits"
# Which label maps were looked at is the plan's; the others are of rows by their ranks.
# No record tells what was moved to another value (`moved_pixels`), so no profile does;
# nor what several classes claimed (`overlapping`).
_NOT_OF_RECORDS = {"stray_pixels", "most"}

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
    profiles: dict[str, Profile] = {}
    # They are programs: others than ours are not run.
    foreign = list(_foreign_models(directory, bool(config.own_columns)))
    checks = [] if foreign else _own_checks(directory, manifest, config)
    for split, found in manifest["splits"].items():
        total = summaries.zero(config.num_classes, config.with_images)
        profile = Profile(config.num_classes, 0)
        keys: collections.Counter[bytes] = collections.Counter()
        for shard in found["shards"]:
            path = files.join(directory, shard["file"])
            shard_faults = check_records(
                path, shard["records"], config, total, profile, keys, *checks
            )
            faults += (f"{shard['file']}: {fault}" for fault in shard_faults)
        faults += (
            f"split {split}: the key {key.decode()!r} is there {count} times"
            for key, count in keys.items()
            if count > 1
        )
        if sum(shard["records"] for shard in found["shards"]) != found["records"]:
            faults.append(f"split {split}: its shards do not add up to its records")
        totals[split], profiles[split] = total, profile
    if not faults:
        train = summaries.add(
            (totals[split] for split in summaries.graph_splits(totals)),
            config.num_classes,
            config.with_images,
        )
        derived = summaries.statistics(train)
        stats = read_stats(directory, manifest, config)
        faults += _check_stats(stats, totals, derived)
        faults += _check_profiles(stats, profiles)
        faults += foreign or _check_graph(directory, train | derived)
    return faults


def _own_checks(
    directory: str, manifest: Mapping[str, Any], config: features.Config
) -> list[OwnCheck]:
    """Makes what compares stored columns of the user's own, if there are any."""
    if not any(own_records.stored(config)):
        return []
    stats = read_stats(directory, manifest, config)
    constants = record_columns.constants_of(stats, config)
    return [own_check(directory, config, constants)]


def _check_stats(
    stats: Mapping[str, Any],
    totals: dict[str, summaries.Summary],
    derived: Mapping[str, tf.Tensor],
) -> Iterator[str]:
    for name, values in derived.items():
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


def _check_profiles(
    stats: Mapping[str, Any], profiles: Mapping[str, Profile]
) -> Iterator[str]:
    """Checks what a report says, as far as records tell it."""
    found = {split: stats["splits"][split] for split in profiles}
    wanted = {s: statistics.of_profile(profile) for s, profile in profiles.items()}
    found[_ALL] = stats
    wanted[_ALL] = statistics.of_all(add_up(profiles.values()))
    for split, counts in wanted.items():
        for name in sorted(counts.keys() & found[split].keys() - _NOT_OF_RECORDS):
            if counts[name] != found[split][name]:
                yield (
                    f"{dataset_files.STATS}: {name} of {split} is not what the "
                    "records' pixels give"
                )


def _foreign_models(directory: str, of_user: bool) -> Iterator[str]:
    """Yields why models of the dataset are not run, if so."""
    graph = (dataset_files.TRANSFORM_GRAPH, tft.TFTransformOutput.TRANSFORM_FN_DIR)
    paths = [files.join(directory, *graph), serving.model_path(directory)]
    if of_user:
        paths.append(files.join(directory, dataset_files.PREPROCESSING))
    for path in paths:
        try:
            known_ops.check(path, of_user=of_user)
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
