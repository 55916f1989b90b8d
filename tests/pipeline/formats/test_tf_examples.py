"""A mask's floats are taken out of a record as protobuf reads them."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maskbeam.pipeline.formats import tf_examples
from maskbeam.pipeline.formats.example_message import Example
from maskbeam.transforms.stored_masks import Floats
from tests import data_generation as data

MASK = "mask/float32"
FLOATS = arrays.arrays(np.float32, st.integers(0, 300), elements=st.floats(width=32))


@given(FLOATS, st.binary(max_size=300), st.integers(-(2**63), 2**63 - 1))
def test_floats_are_those_of_protobuf(floats, text, number):
    others = {"key": text, "image/height": number, "z": np.array([1, 2], np.int64)}
    record = data.serialized({**others, MASK: Floats(floats.size, [floats])})
    rest, found = tf_examples.without_floats(record, MASK)
    message = Example.FromString(record).features.feature
    np.testing.assert_array_equal(found, message[MASK].float_list.value)
    assert rest == data.serialized(others)


def test_a_record_without_them_stays():
    record = data.serialized({"key": b"a"})
    assert tf_examples.without_floats(record, MASK) == (record, None)


@given(st.integers(0, 60), st.integers(0, 255))
def test_a_damaged_record_is_an_error_or_another_record(at, value):
    floats = np.ones(3, np.float32)
    record = bytearray(data.serialized({"key": b"a", MASK: Floats(3, [floats])}))
    record[at % len(record)] = value
    with contextlib.suppress(ValueError, LookupError):
        tf_examples.without_floats(bytes(record), MASK)


@pytest.mark.parametrize("record", [b"\x0a", b"\x0a\xff", b"\xff" * 12, b"\x08\x01"])
def test_what_is_no_record_is_an_error(record):
    with pytest.raises(ValueError, match="the message has no"):
        tf_examples.without_floats(record, MASK)
