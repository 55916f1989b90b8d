"""The commands: what each does with parsed flags, and what it prints."""

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from maskbeam.pipeline import arguments as flags
from maskbeam.pipeline.errors import BAD_DATA, DONE, BadDataError, UsageError
from maskbeam.pipeline.runtime import run
from maskbeam.pipeline.runtime.quiet import quiet
from maskbeam.transforms import class_files, layout

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from maskbeam.pipeline.options import Options


_SHOWN_REJECTIONS = 5


def convert(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    beam_options = _beam_options(beam_arguments)
    options = flags.from_arguments(arguments)
    from maskbeam.pipeline.dataset import claim
    from maskbeam.pipeline.planning.survey import survey
    from maskbeam.pipeline.printing import print_plan, print_summary
    from maskbeam.pipeline.runtime import files, runners

    directory = options.output
    assert directory is not None
    dry_run = runners.is_dry_run(beam_options)
    graph_place = "" if dry_run else runners.graph_place(beam_options, directory)
    claim.check_claim(directory, overwrite=options.overwrite)
    if arguments.classes == flags.AUTO:
        options = _with_found_classes(options, beam_options)
    cut = survey(options)
    print_plan(options, cut)
    with quiet():
        from maskbeam.pipeline import flow
    name = claim.temporary_name()
    temporary = files.join(directory, name)
    if not dry_run:
        claim.claim(options, cut, name)
    with (
        # The job may go on when this process is gone.
        contextlib.nullcontext(files.join(graph_place, name))
        if graph_place
        else run.scratch("")
    ) as scratch:
        result = run.run(
            beam_options,
            cut,
            lambda root: flow.define_pipeline(root, options, cut, temporary, scratch),
        )
    if dry_run:
        print("nothing was started, and nothing written")
        return DONE
    if files.exists(files.join(directory, layout.MANIFEST)):
        print_summary(directory, run.counters(result))
        return DONE
    rejected = files.join(directory, layout.REJECTED)
    if not files.exists(files.join(rejected, layout.VERDICT)):
        print(f"the job is handed over; at its end {directory} has {layout.MANIFEST}")
        return DONE
    verdict = files.read_json(files.join(rejected, layout.VERDICT))
    found = [file.path for file in files.match(files.join(rejected, "*.jsonl"))]
    _print_rejections(found)
    print(
        f"maskbeam: {verdict['reason']}. No dataset was made. Mend the rows in "
        f"{rejected}, or allow for them by --max_rejected; --overwrite starts anew",
        file=sys.stderr,
    )
    return BAD_DATA


def validate(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    beam_options = _beam_options(beam_arguments)
    options = flags.from_arguments(arguments)
    from maskbeam.pipeline.planning.survey import survey
    from maskbeam.pipeline.printing import print_plan
    from maskbeam.pipeline.runtime import files, runners

    if arguments.classes == flags.AUTO:
        options = _with_found_classes(options, beam_options)
        print(class_files.to_yaml(options.class_map), end="")
    cut = survey(options)
    print_plan(options, cut)
    with quiet():
        from maskbeam.pipeline import validate
    with run.scratch(runners.shared_place(beam_options)) as scratch:
        run.run(
            beam_options,
            cut,
            lambda root: validate.define_pipeline(root, options, cut, scratch),
        )
        findings = validate.read_findings(scratch)
        unknown_values = False
        for path in findings.rejections:
            for line in files.lines(path):
                print(line)
                unknown_values |= json.loads(line)["stage"] == "classes"
    print(f"{findings.accepted:,} rows accepted, {findings.rejected:,} rejected")
    count, shown = findings.duplicates
    if count:
        print(f"{count:,} keys are twice in a split: {'; '.join(shown)}")
    if unknown_values:
        print("--classes auto, in place of yours, prints a map of all values there are")
    return BAD_DATA if findings.rejected or count else DONE


def plan(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    beam_options = _beam_options(beam_arguments)
    options = flags.from_arguments(arguments)
    from maskbeam.pipeline.planning.survey import survey
    from maskbeam.pipeline.printing import print_plan, print_plan_details

    if arguments.classes == flags.AUTO:
        raise UsageError(
            "plan reads headers only, and --classes auto all label maps: maskbeam "
            "validate --classes auto prints the class map to plan with"
        )
    cut = survey(options)
    print_plan(options, cut)
    print_plan_details(cut, beam_options.get_all_options(drop_default=True))
    return DONE


def inspect(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    _no_more(beam_arguments)
    with quiet():
        from maskbeam.pipeline import inspect
    with _errors_of_dataset():
        inspect.print_dataset(arguments.directory, arguments.split, arguments.limit)
    return DONE


def verify(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    _no_more(beam_arguments)
    with quiet():
        from maskbeam.pipeline import verify, verify_sources

    sources = flags.sources(arguments.raw)
    with _errors_of_dataset():
        faults = verify.find_faults(arguments.directory)
        if sources and not faults:
            compared, faults = verify_sources.find_skew(arguments.directory, sources)
            if not compared:
                raise UsageError(
                    "--raw: no row there is in the dataset; globs must give the keys "
                    "that the dataset was made with"
                )
            print(f"{compared:,} raw rows compared with their records")
    for fault in faults:
        print(f"maskbeam: {fault}", file=sys.stderr)
    if not faults:
        print(verify.ALL_WELL)
    return BAD_DATA if faults else DONE


def export(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    _no_more(beam_arguments)
    if arguments.version < 1:
        raise UsageError(f"--version {arguments.version} must be 1 or more")
    with quiet():
        from maskbeam.pipeline import export
    with _errors_of_dataset():
        path = export.export(arguments.directory, arguments.to, arguments.version)
    print(f"the serving model is at {path}")
    return DONE


def presets(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    _no_more(beam_arguments)
    if arguments.name is None:
        for name in class_files.preset_names():
            print(f"{name:20} {class_files.preset(name).num_classes:4} classes")
        return DONE
    if arguments.name not in class_files.preset_names():
        raise UsageError(
            f"no preset {arguments.name!r}; there are "
            f"{', '.join(class_files.preset_names())}"
        )
    print(class_files.preset_yaml(arguments.name), end="")
    return DONE


@contextlib.contextmanager
def _errors_of_dataset() -> Iterator[None]:
    """Where there is no dataset, or not such a one, the command is wrong."""
    try:
        yield
    except (FileExistsError, FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from error


def _no_more(arguments: list[str]) -> None:
    if arguments:
        raise UsageError(f"unknown argument {arguments[0]}")


def _beam_options(arguments: list[str]) -> "PipelineOptions":
    """Beam's options, and Beam: not before it is needed."""
    with quiet():
        from maskbeam.pipeline.runtime import runners
    return runners.options_of(arguments)


def _with_found_classes(
    options: "Options", beam_options: "PipelineOptions"
) -> "Options":
    """The options with a class map of what a pass over all label maps finds.

    Raises:
        BadDataError: there is no map of what it finds.
    """
    from maskbeam.pipeline.planning.survey import survey
    from maskbeam.pipeline.runtime import runners

    keys = dataclasses.replace(options.record_keys, image="")
    labels_only = dataclasses.replace(
        options, images=(), images_only=(), record_keys=keys, limit=None
    )
    cut = survey(labels_only)
    with quiet():
        from maskbeam.pipeline import discover
    with run.scratch(runners.shared_place(beam_options)) as scratch:
        run.run(
            beam_options,
            cut,
            lambda root: discover.define_pipeline(root, labels_only, cut, scratch),
        )
        try:
            found = discover.read_class_map(scratch, flags.AUTO)
        except ValueError as error:
            raise BadDataError(f"--classes auto: {error}") from error
    return dataclasses.replace(options, class_map=found)


def _print_rejections(paths: list[str]) -> None:
    """The first few, for a user who would otherwise have to open a file."""
    from maskbeam.pipeline.runtime import files

    count = 0
    for line in (line for path in paths for line in files.lines(path)):
        count += 1
        if count <= _SHOWN_REJECTIONS:
            print(line, file=sys.stderr)
    if count > _SHOWN_REJECTIONS:
        print(f"... and {count - _SHOWN_REJECTIONS:,} more", file=sys.stderr)
