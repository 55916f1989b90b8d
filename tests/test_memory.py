"""Memory stays flat: rows are never held, whatever there is of them."""

import pytest

from tests import data_generation as data

_CODE = """
import sys
from maskbeam.pipeline.command_line import main
from tests import peaks
assert main(sys.argv[1:]) == 0
print("peak", peaks.peak_bytes())
"""


def _peak_mib(run_python, output, pattern):
    arguments = ["convert", "--label_maps", pattern, "--num_classes", "3"]
    printed = run_python(_CODE, *arguments, "--output", str(output))
    return int(printed.rpartition("peak")[2]) / (1 << 20)


@pytest.mark.engines
def test_peak_does_not_grow_with_the_input(tmp_path, run_python):
    data.label_tree(tmp_path, 5, [0, 1, 2], size=lambda i: (600, 800))
    maps = sorted((tmp_path / "labels").iterdir())
    for number in range(900):
        link = tmp_path / "many" / f"{number:03}.png"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(maps[number % 5])
    few = _peak_mib(run_python, tmp_path / "few", f"{tmp_path}/many/0*.png")
    many = _peak_mib(run_python, tmp_path / "all", f"{tmp_path}/many/*.png")
    # The 800 more take 366 MiB decoded, and as much again packed.
    assert many - few < 120, (few, many)
