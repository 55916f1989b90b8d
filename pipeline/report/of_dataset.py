"""Makes the report of a dataset, or of a run that made none, long after the run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from maskbeam.pipeline import reasons
from maskbeam.pipeline.report import content_of, decoding, drawing, page, show
from maskbeam.pipeline.report.choice import CHANCE
from maskbeam.pipeline.report.content import Picture
from maskbeam.pipeline.report.content_of import Made
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import features, record_columns
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.manifest import read_config, read_stats, shards_of

_SHOWN = 16  # rows of a dataset that names none


def make(directory: str, manifest: Mapping[str, Any]) -> bytes:
    """Makes the page of a dataset.

    Args:
        directory: the dataset's.
        manifest: of it.

    Raises:
        DamagedDatasetError: the dataset is damaged.
        tf.errors.OpError: a record is.
    """
    config = read_config(manifest)
    stats = read_stats(directory, manifest, config)
    class_map = show.class_map_of(directory)
    pictures = [*_pictures(directory, manifest, stats, config, class_map)]
    found = reasons.add_up(reasons.files_in(directory))
    made = Made(manifest, stats, class_map, found)
    return page.render(content_of.content_of(made, pictures)).encode()


def make_refused(directory: str, verdict: Mapping[str, Any]) -> bytes:
    """Makes the page of a run that made no dataset.

    Args:
        directory: the run's output.
        verdict: what the run has left there.
    """
    found = reasons.add_up(reasons.files_in(directory))
    content = content_of.content_of(Made(verdict, None, None, found))
    return page.render(content).encode()


def _pictures(
    directory: str,
    manifest: Mapping[str, Any],
    stats: Mapping[str, Any],
    config: features.Config,
    class_map: ClassMap,
) -> Iterator[Picture]:
    """Draws the rows that the run has chosen; or, if it chose none, the first ones."""
    if "pictures" in stats:
        why = {(one["split"], one["key"]): one["why"] for one in stats["pictures"]}
        shards = {(one["split"], one["shard"]) for one in stats["pictures"]}
        most = len(why)
    else:
        shards = {(s, n) for s in manifest["splits"] for n in shards_of(manifest, s)}
        why, most = {}, _SHOWN
    side = drawing.side_of(most)
    drawn = []
    for split in manifest["splits"]:
        names = [name for name in shards_of(manifest, split) if (split, name) in shards]
        wanted = [key for of_split, key in why if of_split == split]
        count = len(wanted) if why else -(-most // len(manifest["splits"]))
        for columns in _records(directory, names, wanted, config).take(count):
            place = split, columns[features.KEY].numpy().decode()
            row = decoding.of_record(columns, place[1], config)
            reason = why.get(place, CHANCE)
            drawn.append(drawing.draw(place, reason, row, class_map, side))
    order = {place: number for number, place in enumerate(why)}
    drawn.sort(key=lambda one: order.get((one.split, one.key), 0))
    yield from drawing.fitting(drawn, drawing.SHOWN_BYTES)


def _records(
    directory: str, shards: Sequence[str], keys: Sequence[str], config: features.Config
) -> tf.data.Dataset:
    """Reads the records of some keys, or of all if there are none; no large ones."""
    paths = [files.join(directory, name) for name in shards]
    records = tf.data.TFRecordDataset(tf.constant(paths, tf.string))
    most = drawing.MOST_BYTES
    records = records.filter(lambda record: tf.strings.length(record) <= most)
    if keys:
        key = {features.KEY: tf.io.FixedLenFeature([], tf.string)}
        wanted = tf.constant(keys)
        records = records.filter(
            lambda record: tf.reduce_any(
                tf.io.parse_single_example(record, key)[features.KEY] == wanted
            )
        )
    names = decoding.names(config) | {features.KEY}
    rows = records.map(record_columns.record_parser(config, names))
    return rows.filter(
        lambda row: (
            tf.reduce_prod([row[side] for side in features.SIDES])
            <= drawing.MOST_PIXELS
        )
    )
