"""What a row takes: exactly in memory, about in its record."""

import dataclasses
import typing

from maskbeam.transforms import features, stored_masks

# What a unit's rows take in memory once decoded and encoded. A unit is one call of
# the encode function; several are under way at once, one for each worker thread.
UNIT_BYTES = 16 << 20
_UNIT_ROWS = 512

# Label maps in PNG take about this much, for sources that are not compressed.
PNG_BYTES_PER_PIXEL = 0.035
_IMAGE_BYTES_PER_PIXEL = {"png": 1.6, "raw": 3.0}
_RECORD_OVERHEAD_BYTES = 200


def png_image_bytes(height: int, width: int) -> int:
    """What an image takes as a PNG, about."""
    return round(_IMAGE_BYTES_PER_PIXEL["png"] * height * width)


@dataclasses.dataclass(frozen=True)
class RowSize:
    """How large a row is, as far as is known before it is decoded.

    Attributes:
        height: of the label map, in pixels.
        width: of the label map, in pixels.
        label_bytes: of the label map as a PNG.
        image_bytes: of the encoded image; 0 where there is none.
    """

    height: int
    width: int
    label_bytes: float
    image_bytes: int


def unit_bytes(config: features.Config, height: int, width: int) -> int:
    """What a row takes of `UNIT_BYTES`: its encoded mask, and its image decoded.

    Args:
        config: the encoding.
        height: of the source, in pixels.
        width: of the source, in pixels.
    """
    stored_height, stored_width = stored_size(config, height, width)
    image = 3 * height * width if config.with_images else 0
    mask = stored_masks.of(config).bytes_per_pixel
    return stored_height * stored_width * mask + image


def stored_size(config: features.Config, height: int, width: int) -> tuple[int, int]:
    """The size that a row's pixels are stored at; of tiles, all of them together."""
    if config.size is None or config.resize == "tile":
        return height, width
    return config.size


def rows_per_unit(sampled: list[RowSize], config: features.Config) -> int:
    """How many rows make a unit, by the largest of a few rows."""
    if not sampled:
        return 1
    largest = max(unit_bytes(config, row.height, row.width) for row in sampled)
    return max(1, min(_UNIT_ROWS, UNIT_BYTES // largest))


def image_storages(config: features.Config) -> list[features.ImageStorage]:
    """The ways in which the images of such rows can be stored."""
    known = typing.get_args(features.ImageStorage) if config.with_images else ()
    return [
        storage
        for storage in known
        if not (storage == "raw" and config.size is None)
        and not (storage == "original" and config.resize == "tile")
    ]


def mean_record_bytes(sampled: list[RowSize], config: features.Config) -> float:
    """What a row will take in its record, by the mean of a few rows."""
    if not sampled:
        return 0.0
    return sum(_record_bytes(row, config) for row in sampled) / len(sampled)


def _record_bytes(sample: RowSize, config: features.Config) -> float:
    height, width = stored_size(config, sample.height, sample.width)
    pixels = height * width
    label = sample.label_bytes * pixels / (sample.height * sample.width)
    mask = stored_masks.of(config).estimated_bytes(label, pixels)
    image = float(sample.image_bytes)
    if config.with_images and config.image_storage != "original":
        image = _IMAGE_BYTES_PER_PIXEL[config.image_storage] * pixels
    return mask + image + _RECORD_OVERHEAD_BYTES
