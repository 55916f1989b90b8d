"""WebDataset: tar files, plain or GZIP, whose members' names say the sample.

    street/0001.jpg         sample `street/0001`, extension `jpg`
    street/0001.seg.png     the same sample, extension `seg.png`
    street/0002.jpg         the next sample

A sample is a row of members whose paths are the same up to the first dot of the file
name; what follows is the extension, in lower case. Directories, links, hidden files and
names without a dot are passed over.
"""

import dataclasses
import gzip
import itertools
import re
import tarfile
import zlib
from collections.abc import Collection, Iterator
from typing import IO

from maskbeam.pipeline.elements import (
    WHOLE,
    BadRow,
    DamagedError,
    RawRow,
    Span,
    numbered_key,
)
from maskbeam.pipeline.formats.uncut import can_cut as can_cut
from maskbeam.pipeline.formats.uncut import spans as spans
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import RecordKeys

# What the user left to the format is the first of these that the first samples have:
# a lone `png` beside a `jpg` is the label map.
LABELS = (
    "seg.png",
    "mask.png",
    "label.png",
    "labels.png",
    "annotation.png",
    "segmentation.png",
    "gt.png",
    "png",
)
IMAGES = ("jpg", "jpeg", "image.jpg", "image.jpeg", "image.png", "img.png", "png")
SAMPLE_NAME = "__key__"
_LOOKED_AT = 64

_GZIP_START = b"\x1f\x8b"
_NAME = re.compile(r"(?s)(?P<sample>(?:.*/)?[^./][^./]*)\.(?P<extension>[^/]+)")
_CHUNK_BYTES = 1 << 16


@dataclasses.dataclass
class _Sample:
    """A sample of WebDataset's: members that follow each other and share a name.

    Attributes:
        name: WebDataset's `__key__`.
        extensions: of all its members, in order.
        parts: the bytes of the members that are wanted, by extension.
    """

    name: str
    extensions: list[str] = dataclasses.field(default_factory=list)
    parts: dict[str, bytes] = dataclasses.field(default_factory=dict)


