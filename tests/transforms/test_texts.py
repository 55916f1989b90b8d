import pytest

from maskbeam.transforms import texts

_WIDE = ["x" * 5000] * 5000
_DEEP: list = []
for _ in range(500):
    _DEEP = [_DEEP]

VALUES = {
    "text": "x" * 10**6,
    "lines": "a\nb" * 99,
    "number": 10**5000,
    "negative": -(10**5000),
    "bytes": b"\0" * 10**6,
    "wide": _WIDE,
    "wide_of_wide": [_WIDE] * 5000,
    "mapping": dict.fromkeys(range(10**5)),
    "set": {"y" * 999},
    "deep": _DEEP,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_quoted_value_is_short(value):
    shown = texts.quoted(value)
    assert len(shown) <= texts.MAX_QUOTED
    assert "\n" not in shown


@pytest.mark.parametrize("value", ["a\nb", 7, 2**64, [1, [2]], {"a": 1}, None, 1.5])
def test_a_small_value_is_quoted_as_python_writes_it(value):
    assert texts.quoted(value) == repr(value)
