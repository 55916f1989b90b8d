"""What Beam's local runner needs to be set to."""

import time

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from maskbeam.pipeline.runtime import runners

_PER_KEY = 400


class _Slow:
    """Takes its time to be pickled, and lets other threads run meanwhile."""

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        time.sleep(1e-3)
        return _Slow, (self.number,)


def test_no_element_is_cut_or_lost_on_its_way():
    """Beam's timed flush, of 1 s, would come in the middle of one."""
    options = runners.parse_options([])
    with beam.Pipeline(runners.runner_of(options), options) as root:
        sums = (
            root
            | beam.Create(range(8))
            | beam.FlatMap(lambda k: ((k, _Slow(n)) for n in range(_PER_KEY)))
            | beam.GroupByKey()
            | beam.MapTuple(lambda k, slow: (k, sum(one.number for one in slow)))
        )
        total = _PER_KEY * (_PER_KEY - 1) // 2
        assert_that(sums, equal_to([(key, total) for key in range(8)]))