class _Member(tarfile.TarInfo):
    """A member whose damaged header is an error, not the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "_Member":
        """Reads the next header; at the real end of the archive it raises as ever."""
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(
                f"no whole header of a member where one must be ({error})"
            ) from error


def resolve(path: str, keys: RecordKeys) -> RecordKeys:
    """Names what the user left to the format, by the extensions of the first samples.

    The image's is empty if none of them has an image; the key is the sample's name.

    Raises:
        ValueError: no extension is known as a label map's, or there is no sample.
    """
    label, image = keys.label, keys.image
    found = _extensions(path) if label is None or image is None else frozenset()
    if label is None:
        label = next((e for e in LABELS if e in found and e != image), None)
    if label is None:
        raise ValueError(
            f"{path}: no extension of the first samples is known as a label map's; "
            f"they have {', '.join(sorted(found))}: name the right one by "
            "--record_keys label=EXT"
        )
    if image is None:
        image = next((e for e in IMAGES if e in found and e != label), "")
    return RecordKeys(label, image, SAMPLE_NAME if keys.key is None else keys.key)


def _extensions(path: str) -> frozenset[str]:
    """The extensions of the first samples; there must be at least one sample."""
    found: set[str] = set()
    reason = "the archive is empty"
    try:
        for sample in itertools.islice(_samples(path, ()), _LOOKED_AT):
            found.update(sample.extensions)
    except DamagedError as error:
        reason = error.reason
    except OSError as error:
        reason = str(error)
    if not found:
        raise ValueError(
            f"{path} has no sample that can be read ({reason}), so nothing says which "
            "extensions are right: mend or remove it, or name them by --record_keys "
            "label=EXT,image=EXT"
        )
    return frozenset(found)


def rows(path: str, keys: RecordKeys, span: Span = WHOLE) -> Iterator[RawRow | BadRow]:
    """Reads the samples of a tar file, plain or GZIP.

    Args:
        path: of the file.
        keys: the extensions, all named; the key may be `__key__`, the sample's name.
        span: all of it; a tar file is not cut.

    Raises:
        DamagedError: after the samples before the damage. The sample that is cut off
            is a row only if everything that a row needs was read.
        OSError: the file cannot be read.
    """
    assert span == WHOLE, span
    assert keys.label is not None
    key = "" if keys.key == SAMPLE_NAME else keys.key
    wanted = [extension for extension in (keys.label, keys.image, key) if extension]
    for number, sample in enumerate(_samples(path, wanted)):
        reason = _fault(sample, wanted)
        if reason:
            yield BadRow(number, reason)
            continue
        source = f"{path}#{sample.name}"
        yield RawRow(
            _key(sample, path, number, keys),
            source,
            source,
            sample.parts[keys.label],
            sample.parts[keys.image] if keys.image else None,
        )


def _key(sample: _Sample, path: str, number: int, keys: RecordKeys) -> str:
    if not keys.key:
        return numbered_key(path, number)
    if keys.key == SAMPLE_NAME:
        return sample.name
    return sample.parts[keys.key].decode("utf-8", "backslashreplace").strip()


def _fault(sample: _Sample, wanted: Collection[str]) -> str:
    """Why a sample is no row, in words; empty if it is one."""
    there = ", ".join(sample.extensions)
    for extension in wanted:
        count = sample.extensions.count(extension)
        if not count:
            return (
                f"the sample {sample.name!r} has no {extension!r}; it has {there}: "
                "name the right extensions by --record_keys, or, if the sample's "
                "members lie apart, pack the tar again in order of name "
                "(tar --sort=name)"
            )
        if count > 1:
            return (
                f"the sample {sample.name!r} has {count} members {extension!r}; it has "
                f"{there}: give each sample a name of its own"
            )
    return ""


def _samples(path: str, wanted: Collection[str]) -> Iterator[_Sample]:
    """The samples of a file, one in memory at a time.

    Args:
        path: of the file.
        wanted: extensions of the members to read; others are passed over.

    Raises:
        DamagedError: after the samples before the damage, and after the one that is
            cut off if everything wanted of it was read.
        OSError: the file cannot be read.
    """
    number = 0
    sample: _Sample | None = None
    try:
        for name, extension, content in _members(path):
            if sample is None or sample.name != name:
                if sample is not None:
                    yield sample
                    number += 1
                sample = _Sample(name)
            if extension in wanted:
                sample.parts[extension] = content.read()
            sample.extensions.append(extension)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        if sample is not None and sample.parts.keys() >= set(wanted):
            yield sample
            number += 1
        raise DamagedError(number, str(error)) from error
    if sample is not None:
        yield sample


def _members(path: str) -> Iterator[tuple[str, str, IO[bytes]]]:
    """The members of samples: (sample's name, extension, content)."""
    with files.open_raw(path) as raw:
        head = raw.read(len(_GZIP_START))
        raw.seek(0)
        # Python's tarfile would leave the checksum of a GZIP unread.
        file = gzip.GzipFile(fileobj=raw) if head == _GZIP_START else raw
        with tarfile.open(
            fileobj=file,
            mode="r|",
            tarinfo=_Member,
            encoding="utf-8",
            errors="backslashreplace",
        ) as archive:
            for member in archive:
                # It would keep all that it has seen.
                archive.members.clear()  # type: ignore[attr-defined]
                name = _NAME.fullmatch(member.name)
                content = archive.extractfile(member) if member.isreg() else None
                if name and content:
                    yield name["sample"], name["extension"].lower(), content
            _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Reads on to the end of the file, where GZIP has its checksum."""
    assert archive.fileobj is not None
    while chunk := archive.fileobj.read(_CHUNK_BYTES):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError(
                "more follows the end of the archive, which is not read: unpack tars "
                "that were joined into one file, and pack them as one"
            )
