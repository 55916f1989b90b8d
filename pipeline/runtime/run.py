"""Runs a pipeline: to its end, or to an error of our own."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator

import apache_beam as beam
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult

from maskbeam.pipeline.errors import MachineError, RunnerError, in_words
from maskbeam.pipeline.runtime import (
    faults,
    files,
    notebooks,
    progress,
    runners,
    stopping,
)


def run(
    beam_options: PipelineOptions,
    define: Callable[[beam.Pipeline], None],
    *,
    records: int,
    show: bool,
    is_estimate: bool = False,
    phase: str = progress.READING,
) -> PipelineResult:
    """Builds and runs a pipeline, and waits for it.

    Args:
        beam_options: how it is run.
        define: builds it.
        records: how many there will be, as far as is known.
        show: whether to print the progress, and warnings that are logged.
        is_estimate: whether there may be more records, or fewer.
        phase: what the pipeline is at, until the tally says otherwise.

    Raises:
        RunnerError: the runner failed; the cause is what it raised.
    """
    if show:
        logging.basicConfig(
            level=logging.WARNING, format="maskbeam: %(message)s", force=True
        )
    known = records if runners.counts_here(beam_options) else None
    shown = progress.ProgressLine(phase, known, is_estimate=is_estimate)
    if runners.is_in_process(beam_options):
        runners.hush()
    try:
        runner = runners.runner_of(beam_options)
        root = beam.Pipeline(runner, beam_options)
        with (
            stopping.acting(lambda: _cancel(root)),
            shown if show else contextlib.nullcontext(),
            notebooks.like_a_script(),
            root,
        ):
            define(root)
    except Exception as error:
        if fault := faults.fault_in(f"{type(error).__name__}: {error}"):
            raise MachineError(fault) from error
        message = " ".join(str(error).split())
        raise RunnerError(f"{type(error).__name__}: {message}") from error
    return root.result


def _cancel(pipeline: beam.Pipeline) -> str:
    """Cancels a job on an engine; in-process runners end with this process."""
    result = getattr(pipeline, "result", None)  # once the job is there
    if runners.is_in_process(pipeline.options) or result is None:
        return ""
    name = type(pipeline.runner).__name__
    job = getattr(result, "job_id", lambda: "")
    of = f"{name}'s job {job() if callable(job) else job}".rstrip()
    try:
        result.cancel()
    except Exception as error:  # each engine has errors of its own
        return f"{of} goes on ({in_words(error)}): stop it there"
    return f"{of} is cancelled"


def counters(result: PipelineResult) -> dict[str, int]:
    """Returns a run's counters of maskbeam's, by name."""
    found = result.metrics().query(MetricsFilter().with_namespace(progress.NAMESPACE))
    return {c.key.metric.name: c.result for c in found["counters"]}


@contextlib.contextmanager
def scratch(shared: str) -> Iterator[str]:
    """Makes a directory, shared or on this machine, and removes it at the end."""
    if not shared:
        with tempfile.TemporaryDirectory(prefix="maskbeam-") as directory:
            yield directory
        return
    directory = files.join(shared, f"maskbeam-{os.urandom(6).hex()}")
    files.make_directory(directory)
    try:
        yield directory
    finally:
        files.remove(directory)
