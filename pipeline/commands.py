"""The commands: what each does with its flags, and what it prints.

Nothing heavy is imported before a command needs it: people wait for `--help`.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from maskbeam.pipeline import arguments as flags
from maskbeam.pipeline import conversion, options, values
from maskbeam.pipeline.errors import BAD_DATA, DONE, BadDataError, UsageError
from maskbeam.pipeline.runtime import beam_flags, streams
from maskbeam.pipeline.runtime.loading import loading
from maskbeam.pipeline.terminal import say, say_lines
from maskbeam.transforms import class_files, manifest

_SHOWN_ROWS = 8


def convert(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    """Converts label maps, and shows what was written."""
    conversion.read_flags(beam_arguments)
    from maskbeam.pipeline import printing, reasons

    options = flags.from_arguments(arguments)
    with streams.unfailing_output():  # `maskbeam convert ... | head` goes on
        try:
            conversion.run_conversion(options, beam_arguments, show=True)
        except BadDataError as error:
            if error.files:
                printing.print_reasons(reasons.add_up(error.files), out=sys.stderr)
            raise
    return DONE


def validate(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    """Says what would be rejected, and why."""
    conversion.read_flags(beam_arguments)
    from maskbeam.pipeline import reasons
    from maskbeam.pipeline.planning.survey import survey
    from maskbeam.pipeline.printing import print_apart, print_plan, print_reasons
    from maskbeam.pipeline.runtime import files

    options = flags.from_arguments(arguments)
    if flags.finds_classes(options):
        beam_options = conversion.load_beam(beam_arguments)
        with loading():
            from maskbeam.pipeline import discover
        options = discover.with_found_classes(options, beam_options, show=True)
        say_lines(class_files.to_yaml(options.class_map))
    plan = survey(options)
    print_apart(plan)
    print_plan(options, plan)
    beam_options = conversion.load_beam(beam_arguments)
    plan = conversion.with_own_function(options, plan, show=True)
    with loading():
        from maskbeam.pipeline import validate
        from maskbeam.pipeline.runtime import run, runners
    with run.scratch(runners.shared_place(beam_options)) as scratch:
        run.run(
            beam_options,
            lambda root: validate.define_pipeline(root, options, plan, scratch),
            records=plan.records,
            is_estimate=plan.records_are_estimated,
            show=True,
        )
        findings = validate.read_findings(scratch)
        for line in (line for p in findings.rejections for line in files.lines(p)):
            say(line)
        found = reasons.add_up(findings.rejections)
    if found.count:
        print_reasons(found)
    say(f"{findings.accepted:,} rows accepted, {findings.rejected:,} rejected")
    if findings.refusal:
        say(f"convert would make no dataset: {findings.refusal}")
    elif findings.rejected:
        say(
            f"convert would leave these out: --max_rejected is {options.max_rejected:g}"
        )
    if any(reason.example.stage == "classes" for reason in found.most):
        say("--classes auto, in place of yours, prints a map of all values there are")
    return BAD_DATA if findings.refusal else DONE


def plan(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    """Says how a conversion would be cut."""
    given = conversion.read_flags(beam_arguments)
    from maskbeam.pipeline.planning.survey import survey
    from maskbeam.pipeline.printing import (
        print_apart,
        print_plan,
        print_plan_details,
    )

    options = flags.from_arguments(arguments)
    if flags.finds_classes(options):
        raise UsageError(
            "plan reads headers only, and --classes auto all label maps: maskbeam "
            "validate --classes auto prints the class map to plan with"
        )
    found = survey(options)
    print_apart(found)
    print_plan(options, found)
    print_plan_details(found, beam_flags.shown(given))
    conversion.with_own_function(options, found, show=True)
    return DONE


def inspect(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    """Shows what a dataset holds."""
    _refuse(beam_arguments)
    _check_dataset(arguments.directory, arguments.split)
    with loading():
        from maskbeam.pipeline import inspect
    with _errors_of_dataset():
        inspect.print_dataset(arguments.directory, arguments.split, arguments.limit)
    return DONE


def verify(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    """Holds a dataset against its manifest, its graphs and its raw rows."""
    _refuse(beam_arguments)
    sources = flags.sources(arguments.raw)
    found = _check_dataset(arguments.directory)
    if flags.names_no_split(arguments.raw) and not found["options"].get("split_by"):
        say(
            "note: --raw without SPLIT= is taken for split "
            f"{values.DEFAULT_SPLIT!r}; others are named as val=GLOB"
        )
    with loading():
        from maskbeam.pipeline import verify, verify_sources

    with _errors_of_dataset():
        faults, notes = verify.find_faults(arguments.directory)
        for note in notes:
            say(f"note: {note}")
        if sources and not faults:
            compared, faults = verify_sources.find_skew(arguments.directory, sources)
            if not compared:
                raise UsageError(
                    "--raw: no row there is in the dataset; globs must give the keys "
                    "that the dataset was made with"
                )
            say(f"{compared:,} raw rows compared with their records")
    for fault in faults:
        say(f"maskbeam: {fault}", out=sys.stderr)
    if not faults:
        say(verify.ALL_WELL)
    return BAD_DATA if faults else DONE


def show(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    """Draws rows: images, label maps, and one over the other."""
    _refuse(beam_arguments)
    known = flags.declared()
    own = {"output"}  # which a conversion has too
    given = {n: v for n, v in vars(arguments).items() if n in known.keys() - own}
    limit = options.read("limit", known["limit"], given.pop("limit", _SHOWN_ROWS))
    directory, keys = arguments.directory, arguments.key
    if directory is None:
        if arguments.split is not None:
            raise UsageError("--split is of a dataset: leave it out, or name DIR")
        of_sources = _surveyed(given)
        with loading():
            from maskbeam.pipeline.report import show
        rows, class_map = show.of_sources(of_sources, keys, limit), of_sources.class_map
    else:
        if given:
            raise UsageError(
                f"--{min(given)} is of rows that are not converted yet: leave it out, "
                f"or leave out {directory}"
            )
        found = _check_dataset(directory, arguments.split)
        splits = [arguments.split] if arguments.split else list(found["splits"])
        with loading():
            from maskbeam.pipeline.report import show
        rows = show.of_dataset(directory, found, splits, keys, limit)
        class_map = show.class_map_of(directory)
    with _errors_of_dataset():
        drawn = show.write(rows, class_map, arguments.output)
    say(f"{drawn:,} {'row' if drawn == 1 else 'rows'} drawn: {arguments.output}")
    return DONE


def _surveyed(given: Mapping[str, Any]) -> options.Options:
    """The rows that `show` draws before a conversion; says which names do not meet."""
    of_sources = flags.from_given(given)
    if flags.finds_classes(of_sources):
        raise UsageError(
            "--classes auto takes a pass over all label maps: maskbeam validate "
            "--classes auto prints the class map to show them with"
        )
    from maskbeam.pipeline.planning.survey import survey
    from maskbeam.pipeline.printing import print_apart

    print_apart(survey(of_sources))
    return of_sources


def report(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    """Makes the report of a dataset again, or of a run that made none."""
    _refuse(beam_arguments)
    from maskbeam.pipeline import reporting

    with loading(), _errors_of_dataset():
        path = reporting.report(arguments.directory, arguments.output)
    say(f"the report is at {path}")
    return DONE


def export(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    """Puts the serving model where a model server looks for it."""
    _refuse(beam_arguments)
    if arguments.version < 1:
        raise UsageError(f"--version {arguments.version} must be 1 or more")
    _check_dataset(arguments.directory)
    from maskbeam.pipeline import export

    with _errors_of_dataset():
        path = export.export(arguments.directory, arguments.to, arguments.version)
    say(f"the serving model is at {path}")
    return DONE


def presets(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    """Lists the class maps that come with the package, or prints one."""
    _refuse(beam_arguments)
    if arguments.name is None:
        for name in class_files.preset_names():
            say(f"{name:20} {class_files.preset(name).num_classes:4} classes")
        return DONE
    if arguments.name not in class_files.preset_names():
        raise UsageError(
            f"no preset {arguments.name!r}; there are "
            f"{', '.join(class_files.preset_names())}"
        )
    say_lines(class_files.preset_yaml(arguments.name))
    return DONE


# ---------------------------------------------------------------------------- helpers


def _check_dataset(directory: str, split: str | None = None) -> dict[str, Any]:
    """Reads the manifest, before anything is loaded.

    Raises:
        UsageError: there is no dataset, or no such split of it.
    """
    with loading(), _errors_of_dataset():
        found = manifest.read_manifest(directory)
        if split is not None:
            manifest.shards_of(found, split)
    return found


@contextlib.contextmanager
def _errors_of_dataset() -> Iterator[None]:
    """Says why a dataset cannot be used.

    Raises:
        BadDataError: it is damaged.
        UsageError: there is none, or not one that the command needs.
    """
    try:
        yield
    except manifest.DamagedDatasetError as error:
        raise BadDataError(str(error)) from error
    except (FileExistsError, FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from error


def _refuse(arguments: list[str]) -> None:
    """Refuses flags for Beam, in a command that runs no pipeline."""
    if arguments:
        name = arguments[0].partition("=")[0]
        raise UsageError(f"unknown argument {values.shown(name)}")
