"""Prints what the commands show before and after a run."""

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from maskbeam.pipeline import reasons
from maskbeam.pipeline.errors import one_line
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.planning.sizes import UNIT_BYTES
from maskbeam.pipeline.reasons import Reasons
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.terminal import say
from maskbeam.transforms import dataset_files

if TYPE_CHECKING:
    from maskbeam.pipeline.conversion import Outcome

_SHOWN_REASONS = 10
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def print_plan(options: Options, plan: Plan) -> None:
    """Prints what is about to be made, and how large it will be."""
    config = plan.config
    size = "x".join(map(str, config.size)) if config.size else "native sizes"
    if config.resize == "tile":
        size = f"tiles of {size}"
    images = f" with images ({config.image_storage})" if config.with_images else ""
    say(
        f"{_approximately(plan.rows_are_estimated)}{plan.rows:,} rows{images}, "
        f"{config.num_classes} classes, {size}, "
        f"{config.mask_encoding} masks: about {human_bytes(plan.stored_bytes)} to "
        f"write (float32 one-hot: {human_bytes(plan.one_hot_bytes)})"
    )
    if options.official_rows and not options.split_by and options.limit is None:
        official = dict(options.official_rows)
        found = (
            f"{split} {plan.splits[split].rows:,} of {official[split]:,}"
            for split in options.splits
            if split in official
        )
        say(f"rows of the published dataset: {', '.join(found)}")
    for note in (*options.notes, *plan.notes):
        say(f"note: {note}")
    sys.stdout.flush()


def overlapping_lines(stats: Mapping[str, Any]) -> list[str]:
    """Says how many pixels several classes claimed, if any: a line, or none."""
    pixels = sum(found.get("overlapping", 0) for found in stats["splits"].values())
    return [f"{pixels:,} pixels were claimed by several classes"] if pixels else []


def print_lines(lines: Iterable[str]) -> None:
    """Prints lines."""
    for line in lines:
        say(line)
    sys.stdout.flush()


def print_note(note: str) -> None:
    """Prints what the user should know, if there is something."""
    if note:
        say(f"note: {note}")


def print_apart(plan: Plan) -> None:
    """Prints what names do not meet, if any."""
    if plan.apart is not None:
        say(f"maskbeam: {plan.apart.message}", out=sys.stderr, flush=True)


def _approximately(is_estimate: bool) -> str:
    return "~" if is_estimate else ""


def print_plan_details(plan: Plan, beam_flags: Mapping[str, str]) -> None:
    """Prints how the rows are cut, and Beam's flags."""
    table = [["split", "rows", "shards", "units", "rows/unit", "bytes"]]
    for split, found in plan.splits.items():
        table.append(
            [
                split,
                f"{_approximately(bool(found.record_files))}{found.rows:,}",
                f"{found.shards:,}",
                f"~{found.units:,}",
                f"{found.rows_per_unit:,}",
                f"~{human_bytes(found.stored_bytes)}",
            ]
        )
    print_table(table)
    say(
        f"a unit is one batch of at most {human_bytes(UNIT_BYTES)} of encoded masks "
        "and decoded images, or one row"
    )
    if plan.bytes_by_storage:
        by_storage = (
            f"{storage} ~{human_bytes(size)}"
            for storage, size in plan.bytes_by_storage.items()
        )
        say(f"bytes by --image_storage: {', '.join(by_storage)}")
    uncut = [path for found in plan.splits.values() for path in found.uncut_files]
    if uncut:
        say(
            f"{len(uncut):,} large files are one unit each, for only plain TFRecord "
            f"files are cut: {uncut[0]}{', ...' if len(uncut) > 1 else ''}"
        )
    say("stages: plan, read + check + encode + write fragments, assemble, publish;")
    say("        only names and summaries cross between them")
    for name, value in sorted(beam_flags.items()):
        say(f"--{name}={value}")


def print_outcome(outcome: "Outcome") -> None:
    """Prints what a conversion came to."""
    if outcome.status == "dry run":
        say("nothing was started, and nothing written")
    elif outcome.status == "handed over":
        say(
            f"the job is handed over; at its end {outcome.directory} has "
            f"{dataset_files.MANIFEST}"
        )
    else:
        warnings = [warning["message"] for warning in outcome.warnings]
        try:
            _print_summary(outcome.directory, outcome.counters)
        except OSError as error:
            warnings.append(unread(error))
        for message in dict.fromkeys(warnings):
            say(f"maskbeam: {message}", out=sys.stderr)


