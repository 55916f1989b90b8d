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


_NAMED_ALONE: dict[FileKind, str] = {
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
    extension = os.path.splitext(path)[1].lower()
    kind = _FILE_KINDS.get(extension)
    if kind is not None and kind not in _NAMED_ALONE:
        return kind
    last = pattern.rpartition("/")[2].lower()
    is_alone = last.endswith(extension) or not values.is_glob(last)
    if kind is not None:
        if is_alone:
            return kind
        raise UsageError(
            f"{path} is among other files: a {extension} is {_NAMED_ALONE[kind]} where "
            f"it is named by itself, or by *{extension}"
        )
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


def left_out_by(
    path: str, source: Source, side: Side, options: Options
) -> tuple[str, ...]:
    """The globs of `--exclude` that leave a file of a source out.

    A source whose own glob ends as one of `--exclude` keeps those files: so masks may
    be `d/*_mask.png` and images `d/*.png` without `*_mask.png`.
    """
    if side == "split_list" or not options.exclude:
        return ()
    globs = [
        one for one in options.exclude if not f"/{source.pattern}".endswith(f"/{one}")
    ]
    here = pathlib.PurePosixPath(path)
    # The file, and the directories that it lies in below the fixed one.
    depth = below(path, source).count("/") + 1
    places = (here, *here.parents)[:depth]
    return tuple(one for one in globs if any(at.match(one) for at in places))


def matched(source: Source, side: Side, options: Options) -> Iterator[files.File]:
    """The files of a source, without those that are left out.

    Raises:
        OSError: the filesystem cannot list the files.
        ValueError: Beam has no filesystem of that scheme.
    """
    for file in files.matches(source.pattern):
        if not left_out_by(file.path, source, side, options):
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
    reader = SourceReader(source, side, options)
    for file in found:
        kind = "list" if side == "split_list" else kind_of(file.path, source.pattern)
        yield from reader.entries(file.path, kind)


class SourceReader:
    """Reads what the files of a source say about which key."""

    def __init__(
        self,
        source: Source,
        side: Side,
        options: Options,
        *,
        keeps_shapes: bool = True,
    ) -> None:
        self._source = source
        self._side = side
        self._options = options
        self._image_rule = key_rules.image_rule(options)
        is_label = side in ("label_maps", "split_list")
        self._rule = key_rules.label_rule(options) if is_label else self._image_rule
        self._role: Role = "label" if is_label else "image"
        self._known = annotated.Annotated(
            source,
            options.strip_label_suffix,
            self._image_keys,
            keeps_shapes=keeps_shapes,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of its annotation files, a line each."""
        return tuple(self._known.notes)

    def entries(self, path: str, kind: FileKind) -> Iterator[tuple[str, Entry]]:
        """The entries of one file, by key.

        Args:
            path: of the file.
            kind: how it is read.
        """
        if self._side == "split_list":
            for key in lists.keys(path, self._rule.suffix):
                yield key, Entry("listed", self._split(key), path)
        elif kind == "list" and not self._known.has_polygons:
            may_be_jpeg = self._options.jpeg_label_maps
            for key, image, label in lists.pairs(path, jpeg_label_maps=may_be_jpeg):
                yield key, Entry("label", self._split(key), label)
                if image is not None:
                    yield key, Entry("image", self._split(key), image)
        elif kind in ("annotations", "list"):
            name = self._known.format_of(path)
            for named, picture in self._known.pictures(path, self._rule):
                entry = Entry("label", self._split(named.key), path, annotations=name)
                yield (
                    named.key,
                    entry._replace(picture=picture, unmatched=named.unmatched),
                )
        elif kind != "records":
            for part in _parts(path, kind, self._options):
                at = part.place.suffix if part.place else ""
                named = self._rule.named(path, self._source, at)
                yield (
                    part.key(named.key),
                    Entry(
                        self._role,
                        # Tiles of one picture overlap, so they stay in one split.
                        self._split(named.key),
                        path,
                        part.place,
                        part.window,
                        unmatched=named.unmatched,
                        layer=named.layer,
                    ),
                )

    def _split(self, key: str) -> str:
        if self._options.split_by and self._side != "images_only":
            return split_of(key, self._options)
        return self._source.split

    def _image_keys(self) -> Iterator[str]:
        for images in self._options.images:
            if images.split == self._source.split:
                for file in matched(images, "images", self._options):
                    yield self._image_rule.named(file.path, images).key


_WHOLE = (tiff_rows.Part(),)


def _parts(path: str, kind: FileKind, options: Options) -> Iterable[tiff_rows.Part]:
    """What of a file becomes a row."""
    if kind == "tiff":
        return tiff_rows.parts(path, options)
    if kind == "array":
        return map(tiff_rows.Part, _places(path, options))
    return _WHOLE


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
