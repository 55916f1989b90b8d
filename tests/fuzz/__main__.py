"""Tries hostile input for as long as you say, with inputs that are new every time.

    python -m tests.fuzz MINUTES [TARGET ...]

Prints what breaks a law, once for each place in the code, and a table at the end. The
exit code is 1 if there is any.
"""

import argparse
import collections
import dataclasses
import faulthandler
import pathlib
import secrets
import sys
import tempfile
import time
import traceback
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.hostile import Hostile
from tests.fuzz.targets import TARGETS, Target

_AT_ONCE = 200  # inputs, before the clock is looked at
_HANGS_SECONDS = 60
_SHOWN = 2000  # characters of an input


@dataclasses.dataclass
class Tally:
    """What came of a target; `findings` by where in the code, `seconds` it took."""

    inputs: int = 0
    seconds: float = 0.0
    findings: dict[str, str] = dataclasses.field(default_factory=dict)


def main(argv: list[str] | None = None) -> int:
    """Runs the targets; gives the exit code."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("minutes", type=float, metavar="MINUTES", help="in all")
    # No `choices`: argparse holds the empty list against them.
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    arguments = parser.parse_args(argv)
    names = arguments.targets or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        parser.error(f"no target {', '.join(sorted(unknown))}; {', '.join(TARGETS)}")
    saved = pathlib.Path(tempfile.mkdtemp(prefix="maskbeam-findings-"))
    tallies: dict[str, Tally] = collections.defaultdict(Tally)
    for number, name in enumerate(names):
        left = len(names) - number
        spent = sum(tally.seconds for tally in tallies.values())
        seconds = (60 * arguments.minutes - spent) / left
        print(f"{name}: {max(seconds, 0):.0f} s", file=sys.stderr, flush=True)
        _fuzz(name, TARGETS[name], seconds, tallies[name], saved)
    print(f"\n{'target':<14}{'inputs':>10}{'inputs/s':>10}{'findings':>10}")
    for name, tally in tallies.items():
        rate = tally.inputs / tally.seconds
        print(f"{name:<14}{tally.inputs:>10}{rate:>10.0f}{len(tally.findings):>10}")
    return int(any(tally.findings for tally in tallies.values()))


def _fuzz(
    name: str, target: Target, seconds: float, tally: Tally, saved: pathlib.Path
) -> None:
    """Tries one target: once, and again until its time is over."""
    start = time.monotonic()
    while True:
        if (found := _round(name, target, tally, saved)) is not None:
            error, given_input = found
            where = _place(error)
            if where not in tally.findings:
                path = saved / f"{name}-{len(tally.findings)}"
                tally.findings[where] = str(path)
                _report(name, error, given_input, path)
        tally.seconds = time.monotonic() - start
        if tally.seconds >= seconds:
            return


def _round(
    name: str, target: Target, tally: Tally, saved: pathlib.Path
) -> tuple[Exception, Any] | None:
    """Tries some inputs; the first that breaks the law, and how."""
    current = saved / f"{name}-running"
    last: list[Any] = []

    @seed(secrets.randbits(64))
    @settings(
        max_examples=_AT_ONCE,
        phases=[Phase.generate, Phase.shrink],
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def holds(hostile: Any) -> None:
        tally.inputs += 1
        last[:] = [hostile]
        current.write_bytes(_as_bytes(hostile))  # stays there if the process dies
        faulthandler.dump_traceback_later(_HANGS_SECONDS, exit=True)
        try:
            target.law(hostile)
        finally:
            faulthandler.cancel_dump_traceback_later()

    try:
        holds()
    except Exception as error:
        return error, last[0]  # it ends with the smallest
    finally:
        current.unlink(missing_ok=True)
    return None


def _as_bytes(hostile: Any) -> bytes:
    return hostile.data if isinstance(hostile, Hostile) else repr(hostile).encode()


def _place(error: Exception) -> str:
    """Where an error was raised, and what it is: tells findings apart."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {frame.filename}:{frame.lineno}"


def _report(name: str, error: Exception, hostile: Any, path: pathlib.Path) -> None:
    path.write_bytes(_as_bytes(hostile))
    print(f"\n== {name} breaks its law; the input is {path}")
    print(repr(hostile)[:_SHOWN])
    traceback.print_exception(error)
    sys.stderr.flush()


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
