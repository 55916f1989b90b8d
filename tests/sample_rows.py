"""The bundled sample, small, as what engines and stores are tried with.

One split is of PNGs with their images, one of TFRecord shards; a row is bad.
"""

import pathlib
import subprocess
import sys

from tests import data_generation

_DRAW = pathlib.Path(__file__).parent.parent / "launch_scripts/make_sample.py"
KEYS = ("scene_0000", "scene_0003", "scene_0007")  # some of train's


def draw(directory: pathlib.Path) -> pathlib.Path:
    """Draws it; gives the directory."""
    size = ["--train", "20", "--val", "6", "--height", "96", "--width", "128"]
    command = [sys.executable, _DRAW, "--output", directory, *size]
    subprocess.run(list(map(str, command)), check=True)
    bad = {f"train/{side}/bad.png": b"text" for side in ("labels", "images")}
    return data_generation.write_tree(directory, bad)


def arguments(root: object) -> list[str]:
    """Those of `convert`, but the output.

    Args:
        root: where the sample lies, a path or a URL.
    """
    return [
        *("--label_maps", f"train={root}/train/labels/*.png"),
        f"val={root}/shards/val-*.tfrecord",
        *("--images", f"train={root}/train/images/*"),
        *("--classes", f"{root}/classes.yaml"),
        *("--normalize=zscore", "--max_rejected=0.5"),
    ]


def raw(directory: pathlib.Path) -> dict[str, list[bytes]]:
    """The raw bytes of some rows, by the graph's columns."""
    return {
        f"{column}_bytes": [
            (directory / f"train/{column}s/{key}.png").read_bytes() for key in KEYS
        ]
        for column in ("label", "image")
    }
