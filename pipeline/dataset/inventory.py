"""What each file of a dataset holds, in the manifest: written, compared, renewed."""

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files
from maskbeam.transforms.manifest import SEAL, read_manifest, seal_of

Entry = dict[str, Any]  # `bytes` and `sha256`
Inventory = dict[str, Entry]  # by path below the dataset's directory, with slashes

# Whatever is in these is loaded, by us or by a model server.
CLOSED = (
    dataset_files.PREPROCESSING,
    dataset_files.TRANSFORM_GRAPH,
    dataset_files.SERVING,
)

# What may be made again, with other bytes.
REMADE = (dataset_files.REPORT,)


def of_bytes(content: bytes) -> Entry:
    """Returns the entry of a file's content."""
    return entry(len(content), hashlib.sha256(content).hexdigest())


def entry(size: int, sha256: str) -> Entry:
    """Returns the entry of a file of so many bytes."""
    return {"bytes": size, "sha256": sha256}


def of_file(path: str) -> Entry:
    """Returns the entry of a file, which is read in parts.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    checksum, size = hashlib.sha256(), 0
    for chunk in files.chunks(path):
        checksum.update(chunk)
        size += len(chunk)
    return entry(size, checksum.hexdigest())


def of_contents(contents: Mapping[str, bytes], below: str) -> Inventory:
    """Returns the entries of all files in a directory.

    Args:
        contents: of the files, by path below the directory, with slashes.
        below: what the directory is called below the dataset's.
    """
    return {f"{below}/{name}": of_bytes(data) for name, data in contents.items()}


def seal(manifest: Mapping[str, Any], inventory: Inventory) -> dict[str, Any]:
    """Adds to a manifest what the dataset's files hold, and a checksum of itself."""
    whole = {**manifest, "files": dict(sorted(inventory.items()))}
    return {**whole, SEAL: seal_of(whole)}


def add(directory: str, added: Inventory) -> None:
    """Renews a dataset's manifest after files were added; one without entries stays.

    Raises:
        FileNotFoundError: there is no dataset.
    """
    manifest = read_manifest(directory)
    if "files" in manifest:
        renewed = seal(manifest, {**manifest["files"], **added})
        # A file that is cut off in its writing is in no list, and no glob finds it.
        own = files.join(directory, dataset_files.temporary_name())
        files.write_json(files.join(own, dataset_files.MANIFEST), renewed)
        files.move_all(own, directory, [dataset_files.MANIFEST])
        files.remove(own)


def name_below(directory: str, path: str) -> str:
    """Returns what a path is called below a dataset's directory; "" if it is not."""
    root, whole = (
        one if "://" in one else os.path.realpath(one) for one in (directory, path)
    )
    root = root.rstrip("/") + "/"
    return whole[len(root) :] if whole.startswith(root) else ""
