"""What every row goes through, from its source to checked pixels."""

from typing import Any

import apache_beam as beam

from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.rows import check, read


def read_and_check(
    units: beam.PCollection, options: Options, plan: Plan
) -> dict[str, Any]:
    """Reads and checks rows: Unit -> CheckedBatch.

    Returns:
        `checked`: CheckedBatch; `rejected`: a pair of Rejections, those of reading and
        those of checking; `places` and `counted`, side outputs of `ReadUnit`.
    """
    raw = units | "Read" >> beam.ParDo(read.ReadUnit(options, plan)).with_outputs(
        read.REJECTED, read.PLACES, read.COUNTED, main="batches"
    )
    checked = raw.batches | "Check" >> beam.ParDo(
        check.CheckBatch(options, plan)
    ).with_outputs(check.REJECTED, main="rows")
    return {
        "checked": checked.rows,
        "rejected": (raw[read.REJECTED], checked[check.REJECTED]),
        "places": raw[read.PLACES],
        "counted": raw[read.COUNTED],
    }
