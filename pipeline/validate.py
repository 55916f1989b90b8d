"""Runs every check of a conversion, but converts nothing."""

import dataclasses
from collections.abc import Mapping, Sequence

import apache_beam as beam

from maskbeam.pipeline import reasons
from maskbeam.pipeline.dataset import rejections
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import units
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.rows import stage
from maskbeam.pipeline.runtime import files

_RESULT = "result.json"


@dataclasses.dataclass(frozen=True)
class Findings:
    """What `validate` found.

    Attributes:
        accepted: rows that would be converted.
        rejected: rows that would not.
        refusal: why `convert` would make no dataset; empty if it would make one.
        rejections: the files that name rejected rows, a JSON line each.
    """

    accepted: int
    rejected: int
    refusal: str
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
            options.max_rejected,
            beam.pvalue.AsSingleton(accepted),
            beam.pvalue.AsList(rejected),
            beam.pvalue.AsDict(keys),
        )
    )


def _write_findings(
    _: None,
    scratch: str,
    max_rejected: float,
    accepted: int,
    rejected: Sequence[tuple[str, rejections.Rejected]],
    keys: Mapping[str, rejections.Found],
) -> None:
    total = rejections.add_rejections(found for _, found in rejected)
    tree = {
        "accepted": accepted,
        "rejected": total.rows,
        "refusal": rejections.judge(accepted, total, max_rejected, keys),
    }
    files.write_json(files.join(scratch, _RESULT), tree)


def read_findings(scratch: str) -> Findings:
    """Reads what a validation left in its directory."""
    tree = files.read_json(files.join(scratch, _RESULT))
    return Findings(
        tree["accepted"],
        tree["rejected"],
        tree["refusal"],
        reasons.files_in(scratch),
    )
