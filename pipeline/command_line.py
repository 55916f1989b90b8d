"""The command line: its commands, and how each ends."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from maskbeam.pipeline import arguments as flags
from maskbeam.pipeline import commands
from maskbeam.pipeline.arguments import Parser
from maskbeam.pipeline.errors import (
    BAD_DATA,
    DONE,
    RUNNER_FAILED,
    WRONG_COMMAND,
    BadDataError,
    MachineError,
    RunnerError,
    StoreError,
    UsageError,
    one_line,
)
from maskbeam.pipeline.runtime import streams
from maskbeam.pipeline.terminal import say, say_lines

_BEAM = (
    "All other flags go to Apache Beam: --runner (default: FnApiRunner, in this "
    "process), --direct_num_workers (default: the machine's cores), --temp_location "
    "and the rest."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the arguments without the program's name; by default the process's.

    Returns:
        The exit code: 0 done, 1 the data is bad, 2 the command is wrong, 3 the runner
        failed.
    """
    try:
        given = sys.argv[1:] if argv is None else argv
        parser = _parser()
        if not given:
            parser.print_help()
            return DONE
        arguments, beam_arguments = parser.parse_known_args(given)
        run: Callable[[argparse.Namespace, list[str]], int] = arguments.run
        code = run(arguments, beam_arguments)
        sys.stdout.flush()
        return code
    except UsageError as error:
        ended(WRONG_COMMAND, one_line(error.message))
        say_lines("\n".join(error.more), out=sys.stderr)
        return WRONG_COMMAND
    except BadDataError as error:
        return ended(BAD_DATA, one_line(error))
    except (MachineError, StoreError) as error:
        return ended(RUNNER_FAILED, one_line(error))
    except RunnerError as error:
        # A runner's error is not the user's mistake: its trace helps to find the cause.
        logging.error("the runner failed", exc_info=error.__cause__)
        return ended(RUNNER_FAILED, f"the runner failed: {one_line(error)}")
    except BrokenPipeError:  # `maskbeam inspect ... | head`
        streams.to_nowhere(sys.stdout)
        return DONE
    except OSError as error:  # of the machine, or the standard output
        streams.to_nowhere(sys.stdout)
        return ended(RUNNER_FAILED, one_line(error))


def ended(code: int, line: str) -> int:
    """Says why a command ends, and returns its exit code."""
    say(f"maskbeam: {line}", out=sys.stderr)
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="maskbeam",
        description="Semantic-segmentation label maps to one-hot TFRecords and a "
        "transform graph.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0)
    subparsers = parser.add_subparsers(
        metavar="COMMAND", required=True, parser_class=Parser
    )

    def add(
        run: Callable[[argparse.Namespace, list[str]], int], text: str, epilog: str = ""
    ) -> Parser:
        command: Parser = subparsers.add_parser(
            run.__name__,
            help=text,
            description=text,
            epilog=epilog,
            allow_abbrev=False,
            with_beam=bool(epilog),
        )
        command.set_defaults(run=run)
        return command

    flags.add_arguments(
        add(commands.convert, "Convert label maps, and their images.", epilog=_BEAM),
        writes=True,
    )
    text = "Say what would be rejected, and why; write nothing."
    flags.add_arguments(add(commands.validate, text, epilog=_BEAM), writes=False)
    text = "Say how a conversion would be cut; read headers only."
    flags.add_arguments(add(commands.plan, text, epilog=_BEAM), writes=False)
    _add_to_inspect(add(commands.inspect, "Show what a dataset holds."))
    text = "Hold shards against the manifest, and the graphs against the records."
    _add_to_verify(add(commands.verify, text))
    text = (
        "Draw rows of a dataset, or of label maps before any conversion: does the "
        "class map fit?"
    )
    _add_to_show(add(commands.show, text))
    text = "Make report.html again, of a dataset or of a run that made none."
    _add_to_report(add(commands.report, text))
    text = "Put the serving model where a model server looks for it."
    _add_to_export(add(commands.export, text))
    presets = add(commands.presets, "List the class maps, or print one as YAML.")
    presets.add_argument("name", nargs="?", metavar="NAME")
    return parser


class _ShowVersion(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, help="say which this is", **more)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Prints the version and exits."""
        from maskbeam import pipeline

        say(f"maskbeam {pipeline.__version__}")
        parser.exit()


def _add_to_inspect(parser: Parser) -> None:
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("--split", help="only this one")
    parser.add_argument(
        "--limit", type=int, default=3, metavar="N", help="rows to show (default: 3)"
    )


def _add_to_show(parser: Parser) -> None:
    parser.add_argument(
        "directory", nargs="?", metavar="DIR", help="a dataset; or say --label_maps"
    )
    parser.add_argument("--split", help="only this one, of a dataset")
    parser.add_argument(
        "--key",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY",
        help="these rows; by default --limit (8) of each split, by a hash of their key",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="PATH",
        help="a directory, for a PNG of each row; or one PNG, for all",
    )
    flags.add_arguments(parser, writes=False)


def _add_to_report(parser: Parser) -> None:
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument(
        "--output", metavar="FILE", help="the page (default: report.html in DIR)"
    )


def _add_to_verify(parser: Parser) -> None:
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument(
        "--raw",
        nargs="+",
        action="extend",
        default=[],
        metavar="[SPLIT=]GLOB",
        help="the label maps that it was made of: also hold what the serving model "
        "makes of them, and of their images, against the records",
    )


def _add_to_export(parser: Parser) -> None:
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("--to", required=True, metavar="PATH", help="the model's")
    parser.add_argument("--version", required=True, type=int, metavar="N")
