"""The client's one pass over all names: it counts them and keeps a few."""

import collections
import dataclasses
import heapq
import itertools
from collections.abc import Mapping

from maskbeam.pipeline.elements import Entry
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import panoptic_json
from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.census import Census
from maskbeam.pipeline.planning.key_searches import KeySearches
from maskbeam.pipeline.planning.listing import (
    FileKind,
    Side,
    SourceReader,
    entries,
    kind_of,
    left_out_by,
    sources_of,
)
from maskbeam.pipeline.planning.meeting import Names
from maskbeam.pipeline.planning.strays import Strays, listed
from maskbeam.pipeline.runtime import files, progress
from maskbeam.pipeline.values import Source

SAMPLE_ROWS = 64
_KEPT = (".png", ".jpg", ".jpeg")


@dataclasses.dataclass
class SourceCounts:
    """What the files of a source come to.

    Attributes:
        count: how many there are.
        size: of all of them, in bytes.
        left_out: how many more there are that `--exclude` leaves out, by its globs that
            do so.
        remade: how many are neither PNG nor JPEG by their names.
        record_files: those that hold many rows, sorted.
        panoptic_jsons: the JSONs that its label maps need, by path.
        stacks: how many are TIFFs of several pictures.
        notes: what the user should know of its annotation files, a line each.
        some: a few of the files.
    """

    count: int = 0
    size: int = 0
    left_out: collections.Counter[tuple[str, ...]] = dataclasses.field(
        default_factory=collections.Counter
    )
    remade: int = 0
    record_files: list[files.File] = dataclasses.field(default_factory=list)
    panoptic_jsons: set[str] = dataclasses.field(default_factory=set)
    stacks: int = 0
    notes: tuple[str, ...] = ()
    some: list[files.File] = dataclasses.field(default_factory=list)

    def add(
        self, file: files.File, source: Source, side: Side, options: Options
    ) -> FileKind:
        """Counts one file, and returns its kind.

        Raises:
            UsageError: it is of no format that is read here, or of none that may be
                named by this option.
        """
        kind = kind_of(file.path, source.pattern)
        if side != "label_maps" and kind not in ("picture", "tiff"):
            raise UsageError(
                f"--{side} {file.path} is no picture; record files and lists bring "
                "their own images, and are named by --label_maps alone"
            )
        is_layered = bool(options.class_map.layers) and side == "label_maps"
        if is_layered and kind not in ("picture", "tiff", "array"):
            raise UsageError(
                f"{file.path} holds whole label maps, and class map "
                f"{options.class_map.name} has `layers`, each of which is a file"
            )
        self.count += 1
        self.size += file.size
        self.remade += not file.path.lower().endswith(_KEPT)
        if len(self.some) < SAMPLE_ROWS:
            self.some.append(file)
        if kind == "records":
            self.record_files.append(file)
        elif options.with_segments and side == "label_maps":
            self.panoptic_jsons.add(panoptic_json.json_of(file.path))
        return kind

    def end(self, reader: SourceReader) -> None:
        """Sorts what was counted, and takes what is to be said of annotation files."""
        self.record_files.sort()
        self.notes = reader.notes


@dataclasses.dataclass
class NamedRows:
    """The rows of a split that have names: how many, and those of lowest rank.

    Attributes:
        keep: how many of them to keep.
        known: the ranks of all rows, where several files make one; None elsewhere.
        census: of all rows.
        kept: a heap of (-rank, source, entry).
    """

    keep: int
    known: set[int] | None = None
    census: Census = dataclasses.field(default_factory=Census)
    kept: list[tuple[int, str, Entry]] = dataclasses.field(default_factory=list)

    def add(self, rank: int, entry: Entry) -> None:
        """Counts one row, once."""
        if self.known is not None:
            if rank in self.known:
                return
            self.known.add(rank)
        self.census.add(rank)
        # The largest stands first; paths decide between equal ranks.
        if len(self.kept) < self.keep:
            heapq.heappush(self.kept, (-rank, entry.source, entry))
        elif -rank >= self.kept[0][0]:
            heapq.heappushpop(self.kept, (-rank, entry.source, entry))

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.census.total

    def taken(self, limit_rank: int | None) -> Census:
        """The census of the rows that `--limit` lets in, all of which are kept."""
        if limit_rank is None:
            return self.census
        some = Census()
        for rank, _ in self.lowest():
            if rank <= limit_rank:
                some.add(rank)
        return some

    def lowest(self) -> list[tuple[int, Entry]]:
        """The kept rows as (rank, label map or lone image), lowest rank first."""
        return [(-rank, entry) for rank, _, entry in sorted(self.kept)[::-1]]


