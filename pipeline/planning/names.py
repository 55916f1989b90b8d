"""The client's one pass over all names: counts, and a few of them; no list is held."""

import dataclasses
import heapq
from collections.abc import Iterator, Mapping

from apache_beam.io.filesystem import BeamIOError

from maskbeam.pipeline.elements import Entry
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import panoptic_json
from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.options import Options, Source
from maskbeam.pipeline.planning.listing import Side, entries, kind_of
from maskbeam.pipeline.runtime import files

SAMPLE_ROWS = 64


@dataclasses.dataclass
class Listing:
    """What a source's names come to.

    Attributes:
        count: how many files there are.
        size: of all of them, in bytes.
        records: those that hold many rows, sorted.
        annotations: the JSONs that its label maps need.
    """

    count: int = 0
    size: int = 0
    records: list[files.File] = dataclasses.field(default_factory=list)
    annotations: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class Lowest:
    """Counts rows, and keeps those of lowest rank, as many as are wanted."""

    keep: int
    count: int = 0
    kept: list[tuple[int, str, Entry]] = dataclasses.field(default_factory=list)

    def add(self, rank: int, entry: Entry) -> None:
        """Counts one."""
        self.count += 1
        # The largest stands first; paths decide between equal ranks.
        if len(self.kept) < self.keep:
            heapq.heappush(self.kept, (-rank, entry.source, entry))
        elif -rank >= self.kept[0][0]:
            heapq.heappushpop(self.kept, (-rank, entry.source, entry))

    def ordered(self) -> list[tuple[int, Entry]]:
        """(rank, label map or lone image), lowest rank first."""
        return [(-rank, entry) for rank, _, entry in sorted(self.kept)[::-1]]


@dataclasses.dataclass(frozen=True)
class Names:
    """What all names come to.

    Attributes:
        labels: by source.
        images: by source; those of splits without label maps too.
        lowest: the rows that have names, by split.
        listed_images: a sample of the images that lists bring, by split.
    """

    labels: Mapping[Source, Listing]
    images: Mapping[Source, Listing]
    lowest: Mapping[str, Lowest]
    listed_images: Mapping[str, list[files.File]]


def look(options: Options) -> Names:
    """Lists all sources once.

    Raises:
        UsageError: a glob matches nothing, or files that are not read here.
    """
    keep = max(SAMPLE_ROWS, options.limit or 0)
    lowest = {split: Lowest(keep) for split in options.splits}
    listed_images: dict[str, list[files.File]] = {}
    members = _members(options)

    def rows(source: Source, side: Side) -> Listing:
        listing = Listing()
        for key, entry in entries(
            source, _noted(source, side, options, listing), options, side
        ):
            if entry.split in members and key not in members[entry.split]:
                continue
            if side == "label_maps" and entry.role == "image":  # from a list
                some = listed_images.setdefault(entry.split, [])
                if len(some) < SAMPLE_ROWS:
                    some += files.match(entry.path)
                continue
            lowest[entry.split].add(rank_of(key, options.seed), entry)
        listing.records.sort()
        return listing

    def partners(source: Source) -> Listing:
        listing = Listing()
        for _ in _noted(source, "images", options, listing):
            pass
        return listing

    labels = {source: rows(source, "label_maps") for source in options.label_maps}
    images = {source: partners(source) for source in options.images}
    images |= {source: rows(source, "images_only") for source in options.images_only}
    return Names(labels, images, lowest, listed_images)


def _noted(
    source: Source, side: Side, options: Options, listing: Listing
) -> Iterator[files.File]:
    """The files of a source, each added to its listing."""
    for file in _matched(source, side):
        listing.count += 1
        listing.size += file.size
        kind = kind_of(file.path)
        if side != "label_maps" and kind != "picture":
            raise UsageError(
                f"--{side} {file.path} is no picture; record files and lists bring "
                "their own images, and are named by --label_maps alone"
            )
        if kind == "records":
            listing.records.append(file)
        elif options.with_segments and side == "label_maps":
            listing.annotations.add(panoptic_json.json_of(file.path))
        yield file


def _members(options: Options) -> dict[str, set[str]]:
    """The keys that lists leave to a split; a split without a list is not there."""
    members: dict[str, set[str]] = {}
    for source in options.split_list:
        found = _matched(source, "split_list")
        keys = (key for key, _ in entries(source, found, options, "split_list"))
        members.setdefault(source.split, set()).update(keys)
    return members


def _matched(source: Source, side: Side) -> Iterator[files.File]:
    empty = True
    try:
        for file in files.matches(source.pattern):
            empty = False
            yield file
    except (BeamIOError, ValueError) as error:  # ValueError: a scheme Beam lacks
        raise UsageError(
            f"--{side} {source.pattern} cannot be listed: {error}"
        ) from error
    if empty:
        raise UsageError(
            f"--{side} {source.pattern} matches no file (split {source.split!r}): "
            "check the path, and quote the glob so that the shell leaves it alone"
        )
