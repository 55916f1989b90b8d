"""`--classes auto`: makes a first class map of the values that a full pass finds."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from maskbeam.pipeline.errors import BadDataError
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.planning.survey import survey
from maskbeam.pipeline.planning.units import PlanUnits
from maskbeam.pipeline.rows import read
from maskbeam.pipeline.rows.batches import Batch
from maskbeam.pipeline.rows.run_lengths import runs_of
from maskbeam.pipeline.runtime import files, progress, run, runners
from maskbeam.transforms import classes, decode
from maskbeam.transforms.classes import ClassMap, LabelClass, color_levels
from maskbeam.transforms.png_kinds import KINDS, RGB, RGBA, Kind

_RESULT = "values.json"
_MAX_VALUES = 4096
_USUAL_IGNORE_LABEL = 255

Counts = collections.Counter[tuple[bool, int]]  # (is a colour, label value): pixels


def with_found_classes(
    options: Options, beam_options: PipelineOptions, *, show: bool
) -> Options:
    """Adds to options a class map of the values that a pass over all label maps finds.

    Args:
        options: what is converted, without its class map.
        beam_options: how the pass is run.
        show: whether to print its progress.

    Raises:
        BadDataError: no class map can be made of the values.
        RunnerError: the runner failed.
    """
    keys = dataclasses.replace(options.record_keys, image="")
    labels_only = dataclasses.replace(
        options, images=(), images_only=(), record_keys=keys, limit=None
    )
    plan = survey(labels_only)
    with run.scratch(runners.shared_place(beam_options)) as scratch:
        run.run(
            beam_options,
            lambda root: define_pipeline(root, labels_only, plan, scratch),
            records=plan.records,
            show=show,
        )
        try:
            found = read_class_map(scratch, options.class_map.name)
        except ValueError as error:
            raise BadDataError(f"--classes auto: {error}") from error
    return dataclasses.replace(options, class_map=found)


def define_pipeline(
    root: beam.Pipeline, options: Options, plan: Plan, scratch: str
) -> None:
    """Builds a pass over all label maps that counts their values.

    Args:
        root: the pipeline.
        options: what is read.
        plan: how it is cut, from `survey`.
        scratch: a directory for the result.
    """
    units = (root | "Plan" >> PlanUnits(options, plan))["units"]
    read_rows = units | "Read" >> beam.ParDo(read.ReadUnit(options, plan)).with_outputs(
        read.REJECTED, read.PLACES, main="batches"
    )
    _ = (
        read_rows.batches
        | "CountValues" >> beam.FlatMap(count_values, options.max_pixels)
        | "AddUp" >> beam.CombineGlobally(_add)
        | "Write" >> beam.Map(_write, scratch)
    )


def count_values(batch: Batch, max_pixels: int) -> Iterator[Counts]:
    """Counts the values of a batch; `check` will reject what cannot be read."""
    for row in batch.rows:
        progress.TALLY.add(records=1)
        try:
            found = picture_header.read_header(row.label_bytes or b"")
            if found.kind not in KINDS["color"] or found.pixels > max_pixels:
                continue
            yield _counts(row.label_bytes, found.kind)
        except (ValueError, tf.errors.InvalidArgumentError):
            continue


def _counts(encoded: bytes | None, kind: Kind) -> Counts:
    is_color = kind.color_type in (RGB, RGBA)
    if is_color:
        codes = decode.color_codes(encoded, kind).numpy()
        found, pixels = np.unique(codes[codes >= 0], return_counts=True)
    else:
        ids = decode.ids(encoded, kind, classes.numbered(1)).numpy()
        histogram = runs_of(ids).counts()
        found = np.flatnonzero(histogram)
        pixels = histogram[found]
    return collections.Counter(
        {
            (is_color, value): count
            for value, count in zip(found.tolist(), pixels.tolist(), strict=True)
        }
    )


def _add(many: Iterable[Counts]) -> Counts:
    total: Counts = collections.Counter()
    for counts in many:
        if len(total) <= _MAX_VALUES:  # with more they are no label maps
            total.update(counts)
    return total


def _write(counts: Counts, scratch: str) -> None:
    rows = [[*value, pixels] for value, pixels in sorted(counts.items())]
    files.write_json(files.join(scratch, _RESULT), rows)


def read_class_map(scratch: str, name: str) -> ClassMap:
    """Makes the class map of the values that a pass found.

    Every value is a class, in order; 255 is ignored if it is not the only one.

    Raises:
        ValueError: there are no values, values of two kinds, or too many.
    """
    rows = files.read_json(files.join(scratch, _RESULT))
    if not rows:
        raise ValueError("no label map could be read, so there are no classes")
    if rows[0][0] != rows[-1][0]:
        raise ValueError(
            "some label maps hold ids and others colours: convert them one after the "
            "other, with a class map for each"
        )
    if len(rows) > _MAX_VALUES:
        raise ValueError(
            f"the label maps hold more than {_MAX_VALUES} values: are they pictures, "
            "smoothed by resizing, or panoptic ids? Those need a class map that says so"
        )
    values = [value for _, value, _ in rows]
    if rows[0][0]:
        return ClassMap(
            name, tuple(_color_class(value) for value in values), encoding="color"
        )
    ignore = [_USUAL_IGNORE_LABEL] if _USUAL_IGNORE_LABEL in values[1:] else []
    named = tuple(
        LabelClass(f"class_{value}", (value,))
        for value in values
        if value not in ignore
    )
    return ClassMap(name, named, tuple(ignore))


def _color_class(code: int) -> LabelClass:
    return LabelClass(f"color_{code:06x}", (code,), color_levels(code))
