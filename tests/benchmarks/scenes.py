"""The benchmarks' data: CamVid repeated, and drawn scenes of two published sizes.

A drawn label map is the argmax of smooth random fields, one for each class that is in
the picture: regions with winding borders, about as many bytes a pixel as PNGs of real
annotations have (0.02 to 0.04).
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Scenes:
    """A kind of data.

    Attributes:
        classes: maskbeam's preset.
        size: (height, width).
        ids: the label values; the last one is ignored.
        visible: how many of them are in a picture.
        image_format: of the images.
        distinct: how many pictures there are; more rows are links to them.
    """

    classes: str
    size: tuple[int, int]
    ids: tuple[int, ...]
    visible: int
    image_format: str
    distinct: int


CAMVID = Scenes("camvid11", (360, 480), (*range(12),), 0, "png", 0)
KINDS = {
    "camvid": CAMVID,
    "cityscapes": Scenes(
        "cityscapes_trainids", (1024, 2048), (*range(19), 255), 14, "png", 16
    ),
    "ade20k": Scenes("ade20k", (512, 512), (*range(1, 151), 0), 12, "jpg", 64),
}


def draw(rng: np.random.Generator, scenes: Scenes) -> npt.NDArray[np.generic]:
    """Draws one label map, of 16 bits where the ids need them."""
    ids = rng.choice(scenes.ids[:-1], scenes.visible - 1, replace=False)
    best = np.full(scenes.size, -np.inf, np.float32)
    dtype = np.uint8 if max(scenes.ids) < 256 else np.uint16
    label = np.zeros(scenes.size, dtype)
    for value in (*ids, scenes.ids[-1]):
        field = _smooth(rng, scenes.size, 4) + 0.3 * _smooth(rng, scenes.size, 24)
        label = np.where(field > best, dtype(value), label)
        best = np.maximum(field, best)
    return label


def _smooth(
    rng: np.random.Generator, size: tuple[int, int], waves: int
) -> npt.NDArray[np.float32]:
    """A random field that changes about `waves` times from top to bottom."""
    height, width = size
    knots = rng.standard_normal([waves, waves * width // height]).astype(np.float32)
    return np.asarray(
        Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC)
    )


def picture(rng: np.random.Generator, label: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """An image of a label map: a colour for each class, shade and noise, u8[H W 3]."""
    colors = rng.integers(40, 216, [256, 3])
    shade = 24 * _smooth(rng, label.shape, 12) + rng.normal(0, 3, label.shape)
    return np.clip(colors[label] + shade[..., np.newaxis], 0, 255).astype(np.uint8)


def files(
    name: str, directory: pathlib.Path, camvid: pathlib.Path, *, images: bool
) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """The label maps of a kind, and their images if asked for.

    Args:
        name: of the kind.
        directory: where pictures are drawn, if they are not there yet.
        camvid: CamVid's directory, which has label maps that have no image.
        images: whether to give images, and only label maps that have one.
    """
    if name == "camvid":
        folder = camvid / ("train" if images else "trainannot")
        found = sorted(path.name for path in folder.iterdir())
        labels = [camvid / "trainannot" / file for file in found]
        return labels, [camvid / "train" / file for file in found] if images else []
    scenes = KINDS[name]
    numbers = range(scenes.distinct)
    labels = [directory / name / f"{n:03}_label.png" for n in numbers]
    pictures = [directory / name / f"{n:03}.{scenes.image_format}" for n in numbers]
    for number in numbers:
        if not pictures[number].exists():
            labels[number].parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng(number)
            label = draw(rng, scenes)
            Image.fromarray(label).save(labels[number])
            Image.fromarray(picture(rng, label)).save(pictures[number], quality=90)
    return labels, pictures if images else []


def link(files: list[pathlib.Path], rows: int, directory: pathlib.Path) -> None:
    """Makes a directory of so many rows: links to the files, over and over."""
    directory.mkdir(parents=True)
    for number in range(rows):
        source = files[number % len(files)]
        (directory / f"{number:07}{source.suffix}").symlink_to(source.resolve())
