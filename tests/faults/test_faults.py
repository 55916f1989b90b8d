"""Some of the calls fail, each once, in a conversion of two rows."""

import random

import pytest

from tests.faults import trials


@pytest.fixture(scope="module", params=["files", "memory"])
def trial(request, tmp_path_factory):
    """A trial, how many calls it has, and the errors that they fail with."""
    in_memory = request.param == "memory"
    made = trials.Trial(tmp_path_factory.mktemp("faults"), memory=in_memory)
    yield made, made.calls(), ["ENOMEM"] if in_memory else ["ENOSPC", "EIO"]
    made.close()


@pytest.mark.engines
@pytest.mark.parametrize("seed", range(6))
def test_a_call_that_fails_loses_nothing(seed, trial):
    made, calls, names = trial
    for name in names:
        number = random.Random(f"{seed} {name}").randint(1, calls)
        assert made.fault(number, name) == "", f"{name} at call {number} of {calls}"
