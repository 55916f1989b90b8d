"""Faults of the machine are told from all else by the text of an error."""

import errno
import os
import re
import shutil

import pytest

from maskbeam.pipeline.runtime import faults

FULL = os.strerror(errno.ENOSPC)


def _python(number, *path):
    return f"Traceback:\n  x\nOSError: {OSError(number, os.strerror(number), *path)}"


@pytest.mark.parametrize(
    "name", ["ENOSPC", "EROFS", "EACCES", "EIO", "EMFILE", "EDQUOT", "EFBIG"]
)
def test_errors_of_python_name_path_and_space(name, tmp_path):
    number, path = getattr(errno, name), str(tmp_path / "not" / "there" / "x")
    cause = _python(number)  # which names no file
    found = faults.fault_in(f"{cause}\n\nThe above ...\n{_python(number, path)} [while")
    free = re.search(r"\((.*) MB are free at (.*)\)", found)
    assert found.startswith(f"{path}: {os.strerror(number)} (")
    assert free is not None
    assert free[2] == str(tmp_path)
    there = shutil.disk_usage(tmp_path).free / 1e6
    assert float(free[1].replace(",", "")) == pytest.approx(there, rel=0.2, abs=500)


def test_errors_of_tensorflow_and_of_memory():
    text = f"ResourceExhaustedError: /tmp/x/y.pb; {FULL} [Op:WriteFile]"
    assert faults.fault_in(text).startswith(f"/tmp/x/y.pb: {FULL}")
    for text in ("MemoryError: ", "numpy._core._exceptions._ArrayMemoryError: 9 GiB"):
        assert "too little memory" in faults.fault_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ValueError: no space left",
        _python(errno.ENOENT, "/x"),
        _python(errno.EPIPE),
        "KeyError: 'MemoryErrors'",
    ],
)
def test_all_else_is_none(text):
    assert faults.fault_in(text) == ""
