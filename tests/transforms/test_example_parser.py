"""tf.Examples parse as TensorFlow parses them, and none ends the process."""

import numpy as np
import pytest
import tensorflow as tf

from maskbeam.transforms import example_parser
from tests.fuzz import hostile

_SPEC = {
    "key": tf.io.FixedLenFeature([], tf.string),
    "image": tf.io.FixedLenFeature([], tf.string),
    "height": tf.io.FixedLenFeature([], tf.int64),
    "pixels": tf.io.FixedLenFeature([2, 3], tf.float32),
    "shape": tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
    "floats": tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True),
}


def _example() -> tf.train.Example:
    def feature(**lists):
        return tf.train.Feature(
            **{
                name: {
                    "bytes_list": tf.train.BytesList,
                    "int64_list": tf.train.Int64List,
                    "float_list": tf.train.FloatList,
                }[name](value=values)
                for name, values in lists.items()
            }
        )

    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "key": feature(bytes_list=[b"a/b"]),
                "image": feature(bytes_list=[bytes(range(256)) * 3]),
                "height": feature(int64_list=[-7]),
                "pixels": feature(float_list=range(6)),
                "shape": feature(int64_list=[4, 2**62, -1]),
                "floats": feature(float_list=[]),
                "more": feature(bytes_list=[b"x", b"y"]),
            }
        )
    )


_SOUND = _example().SerializeToString(deterministic=True)


@pytest.fixture(scope="module")
def parse():
    return tf.function(
        lambda one: example_parser.parse(one, _SPEC),
        [tf.TensorSpec([], tf.string)],
        autograph=False,
    )


def _equal(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def test_it_parses_as_tensorflow_does(parse):
    expected = tf.io.parse_single_example(_SOUND, _SPEC)
    _equal(parse(tf.constant(_SOUND)), expected)
    assert expected["shape"].numpy().tolist() == [4, 2**62, -1]


def test_the_last_of_a_feature_counts_and_floats_need_not_be_packed(parse):
    other = tf.train.Example()
    other.features.feature["key"].bytes_list.value.append(b"last")
    # A list of floats one by one: tag 13 (field 1, 32 bits) before each.
    floats = b"".join(b"\x0d" + np.float32(n).tobytes() for n in range(6, 0, -1))
    feature = b"\x12" + bytes([len(floats)]) + floats
    entry = b"\x0a\x06pixels\x12" + bytes([len(feature)]) + feature
    content = b"\x0a" + bytes([len(entry)]) + entry
    whole = _example().features.SerializeToString()
    whole += other.features.SerializeToString() + content
    size = bytes([len(whole) & 127 | 128, len(whole) >> 7])
    found = parse(tf.constant(b"\x0a" + size + whole))
    assert found["key"].numpy() == b"last"
    assert found["pixels"].numpy().tolist() == [[6, 5, 4], [3, 2, 1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("key"), "has no feature key"),
        (lambda f: f["key"].bytes_list.value.append(b""), "features key must have one"),
        (lambda f: f["height"].int64_list.value.pop(), "height must have one value"),
        (lambda f: f["height"].float_list.value.append(1), "height must have one"),
        (lambda f: f["pixels"].float_list.value.pop(), "pixels must have 6 values"),
    ],
)
def test_what_is_missing_is_named(change, message, parse):
    example = _example()
    change(example.features.feature)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        parse(tf.constant(example.SerializeToString()))


def test_a_length_of_two_gigabytes_ends_nothing(parse):
    """TensorFlow's own parser copies as many bytes as it is told, and is killed."""
    for length in (
        b"\xac\x86\xff\xd8\x0f",
        b"\xff\xff\xff\xff\x07",
        b"\xff" * 9 + b"\1",
    ):
        damaged = _SOUND.replace(b"\x0a\x03a/b", b"\x0a" + length + b"a/b")
        assert damaged != _SOUND
        with pytest.raises(tf.errors.DataLossError):
            parse(tf.constant(damaged))


def test_what_is_parsed_is_what_protobuf_says(parse):
    """Of 500 damaged tf.Examples."""
    rng, parsed = np.random.default_rng(0), 0
    for _ in range(500):
        kind = str(rng.choice(hostile.KINDS))
        edit = kind, int(rng.integers(hostile.PARTS)), int(rng.integers(1, 9)), b"\xff"
        damaged = hostile.edited(_SOUND, edit)
        try:
            found = parse(tf.constant(damaged))
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError):
            continue
        expected = tf.train.Example.FromString(damaged).features.feature
        parsed += 1
        assert found["key"].numpy() == expected["key"].bytes_list.value[-1]
        assert found["image"].numpy() == expected["image"].bytes_list.value[-1]
        assert found["height"].numpy() == expected["height"].int64_list.value[-1]
        np.testing.assert_array_equal(
            tf.reshape(found["pixels"], [-1]), expected["pixels"].float_list.value
        )
        np.testing.assert_array_equal(
            found["shape"], expected["shape"].int64_list.value
        )
    assert parsed > 50
