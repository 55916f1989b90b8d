"""Makes the report of a run, from the records and the sources that it has at hand."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from maskbeam.pipeline.elements import RawRow
from maskbeam.pipeline.formats import limits
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.plan import SKEW_BYTES, SKEW_PIXELS
from maskbeam.pipeline.reasons import Reasons
from maskbeam.pipeline.report import choice, content_of, decoding, drawing, page
from maskbeam.pipeline.report.content import Picture
from maskbeam.pipeline.report.content_of import Made
from maskbeam.pipeline.report.pictures import Row
from maskbeam.pipeline.rows.label_maps import LabelMaps
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import features, record_columns

_REJECTED = 8  # rows that are shown, of as many reasons


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
    pictures: list[Picture] = []
    if config is not None and choices:
        shown = drawing.draw(
            _rows(choices, config),
            options.class_map,
            drawing.side_of(len(choices)),
            drawing.SHOWN_BYTES,
        )
        pictures = [*shown]
    rejected: list[Picture] = []
    if options.report_pictures:
        shown = drawing.draw(
            _rejected(made.reasons, options),
            options.class_map,
            drawing.side_of(_REJECTED),
            drawing.REJECTED_BYTES,
        )
        rejected = [*shown]
    content = content_of.content_of(made, pictures, rejected)
    return page.render(content).encode()


def _rows(
    choices: Sequence[choice.Choice], config: features.Config
) -> Iterator[tuple[str, str, str, Row]]:
    """Reads rows from the fragments, which are there until there is a dataset."""
    parse = record_columns.record_parser(config, decoding.names(config))
    for split, row, why in choices:
        # Of a very large one a thumbnail is not worth its memory.
        if row.height * row.width <= SKEW_PIXELS and row.length <= SKEW_BYTES:
            record = files.read_part(row.path, row.offset, row.length)
            columns: Mapping[str, tf.Tensor] = parse(tf.constant(record))
            yield split, row.key, why, decoding.of_record(columns, row.key, config)


def _rejected(
    reasons: Reasons, options: Options
) -> Iterator[tuple[str, str, str, Row]]:
    """Reads an example of each of the most frequent reasons, where it is a file."""
    label_maps = LabelMaps(options.class_map)
    most = limits.picture_bytes(options.max_pixels)
    shown = 0
    for reason in reasons.most:
        found = reason.example
        data = None
        with contextlib.suppress(OSError, ValueError):  # a row of a record file
            data = files.read_some(found.source, most)
        if data is None:
            continue
        raw = RawRow(found.key, found.source, "", data, None)
        row = decoding.of_raw(raw, found.key, options, label_maps)
        if row.label is not None and row.label.size <= SKEW_PIXELS:
            why = f"rejected at stage {found.stage}"
            yield found.split, found.key, why, row._replace(notes=(found.reason,))
            shown += 1
        if shown == _REJECTED:
            return
