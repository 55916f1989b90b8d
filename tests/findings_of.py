"""What is found in rows, by the steps that they go through, without a runner."""

from collections import defaultdict
from typing import Any

from apache_beam.pvalue import TaggedOutput

from maskbeam.pipeline import arguments, source_rows
from maskbeam.pipeline.dataset import rejections, statistics
from maskbeam.pipeline.elements import RawRow, Rejection
from maskbeam.pipeline.planning.survey import survey
from maskbeam.pipeline.rows import check, encode, write
from maskbeam.pipeline.rows.batches import Batch


def messages(directory, given):
    """The findings of a conversion: messages, by name.

    Args:
        directory: for files in between.
        given: the conversion's options.
    """
    options = arguments.from_given(given)
    plan = survey(options)
    rows: dict[str, list[RawRow]] = defaultdict(list)
    rejected: list[Rejection] = []
    for split, row in source_rows.rows(options):
        if isinstance(row, Rejection):
            rejected.append(row)
        else:
            rows[split].append(row)
    writer = write.WriteFragment(str(directory), plan.config, 0, 1)
    steps: list[Any] = [
        check.CheckBatch(options, plan),
        encode.EncodeBatch(plan.config),
        writer,
    ]
    for step in steps:
        step.setup()
    writer.start_bundle()
    shards = defaultdict(list)
    for split, found in rows.items():
        batches: list[Any] = [Batch(split, 0, (0,), found)]
        for step in steps:
            outputs = [out for batch in batches for out in step.process(batch)]
            tagged = [out for out in outputs if isinstance(out, TaggedOutput)]
            rejected += [
                out.value for out in tagged if isinstance(out.value, Rejection)
            ]
            batches = [out for out in outputs if not isinstance(out, TaggedOutput)]
        shards[split] = [records for _, records in batches]
    profiles = dict(output.value.value for output in writer.finish_bundle())
    _, total = rejections.write_rejections(str(directory), "", rejected)
    stats = statistics.make_stats(options, plan, shards, total.by_stage, {}, profiles)
    return {one["name"]: one["message"] for one in stats["warnings"]}
