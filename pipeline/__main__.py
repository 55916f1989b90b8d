"""The command line: `maskbeam`, or `python -m maskbeam.pipeline`.

Nothing heavy is imported before it is known what to do: `--help` is for people.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from maskbeam.pipeline import arguments as flags
from maskbeam.pipeline import commands
from maskbeam.pipeline.arguments import Parser
from maskbeam.pipeline.errors import (
    BAD_DATA,
    DONE,
    RUNNER_FAILED,
    WRONG_COMMAND,
    BadDataError,
    RunnerError,
    UsageError,
)


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
    subparsers = parser.add_subparsers(
        metavar="COMMAND", required=True, parser_class=Parser
    )

    def add(
        name: str, run: Callable[[argparse.Namespace, list[str]], int], text: str
    ) -> Parser:
        command: Parser = subparsers.add_parser(
            name, help=text, description=text, allow_abbrev=False
        )
        command.set_defaults(run=run)
        return command

    convert = add("convert", commands.convert, "Convert label maps, and their images.")
    flags.add_input_arguments(convert)
    flags.add_output_arguments(convert)
    convert.epilog = _BEAM
    validate = add(
        "validate",
        commands.validate,
        "Say what would be rejected, and why; write nothing.",
    )
    flags.add_input_arguments(validate)
    validate.epilog = _BEAM
    plan = add(
        "plan", commands.plan, "Say how a conversion would be cut; read headers only."
    )
    flags.add_input_arguments(plan)
    plan.epilog = _BEAM
    inspect = add("inspect", commands.inspect, "Show what a dataset holds.")
    inspect.add_argument("directory", metavar="DIR")
    inspect.add_argument("--split", help="only this one")
    inspect.add_argument(
        "--limit", type=int, default=3, metavar="N", help="rows to show (default: 3)"
    )
    verify = add(
        "verify",
        commands.verify,
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
        "export",
        commands.export,
        "Put the serving model where a model server looks for it.",
    )
    export.add_argument("directory", metavar="DIR")
    export.add_argument("--to", required=True, metavar="PATH", help="the model's")
    export.add_argument("--version", required=True, type=int, metavar="N")
    presets = add(
        "presets", commands.presets, "List the class maps, or print one as YAML."
    )
    presets.add_argument("name", nargs="?", metavar="NAME")
    return parser


_BEAM = (
    "All other flags go to Apache Beam: --runner (default: FnApiRunner, in this "
    "process), --direct_num_workers (default: the machine's cores), --temp_location "
    "and the rest."
)


# -------------------------------------------------------------------------- commands


# ---------------------------------------------------------------------------- helpers


if __name__ == "__main__":
    sys.exit(main())
