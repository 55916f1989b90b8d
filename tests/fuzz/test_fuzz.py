"""A few inputs for each target, the same each day; `python -m tests.fuzz` has more."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.targets import TARGETS

_EXAMPLES = 200
_FEWER = {"loading": 40, "record": 100}  # TensorFlow takes a while to start reading


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_breaks_no_law(name):
    target = TARGETS[name]

    @settings(
        max_examples=_FEWER.get(name, _EXAMPLES),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def holds(hostile):
        target.law(hostile)

    holds()
