"""Compares a dataset's files with its manifest, before anything of it is loaded."""

import collections
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from maskbeam.pipeline.dataset import inventory
from maskbeam.pipeline.errors import in_words
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files
from maskbeam.transforms.manifest import SEAL, seal_of
from maskbeam.transforms.texts import listed, quoted

UNLISTED = (
    f"{dataset_files.MANIFEST} is of an earlier version, which lists no files but "
    "shards: whether the others are as they were written, nobody can say"
)


class Compared(NamedTuple):
    """What a comparison found, a line each.

    Attributes:
        faults: what is wrong with the dataset.
        notes: what you may want to know.
    """

    faults: list[str]
    notes: list[str]


def compare(directory: str, manifest: Mapping[str, Any]) -> Compared:
    """Compares all files with the manifest, and looks for others.

    Args:
        directory: the dataset's directory.
        manifest: its manifest.
    """
    try:
        return _compare(directory, manifest)
    except (LookupError, TypeError, AttributeError):
        return Compared([f"{dataset_files.MANIFEST}: its fields are not ours"], [])


def _compare(directory: str, manifest: Mapping[str, Any]) -> Compared:
    if SEAL not in manifest and "files" not in manifest:
        shards = {
            shard["file"]: inventory.entry(shard["bytes"], shard["sha256"])
            for split in manifest["splits"].values()
            for shard in split["shards"]
        }
        return Compared(list(_differences(directory, shards)), [UNLISTED])
    if manifest.get(SEAL) != seal_of(manifest):
        return Compared(
            [
                f"{dataset_files.MANIFEST}: its {SEAL} is not that of its content: it "
                "was changed"
            ],
            [],
        )
    known = manifest["files"]
    remade = {name: known[name] for name in inventory.REMADE if name in known}
    faults = list(_differences(directory, _without(known, remade)))
    others = [
        name
        for name in files.below(directory)
        if name not in known and name != dataset_files.MANIFEST
    ]
    closed = tuple(f"{folder}/" for folder in inventory.CLOSED)
    faults += [
        f"{quoted(name)} is not maskbeam's, and whatever is there may be loaded"
        for name in others
        if name.startswith(closed)
    ]
    places = collections.Counter(
        name.partition("/")[0] for name in others if not name.startswith(closed)
    )
    notes = [f"not of the dataset: {listed(places)}"] if places else []
    notes += [
        f"{difference}; maskbeam report makes it again"
        for difference in _differences(directory, remade)
    ]
    return Compared(faults, notes)


def _without(known: Any, left_out: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry for name, entry in known.items() if name not in left_out}


def _differences(directory: str, known: Mapping[str, inventory.Entry]) -> Iterator[str]:
    """Names each file that differs from its entry, or is missing."""
    for name, wanted in known.items():
        if not dataset_files.is_below(name):
            yield f"{quoted(name)} in {dataset_files.MANIFEST} leads out of the dataset"
            continue
        path = files.join(directory, *name.split("/"))
        if not files.exists(path):
            yield f"{name}: the file is missing"
            continue
        try:
            found = inventory.of_file(path)
        except OSError as error:
            yield f"{name}: it cannot be read: {in_words(error)}"
            continue
        if found["bytes"] != wanted["bytes"]:
            yield (
                f"{name}: {found['bytes']} bytes, and the manifest says "
                f"{wanted['bytes']}"
            )
        elif found != wanted:
            yield (
                f"{name}: its SHA-256 is not the manifest's: its content was changed"
            )
