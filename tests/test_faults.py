"""Signals, full disks and streams that nobody reads, met by whole commands."""

import errno
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import time

import pytest

from maskbeam.pipeline.runtime import files
from tests import data_generation as data


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The arguments of a conversion of some rows, without its output."""
    directory = tmp_path_factory.mktemp("rows")
    data.label_tree(directory, 60, [0, 1, 2])
    return ["--label_maps", f"{directory}/labels/*", "--num_classes", "3"]


@pytest.fixture
def start(tmp_path):
    """Starts a command in a process of its own, with an own temporary directory."""
    (tmp_path / "tmp").mkdir()
    started = []

    def run(*arguments, **options):
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(
            [sys.executable, "-m", "maskbeam.pipeline", *map(str, arguments)],
            env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
            text=True,
            **streams,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def _names(directory: pathlib.Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.exists() else []


@pytest.mark.parametrize(
    ("mode", "seed"),
    [
        *(("multi_threading", seed) for seed in range(4)),
        *(("multi_processing", seed) for seed in range(2)),
    ],
)
def test_a_signal_stops_at_once(mode, seed, rows, start, tmp_path):
    seconds = random.Random(seed).uniform(0.5, 7)
    out = tmp_path / "out"
    process = start(
        *("convert", *rows, "--output", out, f"--direct_running_mode={mode}"),
        "--direct_num_workers=2",
    )
    time.sleep(seconds)
    number = (signal.SIGINT, signal.SIGTERM)[seed % 2]
    process.send_signal(number)
    began = time.monotonic()
    _, errors = process.communicate(timeout=60)
    if process.returncode == 0:  # it was faster
        assert "manifest.json" in _names(out)
        return
    assert time.monotonic() - began < 10  # 3 s alone; here others have the cores
    assert process.returncode == 128 + number
    assert errors.startswith(f"maskbeam: stopped by {number.name}")
    assert errors.count("\n") == 1
    assert not _names(tmp_path / "tmp")
    left = _names(out)
    assert "manifest.json" not in left
    time.sleep(1)
    assert _names(out) == left  # nobody goes on
    if left:
        assert f"{out} holds an unfinished run" in errors
        assert left[-1] == "unfinished.json"


def test_nobody_reads_what_a_conversion_says(rows, start, tmp_path):
    read, write = os.pipe()
    os.close(read)
    process = start("convert", *rows, "--output", tmp_path / "out", stdout=write)
    os.close(write)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert "manifest.json" in _names(tmp_path / "out")


def test_what_a_command_prints_has_no_place(start):
    with open("/dev/full", "w") as full:
        process = start("presets", stdout=full)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert errors == "maskbeam: [Errno 28] No space left on device\n"


def _small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def _small_files_unsaid():
    _small_files()
    os.close(2)


@pytest.mark.parametrize("errors", ["read", "full", "closed"])
def test_a_failing_run_ends_whoever_reads_why(errors, rows, start, tmp_path):
    out = tmp_path / "out"
    command = ["convert", *rows, "--output", out]
    if errors == "read":
        process = start(*command, preexec_fn=_small_files)
        _, said = process.communicate(timeout=120)
        assert said.count("\n") == 1
        assert f"{out}/.unfinished-" in said
        assert "File too large" in said
        assert "MB are free at" in said
    elif errors == "full":
        with open("/dev/full", "w") as full:
            process = start(*command, preexec_fn=_small_files, stderr=full)
            process.communicate(timeout=120)
    else:
        process = start(*command, preexec_fn=_small_files_unsaid, stderr=None)
        process.communicate(timeout=120)
    assert process.returncode == 3
    assert "manifest.json" not in _names(out)
    done = start("convert", *rows, "--output", out, "--overwrite")
    done.communicate(timeout=120)
    assert done.returncode == 0
    assert not [name for name in _names(out) if "unfinished" in name]


def test_a_run_that_lost_its_output_publishes_nothing(rows, tmp_path, monkeypatch):
    """Another run takes the output while this one writes its last files."""
    from maskbeam.pipeline.__main__ import main

    out = tmp_path / "out"
    move, theirs = files.move_all, {"temporary": [".unfinished-ffffffffffff"]}

    def taken(source, target, names):
        names = list(names)
        move(source, target, names)
        if any("tfrecord" in name for name in names):
            (out / "unfinished.json").write_text(json.dumps(theirs))

    monkeypatch.setattr(files, "move_all", taken)
    assert main(["convert", *rows, "--output", str(out)]) == 3
    assert "manifest.json" not in _names(out)
    assert json.loads((out / "unfinished.json").read_text()) == theirs


def test_too_many_open_files_are_no_bad_rows(rows, tmp_path, monkeypatch, capfd):
    from maskbeam.pipeline.__main__ import main

    opened = os.open

    def open_(path, *more, **others):
        if str(path).endswith("7.png"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return opened(path, *more, **others)

    monkeypatch.setattr(os, "open", open_)
    assert main(["convert", *rows, "--output", str(tmp_path / "out")]) == 3
    (line,) = capfd.readouterr().err.splitlines()
    assert "7.png" in line
    assert os.strerror(errno.EMFILE) in line
    assert "manifest.json" not in _names(tmp_path / "out")
