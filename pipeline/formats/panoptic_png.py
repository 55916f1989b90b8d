"""COCO's panoptic PNGs to label maps of category ids."""

import numpy as np
import tensorflow as tf

from maskbeam.pipeline.elements import Segment
from maskbeam.pipeline.formats import picture_header
from maskbeam.transforms import decode, png
from maskbeam.transforms.png_kinds import RGB, RGBA


def category_map(data: bytes, segments: tuple[Segment, ...]) -> bytes:
    """Turns segment ids into category ids.

    Args:
        data: an RGB PNG of segment ids; 0 is void.
        segments: what they are.

    Returns:
        A grey PNG of category ids; void stays 0.

    Raises:
        ValueError: the PNG is damaged or of another kind, a segment is only in the PNG
            or only in the JSON, or its area is not what the JSON says.
    """
    found = picture_header.read_header(data)
    if found.kind is None or found.kind not in ((RGB, 8), (RGBA, 8)):
        kind = "JPEG" if found.kind is None else found.kind
        raise ValueError(f"label map: {kind}, and COCO's panoptic PNGs are 8-bit RGB")
    try:
        red, green, blue = np.moveaxis(decode.rgb_levels(data).numpy(), -1, 0)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"label map: damaged or cut off: {error.message}") from error
    ids = red.astype(np.int32) + green.astype(np.int32) * 256
    ids += blue.astype(np.int32) * 65536
    known = {segment.id: segment for segment in segments}
    values, place, areas = np.unique(ids, return_inverse=True, return_counts=True)
    categories = np.zeros(len(values), np.uint16)
    for number, (value, area) in enumerate(zip(values.tolist(), areas, strict=True)):
        if value == 0:
            continue
        if value not in known:
            raise ValueError(
                f"label map: segment {value} at {area} pixels is not in the JSON: are "
                "the PNG and the JSON of one release?"
            )
        segment = known.pop(value)
        if segment.area != area:
            raise ValueError(
                f"label map: segment {value} has {area} pixels, and its area in the "
                f"JSON is {segment.area}: the PNG was resized or edited"
            )
        if not 0 < segment.category <= np.iinfo(np.uint16).max:
            raise ValueError(f"segment {value} has the category {segment.category}")
        categories[number] = segment.category
    if known:
        raise ValueError(
            f"label map: segment {min(known)} of the JSON is not in the PNG: are the "
            "two of one release?"
        )
    mapped = categories[place.reshape(ids.shape)]
    return png.encode_png(mapped.astype(np.uint8) if mapped.max() < 256 else mapped)
