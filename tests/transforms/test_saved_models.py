"""SavedModels load from any path."""

import gc
import pathlib

import pytest
import tensorflow as tf

from maskbeam.transforms import saved_models


def _save(path, value):
    model = tf.Module()
    model.variable = tf.Variable(value)
    model.add = tf.function(
        lambda x: x + model.variable, [tf.TensorSpec([], tf.float32)]
    )
    words = path.parent / f"{value}.txt"
    words.parent.mkdir(exist_ok=True)
    words.write_text(str(value))
    model.words = tf.saved_model.Asset(str(words))
    tf.saved_model.save(model, str(path))


@pytest.mark.parametrize("name", ["a[1]", "a*", "a?", "[", "lr=[0.1]"])
def test_a_path_is_never_a_pattern(name, tmp_path):
    _save(tmp_path / "a1" / "model", 1.0)
    _save(tmp_path / name / "model", 2.0)
    model = saved_models.load(str(tmp_path / name / "model"))
    assert float(model.add(40.0)) == 42.0
    # What it was loaded from stays as long as it does: to save it again takes assets.
    tf.saved_model.save(model, str(tmp_path / "again"))
    assert (tmp_path / "again" / "assets" / "2.0.txt").read_text() == "2.0"
    asset = pathlib.Path(model.words.asset_path.numpy().decode())
    assert asset.exists()
    del model
    gc.collect()
    assert not asset.exists()


def test_a_copy_has_all_files(tmp_path):
    _save(tmp_path / "x[1]" / "model", 1.0)
    source, target = tmp_path / "x[1]", tmp_path / "y[*]" / "z"
    saved_models.copy(str(source), str(target))
    contents = {
        folder: {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (source, target)
    }
    assert contents[source] == contents[target]
    assert len(contents[source]) == 6
