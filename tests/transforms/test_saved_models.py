"""SavedModels load from any path."""

import gc

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
    asset = model.words.asset_path.numpy()
    assert tf.io.gfile.exists(asset)
    del model
    gc.collect()
    assert not tf.io.gfile.exists(asset)


def test_contents_are_of_all_files(tmp_path):
    _save(tmp_path / "x[1]" / "model", 1.0)
    source, target = tmp_path / "x[1]", tmp_path / "y[*]" / "z"
    contents = saved_models.contents(str(source))
    saved_models.write(str(target), contents)
    for folder in (source, target):
        assert contents == {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
    assert len(contents) == 6
