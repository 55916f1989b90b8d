"""COCO's panoptic format: RGB PNGs of segment ids, and a JSON that says what they are.

    annotations/panoptic_val2017/000000000139.png   R + 256 G + 65536 B: segment
    annotations/panoptic_val2017.json               segment: category, area

Source: cocodataset/panopticapi, panopticapi/utils.py (rgb2id), and COCO's page on the
format of its results.
"""

from collections.abc import Iterator

from maskbeam.pipeline.elements import Segment
from maskbeam.pipeline.runtime import files


def json_of(path: str) -> str:
    """The JSON of a label map: beside its directory, and of the same name."""
    return f"{path.rpartition('/')[0]}.json"


def annotations(path: str) -> Iterator[tuple[str, tuple[Segment, ...]]]:
    """Reads a JSON, however large, picture by picture.

    Returns:
        (the label map's file name, its segments) for each picture.

    Raises:
        ValueError: it is no JSON, or not of this format.
    """
    import ijson

    with files.open_raw(path) as file:
        try:
            for picture in ijson.items(file, "annotations.item"):
                segments = (
                    Segment(int(s["id"]), int(s["category_id"]), int(s["area"]))
                    for s in picture["segments_info"]
                )
                yield picture["file_name"], tuple(segments)
        except (ijson.JSONError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is no JSON of COCO's panoptic format: {error!r}"
            ) from error
