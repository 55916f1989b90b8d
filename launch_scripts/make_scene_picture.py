"""Draws docs/scene.png: a scene of the sample as `maskbeam show` draws it.

python launch_scripts/make_scene_picture.py
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from PIL import Image

from maskbeam.pipeline import command_line

_ROOT = pathlib.Path(__file__).parent.parent
PATH = _ROOT / "docs/scene.png"

_KEY = "scene_0006"  # with cars, people, and a crossing
_SIZE = ("--height", "216", "--width", "288")  # three beside one another fit a page
_COLORS = 224


def main() -> None:
    """Draws the picture."""
    with tempfile.TemporaryDirectory() as scratch:
        draw = [sys.executable, str(_ROOT / "launch_scripts/make_sample.py"), *_SIZE]
        os.chdir(scratch)  # the picture has paths of sources
        few = ("--train", "8", "--val", "1")
        subprocess.run([*draw, *few, "--output", "sample"], check=True)
        show = ["show", "--label_maps", "sample/train/labels/*.png"]
        show += ["--images", "sample/train/images/*", "--key", _KEY]
        show += ["--classes", "sample/classes.yaml", "--output", "scene.png"]
        if command_line.main(show):
            raise SystemExit("nothing was drawn")
        drawn = Image.open("scene.png").convert("RGB")
        os.chdir(_ROOT)
    # Without dithering, flat colours stay flat, and the file small.
    few_colors = drawn.quantize(_COLORS, dither=Image.Dither.NONE)
    few_colors.save(PATH, optimize=True)
    print(f"{PATH}: {PATH.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
