"""Reports as people see them: in Chromium, of all kinds of datasets."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from maskbeam.pipeline.command_line import main
from tests import browser, sample_rows
from tests.benchmarks import scenes

pytestmark = pytest.mark.engines  # it starts Chromium

_MOST_BYTES = 5_000_000
_WIDTHS = (380, 1024, 1600)
_ADE = scenes.KINDS["ade20k"]


@pytest.fixture(scope="module")
def chromium():
    with browser.browser() as found:
        yield found


def _sample(directory):
    return sample_rows.arguments(sample_rows.draw(directory))


def _camvid(directory, camvid, *, images=False):
    """CamVid's label maps; or those that have images here, with these."""
    splits = "train", "val"
    if not images:
        return [
            *("--label_maps", *(f"{s}={camvid}/{s}annot/*.png" for s in splits)),
            *("--classes", "camvid11"),
        ]
    for split in splits:
        for image in sorted((camvid / split).iterdir()):
            for folder in (split, f"{split}annot"):
                link = directory / folder / image.name
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(camvid / folder / image.name)
    return [
        *("--label_maps", *(f"{s}={directory}/{s}annot/*.png" for s in splits)),
        *("--images", *(f"{s}={directory}/{s}/*.png" for s in splits)),
        *("--classes", "camvid11"),
    ]


def _bad(directory, camvid):
    """Some have a value that is unknown, some are damaged, one has a hostile name."""
    paths = sorted((camvid / "trainannot").glob("*.png"))[:30]
    for number, path in enumerate(paths):
        label = np.asarray(Image.open(path)).copy()
        if number % 7 == 0:
            label[100:200, 100:300] = 77
        Image.fromarray(label).save(directory / path.name)
    (directory / "<script>alert(1)<_script>.png").write_bytes(b"no picture")
    return ["--label_maps", f"{directory}/*.png", "--classes", "camvid11"]


def _ade(directory):
    rng = np.random.default_rng(0)
    for split, rows in (("train", 40), ("val", 12)):
        for number in range(rows):
            label = scenes.draw(rng, _ADE)
            for kind, pixels in (("png", label), ("jpg", scenes.picture(rng, label))):
                path = directory / split / kind / f"{split}{number}.{kind}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    splits = "train", "val"
    return [
        *("--label_maps", *(f"{s}={directory}/{s}/png/*" for s in splits)),
        *("--images", *(f"{s}={directory}/{s}/jpg/*" for s in splits)),
        *("--classes", "ade20k"),
    ]


def _flags(kind, directory, camvid):
    if kind == "sample":
        return _sample(directory)
    if kind == "ade20k":
        return _ade(directory)
    if kind in ("rejections", "refused"):
        more = ["--max_rejected", "0.5"] if kind == "rejections" else []
        return [*_bad(directory, camvid), *more]
    if kind == "one row":
        path = min((camvid / "valannot").glob("*.png"))
        return ["--label_maps", path, "--classes", "camvid11"]
    if kind == "camvid":
        return _camvid(directory, camvid)
    more = ["--tile", "128x128"] if kind == "tiles" else []
    return [*_camvid(directory, camvid, images=True), *more]


_KINDS = [
    *("sample", "camvid", "camvid with images", "rejections", "refused"),
    *("ade20k", "tiles", "one row"),
]


@pytest.mark.parametrize("kind", _KINDS)
def test_a_report_is_right_on_each_screen(kind, camvid, chromium, tmp_path):
    rows = tmp_path / "rows"
    rows.mkdir()
    flags = map(str, _flags(kind, rows, camvid))
    out = tmp_path / "out"
    assert main(["convert", *flags, "--output", str(out)]) == (kind == "refused")
    page = out / "report.html"
    assert page.stat().st_size < _MOST_BYTES
    _check(chromium, page)


def _check(chromium: browser.Browser, path: pathlib.Path) -> None:
    with chromium.open(path, width=_WIDTHS[0]) as page:
        for width in _WIDTHS:
            for dark in (False, True):
                page.emulate(width, dark=dark)
                assert page.scroll_width == width
                assert page.axe() == []
        page.emulate(_WIDTHS[1], media="print")
        assert page.scroll_width == _WIDTHS[1]
        assert page.console == []
