"""Converts from Python: options to a dataset, or to why there is none.

check the output → survey the names → claim the output → run → outcome
"""

import contextlib
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from maskbeam.pipeline.errors import (
    DONE,
    WRONG_COMMAND,
    BadDataError,
    RunnerError,
    UsageError,
)
from maskbeam.pipeline.runtime.loading import loading
from maskbeam.transforms import dataset_files

if TYPE_CHECKING:
    import argparse

    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineResult

    from maskbeam.pipeline.options import Options
    from maskbeam.pipeline.planning.meeting import Apart
    from maskbeam.pipeline.planning.plan import Plan
    from maskbeam.pipeline.reasons import Reasons

_MANIFEST = dataset_files.MANIFEST
_MAY_BE_MEANT = 0.5  # a share of rows lost


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a conversion.

    Attributes:
        directory: where the dataset is.
        status: `done`; `handed over` if the job goes on without this process, and the
            dataset is complete once its manifest is there; or `dry run` if nothing was
            started.
        records: how many records there are, by split.
        rejections: how many rows were left out, by the stage that rejected them; the
            files in `rejected/` say why.
        warnings: what you should know about the data, as in `stats.json`: each has a
            `name`, a `split` (empty for several) and a `message`.
        counters: how many `rows` were read, `label_maps` and `images` decoded and
            `records` written; work that a runner tried again is counted again.
    """

    directory: str
    status: Literal["done", "handed over", "dry run"]
    records: Mapping[str, int] = dataclasses.field(default_factory=dict)
    rejections: Mapping[str, int] = dataclasses.field(default_factory=dict)
    warnings: Sequence[Mapping[str, str]] = ()
    counters: Mapping[str, int] = dataclasses.field(default_factory=dict)


def convert(
    *, beam_options: Sequence[str] = (), show: bool = False, **options: Any
) -> Outcome:
    """Converts label maps, and their images, as `maskbeam convert` does.

        outcome = convert(
            label_maps={"train": "maps/train/*.png", "val": "maps/val/*.png"},
            classes="camvid11",
            size=(360, 480),
            output="dataset",
        )

    Args:
        beam_options: Beam's own flags, as the command line has them:
            `["--direct_num_workers=4"]`.
        show: whether to print the plan, the progress and the outcome.
        **options: the command's options, by name, as text or as Python has them.
            `classes` may be a `ClassMap`. `maskbeam convert --help` explains them.

    Returns:
        The outcome.

    Raises:
        UsageError: there is no such option, an option's value is not possible, nothing
            is found, or the output is not free.
        BadDataError: too many rows were rejected; no dataset was made.
        RunnerError: the runner failed; its own error is the cause.
    """
    from maskbeam.pipeline import arguments

    read_flags(beam_options)
    return run_conversion(arguments.from_given(options), beam_options, show=show)


def read_flags(flags: Sequence[str]) -> "argparse.Namespace":
    """Reads Beam's flags, without Beam: what they say of stores holds from here on.

    Raises:
        UsageError: a flag is wrong.
    """
    from maskbeam.pipeline.runtime import beam_flags, files

    files.use_beam_flags(flags)
    return beam_flags.read(flags)


def run_conversion(options: "Options", flags: Sequence[str], *, show: bool) -> Outcome:
    """Converts.

    Args:
        options: what is converted.
        flags: Beam's flags, after `read_flags`.
        show: whether to print the plan, the progress and the outcome.

    Raises:
        UsageError: nothing is found, or the output is not free.
        BadDataError: too many rows were rejected.
        RunnerError: the runner failed.
    """
    from maskbeam.pipeline import arguments, printing, repeating
    from maskbeam.pipeline.dataset import claim
    from maskbeam.pipeline.dataset.space import check_space
    from maskbeam.pipeline.own_function import code
    from maskbeam.pipeline.planning.survey import survey
    from maskbeam.pipeline.runtime import beam_flags, progress

    directory = options.output
    if directory is None:
        raise UsageError("say where the dataset goes, by --output")
    claim.check_claim(directory, overwrite=options.overwrite)
    code.read(options.preprocessing_fn)
    if arguments.finds_classes(options):
        # Names are looked at before all label maps are read.
        _refuse_apart(survey(options).apart)
        beam_options = load_beam(flags)
        with loading():
            from maskbeam.pipeline import discover
        options = discover.with_found_classes(options, beam_options, show=show)
    with progress.ProgressLine(progress.NAMES) if show else contextlib.nullcontext():
        plan = survey(options)
    _refuse_apart(plan.apart)
    note = check_space(directory, plan.stored_bytes, overwrite=options.overwrite)
    if show:
        printing.print_plan(options, plan)
        printing.print_apart(plan)
        printing.print_note(note)
    # A wrong command does not wait for what is loaded from here on.
    beam_options = load_beam(flags)
    plan = with_own_function(options, plan, show=show)
    command = repeating.command(options.flags, beam_flags.read(flags))
    outcome = _convert(options, plan, beam_options, command, show)
    if show:
        printing.print_outcome(outcome)
    return outcome


def _convert(
    options: "Options",
    plan: "Plan",
    beam_options: "PipelineOptions",
    command: str,
    show: bool,
) -> Outcome:
    """Claims the output, and runs the pipeline.

    Raises:
        BadDataError: too many rows were rejected.
        RunnerError: the runner failed.
    """
    with loading():
        from maskbeam.pipeline import flow
        from maskbeam.pipeline.dataset import claim
        from maskbeam.pipeline.runtime import files, progress, run, runners, stopping

    directory = options.output
    assert directory is not None
    dry_run = runners.is_dry_run(beam_options)
    name = dataset_files.temporary_name()
    temporary = files.join(directory, name)
    held = contextlib.nullcontext() if dry_run else claim.claim(options, plan, name)
    result = None
    with held, stopping.acting(functools.partial(claim.when_stopped, directory)):
        try:
            result = run.run(
                beam_options,
                lambda root: flow.define_pipeline(
                    root, options, plan, temporary, command
                ),
                records=plan.records,
                is_estimate=plan.records_are_estimated,
                phase=progress.CONVERTING,
                show=show,
            )
        except RunnerError:
            # What failed after the manifest was written has cost nothing: whichever was
            # there before was removed at the start.
            if dry_run or not files.exists(files.join(directory, _MANIFEST)):
                raise
        if dry_run:
            return Outcome(directory, "dry run")
        return _outcome(directory, temporary, result, beam_options)


def _refuse_apart(apart: "Apart | None") -> None:
    """Ends a conversion that cannot come to a dataset, by the names alone.

    Raises:
        UsageError: no label map has an image.
        BadDataError: too few have one.
    """
    if apart is None or apart.code == DONE:
        return
    if apart.code == WRONG_COMMAND:
        raise UsageError(apart.message)
    raise BadDataError(apart.message, {"pair": apart.rejected})


def with_own_function(options: "Options", plan: "Plan", *, show: bool) -> "Plan":
    """Adds the user's own function, and its columns, to a plan.

    Args:
        options: what is converted.
        plan: how it is cut.
        show: whether to print the columns, and the passes that they take.

    Raises:
        UsageError: the function cannot be traced, or a column cannot be.
    """
    from maskbeam.pipeline import printing
    from maskbeam.pipeline.own_function import code

    if (found := code.read(options.preprocessing_fn)) is None:
        return plan
    with loading():
        from maskbeam.pipeline.own_function import function

        own, config = function.find(found, plan.config, options.store)
        if options.output is not None:
            function.check_place(own, options.output)
    if show:
        printing.print_lines(function.described(own, config))
    return dataclasses.replace(plan, own=own, config=config)


def load_beam(flags: Sequence[str]) -> "PipelineOptions":
    """Loads Beam, and sets this process up by its flags; TensorFlow may come then.

    Raises:
        UsageError: a flag is wrong.
    """
    with loading():
        from maskbeam.pipeline.runtime import runners

    options = runners.parse_options(flags)
    runners.set_up(options)
    return options


def _outcome(
    directory: str,
    temporary: str,
    result: "PipelineResult | None",
    beam_options: "PipelineOptions",
) -> Outcome:
    """Reads what the last step of the pipeline left: a manifest, or a verdict.

    Raises:
        BadDataError: it left a verdict.
        RunnerError: another run has the output, or there is neither.
    """
    from maskbeam.pipeline import reasons
    from maskbeam.pipeline.dataset import holding
    from maskbeam.pipeline.runtime import files, run, runners

    unfinished = files.exists(files.join(directory, dataset_files.UNFINISHED))
    if unfinished and not holding.holds(directory, temporary):
        raise RunnerError(
            f"another run has taken {directory} meanwhile; this one published nothing"
        )
    if files.exists(files.join(directory, _MANIFEST)):
        # Which a job that goes on may not have.
        counters = run.counters(result) if result is not None else {}
        return _done(directory, counters)
    rejected = files.join(directory, dataset_files.REJECTED)
    if not files.exists(files.join(rejected, dataset_files.VERDICT)):
        if runners.is_in_process(beam_options):
            raise RunnerError(f"the run is over, and has left nothing in {directory}")
        return Outcome(directory, "handed over")
    verdict = files.read_json(files.join(rejected, dataset_files.VERDICT))
    named = reasons.files_in(directory)
    raise BadDataError(
        _what_now(verdict, reasons.add_up(named), rejected),
        verdict["rejections"],
        named,
    )


def _done(directory: str, counters: Mapping[str, int]) -> Outcome:
    """Reads what a dataset holds."""
    from maskbeam.pipeline import printing
    from maskbeam.pipeline.runtime import files

    try:
        splits = files.read_json(files.join(directory, _MANIFEST))["splits"]
        stats = files.read_json(files.join(directory, dataset_files.STATS))
    except OSError as error:
        warning = {"name": "unread", "split": "", "message": printing.unread(error)}
        return Outcome(directory, "done", warnings=(warning,), counters=counters)
    return Outcome(
        directory,
        "done",
        {split: found["records"] for split, found in splits.items()},
        stats["rejections"],
        tuple(stats["warnings"]),
        counters,
    )


def _what_now(verdict: Mapping[str, Any], found: "Reasons", rejected: str) -> str:
    """Says why there is no dataset, and what helps.

    To accept the loss is offered only where it may be meant.

    Args:
        verdict: as the last step of the pipeline wrote it.
        found: why rows were rejected.
        rejected: the directory that names them.
    """
    reason, none = verdict["reason"], "No dataset was made"
    if (first := found.systematic) is not None:
        hint = ""
        if first.example.stage == "classes":
            hint = "; maskbeam validate --classes auto prints a map of all values"
        return (
            f"{first.example.source}: {first.example.reason}{hint} (this is why "
            f"{first.count:,} of {found.count:,} rows were rejected): {reason}. "
            f"{none}; --overwrite starts anew"
        )
    share = verdict["rejected"] / max(1, verdict["rejected"] + verdict["records"])
    allow = ""
    if "--max_rejected" in reason and share <= _MAY_BE_MEANT:
        allow = ", or allow for them by --max_rejected"
    return (
        f"{reason}. {none}. Mend the rows in {rejected}{allow}; --overwrite starts anew"
    )
