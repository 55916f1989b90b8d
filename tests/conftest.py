"""Fixtures for the whole suite.

beam_of_the_table  skips where another Beam than that of beam_flags.json is installed
camvid             real street scenes, where they are
public_cases       small folders as people have them, where they are
convert            runs `maskbeam convert` in this process
run_maskbeam       runs the command line in a process of its own
run_python         runs a snippet in a process of its own; demands that it succeeds
alone              lets one test of a module run at a time
"""

import fcntl
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_ROOT = pathlib.Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where CamVid and the public cases are; by default beside the checkout."""
    parser.addoption(
        "--camvid",
        type=pathlib.Path,
        default=pathlib.Path(
            os.environ.get("CAMVID", _ROOT.parent / "shared" / "data" / "camvid")
        ),
        help="CamVid in SegNet's form: train/, trainannot/, val/, valannot/",
    )
    parser.addoption(
        "--cases",
        type=pathlib.Path,
        default=pathlib.Path(
            os.environ.get("CASES", _ROOT.parent / "shared" / "cases")
        ),
        help="public cases: a folder for each, with its expected.npz",
    )


@pytest.fixture(scope="session")
def beam_of_the_table() -> None:
    """Python 3.10 has an older Beam, whose flags are asked of itself."""
    from maskbeam.pipeline.runtime import beam_flags

    table = json.loads(beam_flags.PATH.read_text(encoding="utf-8"))
    installed = importlib.metadata.version("apache-beam")
    if installed != table["beam"]:
        pytest.skip(f"the table is of Beam {table['beam']}, and {installed} is here")


@pytest.fixture(scope="session")
def camvid(request: pytest.FixtureRequest) -> pathlib.Path:
    """CamVid's directory."""
    directory: pathlib.Path = request.config.getoption("--camvid")
    if not (directory / "trainannot").is_dir():
        pytest.skip(f"CamVid is not at {directory}; name its place by --camvid")
    return directory


@pytest.fixture(scope="session")
def public_cases(request: pytest.FixtureRequest) -> pathlib.Path:
    """The directory of all public cases."""
    directory: pathlib.Path = request.config.getoption("--cases").resolve()
    if not directory.is_dir():
        pytest.skip(f"the cases are not at {directory}; name their place by --cases")
    return directory


@pytest.fixture(scope="session")
def convert():
    """Runs `maskbeam convert`; demands that it is done."""
    from maskbeam.pipeline.command_line import main

    def run(output: pathlib.Path, *arguments: object, code: int = 0) -> pathlib.Path:
        argv = ["convert", *map(str, arguments), "--output", str(output)]
        assert main(argv) == code
        return output

    return run


@pytest.fixture
def alone(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Of a module's tests that ask for it one runs at a time, in all processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / f"{request.module.__name__}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def run_maskbeam():
    """Runs the command line as a user does."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "maskbeam.pipeline", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def run_python():
    """Runs a snippet from the checkout's root; gives what it prints."""

    def run(code: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=_ROOT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
