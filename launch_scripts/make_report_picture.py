"""Draws docs/report.png, the picture of a report in README.md.

    python launch_scripts/make_report_picture.py

It converts the bundled sample and opens the report in Chromium, which has to be there
(`bash launch_scripts/setup_browser.sh`).
"""

import io
import os
import pathlib
import subprocess
import sys
import tempfile

from PIL import Image

from maskbeam.pipeline import convert
from tests import browser

_ROOT = pathlib.Path(__file__).parent.parent
PATH = _ROOT / "docs/report.png"

_WIDTH, _HEIGHT = 1200, 1320  # of the page that is shown, in pixels
_SHOWN = 900  # the picture's width
_COLORS = 192


def main() -> None:
    """Draws the picture."""
    with tempfile.TemporaryDirectory() as scratch:
        draw = [sys.executable, str(_ROOT / "launch_scripts/make_sample.py")]
        os.chdir(scratch)  # the page shows paths
        subprocess.run([*draw, "--output", "sample"], check=True)
        convert(
            label_maps="sample/train/labels/*.png",
            images="sample/train/images/*",
            split_by="train=0.7,val=0.3",
            classes="sample/classes.yaml",
            output="dataset",
        )
        report = pathlib.Path(scratch, "dataset/report.html")
        with browser.browser() as chromium, chromium.open(report) as page:
            page.emulate(_WIDTH)
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        os.chdir(_ROOT)
    height = round(_HEIGHT * _SHOWN / _WIDTH)
    shown = shot.crop((0, 0, _WIDTH, _HEIGHT)).resize((_SHOWN, height))
    shown.quantize(_COLORS).save(PATH, optimize=True)
    print(f"{PATH}: {PATH.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
