"""Sources to entries: what each file says about which key."""

import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Literal

from maskbeam.pipeline import elements, values
from maskbeam.pipeline.elements import Entry, Role
from maskbeam.pipeline.errors import StoreError, UsageError
from maskbeam.pipeline.formats import (
    annotations,
    arrays,
    lists,
    panoptic_json,
    record_files,
)
from maskbeam.pipeline.keys import below, split_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import annotated, key_rules, tiff_rows
from maskbeam.pipeline.planning.key_rules import KeyRule
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import Source

FileKind = Literal["picture", "tiff", "array", "list", "records", "annotations"]

Side = Literal["label_maps", "images", "images_only", "split_list"]

_FILE_KINDS: dict[str, FileKind] = {  # by extension
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".bmp": "picture",
    ".gif": "picture",
    ".pbm": "picture",
    ".pgm": "picture",
    ".pnm": "picture",
    ".ppm": "picture",
    ".webp": "picture",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".npy": "array",
    ".npz": "array",
    ".txt": "list",
    ".lst": "list",
    ".csv": "list",
    ".tsv": "list",
    **dict.fromkeys(annotations.EXTENSIONS, "annotations"),
}


_NAMED_ALONE: dict[FileKind | None, str] = {
    "list": "a list of pairs",
    "annotations": "an annotation file",
}


def kind_of(path: str, pattern: str = "") -> FileKind:
    """How a file is read, by its name.

    Args:
        path: the file's path.
        pattern: the glob that matched it; by default it was named by itself.

    Raises:
        UsageError: the name does not say, or says that it is a list of pairs, or of
            annotations, among other files: there it is a note on them.
    """
    extension = os.path.splitext(path.lower())[1]
    kind = _FILE_KINDS.get(extension)
    last = pattern.rpartition("/")[2].lower()
    is_alone = last.endswith(extension) or not values.is_glob(last)
    if kind in _NAMED_ALONE and not is_alone:
        raise UsageError(
            f"{path} is among other files: a {extension} is {_NAMED_ALONE[kind]} where "
            f"it is named by itself, or by *{extension}"
        )
    if kind is not None:
        return kind
    if record_files.format_of(path) is not None:
        return "records"
    many = ", ".join(found.name for found in record_files.FORMATS)
    raise UsageError(
        f"{path} is of no format that is read here, by its name: label maps are "
        f".png, .tif, .bmp, .gif, .pgm, .ppm, .webp, .npy, .npz, .txt or .csv lists, "
        f"{', '.join(annotations.EXTENSIONS)} of annotations, or {many}; images the "
        "same pictures, .jpg or .jpeg"
    )


def is_list(path: str) -> bool:
    """Whether a file is a list of pairs, by its name."""
    return _FILE_KINDS.get(os.path.splitext(path.lower())[1]) == "list"


def is_left_out(path: str, source: Source, side: Side, options: Options) -> bool:
    """Whether `--exclude` leaves a file of a source out.

    A source whose own glob ends as one of `--exclude` keeps those files: so masks may
    be `d/*_mask.png` and images `d/*.png` without `*_mask.png`.
    """
    if side == "split_list" or not options.exclude:
        return False
    globs = [
        one for one in options.exclude if not f"/{source.pattern}".endswith(f"/{one}")
    ]
    here = pathlib.PurePosixPath(path)
    # The file, and the directories that it lies in below the fixed one.
    depth = below(path, source).count("/") + 1
    return any(at.match(one) for at in (here, *here.parents)[:depth] for one in globs)


def matched(source: Source, side: Side, options: Options) -> Iterator[files.File]:
    """The files of a source, without those that are left out.

    Raises:
        OSError: the filesystem cannot list the files.
        ValueError: Beam has no filesystem of that scheme.
    """
    for file in files.matches(source.pattern):
        if not is_left_out(file.path, source, side, options):
            yield file


def entries(
    source: Source, found: Iterable[files.File], options: Options, side: Side
) -> Iterator[tuple[str, Entry]]:
    """The entries of a source's files, by key; record files have no keys yet.

    Args:
        source: that the files are of.
        found: its files.
        options: suffixes and splits.
        side: which option named the source.
    """
    known = annotated_of(source, options, keeps_shapes=True)
    for file in found:
        yield from file_entries(source, file, options, side, known)


