"""Decodes rows to be drawn: of a dataset, or raw ones, as far as they can be."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from maskbeam.pipeline.elements import RawRow, RejectedError
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.report.pictures import Row
from maskbeam.pipeline.rows import headers, images, refusals
from maskbeam.pipeline.rows.label_maps import LabelMaps
from maskbeam.transforms import features, masks, record_columns


def of_record(
    columns: Mapping[str, tf.Tensor], title: str, config: features.Config
) -> Row:
    """Decodes a record.

    Args:
        columns: as `record_columns.record_parser` parses them.
        title: what the row is called.
        config: the encoding.
    """
    row = record_columns.compact_columns(columns, config, names(config))
    label = np.asarray(masks.label_from_index(row[features.INDEX]))
    levels = row.get(features.IMAGE)
    return Row(title, label, None if levels is None else np.asarray(levels))


def names(config: features.Config) -> set[str]:
    """Names the model columns that `of_record` decodes."""
    return {features.INDEX, *([features.IMAGE] if config.with_images else [])}


def of_raw(raw: RawRow, title: str, options: Options, label_maps: LabelMaps) -> Row:
    """Decodes a row as far as it can be; what the class map does not know is striped.

    Args:
        raw: the row.
        title: what it is called.
        options: how rows are read.
        label_maps: by the class map of the options.
    """
    notes, label, levels = [], None, None
    if raw.label_bytes is not None:
        try:
            header = headers.read(raw.label_bytes, "label map", options.max_pixels)
            label_maps.check_kind(header)
            label, unknown = label_maps.meanings(raw.label_bytes, header)
            notes += [unknown] if unknown else []
        except RejectedError as error:
            notes.append(error.reason)
    if raw.image_bytes is not None:
        try:
            header = headers.read(raw.image_bytes, "image", options.max_pixels)
            turn = images.turn_of(raw.image_bytes, header, options.exif, "image")
            image = images.read(raw.image_bytes, header, turn, "original", "image")
            levels = image.levels
        except RejectedError as error:
            notes.append(error.reason)
    row = Row(title, label, levels)
    if label is not None and levels is not None and not row.are_alike:
        size = levels.shape[0], levels.shape[1]
        other = label.shape[0], label.shape[1]
        notes.append(refusals.other_size(other, size, 1, "image"))
    return row._replace(notes=tuple(notes))
