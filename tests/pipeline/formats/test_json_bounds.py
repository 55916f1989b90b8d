"""Bounds on a JSON: what passes them is found, and all else comes as it is."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.formats import json_bounds


def _read_all(file, size):
    return b"".join(iter(lambda: file.read(size), b""))


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


def _objects(inner):
    return st.dictionaries(st.text(), inner)


@given(
    st.recursive(_LEAVES, lambda inner: st.lists(inner) | _objects(inner)), st.data()
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_sound_json_passes_the_bounds_as_it_is(tree, draw):
    text = json.dumps(tree, ensure_ascii=draw.draw(st.booleans())).encode()
    size = draw.draw(st.integers(1, 20))
    bounded = json_bounds.BoundedJson(io.BytesIO(text))
    assert _read_all(bounded, size) == text


@given(st.integers(1, 40), st.sampled_from(['"]]]"', '"\\\\"', '"\\""', '"\\\\\\"]"']))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_passes_the_bounds_is_found_wherever_it_is_cut(size, text):
    """Brackets and quotation marks within texts hide nothing."""
    for deep in ("[" * 101, "9" * 101, "-1." + "7" * 99):
        content = f"[{text}, [{text}], {text}, {deep}".encode()
        bounded = json_bounds.BoundedJson(io.BytesIO(content))
        with pytest.raises(ValueError, match=r"nested|number"):
            _read_all(bounded, size)
    for sound in ("[" * 50, "9" * 100, '"' + "9" * 200 + "[" * 200 + '"'):
        content = f"[{text}, [{text}], {text}, {sound}".encode()
        _read_all(json_bounds.BoundedJson(io.BytesIO(content)), size)
