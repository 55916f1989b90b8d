"""Signals, full disks and streams that nobody reads, met by whole commands."""

import contextlib
import errno
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from maskbeam.pipeline.runtime import files, stopping
from tests import data_generation as data
from tests.rarely import rarely


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
    time.sleep(1)
    assert _names(out) == left  # nobody goes on
    if "manifest.json" in left:  # all was done, but for the process's end
        assert "unfinished" not in errors
        assert "unfinished.json" not in left
        assert start("verify", out).wait(timeout=60) == 0
    elif left:
        assert f"{out} holds an unfinished run" in errors
        assert left[-1] == "unfinished.json"


_FAILS_AS_ITS_JOB_IS_CANCELLED = """
import os, signal, sys, threading, time
from maskbeam.pipeline.runtime import stopping

cancelled = threading.Event()

def cancel():
    cancelled.set()
    time.sleep(0.5)
    return "the job is cancelled"

with stopping.listening(), stopping.acting(cancel):
    os.kill(os.getpid(), signal.SIGTERM)
    cancelled.wait()
    sys.exit(3)
"""


def test_a_command_that_fails_as_it_is_stopped_was_stopped():
    script = [sys.executable, "-c", _FAILS_AS_ITS_JOB_IS_CANCELLED]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60)
    assert done.returncode == 143
    assert done.stderr == "maskbeam: stopped by SIGTERM; the job is cancelled\n"


_IS_STOPPED_AS_THE_INTERPRETER_ENDS = """
import os, sys
from maskbeam.pipeline.runtime import stopping

class Last:
    def __init__(self, number):
        self.kill = os.kill, os.getpid(), number

    def __del__(self):
        kill, process, number = self.kill
        kill(process, number)

with stopping.listening():
    last = Last(int(sys.argv[1]))
    sys.exit(1)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_all_is_done_changes_nothing(number):
    script = [sys.executable, "-c", _IS_STOPPED_AS_THE_INTERPRETER_ENDS]
    done = subprocess.run(
        [*script, str(int(number))], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "")


def test_nobody_reads_what_a_conversion_says(rows, start, tmp_path):
    read, write = os.pipe()
    os.close(read)
    process = start("convert", *rows, "--output", tmp_path / "out", stdout=write)
    os.close(write)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "Error" not in errors
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


@pytest.mark.parametrize("errors", ["closed", *rarely("read", "full")])
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
    from maskbeam.pipeline.command_line import main

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


def test_a_run_that_cannot_tell_whether_it_may_publish_fails(
    rows, tmp_path, monkeypatch, capfd
):
    from maskbeam.pipeline.command_line import main

    out = tmp_path / "out"
    read = files.read

    def fails(path):
        if path.endswith("unfinished.json"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return read(path)

    monkeypatch.setattr(files, "read", fails)
    assert main(["convert", *rows, "--output", str(out)]) == 3
    assert "manifest.json" not in _names(out)
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith(f"maskbeam: {out}/unfinished.json: Input/output error")


def test_a_run_that_is_over_and_left_nothing_has_failed(
    rows, tmp_path, monkeypatch, capfd
):
    from maskbeam.pipeline.command_line import main
    from maskbeam.pipeline.dataset.publish import Publish

    monkeypatch.setattr(Publish, "_is_ours", lambda _: False)
    assert main(["convert", *rows, "--output", str(tmp_path / "out")]) == 3
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.endswith(f"the run is over, and has left nothing in {tmp_path}/out")


def test_what_fails_after_the_manifest_is_no_failed_run(
    rows, tmp_path, monkeypatch, capfd
):
    """Neither the runner's own end, nor reading what was written."""
    from maskbeam.pipeline.command_line import main
    from maskbeam.pipeline.errors import RunnerError
    from maskbeam.pipeline.runtime import run

    out, runs = tmp_path / "out", run.run

    def fails(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    def fails_at_its_end(*arguments, **more):
        runs(*arguments, **more)
        monkeypatch.setattr(files, "read_json", fails)
        raise RunnerError("its temporary directory cannot be removed")

    def fails_at_once(*_, **__):
        raise RunnerError("it does not begin")

    monkeypatch.setattr(run, "run", fails_at_its_end)
    assert main(["convert", *rows, "--output", str(out)]) == 0
    monkeypatch.undo()
    (line,) = [one for one in capfd.readouterr().err.splitlines() if "whole" in one]
    why = f"[Errno 5] Input/output error: '{out}/manifest.json'"
    assert line == f"maskbeam: the dataset is whole, but cannot be read here: {why}"
    assert main(["verify", str(out)]) == 0
    # One that fails before it removes the manifest of the dataset before, and fails.
    monkeypatch.setattr(run, "run", fails_at_once)
    assert main(["convert", *rows, "--output", str(out), "--overwrite"]) == 3
    assert "manifest.json" not in _names(out)


def test_no_temporary_directory_is_one_line(monkeypatch, capfd):
    from maskbeam.pipeline.__main__ import run

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/maskbeam-1")

    monkeypatch.setattr(sys, "stderr", sys.stderr)  # it is wrapped
    monkeypatch.setattr(stopping, "listening", contextlib.nullcontext)
    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 3
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("maskbeam: no temporary directory: [Errno 28] ")


def test_a_working_directory_that_is_gone_is_said(rows, start, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    process = start("convert", *rows, "--output", "out", preexec_fn=lambda: _gone(gone))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors == (
        "maskbeam: --output 'out' is relative to the working directory, which is gone: "
        "change to one that is there\n"
    )


def _gone(directory):
    os.chdir(directory)
    directory.rmdir()


def test_too_many_open_files_are_no_bad_rows(rows, tmp_path, monkeypatch, capfd):
    from maskbeam.pipeline.command_line import main

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
