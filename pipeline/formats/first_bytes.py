"""What a file is by its first bytes, whatever its name says."""

from maskbeam.transforms.png_kinds import SIGNATURE

ENOUGH_BYTES = 264

# Sources: each format's own specification; for most, IANA's media types repeat it.
_STARTS: tuple[tuple[bytes, str], ...] = (
    (SIGNATURE, "a PNG"),
    (b"\xff\xd8\xff", "a JPEG"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"II+\0", "a BigTIFF picture"),
    (b"MM\0+", "a BigTIFF picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PK\x03\x04", "a zip archive (.npz files are such)"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "GZIP data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"PAR1", "a Parquet file"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"%PDF", "a PDF"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, and not the file that it points to: git lfs pull gets it",
    ),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "XML"),
)
_HTML = (b"<!doctype html", b"<html", b"<head")


def what_it_is(data: bytes) -> str:
    """Returns what a file is, in words; "" if its first bytes don't say.

    Args:
        data: the file, or its first `ENOUGH_BYTES`.
    """
    for start, name in _STARTS:
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "a WebP picture"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "an AVIF picture"
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1"):
        return "a HEIC picture"
    if data[257:262] == b"ustar":
        return "a tar archive"
    if data.lstrip()[:14].lower().startswith(_HTML):
        return "an HTML page, such as a server's error message"
    return ""


def beginning(data: bytes) -> str:
    """Returns what a file is, or how it begins, for a message."""
    if not data:
        return "it is empty (0 bytes)"
    found = what_it_is(data)
    return f"it is {found}" if found else f"it begins with {data[:12]!r}"
