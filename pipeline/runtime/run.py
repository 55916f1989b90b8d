"""Running a pipeline: to its end, or to our own error."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from maskbeam.pipeline.errors import RunnerError

if TYPE_CHECKING:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineResult

    from maskbeam.pipeline.planning.plan import Plan


def run(
    beam_options: "PipelineOptions",
    cut: "Plan",
    define: Callable[["beam.Pipeline"], None],
) -> "PipelineResult":
    """Builds and runs a pipeline, and waits for it.

    Raises:
        RunnerError: it failed.
    """
    import apache_beam as beam

    from maskbeam.pipeline.runtime.progress import ProgressLine
    from maskbeam.pipeline.runtime.runners import counts_here, runner_of

    logging.basicConfig(
        level=logging.WARNING, format="maskbeam: %(message)s", force=True
    )
    try:
        runner = runner_of(beam_options)
        shown = counts_here(beam_options)
        with (
            ProgressLine(cut.records) if shown else contextlib.nullcontext(),
            beam.Pipeline(runner, beam_options) as root,
        ):
            define(root)
    except Exception as error:
        # What a runner raises is no mistake of the user's: the trace is for us.
        logging.exception("the runner failed")
        message = " ".join(str(error).split())
        raise RunnerError(f"{type(error).__name__}: {message}") from error
    return root.result


def counters(result: "PipelineResult") -> dict[str, int]:
    """Our counters of a run, by name."""
    from apache_beam.metrics import MetricsFilter

    from maskbeam.pipeline.runtime.progress import NAMESPACE

    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    return {c.key.metric.name: c.result for c in found["counters"]}


@contextlib.contextmanager
def scratch(shared: str) -> Iterator[str]:
    """A directory of this run's own, below a shared one or on this machine."""
    if not shared:
        with tempfile.TemporaryDirectory(prefix="maskbeam-") as scratch:
            yield scratch
        return
    from maskbeam.pipeline.runtime import files

    scratch = files.join(shared, f"maskbeam-{os.urandom(6).hex()}")
    files.make_directory(scratch)
    try:
        yield scratch
    finally:
        files.remove(scratch)
