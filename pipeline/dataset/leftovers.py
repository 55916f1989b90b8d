"""What an earlier run has left in the output: only names that a run of ours writes.

A run's note and a manifest are files that anybody may have written: what they list is
removed, so each name must be one that we could have given.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from maskbeam.pipeline.errors import UsageError, in_words
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import shown
from maskbeam.transforms import dataset_files

_DIRECTORIES = {dataset_files.PREPROCESSING, dataset_files.TRANSFORM_GRAPH}
_FIXED = {
    *_DIRECTORIES,
    dataset_files.SERVING_MODEL,
    dataset_files.CLASSES,
    dataset_files.STATS,
    dataset_files.FEATURES,
    dataset_files.DATASET_INFO,
    dataset_files.REPORT,
    dataset_files.REFUSED,
}


class Leftovers(NamedTuple):
    """What an earlier run has written, or was about to write, by relative name.

    Attributes:
        names: the dataset's files and directories.
        temporary: the run's own directories.
    """

    names: frozenset[str] = frozenset()
    temporary: tuple[str, ...] = ()


def beside_shards(splits: Iterable[str]) -> set[str]:
    """Returns what a run may write beside shards, by relative name."""
    return _FIXED | {dataset_files.rejected_file(split) for split in (*splits, "")}


def find(directory: str) -> Leftovers:
    """Finds what an earlier run has left.

    Raises:
        UsageError: its note, or its manifest, does not say so.
    """
    for name, read in (
        (dataset_files.UNFINISHED, _of_note),
        (dataset_files.MANIFEST, _of_manifest),
    ):
        path = files.join(directory, name)
        if not files.exists(path):
            continue
        try:
            tree = files.read_json(path)
            found = read(tree)
            _check(directory, found)
            foreign = _foreign(directory, found, tree.get("files"))
        except (OSError, ValueError) as error:
            raise _unsure(path, in_words(error)) from error
        except (LookupError, TypeError, AttributeError, RecursionError) as error:
            raise _unsure(path, "its fields are not those of a run") from error
        if foreign:
            raise UsageError(
                f"{files.join(directory, *foreign.split('/'))} is not maskbeam's, and "
                "--overwrite would remove all that is beside it: move it elsewhere"
            )
        return found._replace(
            temporary=tuple({*found.temporary, *temporaries(directory)})
        )
    return Leftovers(temporary=tuple(temporaries(directory)))


def temporaries(directory: str) -> list[str]:
    """Lists the runs' own directories in a directory of this machine.

    One that was killed before its note was there, or while a command renewed the
    manifest, is in no list.
    """
    if not files.is_local(directory) or not os.path.isdir(directory):
        return []
    return list(filter(dataset_files.is_temporary, os.listdir(directory)))


def _of_note(note: Any) -> Leftovers:
    return Leftovers(frozenset(note["names"]), tuple(note["temporary"]))


def _of_manifest(manifest: Any) -> Leftovers:
    splits: dict[str, Any] = manifest["splits"]
    shards = [shard["file"] for split in splits.values() for shard in split["shards"]]
    _refuse([name for name in shards if not dataset_files.is_shard(name)])
    models = {
        "/".join(name.split("/")[:2])
        for name in manifest.get("files", ())
        if name.startswith(f"{dataset_files.SERVING}/")
    }
    names = frozenset(shards) | beside_shards(splits) | models
    # Earlier versions made none: one that is there is somebody's own.
    if dataset_files.REPORT not in manifest.get("files", ()):
        names -= {dataset_files.REPORT}
    return Leftovers(names)


def _foreign(directory: str, found: Leftovers, listed: Mapping[str, Any] | None) -> str:
    """Returns a file that is not ours in a directory that would be removed, or "".

    Args:
        directory: the output.
        found: what would be removed.
        listed: all files of the dataset; None if nobody has listed them.
    """
    if listed is None:
        return ""
    for name in sorted(found.names):
        path = files.join(directory, *name.split("/"))
        if _is_directory(name) and files.exists(path) and not files.is_link(path):
            for file in files.below(path):
                if f"{name}/{file}" not in listed:
                    return f"{name}/{file}"
    return ""


def _is_directory(name: str) -> bool:
    return name in _DIRECTORIES or dataset_files.is_model(name)


def _check(directory: str, found: Leftovers) -> None:
    """Checks that all names are ours, and lead nowhere else.

    Raises:
        ValueError: one is not, or does.
    """
    _refuse([n for n in found.temporary if not dataset_files.is_temporary(n)])
    _refuse([name for name in found.names if not _is_ours(name)])
    for name in found.names:
        folder, slash, _ = name.rpartition("/")
        if slash and files.is_link(files.join(directory, folder)):
            raise ValueError(f"{folder} is a link, and what is behind it may be yours")


def _refuse(foreign: Sequence[str]) -> None:
    """Raises ValueError if there are names that are not ours."""
    if foreign:
        raise ValueError(f"no run of maskbeam's writes {shown(min(foreign))}")


def _is_ours(name: str) -> bool:
    return (
        name in _FIXED
        or dataset_files.is_model(name)
        or dataset_files.is_shard(name)
        or dataset_files.is_rejected_file(name)
    )


def _unsure(path: str, why: str) -> UsageError:
    return UsageError(
        f"{path} does not tell what an earlier run wrote ({why}), so --overwrite "
        "removes nothing: move what is yours out of the directory and remove the rest "
        "by hand, or choose another --output"
    )
