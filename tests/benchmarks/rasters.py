"""Peak memory and time of one big raster, cut into tiles, beside a picture of one tile.

    python -m tests.benchmarks.rasters [SIDE]...

For each side it writes a label map and an RGB image, tiled TIFFs of SIDE x SIDE pixels
in blocks of 512 x 512, converts them by `--tile 512x512`, and prints a line.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tifffile

_BLOCK = 512
_SIDES = (_BLOCK, 20_000, 40_000)
_RUN = """
import sys
from maskbeam.pipeline.command_line import main
from tests import peaks
assert main(sys.argv[1:]) == 0
print("peak", peaks.peak_bytes())
"""


def _blocks(side: int, depth: tuple[int, ...]) -> Iterator[npt.NDArray[np.uint8]]:
    """Blocks of a few regions, all of one kind: to draw each would take longer."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 5, (8, 8, *depth), np.uint8)
    block = small.repeat(_BLOCK // 8, 0).repeat(_BLOCK // 8, 1)
    for _ in range((-(-side // _BLOCK)) ** 2):
        yield block


def write(path: str, side: int, *depth: int) -> None:
    """Writes a tiled TIFF, block by block.

    Args:
        path: of the file.
        side: of the picture, in pixels.
        depth: 3 for colours.
    """
    tifffile.imwrite(
        path,
        _blocks(side, depth),
        shape=(side, side, *depth),
        dtype=np.uint8,
        tile=(_BLOCK, _BLOCK),
        compression="deflate",
        photometric="rgb" if depth else "minisblack",
    )


def main(sides: list[int]) -> None:
    """Converts a raster of each side."""
    for side in sides:
        with tempfile.TemporaryDirectory() as place:
            write(f"{place}/label.tif", side)
            write(f"{place}/image.tif", side, 3)
            flags = f"convert --num_classes 5 --tile {_BLOCK}x{_BLOCK}".split()
            flags += ["--label_maps", f"{place}/label.tif"]
            flags += ["--images", f"{place}/image.tif", "--strip_label_suffix", "label"]
            flags += ["--strip_image_suffix", "image", "--output", f"{place}/out"]
            start = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", _RUN, *flags],
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.monotonic() - start
            assert done.returncode == 0, done.stderr
            peak = int(done.stdout.rpartition("peak")[2]) >> 20
            print(f"{side} x {side}: {seconds:.0f} s, peak {peak} MiB", flush=True)


if __name__ == "__main__":
    main([int(side) for side in sys.argv[1:]] or list(_SIDES))
