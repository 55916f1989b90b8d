"""Puts a dataset's serving model where a model server looks for models."""

import os
import uuid

from maskbeam.pipeline.dataset import inventory
from maskbeam.pipeline.runtime.loading import loading
from maskbeam.transforms.manifest import exists


def export(directory: str, to: str, version: int) -> str:
    """Copies the serving model to `to`/`version`, where it appears whole.

    In the dataset's own directory it becomes a part of the dataset.

    Args:
        directory: the dataset's directory.
        to: the model's directory, whose entries are versions.
        version: a number above 0; servers take the highest.

    Returns:
        The path of the copy.

    Raises:
        FileNotFoundError: there is no serving model.
        FileExistsError: the version is there already.
        ValueError: TensorFlow has no filesystem for one of the two.
    """
    path = os.path.join(to, str(version))
    if exists(path, "export to a disk or to gs://, and copy from there"):
        raise FileExistsError(
            f"{path} is there already, and servers may have loaded it: choose another "
            "--version"
        )
    with loading():
        import tensorflow as tf

        from maskbeam.transforms import saved_models, serving
    contents = saved_models.contents(serving.find_model(directory))
    # Model servers pass over names that are not numbers.
    temporary = os.path.join(to, f".{version}-{uuid.uuid4().hex[:12]}")
    try:
        saved_models.write(temporary, contents)
        tf.io.gfile.rename(temporary, path)
    except BaseException:
        if tf.io.gfile.exists(temporary):
            tf.io.gfile.rmtree(temporary)
        raise
    if below := inventory.name_below(directory, path):
        inventory.add(directory, inventory.of_contents(contents, below))
    return path
