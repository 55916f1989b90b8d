"""Raw rows found again, in this process: what a dataset was made of."""

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apache_beam.io.filesystem import BeamIOError

from pipeline import files, formats, plan, read
from pipeline.keys import kind_of, split_of
from pipeline.options import Options, RecordKeys, Source
from pipeline.rows import BadRow, DamagedError, Entry, RawRow, Rejection
from transforms.classes import ClassMap


def options_of(
    manifest: Mapping[str, Any], class_map: ClassMap, label_maps: Sequence[Source]
) -> Options:
    """The options that a dataset was made with, but for other label maps.

    Args:
        manifest: of the dataset.
        class_map: likewise.
        label_maps: where the raw label maps are.

    Raises:
        UsageError: they contradict each other.
    """
    given = manifest["options"]
    splits = {source.split for source in label_maps}
    images = (Source(**source) for source in given["images"])
    return Options(
        label_maps=tuple(label_maps),
        class_map=class_map,
        images=tuple(source for source in images if source.split in splits),
        split_by=tuple((split, share) for split, share in given["split_by"]),
        group_by=given["group_by"],
        seed=given["seed"],
        strip_label_suffix=given["strip_label_suffix"],
        strip_image_suffix=given["strip_image_suffix"],
        record_keys=RecordKeys(**given["record_keys"]),
        max_pixels=given["max_pixels"],
    )


def rows(options: Options) -> Iterator[tuple[str, RawRow]]:
    """Reads raw rows, with the split of each; leaves out what cannot be read."""
    yield from _named_rows(options)
    for source in options.label_maps:
        for file in files.match(source.pattern):
            if kind_of(file.path) == "records":
                yield from _record_rows(file.path, source.split, options)


def _named_rows(options: Options) -> Iterator[tuple[str, RawRow]]:
    pairing = plan.pairing_of(options, with_images=bool(options.images))
    found: dict[str, list[Entry]] = collections.defaultdict(list)
    for element in plan.sources_of(options):
        for key, entry in plan.listed(element, options):
            found[key].append(entry)
    for key, entries in found.items():
        for paired in plan.pair_by_key(key, entries, pairing):
            if isinstance(paired, Rejection):
                continue
            split, row = paired
            raw = read.read_row(row, split)
            if isinstance(raw, RawRow):
                yield split, raw


def _record_rows(
    path: str, split: str, options: Options
) -> Iterator[tuple[str, RawRow]]:
    reader = formats.reader_of(path)
    keys = reader.resolve(path, options.record_keys)
    try:
        for row in reader.rows(path, keys):
            if not isinstance(row, BadRow):
                dealt = options.split_by
                yield split_of(row.key, options) if dealt else split, row
    except (DamagedError, OSError, BeamIOError):
        return
