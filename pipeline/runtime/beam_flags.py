"""Beam's flags, checked without loading Beam: a wrong command does not wait for it.

`beam_flags.json` has what Beam declares; `python launch_scripts/make_beam_flags.py`
writes it. If another version of Beam is installed, its flags are taken from itself.
"""

import argparse
import contextlib
import functools
import importlib
import importlib.metadata
import json
import os
import pathlib
import reprlib
from collections.abc import Sequence
from typing import Any, NoReturn

from maskbeam.pipeline.errors import UsageError, in_words
from maskbeam.pipeline.runtime.loading import loading

PATH = pathlib.Path(__file__).with_suffix(".json")
DEFAULT_RUNNER = "FnApiRunner"
IN_PROCESS = (DEFAULT_RUNNER, "DirectRunner", "SwitchingDirectRunner")

_ANY_RUNNER = "apache_beam.runners.runner.PipelineRunner"
AS_GIVEN = "(as you gave it)"
_FIRST_IMPORT = "maskbeam.pipeline.runtime.workers"
_TYPES = {"int": int, "float": float, "loads": json.loads}


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads Beam's flags as the user gave them; only flags that are there are set.

    Raises:
        UsageError: a flag is not known, a value is not possible, or Beam has no such
            runner.
    """
    table = _table()
    given, unknown = _parser(table).parse_known_args(arguments)
    given.runner = _runner(table, getattr(given, "runner", DEFAULT_RUNNER))
    # Engines of others have flags of their own.
    if unknown and (given.runner in IN_PROCESS or not unknown[0].startswith("--")):
        raise UsageError(
            f"unknown argument {reprlib.repr(unknown[0].partition('=')[0])}: neither "
            "maskbeam's nor Beam's"
        )
    if getattr(given, "dry_run", False) and given.runner != "DataflowRunner":
        raise UsageError(
            f"--dry_run is Dataflow's, and {given.runner} would run all the same: "
            "maskbeam plan says what a run would do"
        )
    return given


def names() -> list[str]:
    """Returns all of Beam's flags, as they are written."""
    return [name for flag in _table()["flags"] for name in flag["names"]]


def is_in_process(arguments: Sequence[str]) -> bool:
    """Checks whether arguments, which may have others' flags, name no other engine.

    Raises:
        UsageError: a value of Beam's is not possible.
    """
    table = _table()
    given, _ = _parser(table).parse_known_args(arguments)
    return _runner(table, getattr(given, "runner", DEFAULT_RUNNER)) in IN_PROCESS


def defaults(given: argparse.Namespace) -> dict[str, Any]:
    """Returns what we tell Beam of what the user may leave open, by name.

    Plain `DirectRunner` first looks for another engine, which it may download; our
    default does not.
    """
    plugins = [*getattr(given, "beam_plugins", ()), _FIRST_IMPORT]
    found: dict[str, Any] = {"runner": given.runner, "beam_plugins": plugins}
    if given.runner not in IN_PROCESS:
        return found
    # A thread for each core: what decodes rows lets other threads run. Processes would
    # each load TensorFlow first, which takes seconds.
    local = {
        "direct_running_mode": "multi_threading",
        "direct_num_workers": os.cpu_count() or 1,
    }
    return found | {name: getattr(given, name, local[name]) for name in local}


def shown(given: argparse.Namespace) -> dict[str, str]:
    """Returns the flags of a run as they may be printed, by name.

    Text that the user gave may be a secret, or hold one: its place is shown only.
    """
    ours = defaults(given)
    values = vars(given) | ours
    open_ended = {f["dest"] for f in _table()["flags"] if _takes_any_text(f)}
    return {
        name: AS_GIVEN
        if name in open_ended - ours.keys()
        else ",".join(value)
        if isinstance(value, list)
        else str(value)
        for name, value in values.items()
    }


def spelled(given: argparse.Namespace) -> list[tuple[str, str, bool]]:
    """Lists the flags that the user gave.

    Returns:
        A flag's name, as it is written; its name in `given`; whether it takes no value.
    """
    return [
        (flag["names"][0], flag["dest"], flag["action"] not in ("store", "append"))
        for flag in _table()["flags"]
        if flag["dest"] in vars(given)
    ]


def _takes_any_text(flag: dict[str, Any]) -> bool:
    is_number = flag.get("type") in ("int", "float")
    takes_value = flag["action"] in ("store", "append")
    return takes_value and not is_number and "choices" not in flag


def _runner(table: dict[str, Any], name: str) -> str:
    """Returns a runner's name as Beam spells it, or the path of a user's own class.

    Raises:
        UsageError: there is no such runner.
    """
    names: dict[str, str] = table["runners"]
    for spelled in (name.lower(), f"{name.lower()}runner"):
        if spelled in names:
            return names[spelled]
    if "." not in name:
        raise UsageError(
            f"--runner {name} is none of Beam's: {', '.join(sorted(names.values()))}; "
            "or name a class by its module"
        )
    _check_runner(name)
    return name


def _check_runner(path: str) -> None:
    """Checks that a path leads to a runner: Beam calls whatever it leads to.

    Raises:
        UsageError: it does not.
    """
    module, _, name = path.rpartition(".")
    try:
        with loading():
            found = getattr(importlib.import_module(module), name)
    except Exception as error:  # the module is the user's
        raise UsageError(f"--runner {path}: {in_words(error)}") from error
    bases = getattr(found, "__mro__", ())
    if _ANY_RUNNER not in [f"{base.__module__}.{base.__name__}" for base in bases]:
        raise UsageError(
            f"--runner {path} is no runner: name a subclass of Beam's PipelineRunner"
        )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (a flag of Beam's)")


def _parser(table: dict[str, Any]) -> _Parser:
    parser = _Parser(
        add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    for flag in table["flags"]:
        action: dict[str, Any] = {"action": flag["action"]}
        if flag["action"] in ("store", "append"):
            action |= {"type": _TYPES.get(flag.get("type"), str)}
            more = flag.keys() & {"nargs", "choices"}
            action |= {name: flag[name] for name in more}
        parser.add_argument(*flag["names"], dest=flag["dest"], **action)
    return parser


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    if table["beam"] != importlib.metadata.version("apache-beam"):
        return of_installed_beam()
    return table


def of_installed_beam() -> dict[str, Any]:
    """Makes the content of `beam_flags.json` from Beam's own declarations."""
    with loading():
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.runners import runner
    declared = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        if options.__module__ != PipelineOptions.__module__:
            continue  # somebody else's
        with contextlib.suppress(argparse.ArgumentError):  # declared twice
            options._add_argparse_args(declared)
    paths = runner._RUNNER_MAP.items()
    return {
        "beam": importlib.metadata.version("apache-beam"),
        "runners": {name: path.rpartition(".")[2] for name, path in paths},
        "flags": sorted(map(_described, declared._actions), key=lambda f: f["dest"]),
    }


def _described(action: argparse.Action) -> dict[str, Any]:
    """Describes a flag: what it may be, and not what happens if it is left out."""
    described: dict[str, Any] = {"names": action.option_strings, "dest": action.dest}
    if action.nargs == 0:
        kind = "store_true" if action.const else "store_false"
        return described | {"action": kind}
    described["action"] = "store" if type(action) is _STORE else "append"
    if action.nargs is not None:
        described["nargs"] = action.nargs
    if action.choices:
        described["choices"] = list(action.choices)
    kind = getattr(action.type, "__name__", "")
    return described | {"type": kind} if kind in _TYPES else described


_STORE = type(argparse.ArgumentParser().add_argument("--any"))
