"""Saves figures with what they are figures of: the commit, the machine, the command."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from typing import Any

_PACKAGES = ("apache-beam", "tensorflow", "tensorflow-transform", "isal", "numpy")
_PLACES = {
    "--work": "DIR",
    "--camvid": "CAMVID",
    "--peers": "ENVIRONMENT",
    "--json": "FILE",
}
_ROOT = pathlib.Path(__file__).resolve().parents[2]


def save(path: pathlib.Path, results: Any) -> None:
    """Writes a benchmark's results.

    Args:
        path: the JSON file.
        results: what was measured.
    """
    module = pathlib.Path(sys.argv[0]).stem
    command = ["python", "-m", f"tests.benchmarks.{module}"]
    for name, *values in _flags(sys.argv[1:]):
        command += [name, *([_PLACES[name]] if name in _PLACES else values)]
    tree = {
        "command": shlex.join(command),
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
        "machine": _machine(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "results": results,
    }
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def _flags(arguments: list[str]) -> list[list[str]]:
    """Groups each flag with its values."""
    found: list[list[str]] = []
    for argument in arguments:
        if argument.startswith("--"):
            found.append(argument.split("=", 1))
        else:
            found[-1].append(argument)
    return found


def _commit() -> str:
    """The commit that was measured; with a `+` if files differ from it."""
    try:
        head, changes = (
            subprocess.run(
                ["git", *command], capture_output=True, text=True, check=True, cwd=_ROOT
            ).stdout.strip()
            for command in (["rev-parse", "--short", "HEAD"], ["status", "--short"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+" if changes else head


def _machine() -> dict[str, Any]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line for line in lines if line.startswith("model name"))
    return next(names, "").partition(":")[2].strip() or platform.processor()
