"""The whole conversion on one screen."""

from typing import Any

import apache_beam as beam

from maskbeam.pipeline.dataset.conservation import count_up
from maskbeam.pipeline.dataset.publish import Publish
from maskbeam.pipeline.dataset.rejections import WriteRejections, judge_keys
from maskbeam.pipeline.dataset.shards import WriteShards
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import units
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.rows import write
from maskbeam.pipeline.rows.encode import EncodeBatch
from maskbeam.pipeline.rows.stage import read_and_check
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files


def define_pipeline(
    root: beam.Pipeline,
    options: Options,
    plan: Plan,
    temporary: str,
    command: str = "",
) -> None:
    """Builds a conversion; neither parses flags nor runs anything.

    Rows are read and decoded once, and go from the source to a fragment in one stage.
    Only names and summaries move between stages.

    Args:
        root: the pipeline.
        options: what is converted.
        plan: how it is cut, from `survey`.
        temporary: this run's own directory in the output.
        command: that makes the dataset, to be told.
    """
    names = root | "Plan" >> units.PlanUnits(options, plan)

    # From here to the fragments is one fused stage, so rows are never stored.
    rows = read_and_check(names["units"], options, plan)
    encoded = rows["checked"] | "Encode" >> beam.ParDo(EncodeBatch(plan.config))
    # Nothing is in the output itself before all of it is there.
    staged = files.join(temporary, dataset_files.STAGED)
    written = encoded | "Write" >> WriteShards(
        staged,
        files.join(temporary, "fragments"),
        options.name,
        plan,
        options.seed,
        options.report_pictures,
    )
    rejected = (
        (names[units.REJECTED], *rows["rejected"])
        | "AllRejected" >> beam.Flatten()
        | "WriteRejections" >> WriteRejections(staged)
    )
    analyzed: dict[str, Any] = {}
    if plan.own is not None and plan.own.passes:
        analyzed = analyze(written["shards"], plan, staged, temporary)
    counted = count_up((names[units.COUNTED], rows["counted"]))
    keys = judge_keys(rows["places"], names[units.REPEATED])
    _ = (
        root
        | "Once" >> beam.Create([None], reshuffle=False)
        | "Publish"
        >> beam.ParDo(
            Publish(options, plan, temporary, command),
            shards=beam.pvalue.AsList(written["shards"]),
            rejected=beam.pvalue.AsList(rejected),
            keys=beam.pvalue.AsDict(keys),
            counted=beam.pvalue.AsDict(counted),
            samples=beam.pvalue.AsSingleton(written[write.SAMPLES], default_value=[]),
            profiles=beam.pvalue.AsDict(written[write.PROFILES]),
            **analyzed,
        )
    )


def analyze(
    shards: beam.PCollection, plan: Plan, staged: str, temporary: str
) -> dict[str, Any]:
    """Adds the passes of the user's analyzers: what they find, for the last step."""
    from maskbeam.pipeline.own_function.analysis import Analyze

    assert plan.own is not None
    found = shards | "Analyze" >> Analyze(plan.own, plan.config, staged, temporary)
    return {
        "known": beam.pvalue.AsSingleton(found["known"]),
        "failed": beam.pvalue.AsList(found["failed"]),
    }