def annotated_of(
    source: Source, options: Options, *, keeps_shapes: bool
) -> annotated.Annotated:
    """What a source's annotation files say; its images are those of its split."""
    rule = key_rules.image_rule(options)

    def image_keys() -> Iterator[str]:
        for images in options.images:
            if images.split == source.split:
                for file in matched(images, "images", options):
                    yield rule.named(file.path, images).key

    return annotated.Annotated(
        source,
        options.strip_label_suffix,
        image_keys,
        keeps_shapes=keeps_shapes,
    )


def file_entries(
    source: Source,
    file: files.File,
    options: Options,
    side: Side,
    known: annotated.Annotated,
) -> Iterator[tuple[str, Entry]]:
    """The entries of one file, by key; see `entries`."""
    rule = _rule(side, options)

    def split(key: str) -> str:
        dealt = options.split_by and side != "images_only"
        return split_of(key, options) if dealt else source.split

    if side == "split_list":
        for key in lists.keys(file.path, rule.suffix):
            yield key, Entry("listed", split(key), file.path)
        return
    kind = kind_of(file.path, source.pattern)
    if kind == "list" and not known.has_polygons:
        may_be_jpeg = options.jpeg_label_maps
        for key, image, label in lists.pairs(file.path, jpeg_label_maps=may_be_jpeg):
            yield key, Entry("label", split(key), label)
            if image is not None:
                yield key, Entry("image", split(key), image)
    elif kind in ("annotations", "list"):
        name = known.format_of(file.path)
        for named, picture in known.pictures(file.path, rule):
            entry = Entry("label", split(named.key), file.path, annotations=name)
            yield (
                named.key,
                entry._replace(picture=picture, unmatched=named.unmatched),
            )
    elif kind != "records":
        role: Role = "label" if side == "label_maps" else "image"
        for part in _parts(file.path, kind, options):
            at = part.place.suffix if part.place else ""
            named = rule.named(file.path, source, at)
            # Tiles of one picture overlap, so they stay in one split.
            entry = Entry(role, split(named.key), file.path, part.place, part.window)
            entry = entry._replace(layer=named.layer, unmatched=named.unmatched)
            yield part.key(named.key), entry


def _rule(side: Side, options: Options) -> KeyRule:
    if side in ("images", "images_only"):
        return key_rules.image_rule(options)
    return key_rules.label_rule(options)


def _parts(path: str, kind: FileKind, options: Options) -> Iterable[tiff_rows.Part]:
    """What of a file becomes a row."""
    if kind == "tiff":
        return tiff_rows.parts(path, options)
    if kind == "array":
        return map(tiff_rows.Part, _places(path, options))
    return [tiff_rows.Part()]


def segment_entries(
    source: Source, found: Iterable[files.File], options: Options
) -> Iterator[tuple[str, Entry]]:
    """The segments of a source's label maps, by key: the JSONs beside them say them."""
    rule = key_rules.label_rule(options)
    directories = {file.path.rpartition("/")[0] for file in found}
    for directory in sorted(directories):
        path = panoptic_json.json_of(f"{directory}/")
        for name, known in _annotations(path):
            # Where there is no key the label map is rejected.
            key = rule.named(f"{directory}/{name}", source).key
            split = split_of(key, options) if options.split_by else source.split
            yield key, Entry("segments", split, path, segments=known)


def _annotations(path: str) -> Iterator[tuple[str, tuple[elements.Segment, ...]]]:
    """The pictures of a JSON before its damage; those behind will lack segments."""
    try:
        yield from panoptic_json.annotations(path)
    except StoreError:
        raise
    except Exception:  # of any kind
        return


def _places(path: str, options: Options) -> Iterable[elements.Place]:
    try:
        return arrays.places(path, options.max_pixels)
    except StoreError:
        raise
    except Exception:  # of any kind: reading it will fail too, and be reported
        return [elements.Place()]


def sources_of(options: Options) -> list[tuple[Source, Side]]:
    """All sources, each with the option that named it."""
    sides: dict[Side, tuple[Source, ...]] = {
        "label_maps": options.label_maps,
        "images": options.images,
        "images_only": options.images_only,
        "split_list": options.split_list,
    }
    return [(source, side) for side, many in sides.items() for source in many]


def listed(
    element: tuple[Source, Side], options: Options
) -> Iterator[tuple[str, Entry]]:
    """All entries of a source, by key."""
    source, side = element
    yield from entries(source, matched(source, side, options), options, side)
    if options.with_segments and side == "label_maps":
        yield from segment_entries(source, matched(source, side, options), options)
