"""Writes and loads SavedModels in memory.

TensorFlow writes and reads a model's files in ways of its own. It looks for variables
by a glob: from a path with `[`, `*` or `?` it loads none, or finds those of another
directory. Where a read fails, its reader of checkpoints ends the process. In memory
neither happens; their files go from there to a disk, and back, one by one.
"""

import contextlib
import os
import uuid
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

_MEMORY = "ram://"


def load(path: str) -> Any:
    """Loads a SavedModel.

    Args:
        path: the model's directory, on any filesystem of TensorFlow's.

    Raises:
        tf.errors.OpError: a file cannot be read.
    """
    with contextlib.ExitStack() as stack:
        model = tf.saved_model.load(stack.enter_context(loadable(path)))
        # If the model is saved again, its assets are copied from there.
        weakref.finalize(model, stack.pop_all().close)
    return model


@contextlib.contextmanager
def loadable(path: str) -> Iterator[str]:
    """Gives the path of a copy of a directory that TensorFlow can load from.

    Args:
        path: the directory of one SavedModel, or of several, on any filesystem of
            TensorFlow's.

    Raises:
        tf.errors.OpError: a file cannot be read.
    """
    with in_memory() as scratch:
        write(scratch, contents(path))
        yield scratch


@contextlib.contextmanager
def in_memory() -> Iterator[str]:
    """Gives the path of a directory in memory, and removes it."""
    path = f"{_MEMORY}maskbeam-{uuid.uuid4().hex}"
    tf.io.gfile.makedirs(path)
    try:
        yield path
    finally:
        for file in list(_files_in_memory(path)):
            tf.io.gfile.remove(file)


def contents(path: str) -> dict[str, bytes]:
    """Reads all files in a directory and those within it.

    Args:
        path: the directory, on any filesystem of TensorFlow's.

    Returns:
        By path below the directory, with slashes, sorted.
    """
    found = {}
    for file in _files(path):
        with tf.io.gfile.GFile(file, "rb") as opened:
            found[os.path.relpath(file, path).replace(os.sep, "/")] = opened.read()
    return dict(sorted(found.items()))


def _files(path: str) -> Iterator[str]:
    """Yields the paths of all files in a directory and those within it."""
    if path.startswith(_MEMORY):
        yield from _files_in_memory(path)
        return
    for folder, _, names in tf.io.gfile.walk(path):
        yield from (os.path.join(folder, name) for name in names)


def _files_in_memory(path: str) -> Iterator[str]:
    """Yields paths of files; there `assets` lists what is in `assets.extra` too."""
    for below in tf.io.gfile.glob(f"{path}/*"):
        if tf.io.gfile.isdir(below):
            yield from _files_in_memory(below)
        else:
            yield below


def write(path: str, contents: Mapping[str, bytes]) -> None:
    """Writes files into a directory.

    Args:
        path: the directory, on any filesystem of TensorFlow's.
        contents: of the files, by path below the directory, with slashes.
    """
    for name, content in contents.items():
        file_path = os.path.join(path, *name.split("/"))
        tf.io.gfile.makedirs(os.path.dirname(file_path))
        with tf.io.gfile.GFile(file_path, "wb") as file:
            file.write(content)
