"""The command line: `maskbeam`, or `python -m pipeline`.

Nothing heavy is imported before it is known what to do: `--help` is for people.
"""

import argparse
import contextlib
import dataclasses
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline import arguments as flags
from pipeline.arguments import Parser
from pipeline.options import UsageError
from pipeline.quiet import quiet
from transforms import class_files, layout

if TYPE_CHECKING:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineResult

    from pipeline.options import Options
    from pipeline.survey import Plan

DONE, BAD_DATA, WRONG_COMMAND, RUNNER_FAILED = range(4)

_SHOWN_REJECTIONS = 5


class BadDataError(Exception):
    """The data is bad: exit code 1."""


class RunnerError(Exception):
    """The runner failed: exit code 3."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: without the program's name; by default the process's.

    Returns:
        The exit code: 0 done, 1 the data is bad, 2 the command is wrong, 3 the runner
        failed.
    """
    try:
        arguments, beam_arguments = _parser().parse_known_args(argv)
        run: Callable[[argparse.Namespace, list[str]], int] = arguments.run
        return run(arguments, beam_arguments)
    except UsageError as error:
        print(f"maskbeam: {error}", file=sys.stderr)
        return WRONG_COMMAND
    except BadDataError as error:
        print(f"maskbeam: {error}", file=sys.stderr)
        return BAD_DATA
    except RunnerError as error:
        print(f"maskbeam: the runner failed: {error}", file=sys.stderr)
        return RUNNER_FAILED
    except BrokenPipeError:  # `maskbeam inspect ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _parser() -> Parser:
    parser = Parser(
        prog="maskbeam",
        description="Semantic-segmentation label maps to one-hot TFRecords and a "
        "transform graph.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(
        metavar="COMMAND", required=True, parser_class=Parser
    )

    def add(
        name: str, run: Callable[[argparse.Namespace, list[str]], int], text: str
    ) -> Parser:
        command: Parser = commands.add_parser(
            name, help=text, description=text, allow_abbrev=False
        )
        command.set_defaults(run=run)
        return command

    convert = add("convert", _convert, "Convert label maps, and their images.")
    flags.add_input_arguments(convert)
    flags.add_output_arguments(convert)
    convert.epilog = _BEAM
    validate = add(
        "validate", _validate, "Say what would be rejected, and why; write nothing."
    )
    flags.add_input_arguments(validate)
    validate.epilog = _BEAM
    plan = add("plan", _plan, "Say how a conversion would be cut; read headers only.")
    flags.add_input_arguments(plan)
    plan.epilog = _BEAM
    inspect = add("inspect", _inspect, "Show what a dataset holds.")
    inspect.add_argument("directory", metavar="DIR")
    inspect.add_argument("--split", help="only this one")
    inspect.add_argument(
        "--limit", type=int, default=3, metavar="N", help="rows to show (default: 3)"
    )
    verify = add(
        "verify",
        _verify,
        "Hold shards against the manifest, and the graphs against the records.",
    )
    verify.add_argument("directory", metavar="DIR")
    verify.add_argument(
        "--raw",
        nargs="+",
        action="extend",
        default=[],
        metavar="[SPLIT=]GLOB",
        help="the label maps that it was made of: also hold what the serving model "
        "makes of them, and of their images, against the records",
    )
    export = add(
        "export", _export, "Put the serving model where a model server looks for it."
    )
    export.add_argument("directory", metavar="DIR")
    export.add_argument("--to", required=True, metavar="PATH", help="the model's")
    export.add_argument("--version", required=True, type=int, metavar="N")
    presets = add("presets", _presets, "List the class maps, or print one as YAML.")
    presets.add_argument("name", nargs="?", metavar="NAME")
    return parser


_BEAM = (
    "All other flags go to Apache Beam: --runner (default: FnApiRunner, in this "
    "process), --direct_num_workers (default: the machine's cores), --temp_location "
    "and the rest."
)


# -------------------------------------------------------------------------- commands


