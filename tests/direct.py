"""A conversion as its steps called one after the other: no runner, graph or record.

It takes a hundredth of the time, where only pixels and messages are looked at.
"""

import collections
import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
from apache_beam.pvalue import TaggedOutput

from maskbeam.pipeline import conversion, flow
from maskbeam.pipeline.dataset import publish, rejections
from maskbeam.pipeline.elements import Rejection, Unit
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import packing, units
from maskbeam.pipeline.planning.listing import sources_of
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.rows import check, read
from maskbeam.pipeline.rows.batches import CheckedRow
from maskbeam.pipeline.runtime import files, run
from maskbeam.transforms import dataset_files


class DoneError(Exception):
    """The conversion makes a dataset: `labels` are its class indices, by key."""

    def __init__(self, labels: dict[str, npt.NDArray[np.integer]]) -> None:
        super().__init__(len(labels))
        self.labels = labels


@contextlib.contextmanager
def instead_of_beam() -> Iterator[None]:
    """A conversion writes its verdict as ever, or raises; other runs are Beam's.

    Raises:
        DoneError: in place of a dataset.
    """
    with_beam = run.run

    def run_(beam_options: Any, define: Any, **more: Any) -> Any:
        if define.__module__ != conversion.__name__:
            return with_beam(beam_options, define, **more)
        return define(None)

    with (
        mock.patch.object(run, "run", run_),
        mock.patch.object(flow, "define_pipeline", _convert),
    ):
        yield


def _convert(
    _: None, options: Options, plan: Plan, temporary: str, command: str
) -> None:
    rejected: list[Rejection] = []
    checker = check.CheckBatch(options, plan)
    checker.setup()
    reader = read.ReadUnit(options, plan)
    labels: dict[str, npt.NDArray[np.integer]] = {}
    for unit in _units(options, plan, rejected):
        for batch in _main(reader.process(unit), rejected):
            for checked in _main(checker.process(batch), rejected):
                labels |= {row.key: _labels(row) for row in checked.rows}
    by_split = collections.defaultdict(list)
    for rejection in rejected:
        by_split[rejection.split].append(rejection)
    staged = files.join(temporary, dataset_files.STAGED)
    counts = [
        rejections.write_rejections(staged, split, found)[1]
        for split, found in by_split.items()
    ]
    names = [dataset_files.rejected_file(split) for split in by_split]
    total = rejections.add_rejections(counts)
    reason = rejections.judge(len(labels), total, options.max_rejected, {})
    if not reason:
        raise DoneError(labels)
    publishing = publish.Publish(options, plan, temporary, command)
    publishing._write_verdict(reason, total, len(labels), names)


def _units(options: Options, plan: Plan, rejected: list[Rejection]) -> Iterator[Unit]:
    lister = units.ListNames(options, plan, 1)
    listed = itertools.chain.from_iterable(map(lister.process, sources_of(options)))
    names = [packed for _, packed in listed]
    paired = units.PairNames(options, plan).process((0, names))
    for place, rows in _main(paired, rejected):
        yield from map(packing.unpack, units.CutShard(plan).process((place, [rows])))
    for unit in units.record_units(options, plan):
        cut = units.CutRecordFile().process(packing.pack(unit))
        yield from map(packing.unpack, cut)


def _main(outputs: Iterable[Any], rejected: list[Rejection]) -> Iterator[Any]:
    """A step's main output; rejections are put aside."""
    for output in outputs:
        if not isinstance(output, TaggedOutput):
            yield output
        elif isinstance(output.value, Rejection):
            rejected.append(output.value)


def _labels(row: CheckedRow) -> npt.NDArray[np.integer]:
    values = row.runs.values
    ignored = np.iinfo(values.dtype).max
    index = np.where(values == ignored, -1, values.astype(np.int64))
    return row.runs.repeat(index).reshape(row.height, row.width)
