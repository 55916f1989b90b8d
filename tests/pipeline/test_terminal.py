"""What is printed moves no cursor and fails in no encoding."""

import io

import numpy as np
import pytest

from maskbeam.pipeline import terminal
from maskbeam.pipeline.command_line import main
from tests import data_generation as data

_EVIL = "a\x1b]0;mine\x07\x1b[2J\rb\x9b\u202e"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_a_line_is_shown_as_it_is(encoding):
    file = io.TextIOWrapper(io.BytesIO(), encoding)
    terminal.say(f"é 道 {_EVIL}\nc \udcff", out=file, flush=True)
    shown = file.buffer.getvalue()
    assert shown.count(b"\n") == 1
    assert shown.endswith(b"\n")
    printed = shown.decode(encoding).removesuffix("\n")
    assert printed.isprintable()
    escapes = r"a\x1b]0;mine\x07\x1b[2J\rb\x9b\u202e\nc \udcff"
    assert printed.endswith(escapes)
    assert printed.startswith("é" if encoding != "ascii" else r"\xe9")


def test_keys_and_files_are_shown_escaped(tmp_path, convert, capfd):
    for name in ("x", _EVIL):
        label = data.png(np.zeros((2, 3), np.uint8))
        data.write_tree(tmp_path / "maps", {f"{name}.png": label})
    data.write_tree(tmp_path / "maps", {f"bad{_EVIL}.png": b"no picture"})
    arguments = ("--label_maps", f"{tmp_path}/maps/*.png", "--num_classes", 3)
    out = convert(tmp_path / "out", *arguments, "--max_rejected", "0.9")
    assert main(["inspect", str(out)]) == 0
    assert main(["validate", *map(str, arguments)]) == 1
    printed = capfd.readouterr()
    assert all(line.isprintable() for line in printed.out.splitlines())
    assert all(line.isprintable() for line in printed.err.splitlines())
    assert r"\x1b]0;mine" in printed.out