def _convert(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    beam_options = _beam_options(beam_arguments)
    options = flags.from_arguments(arguments)
    from pipeline import files, output, runners
    from pipeline.summary import print_plan, print_summary
    from pipeline.survey import survey

    directory = options.output
    assert directory is not None
    dry_run = runners.is_dry_run(beam_options)
    graph_place = "" if dry_run else runners.graph_place(beam_options, directory)
    output.check_claim(directory, overwrite=options.overwrite)
    if arguments.classes == flags.AUTO:
        options = _with_found_classes(options, beam_options)
    cut = survey(options)
    print_plan(options, cut)
    with quiet():
        from pipeline import convert
    name = output.temporary_name()
    temporary = files.join(directory, name)
    if not dry_run:
        output.claim(options, cut, name)
    with (
        # The job may go on when this process is gone.
        contextlib.nullcontext(files.join(graph_place, name))
        if graph_place
        else _scratch("")
    ) as scratch:
        result = _run(
            beam_options,
            cut,
            lambda root: convert.define_pipeline(
                root, options, cut, temporary, scratch
            ),
        )
    if dry_run:
        print("nothing was started, and nothing written")
        return DONE
    if files.exists(files.join(directory, layout.MANIFEST)):
        print_summary(directory, _counters(result))
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


def _validate(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    beam_options = _beam_options(beam_arguments)
    options = flags.from_arguments(arguments)
    from pipeline import files, runners
    from pipeline.summary import print_plan
    from pipeline.survey import survey

    if arguments.classes == flags.AUTO:
        options = _with_found_classes(options, beam_options)
        print(class_files.to_yaml(options.class_map), end="")
    cut = survey(options)
    print_plan(options, cut)
    with quiet():
        from pipeline import validate
    with _scratch(runners.shared_place(beam_options)) as scratch:
        _run(
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


def _plan(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    beam_options = _beam_options(beam_arguments)
    options = flags.from_arguments(arguments)
    from pipeline.summary import print_plan, print_plan_details
    from pipeline.survey import survey

    if arguments.classes == flags.AUTO:
        raise UsageError(
            "plan reads headers only, and --classes auto all label maps: maskbeam "
            "validate --classes auto prints the class map to plan with"
        )
    cut = survey(options)
    print_plan(options, cut)
    print_plan_details(cut, beam_options.get_all_options(drop_default=True))
    return DONE


def _inspect(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    _no_more(beam_arguments)
    with quiet():
        from pipeline import inspect
    with _errors_of_dataset():
        inspect.print_dataset(arguments.directory, arguments.split, arguments.limit)
    return DONE


def _verify(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    _no_more(beam_arguments)
    with quiet():
        from pipeline import verify

    sources = flags.sources(arguments.raw)
    with _errors_of_dataset():
        faults = verify.find_faults(arguments.directory)
        if sources and not faults:
            compared, faults = verify.find_skew(arguments.directory, sources)
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


def _export(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
    _no_more(beam_arguments)
    if arguments.version < 1:
        raise UsageError(f"--version {arguments.version} must be 1 or more")
    with quiet():
        from pipeline import export
    with _errors_of_dataset():
        path = export.export(arguments.directory, arguments.to, arguments.version)
    print(f"the serving model is at {path}")
    return DONE


def _presets(arguments: argparse.Namespace, beam_arguments: list[str]) -> int:
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


# ---------------------------------------------------------------------------- helpers


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
        from pipeline import runners
    return runners.options_of(arguments)


def _with_found_classes(
    options: "Options", beam_options: "PipelineOptions"
) -> "Options":
    """The options with a class map of what a pass over all label maps finds.

    Raises:
        BadDataError: there is no map of what it finds.
    """
    from pipeline import runners
    from pipeline.survey import survey

    keys = dataclasses.replace(options.record_keys, image="")
    labels_only = dataclasses.replace(
        options, images=(), images_only=(), record_keys=keys, limit=None
    )
    cut = survey(labels_only)
    with quiet():
        from pipeline import discover
    with _scratch(runners.shared_place(beam_options)) as scratch:
        _run(
            beam_options,
            cut,
            lambda root: discover.define_pipeline(root, labels_only, cut, scratch),
        )
        try:
            found = discover.read_class_map(scratch, flags.AUTO)
        except ValueError as error:
            raise BadDataError(f"--classes auto: {error}") from error
    return dataclasses.replace(options, class_map=found)


def _run(
    beam_options: "PipelineOptions",
    cut: "Plan",
    define: Callable[["beam.Pipeline"], None],
) -> "PipelineResult":
    """Builds and runs a pipeline, and waits for it.

    Raises:
        RunnerError: it failed.
    """
    import apache_beam as beam

    from pipeline.progress import ProgressLine
    from pipeline.runners import counts_here, runner_of

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


def _counters(result: "PipelineResult") -> dict[str, int]:
    """Our counters of a run, by name."""
    from apache_beam.metrics import MetricsFilter

    from pipeline.progress import NAMESPACE

    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    return {c.key.metric.name: c.result for c in found["counters"]}


@contextlib.contextmanager
def _scratch(shared: str) -> Iterator[str]:
    """A directory of this run's own, below a shared one or on this machine."""
    if not shared:
        with tempfile.TemporaryDirectory(prefix="maskbeam-") as scratch:
            yield scratch
        return
    from pipeline import files

    scratch = files.join(shared, f"maskbeam-{os.urandom(6).hex()}")
    files.make_directory(scratch)
    try:
        yield scratch
    finally:
        files.remove(scratch)


def _print_rejections(paths: list[str]) -> None:
    """The first few, for a user who would otherwise have to open a file."""
    from pipeline import files

    count = 0
    for line in (line for path in paths for line in files.lines(path)):
        count += 1
        if count <= _SHOWN_REJECTIONS:
            print(line, file=sys.stderr)
    if count > _SHOWN_REJECTIONS:
        print(f"... and {count - _SHOWN_REJECTIONS:,} more", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