def unread(error: OSError) -> str:
    """Says of a dataset that was written why it cannot be shown."""
    return f"the dataset is whole, but cannot be read here: {one_line(error)}"


def _print_summary(directory: str, counters: Mapping[str, int]) -> None:
    """Prints what was written, class by class."""
    manifest = files.read_json(files.join(directory, dataset_files.MANIFEST))
    stats = files.read_json(files.join(directory, dataset_files.STATS))
    table = [["split", "records", "shards", "bytes"]]
    for split, found in manifest["splits"].items():
        size = sum(shard["bytes"] for shard in found["shards"])
        table.append(
            [
                split,
                f"{found['records']:,}",
                f"{len(found['shards']):,}",
                human_bytes(size),
            ]
        )
    print_table(table)
    say()
    print_classes(stats)
    print_lines(moved_lines(stats))
    print_lines(overlapping_lines(stats))
    read, labels, images = (
        counters.get(name, 0) for name in ("rows", "label_maps", "images")
    )
    say()
    if counters:  # not every runner brings them back
        say(f"{read:,} rows read; {labels:,} label maps and {images:,} images decoded")
    say(f"{manifest['rejected']:,} rows rejected; written to {directory}")
    if manifest["rejected"]:
        found = reasons.add_up(reasons.files_in(directory))
        print_reasons(found, files.join(directory, dataset_files.REJECTED))


def print_reasons(
    found: Reasons, directory: str = "", out: TextIO | None = None
) -> None:
    """Prints why rows were rejected, the most frequent reasons first.

    Args:
        found: the reasons.
        directory: where each rejected row is named; empty if that is said elsewhere.
        out: where to; by default standard output.
    """
    table = [["rows", "stage", "for example"]]
    for reason in found.most[:_SHOWN_REASONS]:
        table.append([f"{reason.count:,}", reason.example.stage, reason.in_words])
    rest = found.others + sum(r.count for r in found.most[_SHOWN_REASONS:])
    if rest:
        table.append([f"{rest:,}", "", "other reasons"])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for count, stage, example in table:
        line = f"{count.rjust(widths[0])}  {stage.ljust(widths[1])}  {example}"
        say(line, out=out)
    if directory:
        say(f"each row is named in {directory}", out=out)


def print_classes(stats: Mapping[str, Any]) -> None:
    """Prints each class's share of the pixels by split, and its weight."""
    splits = stats["splits"]
    weights = stats["class_weights"]["median_frequency"]
    table = [["class", *(f"{split} %" for split in splits), "images", "weight"]]
    counted = {s: sum(found["class_pixels"]) for s, found in splits.items()}
    for number, name in enumerate(stats["classes"]):
        shares = (
            _percent(found["class_pixels"][number], counted[split])
            for split, found in splits.items()
        )
        images = sum(found["class_images"][number] for found in splits.values())
        weight = weights[number]
        table.append(
            [name, *shares, f"{images:,}", "-" if weight is None else f"{weight:.4f}"]
        )
    ignored = (
        _percent(found["ignored_pixels"], counted[split] + found["ignored_pixels"])
        for split, found in splits.items()
    )
    table.append(["(ignored, of all)", *ignored, "", ""])
    print_table(table)


def moved_lines(stats: Mapping[str, Any]) -> list[str]:
    """Says how many pixels were moved to other values, if any were: a line, or none."""
    splits = stats["splits"].values()
    all_moved = [found["moved_pixels"] for found in splits if "moved_pixels" in found]
    pixels, label_maps = (
        sum(moved[name] for moved in all_moved) for name in ("pixels", "label_maps")
    )
    if not pixels:
        return []
    by_nearest = all_moved[0]["by"] == "nearest"
    where = "the nearest colour" if by_nearest else "their side of the threshold"
    farthest = max(moved["farthest"] for moved in all_moved)
    return [
        f"{pixels:,} pixels of {label_maps:,} label maps were moved to {where}, "
        f"{farthest} levels at most"
    ]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.2f}"


def print_table(rows: list[list[str]]) -> None:
    """Prints columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)
        ]
        say("  ".join(cells).rstrip())


def human_bytes(count: float) -> str:
    """Formats a number of bytes, as `4.6 MB`."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("the last unit takes all")
