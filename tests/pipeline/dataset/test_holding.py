"""One run at a time has an output, and the kernel says when it is dead."""

import errno
import json
import os
import subprocess
import sys
import time

import pytest

from maskbeam.pipeline.dataset import holding
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.runtime import files

_NO_LIST: list[object] = [[], None, 7, [None], {}]
NAME = ".unfinished-0123456789ab"
HOLD = """
import sys, time
from maskbeam.pipeline.dataset import holding
with holding.hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the directory."""
    (tmp_path / "unfinished.json").write_text(
        json.dumps({"temporary": [NAME], "names": [], **holding.who()})
    )
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_living_holder_keeps_others_out(holder, tmp_path):
    with pytest.raises(UsageError, match=r"another run writes into .*: process \d+ on"):
        holding.check_free(str(tmp_path))
    with pytest.raises(UsageError), holding.hold(str(tmp_path)):
        pass
    holder.kill()
    holder.wait()
    with holding.hold(str(tmp_path)):
        pass
    holding.check_free(str(tmp_path))


@pytest.mark.parametrize("age", [0, 599, 601])
def test_where_nothing_locks_a_beat_says_who_lives(age, tmp_path, monkeypatch):
    monkeypatch.setattr("os.path.isdir", lambda _: False)  # so it is not locked
    (tmp_path / "unfinished.json").write_text(json.dumps({"temporary": [NAME]}))
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "alive").write_text(str(time.time() - age))
    if age < 600:
        with pytest.raises(UsageError, match="another run writes"):
            holding.check_free(str(tmp_path))
        return
    holding.check_free(str(tmp_path))
    mine = tmp_path / ".unfinished-ffffffffffff"
    with holding.hold(str(tmp_path)) as is_locked, holding.beating(str(mine)):
        assert not is_locked
        while not (mine / "alive").exists():
            time.sleep(0.01)
        assert time.time() - float((mine / "alive").read_text()) < 60
    assert not (mine / "alive").exists()


@pytest.mark.parametrize(
    ("note", "is_held"),
    [
        ({"temporary": [NAME]}, True),
        ({"temporary": [".unfinished-ffffffffffff", NAME]}, False),
        *[({"temporary": wrong}, False) for wrong in _NO_LIST],
        *(([], False), ({}, False), (None, False)),
    ],
)
def test_a_run_sees_whether_the_note_is_its_own(note, is_held, tmp_path):
    if note is not None:
        (tmp_path / "unfinished.json").write_text(json.dumps(note))
    assert holding.holds(str(tmp_path), str(tmp_path / NAME)) == is_held


def test_a_note_that_cannot_be_read_is_nobodys(tmp_path, monkeypatch):
    """To take it for another run's would end a run without a word."""
    (tmp_path / "unfinished.json").write_text(json.dumps({"temporary": [NAME]}))

    def fails(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(files, "read", fails)
    with pytest.raises(OSError, match=r"unfinished\.json"):
        holding.holds(str(tmp_path), str(tmp_path / NAME))
