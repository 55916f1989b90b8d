"""Holds against each other what was counted, listed, sent, written and rejected.

The client counts all names; workers list them again, and send rows on; each row ends in
a record or in a rejection. Counts and sums of ranks must agree at each step, whatever a
directory, a store or a runner does meanwhile.

    counted = listed        by the names, in any order
    sent = written + rejected
"""

import contextlib
import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam

from maskbeam.pipeline.dataset.rejections import Rejected
from maskbeam.pipeline.elements import WrittenRecords
from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import listing
from maskbeam.pipeline.planning.census import Census, Counted, add_up
from maskbeam.pipeline.planning.plan import Plan

_SHOWN = 10


def count_up(counted: Iterable[beam.PCollection]) -> beam.PCollection:
    """Adds (split, Counted) up by split."""
    return (
        tuple(counted)
        | "AllCounted" >> beam.Flatten()
        | "CountUp" >> beam.CombinePerKey(add_up)
    )


def first_loss(
    options: Options,
    plan: Plan,
    counted: Mapping[str, Counted],
    shards: Mapping[str, Iterable[WrittenRecords]],
    rejected: Mapping[str, Rejected],
) -> str:
    """Returns the first split that has other rows than it must have; "" if none has.

    Args:
        options: what was converted.
        plan: what was counted before.
        counted: what workers listed and sent on, by split.
        shards: what was written, by split.
        rejected: what was rejected, by split.
    """
    for split, found in plan.splits.items():
        workers = counted.get(split, Counted())
        expected, listed = found.census, workers.listed
        if listed != expected:
            return (
                f"split {split!r} had {expected.total} label maps when the run began, "
                f"and workers found {listed.total}"
                f"{_examples(split, options, plan, listed)}. Files must stay as they "
                "are while a run goes on"
            )
        written = [shard.origins for shard in shards.get(split, ())]
        lost = rejected.get(split, Rejected({})).origins
        arrived = sum(written, lost)
        sent = workers.sent
        if (arrived.rows, arrived.ranks) != (sent.rows, sent.ranks):
            return (
                f"split {split!r}: {sent.rows} rows were read, and {arrived.rows} were "
                "written or rejected: the runner has lost or repeated rows; report it, "
                "and try another --runner"
            )
    return ""


def _examples(split: str, options: Options, plan: Plan, listed: Census) -> str:
    """Some of the names that are missing or new, as the end of a message.

    A file that is gone has no name any more, unless it is one of the few kept.
    """
    expected = plan.splits[split].census
    known = itertools.chain(plan.splits[split].names, _listed_again(split, options))
    missing, new = set(), set()
    for rank, name in known:
        if listed.may_lack(rank, expected):
            missing.add(name)
        elif expected.may_lack(rank, listed):
            new.add(name)
    return "".join(
        f"; {what} are, or may be, {', '.join(heapq.nsmallest(_SHOWN, names))}"
        for what, names in (("missing", missing), ("new", new))
        if names
    )


def _listed_again(split: str, options: Options) -> Iterator[tuple[int, str]]:
    """(rank, source) of the rows of a split that are there now."""
    with contextlib.suppress(OSError):
        for element in listing.sources_of(options):
            role = "image" if element[1] == "images_only" else "label"
            for key, entry in listing.listed(element, options):
                if entry.split == split and entry.role == role:
                    yield rank_of(key, options.seed), entry.source
