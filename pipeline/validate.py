"""Runs every check of a conversion, but converts nothing."""

import dataclasses
from collections.abc import Mapping, Sequence

import apache_beam as beam

from maskbeam.pipeline.dataset import rejections
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import units
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.rows import stage
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files

_RESULT = "result.json"


@dataclasses.dataclass(frozen=True)
class Findings:
    """What `validate` found.

    Attributes:
        accepted: rows that would be converted.
        rejected: rows that would not.
        duplicates: keys that are twice in one split of record files: how many, and the
            first few in words.
        rejections: the files that name rejected rows, a JSON line each.
    """

    accepted: int
    rejected: int
    duplicates: rejections.Found
    rejections: list[str]


def define_pipeline(
    root: beam.Pipeline, options: Options, plan: Plan, scratch: str
) -> None:
    """Builds a validation: plan, read and check, as `convert` does.

    Args:
        root: the pipeline.
        options: what would be converted.
        plan: how it is cut, from `survey`.
        scratch: a directory for the findings.
    """
    names = root | "Plan" >> units.PlanUnits(options, plan)
    rows = stage.read_and_check(names["units"], options, plan)
    accepted = (
        rows["checked"]
        | "Rows" >> beam.Map(lambda batch: len(batch.rows))
        | "Accepted" >> beam.CombineGlobally(sum)
    )
    rejected = (
        (names[units.REJECTED], *rows["rejected"])
        | "AllRejected" >> beam.Flatten()
        | "WriteRejections" >> rejections.WriteRejections(scratch)
    )
    keys = rejections.judge_keys(rows["places"], names[units.REPEATED])
    _ = (
        root
        | "Once" >> beam.Create([None], reshuffle=False)
        | "WriteFindings"
        >> beam.Map(
            _write_findings,
            scratch,
            beam.pvalue.AsSingleton(accepted),
            beam.pvalue.AsList(rejected),
            beam.pvalue.AsDict(keys),
        )
    )


def _write_findings(
    _: None,
    scratch: str,
    accepted: int,
    rejected: Sequence[tuple[str, Mapping[str, int]]],
    keys: Mapping[str, rejections.Found],
) -> None:
    tree = {
        "accepted": accepted,
        "rejected": sum(rejections.add_rejections(rejected).values()),
        "duplicates": keys.get(rejections.DUPLICATE, (0, [])),
    }
    files.write_json(files.join(scratch, _RESULT), tree)


def read_findings(scratch: str) -> Findings:
    """Reads what a validation left in its directory."""
    tree = files.read_json(files.join(scratch, _RESULT))
    found = files.match_in(files.join(scratch, dataset_files.REJECTED), "*.jsonl")
    return Findings(
        tree["accepted"],
        tree["rejected"],
        tuple(tree["duplicates"]),
        [file.path for file in found],
    )
