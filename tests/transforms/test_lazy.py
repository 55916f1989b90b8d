"""Public names: there at once, and what they stand for when they are used."""

import inspect
import pickle

import pytest
import tensorflow as tf

from maskbeam import pipeline, transforms
from maskbeam.transforms import masks, records


def test_imports_of_public_names_load_nothing_heavy(run_python):
    printed = run_python(
        "import sys\n"
        "from maskbeam.transforms import load, one_hot, expand, stitch\n"
        "from maskbeam.transforms import load_transform, attach, ClassMap\n"
        "from maskbeam.pipeline import convert, Options, UsageError, __version__\n"
        "print({'tensorflow', 'apache_beam', 'tensorflow_transform'} & {*sys.modules})"
    )
    assert printed.strip() == "set()"


@pytest.mark.parametrize("package", [pipeline, transforms])
def test_no_public_name_is_a_submodules(package):
    """An import of such a module would take the name's place."""
    import pathlib

    folder = pathlib.Path(package.__path__[0])
    modules = {path.stem for path in folder.glob("*.py")}
    modules |= {path.name for path in folder.iterdir() if path.is_dir()}
    assert not modules & set(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_a_lazy_function_shows_the_function_itself():
    assert inspect.signature(transforms.load) == inspect.signature(records.load)
    assert transforms.load.__doc__ == records.load.__doc__
    assert inspect.unwrap(transforms.one_hot) is masks.one_hot
    assert pickle.loads(pickle.dumps(transforms.one_hot)) is transforms.one_hot
    assert transforms.one_hot is transforms.one_hot


def test_a_lazy_function_works_in_graphs():
    labels = tf.constant([[0, 1], [2, 255]])

    def encode(label: tf.Tensor) -> tf.Tensor:
        return transforms.one_hot(label, 3, ignore_label=255)

    expected = masks.one_hot(labels, 3, ignore_label=255).numpy()
    rows = tf.data.Dataset.from_tensor_slices(labels).map(encode)
    for found in (encode(labels), tf.function(encode)(labels), tf.stack(list(rows))):
        assert found.numpy().tolist() == expected.tolist()


@pytest.mark.parametrize("name", ["pipeline", "transforms"])
def test_old_names_say_what_they_are_called_now(run_python, name):
    printed = run_python(
        f"try:\n    import {name}\nexcept ImportError as error:\n    print(error)"
    )
    assert f"{name} is called maskbeam.{name} now" in printed


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(ImportError, match="no_such"):
        from maskbeam.pipeline import no_such  # noqa: F401
    with pytest.raises(AttributeError, match="no_such"):
        transforms.no_such  # noqa: B018


def test_the_version(run_maskbeam):
    done = run_maskbeam("--version")
    assert (done.returncode, done.stdout) == (0, f"maskbeam {pipeline.__version__}\n")
