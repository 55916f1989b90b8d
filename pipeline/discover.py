"""`--classes auto`: makes a first class map of the values that a full pass finds."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from maskbeam.pipeline.errors import BadDataError, UsageError
from maskbeam.pipeline.formats import picture_header, pictures
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.first_class_map import (
    MAX_VALUES,
    Counts,
    Found,
    first_class_map,
)
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.planning.survey import survey
from maskbeam.pipeline.planning.units import PlanUnits
from maskbeam.pipeline.rows import read, refusals
from maskbeam.pipeline.rows.batches import Batch
from maskbeam.pipeline.rows.label_maps import LOOKED_UP
from maskbeam.pipeline.rows.run_lengths import runs_of
from maskbeam.pipeline.runtime import files, progress, run, runners
from maskbeam.transforms import classes, decode
from maskbeam.transforms.png_kinds import GREY_ALPHA, KINDS, RGB, RGBA, Kind

_RESULT = "values.json"


def with_found_classes(
    options: Options, beam_options: PipelineOptions, *, show: bool
) -> Options:
    """Adds to options a class map of the values that a pass over all label maps finds.

    Args:
        options: what is converted, without its class map.
        beam_options: how the pass is run.
        show: whether to print its progress.

    Raises:
        BadDataError: no label map can be read.
        UsageError: the values may mean several things.
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
        found = read_found(scratch)
    if not (found.ids or found.colors or found.alpha_only or found.inexact):
        raise BadDataError(
            "--classes auto: no label map could be read, so there are no classes: "
            f"{found.unread}"
        )
    try:
        made = first_class_map(found, options.class_map.name)
    except ValueError as error:
        first, *more = str(error).split("\n")
        raise UsageError(f"--classes auto: {first}", *more) from error
    notes = (*options.notes, *([made.note] if made.note else []))
    return dataclasses.replace(options, class_map=made.class_map, notes=notes)


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
        read.REJECTED, read.PLACES, read.COUNTED, main="batches"
    )
    counted = read_rows.batches | "CountValues" >> beam.FlatMap(
        count_values, options.max_pixels
    )
    unread = read_rows[read.REJECTED] | "NoteRejected" >> beam.Map(
        lambda rejection: _unread(rejection.source, rejection.reason)
    )
    _ = (
        (counted, unread)
        | beam.Flatten()
        | "AddUp" >> beam.CombineGlobally(_add)
        | "Write" >> beam.Map(_write, scratch)
    )


def count_values(batch: Batch, max_pixels: int) -> Iterator[Found]:
    """Counts the values of a batch; `check` will reject what cannot be read."""
    for row in batch.rows:
        progress.TALLY.add(records=1)
        try:
            yield _found(row.label_bytes or b"", max_pixels)
        except ValueError as error:
            yield _unread(row.source, str(error))


def _unread(source: str, reason: str) -> Found:
    return Found(Counts(), Counts(), unread=f"{source}: {reason}")


def _found(encoded: bytes, max_pixels: int) -> Found:
    """Counts the values of a label map.

    Raises:
        ValueError: it cannot be read; the message can be shown as it is.
    """
    header = picture_header.read_header(encoded)
    if header.kind is None:
        raise ValueError(pictures.LOSSY)
    if header.kind not in KINDS["color"]:
        raise ValueError(f"damaged: a PNG is never {header.kind}")
    if header.pixels > max_pixels:
        raise ValueError(
            refusals.too_many_pixels(header.height, header.width, max_pixels)
        )
    try:
        return _found_in(encoded, header.kind)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(refusals.damaged(str(error.message))) from error


def _found_in(encoded: bytes, kind: Kind) -> Found:
    if _is_in_alpha(encoded, kind):
        return Found(Counts(), Counts(), alpha_only=1)
    if kind.color_type not in (RGB, RGBA):
        ids = np.asarray(decode.ids(encoded, kind, classes.numbered(1)))
        histogram = runs_of(ids).counts()
        values = np.flatnonzero(histogram)
        return Found(_counts(values, histogram[values]), Counts(), kind.depth == 16)
    try:
        levels = decode.color_levels(encoded, kind)
    except tf.errors.InvalidArgumentError as error:
        is_damaged = kind.depth == 8 or "two bytes" not in str(error.message)
        return Found(Counts(), Counts(), inexact=0 if is_damaged else 1)
    colors = Counts()
    lines = max(1, LOOKED_UP // levels.shape[1])
    for top in range(0, levels.shape[0], lines):
        codes = decode.color_codes(levels[top : top + lines]).numpy()
        colors += _counts(*np.unique(codes, return_counts=True))
        if len(colors) > MAX_VALUES:
            break
    return Found(Counts(), colors)


def _is_in_alpha(encoded: bytes, kind: Kind) -> bool:
    """Checks whether one colour has several values of alpha: the label map is there."""
    if kind.color_type not in (RGBA, GREY_ALPHA):
        return False
    return bool(decode.is_in_alpha(decode.with_alpha(encoded, kind)))


def _counts(values: npt.NDArray[Any], pixels: npt.NDArray[Any]) -> Counts:
    return Counts(dict(zip(values.tolist(), pixels.tolist(), strict=True)))


def _add(many: Iterable[Found]) -> Found:
    ids, colors = Counts(), Counts()
    is_deep, alpha_only, inexact, unread = False, 0, 0, ""
    for found in many:
        for total, counts in ((ids, found.ids), (colors, found.colors)):
            if len(total) <= MAX_VALUES:  # with more they are no label maps
                total.update(counts)
        is_deep |= found.is_deep
        alpha_only += found.alpha_only
        inexact += found.inexact
        unread = min(filter(None, (unread, found.unread)), default="")
    return Found(ids, colors, is_deep, alpha_only, inexact, unread)


def _write(found: Found, scratch: str) -> None:
    tree = found._asdict() | {
        "ids": sorted(found.ids.items()),
        "colors": sorted(found.colors.items()),
    }
    files.write_json(files.join(scratch, _RESULT), tree)


def read_found(scratch: str) -> Found:
    """Reads what a pass over all label maps left in its directory."""
    tree = files.read_json(files.join(scratch, _RESULT))
    counts = {name: Counts(dict(tree[name])) for name in ("ids", "colors")}
    return Found(**tree | counts)
