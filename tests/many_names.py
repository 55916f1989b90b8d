"""Millions of files that have names, and nothing else.

    python -m tests.many_names COUNT

Surveys and plans a conversion of COUNT label maps with their images, and prints what
came of it as JSON. All files hold one picture, of 512 x 512 pixels.
"""

import functools
import io
import json
import operator
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystem import FileMetadata, FileSystem

from maskbeam.pipeline import keys
from maskbeam.pipeline.elements import Unit
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.survey import survey
from maskbeam.pipeline.planning.units import PlanUnits
from maskbeam.pipeline.runtime import files, runners
from maskbeam.pipeline.values import Source
from maskbeam.transforms import classes
from tests import data_generation, peaks

SIDE = 512
SEED = 7


@functools.cache
def _picture() -> bytes:
    rng = np.random.default_rng(0)
    return data_generation.png(data_generation.regions(rng, SIDE, SIDE, [0, 1, 2]))


def key_of(number: int) -> str:
    """A row's key; a directory for every thousand."""
    return f"{number // 1000:06}/street_{number:09}"


class ManyNames(FileSystem):
    """`names://COUNT/labels/**.png`: lists, and gives one picture."""

    @classmethod
    def scheme(cls) -> str:
        """Of its paths."""
        return "names"

    def has_dirs(self) -> bool:
        """Names only, as in an object store."""
        return False

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        _, _, rest = dir_or_prefix.partition("://")
        count, kind = rest.strip("/").split("/")
        for number in range(int(count)):
            path = f"names://{count}/{kind}/{key_of(number)}.png"
            yield FileMetadata(path, len(_picture()))

    def open(self, path: str, *_: Any, **__: Any) -> io.BytesIO:
        """Any of the files."""
        return io.BytesIO(_picture())

    def join(self, basepath: str, *paths: str) -> str:
        """By slashes."""
        return "/".join([basepath, *paths])

    def exists(self, path: str) -> bool:
        """All of them."""
        return True

    split = mkdirs = create = copy = rename = size = None
    last_updated = checksum = metadata = delete = None


class Total(beam.CombineFn):
    """Units, rows, the most rows of a unit, and the sum of all ranks mod 2**64."""

    def create_accumulator(self) -> tuple[int, int, int, int]:
        """None yet."""
        return 0, 0, 0, 0

    def add_input(self, total: tuple[int, ...], unit: Unit) -> tuple[int, ...]:
        """Adds a unit."""
        for row in unit.rows:
            assert row.label is not None
            assert row.image is not None
        ranks = sum(row.rank for row in unit.rows)
        return self.merge_accumulators(
            [total, (1, len(unit.rows), len(unit.rows), ranks)]
        )

    def merge_accumulators(self, totals: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
        """Adds up."""
        units, rows, most, ranks = zip(*totals, strict=True)
        return sum(units), sum(rows), max(most), sum(ranks) % 2**64

    def extract_output(self, total: tuple[int, ...]) -> tuple[int, ...]:
        """As it is."""
        return total


def main(count: int) -> dict[str, Any]:
    """Plans so many rows."""
    options = Options(
        label_maps=(Source("train", f"names://{count}/labels/**.png"),),
        images=(Source("train", f"names://{count}/images/**.png"),),
        class_map=classes.numbered(3),
        seed=SEED,
    )
    start = time.monotonic()
    plan = survey(options)
    surveyed = time.monotonic()
    beam_options = runners.parse_options([])
    with tempfile.TemporaryDirectory() as directory:
        found = os.path.join(directory, "total")
        with beam.Pipeline(runners.runner_of(beam_options), beam_options) as root:
            _ = (
                (root | PlanUnits(options, plan))["units"]
                | beam.CombineGlobally(Total())
                | beam.Map(lambda total: files.write_json(found, total))
            )
        planned = time.monotonic()
        units, rows, most, ranks = files.read_json(found)
    expected = functools.reduce(
        operator.add, (keys.rank_of(key_of(n), SEED) for n in range(count))
    )
    return {
        "rows": rows,
        "units": units,
        "planned_units": plan.splits["train"].units,
        "shards": plan.splits["train"].shards,
        "most_rows": most,
        "rows_per_unit": plan.splits["train"].rows_per_unit,
        "each_once": ranks == expected % 2**64,
        "survey_s": round(surveyed - start),
        "plan_s": round(planned - surveyed),
        "peak_mb": peaks.peak_bytes() // 10**6,
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
