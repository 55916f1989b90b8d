"""Makes the report of a run, from the records and the sources that it has at hand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import tensorflow as tf

from maskbeam.pipeline.elements import RawRow, RejectedError
from maskbeam.pipeline.errors import StoreError
from maskbeam.pipeline.formats import limits, pictures
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.reasons import Reasons
from maskbeam.pipeline.report import choice, content_of, decoding, drawing, page
from maskbeam.pipeline.report.content import Picture
from maskbeam.pipeline.report.content_of import Made
from maskbeam.pipeline.rows import headers
from maskbeam.pipeline.rows.label_maps import LabelMaps
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import features, record_columns
from maskbeam.transforms.classes import ClassMap

_REJECTED = 8  # rows that are shown, of as many reasons
_OF_IMAGE = "the image has no"


def make(
    made: Made,
    options: Options,
    choices: Sequence[choice.Choice] = (),
    config: features.Config | None = None,
) -> bytes:
    """Makes the page.

    Args:
        made: what the run has made.
        options: how it read its rows; rejected ones are read again, to be shown.
        choices: the rows to show.
        config: the records' encoding, if there are any.
    """
    class_map = options.class_map
    pictures: Iterable[Picture] = ()
    if config is not None:
        pictures = _pictures(choices, config, class_map)
    rejected: Iterable[Picture] = ()
    if options.report_pictures:
        rejected = _rejected(made.reasons, options)
    content = content_of.content_of(
        made,
        [*drawing.fitting(pictures, drawing.SHOWN_BYTES)],
        [*drawing.fitting(rejected, drawing.REJECTED_BYTES)],
    )
    return page.render(content).encode()


def _pictures(
    choices: Sequence[choice.Choice], config: features.Config, class_map: ClassMap
) -> Iterator[Picture]:
    """Draws rows from the fragments, which are there until there is a dataset."""
    parse = record_columns.record_parser(config, decoding.names(config))
    side = drawing.side_of(len(choices))
    for split, row, why in choices:
        record = files.read_part(row.path, row.offset, row.length)
        columns: Mapping[str, tf.Tensor] = parse(tf.constant(record))
        decoded = decoding.of_record(columns, row.key, config)
        yield drawing.draw((split, row.key), why, decoded, class_map, side)


def _rejected(reasons: Reasons, options: Options) -> Iterator[Picture]:
    """Draws examples of the most frequent reasons, where they are label maps.

    A layer of one is none.
    """
    if options.class_map.layers:
        return
    side = drawing.side_of(_REJECTED)
    label_maps = LabelMaps(options.class_map)
    unlabelled = {source.split for source in options.images_only}
    found = (reason.example for reason in reasons.most[: 3 * _REJECTED])
    labels = (
        one
        for one in found
        if one.split not in unlabelled and not one.reason.startswith(_OF_IMAGE)
    )
    drawn = 0
    for rejection in labels:
        if drawn < _REJECTED and (data := _label_map(rejection.source, options)):
            raw = RawRow(rejection.key, rejection.source, "", data, None)
            row = decoding.of_raw(raw, rejection.key, options, label_maps)
            if row.label is not None:
                why = f"rejected at stage {rejection.stage}"
                row = row._replace(notes=(rejection.reason,))
                place = rejection.split, rejection.key
                yield drawing.draw(place, why, row, options.class_map, side)
                drawn += 1


def _label_map(path: str, options: Options) -> bytes | None:
    """Reads a label map; None if it is none, such as a row of a record file."""
    try:
        data = files.read_some(path, limits.picture_bytes(options.max_pixels))
        data = pictures.label_map(data, options)
        header = headers.read(data, "label map", drawing.MOST_PIXELS)
    except (OSError, ValueError, RejectedError, StoreError):
        return None
    return data if header.kind is not None else None