@dataclasses.dataclass(frozen=True)
class NameCounts:
    """What all names come to.

    Attributes:
        label_maps: by source.
        images: by source; also of splits that have no label maps.
        named_rows: by split.
        listed_images: a few of the images that lists name, by split.
        names: the keys that are to meet others.
        exclude: the globs of `--exclude`.
    """

    label_maps: Mapping[Source, SourceCounts]
    images: Mapping[Source, SourceCounts]
    named_rows: Mapping[str, NamedRows]
    listed_images: Mapping[str, list[files.File]]
    names: Names
    exclude: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the names, a line each."""
        counted = (*self.label_maps.values(), *self.images.values())
        left_out = sum((found.left_out for found in counted), collections.Counter())
        used = set(itertools.chain.from_iterable(left_out))
        notes = [
            f"--exclude {glob!r} leaves out no file"
            for glob in self.exclude
            if glob not in used
        ]
        if left_out:
            notes.append(f"--exclude leaves out {left_out.total():,} files")
        if stacks := sum(found.stacks for found in self.label_maps.values()):
            notes.append(
                f"{stacks:,} TIFFs hold several pictures, each of which becomes a row"
            )
        notes += (note for found in self.label_maps.values() for note in found.notes)
        return tuple(notes)


def count_names(options: Options) -> NameCounts:
    """Lists all sources once, and counts.

    Raises:
        UsageError: a glob matches nothing, or files that are not read here.
    """
    keep = max(SAMPLE_ROWS, options.limit or 0)
    by_key = bool(options.class_map.layers)
    named_rows = {s: NamedRows(keep, set() if by_key else None) for s in options.splits}
    listed_images: dict[str, list[files.File]] = {}
    members = _members(options)
    searches = KeySearches(options)
    names = Names(options, members, searches)
    found = Strays(options)

    def count(source: Source, side: Side) -> SourceCounts:
        counts = SourceCounts()
        reader = SourceReader(source, side, options, keeps_shapes=False)
        for file in listed(source, side):
            progress.TALLY.add(names=1)
            if globs := left_out_by(file.path, source, side, options):
                counts.left_out[globs] += 1
                continue
            try:
                found.check_list(source, side)
                kind = counts.add(file, source, side, options)
            except UsageError as error:
                found.add(file.path, source, side, error)
                continue
            for key, entry in reader.entries(file.path, kind):
                rank = rank_of(key, options.seed)
                names.add(key, rank, entry)
                left = entry.split not in members or key in members[entry.split]
                if kind in ("picture", "tiff", "array") or entry.has_own_file:
                    searches.add(entry, is_left=left)
                    counts.stacks += kind == "tiff" and entry.is_first_of_several
                if not left or side == "images":  # whose rows are the label maps'
                    continue
                if side == "label_maps" and entry.role == "image":  # from a list
                    _keep_some(listed_images.setdefault(entry.split, []), entry)
                else:
                    named_rows[entry.split].add(rank, entry)
        counts.end(reader)
        return counts

    counted: dict[Side, dict[Source, SourceCounts]] = {}
    for source, side in sources_of(options):
        if side != "split_list":
            counted.setdefault(side, {})[source] = count(source, side)
    _check_counts(counted, found, searches)
    label_maps = counted.get("label_maps", {})
    images = counted.get("images", {}) | counted.get("images_only", {})
    return NameCounts(
        label_maps, images, named_rows, listed_images, names, options.exclude
    )


def _keep_some(some: list[files.File], entry: Entry) -> None:
    """Keeps a few of the images that lists name."""
    if len(some) < SAMPLE_ROWS:
        some += files.match(entry.path)


def _check_counts(
    counted: Mapping[Side, Mapping[Source, SourceCounts]],
    found: Strays,
    searches: KeySearches,
) -> None:
    """Refuses files of another kind, sides of which nothing is left or has a key."""
    for side, of_side in counted.items():
        found.check(side, sum(counts.count for counts in of_side.values()))
        _check_left_out(side, of_side)
    searches.check()


def _check_left_out(side: Side, counted: Mapping[Source, SourceCounts]) -> None:
    """Refuses a split of which nothing is left.

    Files may be named one by one, so of a single source there may well be nothing.
    """
    left = {source.split for source, counts in counted.items() if counts.count}
    for source, counts in counted.items():
        if counts.left_out and source.split not in left:
            raise UsageError(
                f"--{side} {source.pattern}: --exclude leaves out all files of split "
                f"{source.split!r}; a glob that ends in that of --exclude keeps them, "
                "if it is quoted, so that no shell opens it"
            )


def _members(options: Options) -> dict[str, set[str]]:
    """The keys that each split's lists name; splits without a list are left out."""
    members: dict[str, set[str]] = {}
    for source in options.split_list:
        found = listed(source, "split_list")
        keys = (key for key, _ in entries(source, found, options, "split_list"))
        members.setdefault(source.split, set()).update(keys)
    return members
