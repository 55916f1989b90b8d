"""One maker of synthetic data for the whole suite; Pillow writes it, not our code."""

import io
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from maskbeam.pipeline.formats import tf_examples

# Sizes that break what assumes even ones, or words of eight pixels.
ODD_SIZES = ((1, 1), (1, 9), (7, 13), (33, 20), (64, 48))


def regions(rng: np.random.Generator, height: int, width: int, ids: list[int]):
    """A label map of rectangles, u8[H W], which holds only `ids`."""
    label = np.full((height, width), rng.choice(ids), np.uint8)
    for _ in range(12):
        top, left = rng.integers(0, height), rng.integers(0, width)
        bottom, right = rng.integers(top, height) + 1, rng.integers(left, width) + 1
        label[top:bottom, left:right] = rng.choice(ids)
    return label


def filled(size: tuple[int, int], value: int | tuple[int, ...]) -> np.ndarray:
    """A picture of one value, or one colour: u8[H W] or u8[H W C]."""
    return np.full((*size, *np.shape(value)), value, np.uint8)


def panoptic_json(pictures: Mapping[str, Sequence[tuple[int, int, int]]]) -> str:
    """COCO's panoptic JSON, of (segment, category, area) by file name."""
    return json.dumps(
        {
            "info": {"year": 2017},
            "images": [{"id": 1, "file_name": "no.jpg"}],
            "annotations": [
                {
                    "image_id": number,
                    "file_name": name,
                    "segments_info": [
                        {"id": i, "category_id": category, "area": area, "iscrowd": 0}
                        for i, category, area in segments
                    ],
                }
                for number, (name, segments) in enumerate(pictures.items())
            ],
            "categories": [{"id": 1, "name": "person", "isthing": 1}],
        }
    )


def serialized(columns: Mapping[str, tf_examples.Value]) -> bytes:
    """A tf.Example of our own, as bytes."""
    return b"".join(tf_examples.serialize(columns).parts)


def png(array: np.ndarray, **options: object) -> bytes:
    """An array as Pillow's PNG."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", **options)
    return buffer.getvalue()


def jpeg(array: np.ndarray) -> bytes:
    """An array as Pillow's JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A smooth colour picture, u8[H W 3], with a little noise."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([x * 3 + y, x + y * 2, x * y / 7], axis=-1) % 256
    noisy = waves + rng.integers(-8, 9, (height, width, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def write_tree(directory: pathlib.Path, contents: Mapping[str, bytes]) -> pathlib.Path:
    """Writes files by relative name; gives the directory."""
    for name, data in contents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


def write_user_files(directory: pathlib.Path) -> None:
    """Writes what users have beside them: torchvision's `transforms.py`, TFX's folder.

    They raise what tells them from ours, when they are imported.
    """
    cry = b"raise RuntimeError('a file of the user was imported')\n"
    names = ("transforms.py", "pipeline/__init__.py", "pipeline/__main__.py")
    write_tree(directory, dict.fromkeys(names, cry))


def label_tree(
    directory: pathlib.Path,
    count: int,
    ids: list[int],
    *,
    size: Callable[[int], tuple[int, int]] = lambda i: (24, 32),
    images: bool = False,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Writes `labels/row_NNN.png` (and `images/`); gives the arrays by key.

    Every third image is a JPEG.
    """
    rng = np.random.default_rng(seed)
    made = {}
    for number in range(count):
        key = f"row_{number:03}"
        label = regions(rng, *size(number), ids)
        contents = {f"labels/{key}.png": png(label)}
        if images:
            image = picture(rng, *size(number))
            contents |= (
                {f"images/{key}.jpg": jpeg(image)}
                if number % 3 == 0
                else {f"images/{key}.png": png(image)}
            )
        write_tree(directory, contents)
        made[key] = label
    return made
