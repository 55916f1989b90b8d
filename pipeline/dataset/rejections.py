"""Writes rejected rows aside, finds repeated keys, and judges a run by both."""

import collections
import dataclasses
import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam

from maskbeam.pipeline.elements import Rejection
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


def write_rejections(
    directory: str, split: str, rejections: Iterable[Rejection]
) -> tuple[str, dict[str, int]]:
    """Writes the rejections of one split, sorted, a line each.

    Returns:
        The split, and how many rows were rejected by stage.
    """
    lines = sorted(set(rejections))
    files.make_directory(files.join(directory, dataset_files.REJECTED))
    path = files.join(directory, dataset_files.rejected_file(split))
    files.write(path, "".join(line.to_json() + "\n" for line in lines).encode())
    return split, dict(collections.Counter(line.stage for line in lines))


def add_rejections(rejected: Iterable[tuple[str, Mapping[str, int]]]) -> dict[str, int]:
    """Adds up what `WriteRejections` returns by split: how many rows by stage."""
    total: collections.Counter[str] = collections.Counter()
    for _, by_stage in rejected:
        total.update(by_stage)
    return dict(sorted(total.items()))


@dataclasses.dataclass(eq=False)
class WriteRejections(beam.PTransform):
    """Rejection -> (split, how many rows by stage), once they are in `rejected/`.

    Attributes:
        directory: the dataset's directory.
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
    rejected: int,
    max_rejected: float,
    keys: Mapping[str, Found],
) -> str:
    """Returns why a run makes no dataset; "" if it makes one."""
    if DUPLICATE in keys:
        count, few = keys[DUPLICATE]
        shown = "; ".join(few)
        return (
            f"{count} keys are twice in a split: {shown}. Keys must be unique; "
            "name another feature by --record_keys key=..., or leave it empty to "
            "number the rows"
        )
    if not records:
        return f"no record was written: all {rejected} rows were rejected"
    share = rejected / (rejected + records)
    if share > max_rejected:
        return (
            f"{rejected} of {rejected + records} rows were rejected ({share:.3%}), and "
            f"--max_rejected is {max_rejected:g}"
        )
    return ""
