"""A seeded dozen of calls fail, each once, in a conversion of two rows."""

import random

import pytest

from tests.faults import trials


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """The trial, and how many calls it has."""
    made = trials.Trial(tmp_path_factory.mktemp("faults"))
    return made, made.calls()


@pytest.mark.engines
@pytest.mark.parametrize("name", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("seed", range(6))
def test_a_call_that_fails_loses_nothing(seed, name, trial):
    made, calls = trial
    number = random.Random(f"{seed} {name}").randint(1, calls)
    assert made.fault(number, name) == "", f"call {number} of {calls}"
