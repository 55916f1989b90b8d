"""Reads raw rows from their sources in this process, a few or all of them."""

import collections
from collections.abc import Callable, Iterator

from maskbeam.pipeline.elements import (
    BadRow,
    DamagedError,
    Entry,
    RawRow,
    Rejection,
    numbered_key,
)
from maskbeam.pipeline.formats import limits, record_files
from maskbeam.pipeline.keys import rank_of, split_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import listing
from maskbeam.pipeline.planning.listing import kind_of
from maskbeam.pipeline.planning.pairing import pair_by_key, pairing_of
from maskbeam.pipeline.rows import read

Takes = Callable[[str, str], bool]


def rows(
    options: Options,
    takes: Takes = lambda split, key: True,
    is_enough: Callable[[str], bool] = lambda split: False,
) -> Iterator[tuple[str, RawRow | Rejection]]:
    """Reads raw rows, with the split of each, or why a row has none.

    Args:
        options: where they are.
        takes: whether a row is wanted, by split and key. Of rows that have names it is
            asked before they are read, in the order of ranks: the first ones are spread
            over all. Of record files the first ones are those of the first file.
        is_enough: whether no more rows of a record file's split are wanted.
    """
    yield from _named_rows(options, takes)
    for source in options.label_maps:
        for file in sorted(listing.matched(source, "label_maps", options)):
            if kind_of(file.path, source.pattern) != "records":
                continue
            for split, row in _record_rows(file.path, source.split, options):
                if is_enough(source.split):
                    break
                if takes(split, row.key):
                    yield split, row


def _named_rows(
    options: Options, takes: Takes
) -> Iterator[tuple[str, RawRow | Rejection]]:
    pairing = pairing_of(options, with_images=bool(options.images))
    found: dict[str, list[Entry]] = collections.defaultdict(list)
    for element in listing.sources_of(options):
        for key, entry in listing.listed(element, options):
            found[key].append(entry)
    for key in sorted(found, key=lambda key: rank_of(key, options.seed)):
        for paired in pair_by_key(key, found[key], pairing):
            if isinstance(paired, Rejection):
                if takes(paired.split, key):
                    yield paired.split, paired
                continue
            split, row = paired
            if takes(split, key):
                yield split, read.read_row(row, split, options)


def _record_rows(
    path: str, split: str, options: Options
) -> Iterator[tuple[str, RawRow | Rejection]]:
    keys = record_files.resolve(path, options.record_keys)
    most = limits.picture_bytes(options.max_pixels)
    try:
        for row in record_files.rows(path, keys, most=most):
            if isinstance(row, BadRow):
                key = numbered_key(path, row.number)
                yield split, Rejection(key, split, path, "read", row.reason)
                continue
            where = split_of(row.key, options) if options.split_by else split
            yield where, read.readable(row, where, options)
    except DamagedError as error:
        key = numbered_key(path, error.row)
        yield split, Rejection(key, split, path, "read", error.reason)
