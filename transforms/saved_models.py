"""Loads SavedModels from any path, and copies them.

TensorFlow looks for a model's variables by a glob, on any filesystem: from a path with
`[`, `*` or `?` it loads none, or finds those of another directory. Such a model is
loaded from a copy.
"""

import contextlib
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_WILDCARD = re.compile(r"[*?\[]")


def load(path: str) -> Any:
    """Loads a SavedModel.

    Args:
        path: the model's directory, on any filesystem of TensorFlow's.
    """
    with contextlib.ExitStack() as stack:
        model = tf.saved_model.load(stack.enter_context(loadable(path)))
        # If the model is saved again, its assets are copied from there.
        weakref.finalize(model, stack.pop_all().close)
    return model


@contextlib.contextmanager
def loadable(path: str) -> Iterator[str]:
    """Gives the path of a directory, or of a copy, that TensorFlow can load from.

    Args:
        path: the directory of one SavedModel, or of several, on any filesystem of
            TensorFlow's.
    """
    if not _WILDCARD.search(path):
        yield path
        return
    scratch = tempfile.mkdtemp(prefix="maskbeam-")
    try:
        copy(path, os.path.join(scratch, "model"))
        yield os.path.join(scratch, "model")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def copy(source: str, target: str) -> None:
    """Copies a directory and all in it, between any filesystems of TensorFlow's.

    Args:
        source: the directory.
        target: the copy's path, where nothing is.
    """
    for folder, _, names in tf.io.gfile.walk(source):
        below = os.path.join(target, os.path.relpath(folder, source))
        tf.io.gfile.makedirs(below)
        for name in names:
            tf.io.gfile.copy(os.path.join(folder, name), os.path.join(below, name))
