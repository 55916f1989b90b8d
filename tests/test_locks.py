"""The locks: how they are made anew, and what is said of it."""

import hashlib
import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests import checkout

_ROOT = pathlib.Path(__file__).parent.parent
_LOCKS = ("requirements.lock", "image.lock")
_UNCHANGED = "requirements.lock:\n  nothing changed\nimage.lock:\n  nothing changed\n"


def _lock(*entries):
    """A lock with such entries, of two files each."""
    lines = ["# Remake: bash launch_scripts/update_lock.sh"]
    for entry in entries:
        digest = hashlib.sha256(entry.encode()).hexdigest()
        hashes = [f"    --hash=sha256:{digest[::way]}" for way in (1, -1)]
        lines.append(" \\\n".join([entry, *hashes]))
    return "\n".join(lines) + "\n"


_BELOW, _FROM = ("python_full_version < '3.11'", "python_full_version >= '3.11'")
_OLD = _lock(
    *("as-it-was==1.0", "gone==2.0", "newer==1.9", "parted==3.0", "touched==5.0"),
    *(f"split==1.0 ; {_BELOW}", f"split==1.1 ; {_FROM}", f"elsewhere==1 ; {_FROM}"),
)
_NEW = _lock(
    *("as-it-was==1.0", f"come==0.1 ; {_BELOW}", "newer==1.10", "touched==5.0"),
    *(f"parted==3.0 ; {_BELOW}", f"parted==3.1 ; {_FROM}"),
    *(f"split==1.0 ; {_BELOW}", f"split==1.2 ; {_FROM}"),
)
_NEW = _NEW.replace(hashlib.sha256(b"touched==5.0").hexdigest(), "0" * 64)
_CHANGES = f"""\
  come: 0.1 ({_BELOW}) added
  elsewhere: 1 ({_FROM}) removed
  gone: 2.0 removed
  newer: 1.9 -> 1.10
  parted: 3.0 -> 3.0 ({_BELOW}), 3.1 ({_FROM})
  split: 1.1 -> 1.2 ({_FROM})
  touched: 5.0 has other hashes
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (_OLD, _NEW, _CHANGES),
        (_OLD, _OLD, "  nothing changed\n"),
        (_lock(), _lock("a==1"), "  a: 1 added\n"),
    ],
)
def test_what_differs_is_said(old, new, said, tmp_path):
    done = _compare(tmp_path, old, new)
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


@pytest.mark.parametrize("line", ["a>=1", "a==1", "a==1 --hash=", "-e ."])
def test_a_line_without_version_and_hash_is_no_lock(line, tmp_path):
    done = _compare(tmp_path, _OLD, f"{_OLD}{line}\n")
    assert done.returncode == 1
    assert f"no locked requirement: {line}" in done.stderr


def _compare(directory, old, new):
    (directory / "old.lock").write_text(old)
    (directory / "new.lock").write_text(new)
    script = _ROOT / "launch_scripts/compare_locks.py"
    return subprocess.run(
        [sys.executable, script, directory / "old.lock", directory / "new.lock"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied(tmp_path):
    """The checkout's copy."""
    return checkout.copy(tmp_path / "maskbeam")


def _update(copied, *flags, **environment):
    return subprocess.run(
        ["bash", "launch_scripts/update_lock.sh", *flags],
        cwd=copied,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _locks(copied):
    return [(copied / "launch_scripts" / name).read_bytes() for name in _LOCKS]


@pytest.mark.parametrize(
    ("flags", "environment", "said"),
    [
        (["numpy"], {}, "Usage:"),
        (["--upgrade", "numpyy"], {}, "--upgrade numpyy: requirements.lock has no"),
        (["--upgrade", "Types_PyYAML", "a b"], {}, "--upgrade a b: requirements.lock"),
        ([], {"PYTHON": "no-such-python"}, "PYTHON=no-such-python does not run"),
    ],
)
def test_it_refuses_before_anything_is_fetched(flags, environment, said, copied):
    before = _locks(copied)
    done = _update(copied, *flags, **environment)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert _locks(copied) == before


@pytest.mark.engines  # it asks a package index
@pytest.mark.timeout(1200)
def test_the_locks_are_what_setup_asks_for(copied):
    before = _locks(copied)
    done = _update(copied)
    assert (done.returncode, done.stdout) == (0, _UNCHANGED), done.stderr
    assert _locks(copied) == before

    setup = (copied / "setup.py").read_text()
    stubs = '"types-PyYAML>=6.0"'
    assert stubs in setup
    (copied / "setup.py").write_text(setup.replace(stubs, '"types-PyYAML>=999"'))
    done = _update(copied)
    assert done.returncode == 2
    assert (
        "requirements.lock cannot be made; both locks are as they were" in done.stderr
    )
    assert _locks(copied) == before

    (copied / "setup.py").write_text(setup.replace(stubs, '"types-toml==0.10.8.7"'))
    done = _update(copied)
    assert done.returncode == 0, done.stderr
    (removed,) = re.findall(rb"^types-pyyaml==(\S+)", before[0], re.M)
    changed = f"types-pyyaml: {removed.decode()} removed\n  types-toml: 0.10.8.7 added"
    assert done.stdout == _UNCHANGED.replace("nothing changed", changed, 1)
    after = _locks(copied)
    assert after[1] == before[1]
    assert b"\ntypes-toml==0.10.8.7 \\\n    --hash=sha256:" in after[0]
    assert not list(copied.glob("launch_scripts/*.new"))
