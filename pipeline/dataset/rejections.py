"""Writes rejected rows aside, finds repeated keys, and judges a run by both."""

import collections
import dataclasses
import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam

from maskbeam.pipeline.elements import Origins, Rejection
from maskbeam.pipeline.planning import pairing
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files

DUPLICATE, REPEATED = "duplicate", "repeated"

Found = tuple[int, list[str]]  # how many keys, and the first few in words


def judge_keys(
    places: beam.PCollection, repeated: beam.PCollection
) -> beam.PCollection:
    """Finds keys that are twice in one split, and keys that are in several.

    Args:
        places: (key, (split, source)) of rows whose keys were unknown before reading.
        repeated: keys in several splits that are known already, in words.

    Returns:
        (`duplicate`, Found) and (`repeated`, Found), each if there are such keys.
    """
    judged = (
        places
        | "GroupPlaces" >> beam.GroupByKey()
        | "JudgePlaces" >> beam.ParDo(JudgePlaces())
    )
    known = repeated | "KnownBefore" >> beam.WithKeys(REPEATED)
    return (
        (judged, known)
        | "JudgedKeys" >> beam.Flatten()
        | "FewKeys" >> beam.CombinePerKey(Few())
    )


class JudgePlaces(beam.DoFn):
    """(key, places) -> (`duplicate` or `repeated`, text that names the key).

    A place is the (split, source) of a row that has the key.
    """

    def process(
        self, element: tuple[str, Iterable[tuple[str, str]]]
    ) -> Iterator[tuple[str, str]]:
        """Judges one key."""
        key, places = element
        ordered = sorted(places)
        for (split, first), (next_split, second) in itertools.pairwise(ordered):
            if split == next_split:
                text = f"{key!r} at {first} and at {second} ({split})"
                yield DUPLICATE, text
        splits = {split for split, _ in ordered}
        if len(splits) > 1:
            yield REPEATED, pairing.repeated_key(key, splits)


class Few(beam.CombineFn):
    """Text -> (how many elements there are, the smallest few, sorted)."""

    _SHOWN = 5

    def create_accumulator(self) -> Found:
        """Starts with no elements."""
        return 0, []

    def add_input(self, accumulator: Found, element: str) -> Found:
        """Adds one element."""
        return self.merge_accumulators([accumulator, (1, [element])])

    def merge_accumulators(self, accumulators: Iterable[Found]) -> Found:
        """Adds the counts up, and keeps the smallest few elements."""
        counts, shown = zip(*accumulators, strict=True)
        return sum(counts), heapq.nsmallest(self._SHOWN, sum(shown, []))

    def extract_output(self, accumulator: Found) -> Found:
        """Returns the count and the elements."""
        return accumulator


@dataclasses.dataclass(frozen=True)
class Rejected:
    """The rejections of one split, or of all.

    Attributes:
        by_stage: how many rows were rejected at each stage, maybe by an estimate.
        uncounted: how many times the rest of a file was lost, and nobody can say how
            many rows it had.
        origins: the rows that were counted before they were read.
    """

    by_stage: Mapping[str, int]
    uncounted: int = 0
    origins: Origins = Origins()

    @property
    def rows(self) -> int:
        """How many rows were rejected."""
        return sum(self.by_stage.values())


def write_rejections(
    directory: str, split: str, rejections: Iterable[Rejection]
) -> tuple[str, Rejected]:
    """Writes the rejections of one split, sorted, a line each.

    Returns:
        The split, and its rejections.
    """
    lines = sorted(set(rejections), key=_order)
    files.make_directory(files.join(directory, dataset_files.REJECTED))
    path = files.join(directory, dataset_files.rejected_file(split))
    files.write(path, "".join(line.to_json() + "\n" for line in lines).encode())
    by_stage: collections.Counter[str] = collections.Counter()
    origins = Origins()
    for line in lines:
        by_stage[line.stage] += 1 if line.rows is None else line.rows
        if line.rank is not None:
            origins += Origins(1, line.rank)
    uncounted = sum(line.rows is None for line in lines)
    return split, Rejected(dict(by_stage), uncounted, origins)


def _order(rejection: Rejection) -> tuple[str, ...]:
    return rejection[:5]


def add_rejections(many: Iterable[Rejected]) -> Rejected:
    """Adds up the rejections of several splits."""
    total: collections.Counter[str] = collections.Counter()
    uncounted, origins = 0, Origins()
    for rejected in many:
        total.update(rejected.by_stage)
        uncounted += rejected.uncounted
        origins += rejected.origins
    return Rejected(dict(sorted(total.items())), uncounted, origins)


@dataclasses.dataclass(eq=False)
class WriteRejections(beam.PTransform):
    """Rejection -> (split, Rejected), once they are in `rejected/`.

    Attributes:
        directory: where `rejected/` is.
    """

    directory: str

    def expand(self, rejections: beam.PCollection) -> beam.PCollection:
        """Writes one file a split."""
        return (
            rejections
            | "BySplit" >> beam.WithKeys(lambda rejection: rejection.split)
            | "GroupBySplit" >> beam.GroupByKey()
            | "WriteSplit"
            >> beam.MapTuple(
                lambda split, found: write_rejections(self.directory, split, found)
            )
        )


def judge(
    records: int,
    rejected: Rejected,
    max_rejected: float,
    keys: Mapping[str, Found],
) -> str:
    """Returns why a run makes no dataset; "" if it makes one."""
    lost = rejected.rows
    if DUPLICATE in keys:
        count, few = keys[DUPLICATE]
        shown = "; ".join(few)
        return (
            f"{count} keys are twice in a split: {shown}. Keys must be unique; "
            "name another feature by --record_keys key=..., or leave it empty to "
            "number the rows"
        )
    if not records:
        return f"no record was written: all {lost} rows were rejected"
    if rejected.uncounted and max_rejected < 1:
        return (
            f"the rest of {rejected.uncounted} damaged files was lost, and nobody can "
            "say how many rows that is; mend the files or leave them out, or accept "
            "any loss by --max_rejected 1"
        )
    share = lost / (lost + records)
    if share > max_rejected:
        return (
            f"{lost} of {lost + records} rows were rejected ({share:.3%}), and "
            f"--max_rejected is {max_rejected:g}"
        )
    return ""
