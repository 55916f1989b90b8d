"""What is refused of a user's function before anything is read: one line, and why."""

import re

import pytest

from maskbeam.pipeline import UsageError, values
from maskbeam.pipeline.own_function import code, function
from maskbeam.transforms import features

_HEAD = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    image, label, mask, key = (inputs[n] for n in ("image", "label", "mask", "key"))
"""
_SIZED = features.Config(3, "png", (8, 10), with_images=True)
_NATIVE = features.Config(3, "png", with_images=True)


def _find(text, config=_SIZED, stored=()):
    found = code.Code("own.py", "preprocessing_fn", text)
    return function.find(found, config, stored)


def _refused(text, config=_SIZED, stored=()):
    with pytest.raises(UsageError) as raised:
        _find(text, config, stored)
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith("--preprocessing_fn own.py")
    return line


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("raise ValueError('no\\nway')", "ValueError: no way (line 7)"),
        ("return {'x': inputs['picture']}", "KeyError: 'picture' (line 7)"),
        ("return {'x': tf.cast(label, tf.int32)}", "'x' is int32, and must be"),
        ("return {'x': label > 0}", "'x' is bool, and must be"),
        ("return {'x': tf.cast(image, tf.float64)}", "is float64, and must be"),
        ("return {'x': tf.reduce_sum(label)}", "must be a batch"),
        (
            "return {'x': tf.reduce_mean(image, 0, keepdims=True)}",
            "has 1 rows whatever",
        ),
        ("return {'x': tf.zeros([4])}", "has 4 rows whatever"),
        ("return {'x': tf.strings.split(key, '_').to_tensor()}", "a fixed shape"),
        ("return {'x': tf.strings.split(key, '_')}", "is a RaggedTensor"),
        ("return {'x': tf.sparse.from_dense(label)}", "is a SparseTensor"),
        ("return {'mask': mask * 2}", "it replaces 'mask'"),
        ("return {'label': label + 1}", "it replaces 'label'"),
        ("return {'levels': inputs['levels'] + 1}", "it replaces 'levels'"),
        ("return {'key': key + 'x'}", "it replaces 'key'"),
        (
            "return {'image': image * tf.cast(label, tf.float32)[..., None]}",
            "it replaces 'image' by what hangs on label",
        ),
        ("return {'image': image[:, ::2]}", "it must keep height and width"),
        ("return inputs", "returns no column beside its inputs"),
        ("return None", "returns no dict"),
        ("return [image]", "returns no dict"),
        ("return {'a/b': image}", "column 'a/b': a name has letters"),
        ("return {'weight': image}", "column 'weight': a name has"),
        ("return {7: image}", "column 7: a name has"),
        ("return {'x': image + tf.random.uniform([3])}", "operation RandomUniform"),
        ("tf.print(key); return {'x': image}", "operation PrintV2"),
        (
            "return {'x': tf.strings.join([key, tf.io.read_file('/etc/hostname')])}",
            "operation ReadFile",
        ),
        (
            "return {'x': tf.ensure_shape(tf.numpy_function("
            "lambda a: a, [image], tf.float32), image.shape)}",
            "operation PyFunc",
        ),
        (
            "x = tf.map_fn(lambda k: tf.io.read_file(k), key); return {'x': x}",
            "operation ReadFile",
        ),
        ("import not_there", "goes to workers alone"),
        ("v = tf.Variable(1.0); return {'x': image * v}", "ValueError"),
        (
            "x = tf.function(lambda i: i - tft.mean(i))(image); return {'x': x}",
            "an analyzer is within a tf.function",
        ),
    ],
)
def test_a_function_that_cannot_be(body, why):
    assert why in _refused(f"{_HEAD}    {body}\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def preprocessing_fn(inputs:\n", "SyntaxError"),
        ("import not_there\n", "it may import what is installed there"),
        ("import sys; sys.exit(3)\n", "SystemExit: 3"),
        (
            "def other(inputs):\n    pass\n",
            "no function 'preprocessing_fn'; it has other",
        ),
        ("preprocessing_fn = 3\n", "no function 'preprocessing_fn'; it has none"),
        ("def preprocessing_fn():\n    pass\n", "TypeError"),
    ],
)
def test_a_file_that_cannot_be(text, why):
    assert why in _refused(text)


def test_what_is_made_beside_the_function():
    head = "import tensorflow as tf\n"
    table = """
T = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)

def preprocessing_fn(inputs):
    return {"x": tf.cast(T.lookup(inputs["key"]), tf.int64)}
"""
    _find(head + table)
    variable = """
V = tf.Variable(2.0, name="mine")

def preprocessing_fn(inputs):
    return {"x": inputs["image"] * V}
"""
    assert "uses the variable 'mine:0'" in _refused(head + variable)
    decorated = """
@tf.function
def preprocessing_fn(inputs):
    return {"image": inputs["image"] * 2.0}
"""
    _, config = _find(head + decorated)
    (column,) = config.own_columns
    assert column.inputs == ("image",)


def test_a_callable_with_a_table_of_its_own():
    import tensorflow as tf

    initial = tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([1], tf.int64))
    table = tf.lookup.StaticHashTable(initial, -1)

    def own(inputs):
        return {"x": table.lookup(inputs["key"])}

    found = code.read(own)
    assert found is not None
    with pytest.raises(UsageError, match="cannot be saved") as raised:
        function.find(found, _SIZED, ())
    assert "\n" not in str(raised.value)


def test_rows_without_images():
    text = f"{_HEAD}    return {{'x': image}}\n"
    line = _refused(text, features.Config(3, "png", (8, 10)))
    assert "KeyError: 'image' (line 6) (the rows have no images)" in line


@pytest.mark.parametrize(
    ("body", "stored", "config", "why"),
    [
        ("return {'x': image}", ["y"], _SIZED, "--store y: it makes no such column"),
        ("return {'image': image * 2}", ["image"], _SIZED, "records have the image"),
        (
            "return {'x': image - tft.mean(image)}",
            ["x"],
            _SIZED,
            "--store x: the column hangs on an analyzer",
        ),
        (
            "return {'x': image * 2}",
            ["x"],
            features.Config(3, "png", (8, 10), True, "zscore"),
            "--store x: the column hangs on the moments of all images",
        ),
        (
            "return {'x': tf.stack([key, key], 1)}",
            ["x"],
            _SIZED,
            "of strings a record takes one",
        ),
    ],
)
def test_what_is_not_stored(body, stored, config, why):
    assert why in _refused(f"{_HEAD}    {body}\n", config, stored)


def test_analyzers_and_rows_of_several_sizes():
    pixelwise = f"{_HEAD}    return {{'x': image - tft.mean(image, False)}}\n"
    assert "rows have sizes of their own" in _refused(pixelwise, _NATIVE)
    _find(pixelwise)
    _find(f"{_HEAD}    return {{'x': image - tft.mean(image)}}\n", _NATIVE)


def test_what_columns_hang_on():
    text = f"""{_HEAD}
    light = tft.scale_to_z_score(tf.reduce_mean(image, [1, 2, 3]))
    return inputs | {{
        "share": tf.reduce_mean(mask, [1, 2]),
        "light": light,
        "lighter": tft.scale_to_0_1(light) + tf.reduce_mean(mask),
        "where": tf.strings.join([key, tf.strings.as_string(label[:, 0, 0])]),
        "pixel": image[..., 0],
    }}
"""
    own, config = _find(text, _NATIVE, ["pixel"])
    found = {c.name: c for c in config.own_columns}
    column = features.OwnColumn
    assert found == {
        "light": column("light", "float32", (), ("image",), 1),
        "lighter": column("lighter", "float32", (), ("image", "mask"), 2),
        "pixel": column("pixel", "float32", (None, None), ("image",), 0, stored=True),
        "share": column("share", "float32", (3,), ("mask",)),
        "where": column("where", "string", (), ("key", "label")),
    }
    assert [one.number for one in own.passes] == [1, 2]
    lines = list(function.described(own, config))
    assert "column lighter: float32[] of image, mask, after 2 passes" in lines
    assert "column pixel: float32[H W] of image, stored" in lines


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("gone.py", "gone.py cannot be read: No such file"),
        ("FOLDER", "must be FILE.py, or FILE.py:NAME"),
        ("FOLDER/x.py", "is a directory"),
    ],
)
def test_a_file_that_is_not_there(given, why, tmp_path):
    (tmp_path / "x.py").mkdir()
    text = given.replace("FOLDER", str(tmp_path))
    with pytest.raises((UsageError, ValueError), match=re.escape(why)):
        code.read(values.FUNCTION.read(text))
