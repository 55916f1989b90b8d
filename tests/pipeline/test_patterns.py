"""Users' expressions take a time that is linear in the key."""

import re
import time

import pytest

from maskbeam.pipeline import keys, patterns
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import Options
from maskbeam.transforms import classes

_SHARES = (("train", 0.6), ("val", 0.4))


def _options(group_by):
    return Options(
        class_map=classes.numbered(2), split_by=_SHARES, group_by=group_by, name="x"
    )


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"(a|aa)*b", r"(.*)*x", r"(\w+\s?)*$"])
def test_nothing_backtracks(pattern):
    options, start = _options(pattern), time.process_time()
    assert keys.split_of("a" * 20_000 + "!", options) in dict(_SHARES)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "pattern", [r"^[^_]+", r"(\d+)", r"é(.)", r"(x)?a", "a{2,3}", r"[^/]*$", "(?i)SEQ"]
)
@pytest.mark.parametrize("key", ["seq1_002", "éa", "aab/x", "", "a\nb", "道/路_7"])
def test_groups_are_those_of_pythons_own(pattern, key):
    wanted = re.search(pattern, key)
    found = patterns.compiled(pattern).search(key)
    assert (found is None) == (wanted is None)
    if wanted is not None:
        assert found.group(0) == wanted.group(0)
        assert found.re.groups == wanted.re.groups


def test_a_group_stays_in_one_split():
    options = _options("^[^_]+")
    for sequence in range(50):
        splits = {keys.split_of(f"s{sequence}_{i}", options) for i in range(9)}
        assert splits == {keys.split_of(f"s{sequence}", _options(None))}


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", r"(a)\1", "a{9999}", "\\", "["])
def test_what_it_does_not_take_is_told(pattern, capfd):
    with pytest.raises(UsageError, match="--group_by .* is not a regular expression"):
        _options(pattern)
    assert capfd.readouterr().err == ""
