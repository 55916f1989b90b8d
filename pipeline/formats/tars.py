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
import os
import re
import tarfile
import zlib
from collections.abc import Collection, Iterator
from typing import IO, cast

from maskbeam.pipeline.elements import (
    WHOLE,
    BadRow,
    DamagedError,
    RawRow,
    Span,
    numbered_key,
)
from maskbeam.pipeline.formats.limits import RECORD_BYTES, estimate_lost
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
_READS_AT_END = 8
_TYPES_OF_TEXT = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_TEXT_BYTES = 1 << 20


@dataclasses.dataclass
class _Sample:
    """A sample of WebDataset's: members that follow each other and share a name.

    Attributes:
        name: WebDataset's `__key__`.
        extensions: of all its members, in order.
        fault: why one that is wanted was not read, in words.
        parts: the bytes of the members that are wanted, by extension.
    """

    name: str
    extensions: list[str] = dataclasses.field(default_factory=list)
    fault: str = ""
    parts: dict[str, bytes] = dataclasses.field(default_factory=dict)


class _Source:
    """A tar's bytes; their end, read again and again, is an error.

    Python's tarfile would read on at the end, for as long as a member's size says.
    """

    def __init__(self, raw: IO[bytes] | gzip.GzipFile) -> None:
        self._raw = raw
        self._reads_at_end = 0

    def read(self, size: int = -1) -> bytes:
        """Reads some bytes.

        Raises:
            EOFError: there have been none for some time.
        """
        data = self._raw.read(size)
        self._reads_at_end = 0 if data else self._reads_at_end + 1
        if self._reads_at_end > _READS_AT_END:
            raise EOFError("the file ends within a member")
        return data


class _Member(tarfile.TarInfo):
    """A member whose damaged header is an error, not the end of the archive."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Reads what belongs to the header; it would be read whole, however large."""
        if self.type in _TYPES_OF_TEXT and self.size > _TEXT_BYTES:
            raise tarfile.ReadError(f"a member's name or header has {self.size} bytes")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return found

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
        for sample in itertools.islice(_samples(path, (), 0), _LOOKED_AT):
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


def rows(
    path: str, keys: RecordKeys, span: Span = WHOLE, most: int = RECORD_BYTES
) -> Iterator[RawRow | BadRow]:
    """Reads the samples of a tar file, plain or GZIP.

    Args:
        path: of the file.
        keys: the extensions, all named; the key may be `__key__`, the sample's name.
        span: all of it; a tar file is not cut.
        most: the largest member that is read, in bytes.

    Raises:
        DamagedError: after the samples before the damage. The sample that is cut off
            is a row only if everything that a row needs was read.
        OSError: the file cannot be read.
    """
    assert span == WHOLE, span
    assert keys.label is not None
    key = "" if keys.key == SAMPLE_NAME else keys.key
    wanted = [extension for extension in (keys.label, keys.image, key) if extension]
    for number, sample in enumerate(_samples(path, wanted, most)):
        reason = sample.fault or _fault(sample, wanted)
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


def _samples(path: str, wanted: Collection[str], most: int) -> Iterator[_Sample]:
    """The samples of a file, one in memory at a time.

    Args:
        path: of the file.
        wanted: extensions of the members to read; others are passed over.
        most: the largest member that is read, in bytes.

    Raises:
        DamagedError: after the samples before the damage, and after the one that is
            cut off if everything wanted of it was read.
        OSError: the file cannot be read.
    """
    number = good = 0
    sample: _Sample | None = None
    with files.open_raw(path) as raw:
        head = raw.read(len(_GZIP_START))
        size = raw.seek(0, os.SEEK_END)
        raw.seek(0)
        # Python's tarfile would leave the checksum of a GZIP unread.
        file = gzip.GzipFile(fileobj=raw) if head == _GZIP_START else raw
        source = _Source(file)
        try:
            for name, extension, member, content in _members(source):
                if sample is None or sample.name != name:
                    if sample is not None:
                        yield sample
                        number += 1
                        good = raw.tell()
                    sample = _Sample(name)
                if extension in wanted:
                    sample.fault = sample.fault or _fault_of(member, most)
                    sample.parts[extension] = b"" if sample.fault else content.read()
                sample.extensions.append(extension)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            if sample is not None and sample.parts.keys() >= set(wanted):
                yield sample
                number += 1
            lost = estimate_lost(number, good, size)
            raise DamagedError(number, str(error), lost) from error
    if sample is not None:
        yield sample


def _fault_of(member: tarfile.TarInfo, most: int) -> str:
    """Why a member is not read, in words; empty if it is."""
    if member.issparse():
        return (
            f"the member {member.name!r} is stored with holes, which are not read: "
            "pack the tar again without --sparse"
        )
    if member.size > most:
        return (
            f"the member {member.name!r} has {member.size} bytes, and no picture of "
            f"--max_pixels has more than {most}"
        )
    return ""


def _members(
    source: _Source,
) -> Iterator[tuple[str, str, tarfile.TarInfo, IO[bytes]]]:
    """The members of samples: (sample's name, extension, member, content)."""
    with tarfile.open(
        fileobj=cast(IO[bytes], source),  # it has all that is asked of it
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
                yield name["sample"], name["extension"].lower(), member, content
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
