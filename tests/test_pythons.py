"""The suite's short form on the other Pythons that maskbeam runs on.

Each has an environment of its own, of the lock, which takes minutes and 3 GB until it
is deleted; `pytest tests/test_pythons.py -k 3.12` tries one.
"""

import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

import pytest

from tests import checkout, reading

# What hangs on the standard library, and on packages that have another version there;
# all of it takes a quarter of an hour (PYTHON=python3.12 launch_scripts/run_tests.sh).
_SHORT = (
    "tests/pipeline/formats",
    *(
        f"tests/transforms/test_{name}.py"
        for name in ("classes", "manifest", "saved_models", "user_ops", "yaml_trees")
    ),
)
# Of all rows that `load` gives, whatever the order.
_LOAD = """
import hashlib
import sys
import numpy as np
from maskbeam.transforms import load

digest = hashlib.sha256()
for split in ("train", "val"):
    rows = list(load(sys.argv[1], split).as_numpy_iterator())
    assert rows
    for row in sorted(rows, key=lambda row: row["key"]):
        for name, value in sorted(row.items()):
            array = np.asarray(value)
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array.tobytes())
print(digest.hexdigest())
"""


def _others():
    """The Pythons that setup.py names, but this one."""
    named = importlib.metadata.metadata("maskbeam").get_all("Classifier") or []
    found = re.findall(r"Python :: (3\.\d+)$", "\n".join(named), re.M)
    assert sysconfig.get_python_version() in found
    return [one for one in found if one != sysconfig.get_python_version()]


def _find(version):
    """Looks for a Python on PATH and among pyenv's; None if there is none."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    name = f"python{version}"
    others = sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"))
    for candidate in (name, *map(str, others)):
        if shutil.which(candidate) is None:
            continue
        code = "import ensurepip, sys, venv; print(sys.executable)"
        # A shim of pyenv's is a command, and may name no Python.
        done = subprocess.run(
            [candidate, "-c", code], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return done.stdout.strip()
    return None


def _run(*command, cwd, **environment):
    """Runs it as from a shell of its own; demands that it succeeds."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTE"))}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**kept, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def copied(tmp_path):
    """The checkout's copy, which is gone afterwards."""
    yield checkout.copy(tmp_path / "maskbeam")
    shutil.rmtree(tmp_path / "maskbeam")


@pytest.mark.engines  # it downloads an environment
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", _others())
def test_the_short_form(version, alone, copied, tmp_path, convert):
    del alone  # an environment fills disk and network
    if (python := _find(version)) is None:
        pytest.skip(f"python{version} is neither on PATH nor among pyenv's")
    _run("bash", "launch_scripts/run_local.sh", cwd=copied, PYTHON=python)
    bin_path = copied / ".venv/bin"
    printed = _run(bin_path / "python", "--version", cwd=copied)
    assert printed.startswith(f"Python {version}.")

    # The same rows make the same dataset as here, byte for byte.
    maps = copied / "sample/label_maps"
    shards = [f"{split}={maps}/shards/{split}-*.tfrecord" for split in ("train", "val")]
    here = convert(
        tmp_path / "here",
        *("--label_maps", *shards, "--classes", maps / "classes.yaml"),
    )
    there = copied / "sample/dataset"
    assert reading.checksums(there) == reading.checksums(here)
    loaded = _run(bin_path / "python", "-c", _LOAD, there, cwd=tmp_path)
    root = pathlib.Path(__file__).parent.parent
    assert loaded == _run(sys.executable, "-c", _LOAD, here, cwd=root)
    raw = [f"train={maps}/shards/train-*.tfrecord"]
    _run(bin_path / "maskbeam", "verify", there, "--raw", *raw, cwd=tmp_path)

    pytests = [bin_path / "python", "-m", "pytest", "-q", "-m", "not engines"]
    assert " passed" in _run(*pytests, *_SHORT, cwd=copied)
