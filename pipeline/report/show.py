"""Draws rows of a dataset, or of sources that are not converted yet."""

import collections
import io
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from PIL import Image

from maskbeam.pipeline import source_rows
from maskbeam.pipeline.elements import Rejection
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.report import decoding, pictures
from maskbeam.pipeline.report.pictures import Row
from maskbeam.pipeline.rows.label_maps import LabelMaps
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import class_files, dataset_files, features, records
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.manifest import read_config

_SHEET = ".png"


class _Chosen:
    """Chooses rows: some keys, or a number of each split."""

    def __init__(self, keys: Collection[str], limit: int) -> None:
        self._keys = set(keys)
        self._limit = limit
        self._taken: collections.Counter[str] = collections.Counter()
        self._left = set(keys)

    def takes(self, split: str, key: str) -> bool:
        """Checks whether a row is wanted, and counts it."""
        if self._keys:
            self._left.discard(key)
            return key in self._keys
        self._taken[split] += 1
        return self._taken[split] <= self._limit

    def is_enough(self, split: str) -> bool:
        """Checks whether no more rows of a split are wanted."""
        if self._keys:
            return not self._left
        return self._taken[split] >= self._limit

    def check(self) -> None:
        """Checks that all keys were there.

        Raises:
            UsageError: one was not.
        """
        if self._left:
            raise UsageError(f"there is no row {min(self._left)!r}")


def of_dataset(
    directory: str,
    manifest: Mapping[str, Any],
    splits: Collection[str],
    keys: Collection[str],
    limit: int,
) -> Iterator[Row]:
    """Reads rows of a dataset: the first of each split, whose order is a hash's.

    Args:
        directory: the dataset's.
        manifest: of it.
        splits: where to look.
        keys: the rows; none for the first ones.
        limit: how many of each split, if there are no keys.

    Raises:
        UsageError: a key is not there.
    """
    config = read_config(manifest)
    chosen = _Chosen(keys, limit)
    for split in splits:
        rows = records.load(directory, split, raw=True)
        for columns in rows if keys else rows.take(limit):
            key = columns[features.KEY].numpy().decode()
            if chosen.takes(split, key):
                yield decoding.of_record(columns, f"{split}: {key}", config)
    chosen.check()


def class_map_of(directory: str) -> ClassMap:
    """Reads the class map of a dataset."""
    path = files.join(directory, dataset_files.CLASSES)
    return class_files.load_class_map(path)


def of_sources(options: Options, keys: Collection[str], limit: int) -> Iterator[Row]:
    """Reads rows before any conversion; what the class map does not know is striped.

    Args:
        options: where the rows are, and what they mean.
        keys: the rows; none for the first ones in the order of a hash.
        limit: how many of each split, if there are no keys.

    Raises:
        UsageError: a key is not there.
    """
    chosen = _Chosen(keys, limit)
    label_maps = LabelMaps(options.class_map)
    for split, raw in source_rows.rows(options, chosen.takes, chosen.is_enough):
        title = f"{split}: {raw.key}"
        if isinstance(raw, Rejection):
            yield Row(title, None, None, (f"{raw.source}: {raw.reason}",))
        else:
            yield decoding.of_raw(raw, title, options, label_maps)
    chosen.check()


def write(rows: Iterator[Row], class_map: ClassMap, output: str) -> int:
    """Draws rows, into a directory or on one sheet.

    Args:
        rows: the rows.
        class_map: what their pixels mean.
        output: a directory; or, if it ends in `.png`, one picture.

    Returns:
        How many were drawn.

    Raises:
        UsageError: there is no row.
    """
    pages = []
    names = collections.Counter[str]()
    for row in rows:
        page = pictures.draw(row, class_map)
        if output.endswith(_SHEET):
            pages.append(page)
        else:
            files.make_directory(output)
            _save(page, files.join(output, _file_name(row.title, names)))
    if pages:
        _save(pictures.stack(pages), output)
    if not (count := len(pages) or names.total()):
        raise UsageError("there is no row to show")
    return count


def _file_name(title: str, names: collections.Counter[str]) -> str:
    """Makes a name for a row's picture that no other has."""
    name = "".join(c if c.isalnum() or c in "-_.@," else "_" for c in title)
    names[name] += 1
    return f"{name}{f'_{names[name]}' if names[name] > 1 else ''}{_SHEET}"


def _save(picture: Image.Image, path: str) -> None:
    encoded = io.BytesIO()
    picture.save(encoded, "png")
    files.write(path, encoded.getvalue())
