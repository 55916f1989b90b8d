"""Loading leaves a user's process as it was; our own ends as any process ends."""

import gc
import importlib
import subprocess
import sys

import pytest

from maskbeam.pipeline.runtime.loading import loading


@pytest.mark.parametrize("collects", [True, False])
def test_a_users_collector_is_left_as_it_was(collects):
    frozen = gc.get_freeze_count()
    try:
        (gc.enable if collects else gc.disable)()
        with pytest.raises(ImportError), loading():
            _load_what_is_not_there()
        assert gc.isenabled() == collects
    finally:
        gc.enable()
    assert gc.get_freeze_count() == frozen


def _load_what_is_not_there():
    assert not gc.isenabled()
    importlib.import_module("no_such_module")


def _ends(body: str) -> subprocess.CompletedProcess:
    code = (
        "import atexit\n"
        "from maskbeam.pipeline.runtime.loading import loading, run_process\n"
        "atexit.register(print, 'before')\n"
        f"def main():\n    {body}\n"
        "run_process(main)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_process_ends_with_the_commands_code(code):
    done = _ends(f"atexit.register(print, 'after'); print('main'); return {code}")
    assert done.returncode == code
    assert done.stdout.split() == ["main", "after", "before"]


def test_an_error_of_our_own_is_shown():
    done = _ends("raise KeyError('ours')")
    assert done.returncode == 1
    assert "KeyError: 'ours'" in done.stderr
    assert done.stdout.split() == ["before"]


def test_what_was_loaded_is_frozen_in_our_own_process():
    done = _ends(
        "import gc\n    with loading(): pass\n"
        "    print(gc.isenabled(), gc.get_freeze_count() > 1000); return 0"
    )
    assert done.stdout.split() == ["True", "True", "before"]


def test_nobody_reads_on():
    """As in `maskbeam presets | head -0`."""
    command = "{ maskbeam presets; echo $? >&2; } | true"
    path = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, env=path
    )
    assert done.stderr == "0\n"
