"""Sound files, made in memory: what `hostile` starts from."""

import functools
import gzip
import io
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tifffile
from PIL import Image

from maskbeam.pipeline.formats import tfrecords
from tests import annotation_files as annotations
from tests import data_generation as data
from tests import png_kinds

_RNG = np.random.default_rng(0)
_LABELS = [data.png(data.regions(_RNG, *size, [0, 1, 2, 5])) for size in data.ODD_SIZES]
_PICTURE = data.picture(_RNG, 20, 33)


def pngs() -> dict[str, bytes]:
    """PNGs of all kinds, interlaced or not."""
    found = {}
    for color_type, depth in png_kinds.ALL:
        channels = png_kinds.CHANNELS[color_type]
        samples = _RNG.integers(0, 2**depth, (7, 13, channels))
        for interlaced in (False, True):
            found[f"{color_type}-{depth}-{interlaced}.png"] = png_kinds.encode(
                samples, color_type, depth, interlaced=interlaced
            )
    found["pillow.png"] = _LABELS[3]
    return found


def jpegs() -> dict[str, bytes]:
    """JPEGs: baseline, progressive, grey, CMYK; with EXIF of all orientations."""
    found = {"plain.jpg": data.jpeg(_PICTURE), "grey.jpg": data.jpeg(_PICTURE[..., 0])}
    for mode in ("RGB", "CMYK"):
        buffer = io.BytesIO()
        picture = Image.fromarray(_PICTURE).convert(mode)
        picture.save(buffer, "JPEG", progressive=True)
        found[f"progressive-{mode}.jpg"] = buffer.getvalue()
    for value in range(1, 9):
        for order in (b"II", b"MM"):
            exif = Image.Exif()
            exif.endian = "<" if order == b"II" else ">"
            exif[0x0112], exif[0x010F] = value, "maker"
            buffer = io.BytesIO()
            Image.fromarray(_PICTURE).save(buffer, "JPEG", exif=exif.tobytes())
            found[f"{order.decode()}{value}.jpg"] = buffer.getvalue()
    return found


def other_pictures() -> dict[str, bytes]:
    """Pictures that become PNGs, of all formats, and TIFFs of many kinds."""
    grey, found = _PICTURE[..., 0], {}
    for kind in ("BMP", "GIF", "PPM", "WEBP"):
        for name, picture in (("grey", grey), ("rgb", _PICTURE)):
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, kind)
            found[f"{name}.{kind.lower()}"] = buffer.getvalue()
    found["plain.pgm"] = b"P2 3 2 7 0 1 2 3 4 5"
    for name, picture, more in (
        ("strips", grey, {"compression": "lzw", "rowsperstrip": 4}),
        ("tiles", _PICTURE, {"compression": "deflate", "tile": (16, 16)}),
        ("wide", grey.astype(np.uint16), {"compression": "packbits"}),
        ("float", grey.astype(np.float32), {"bigtiff": True}),
        ("bits", grey > 9, {"photometric": "miniswhite"}),
    ):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, picture, **more)
        found[f"{name}.tif"] = buffer.getvalue()
    return found


def zips() -> dict[str, bytes]:
    """An archive of a label map."""
    found = {}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("d/a.png", _LABELS[3])
        found[f"{method}.zip"] = buffer.getvalue()
    return found


@functools.cache
def frames() -> tuple[bytes, ...]:
    """The records of the TFRecord files, each in its frame."""
    return tuple(
        tfrecords.frame(data.serialized({"label": label, "key": f"row {number}"}))
        for number, label in enumerate(_LABELS * 2)
    )


def record_files() -> dict[str, bytes]:
    """Files of many rows, of all formats; each row has a `label` and a `key`."""
    plain = b"".join(frames())
    tars = {
        "ustar.tar": _tar(tarfile.USTAR_FORMAT),
        "pax.tar": _tar(tarfile.PAX_FORMAT, "ä" * 120),
        "gnu.tar": _tar(tarfile.GNU_FORMAT, "n" * 150),
        "sparse.tar": _sparse_tar(),
    }
    return {
        "x.tfrecord": plain,
        "x.tfrecord.gz": gzip.compress(plain, mtime=0),
        **tars,
        "x.tar.gz": gzip.compress(tars["ustar.tar"], mtime=0),
        "x.parquet": _parquet(compression="none"),
        "snappy.parquet": _parquet(compression="snappy", row_group_size=3),
    }


def _tar(kind: int, prefix: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for number, label in enumerate(_LABELS):
            member = tarfile.TarInfo(f"{prefix}{number}.label")
            member.size = len(label)
            archive.addfile(member, io.BytesIO(label))
    return buffer.getvalue()


def _sparse_tar() -> bytes:
    """A member of GNU's old sparse format, by hand: no library of Python writes it."""
    content = bytes(range(256)) * 2
    member = tarfile.TarInfo("sparse.label")
    member.size = len(content)
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    offsets = b"%011o\0%011o\0" % (512, 512)
    header[386 : 386 + len(offsets)] = offsets
    header[483:495] = b"%011o\0" % 1024  # the real size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content + _tar(tarfile.GNU_FORMAT)


def _parquet(**options: object) -> bytes:
    keys = [f"row {number}" for number in range(len(_LABELS))]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"label": _LABELS, "key": keys}), buffer, **options)
    return buffer.getvalue()


def arrays() -> dict[str, bytes]:
    """NumPy files: maps, stacks, of several dtypes and orders."""
    stack = _RNG.integers(0, 9, (3, 5, 7))
    found = {}
    for name, array in {
        "map.npy": stack[0].astype(np.uint8),
        "stack.npy": stack.astype(">u2"),
        "fortran.npy": np.asfortranarray(stack[0]),
        "bool.npy": stack[0] > 4,
        "float.npy": stack[0] / 2,
        "object.npy": np.array([[None]]),
    }.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        found[name] = buffer.getvalue()
    for name, save in (("plain.npz", np.savez), ("deflated.npz", np.savez_compressed)):
        buffer = io.BytesIO()
        save(buffer, a=stack[0], b=stack.astype(np.uint8))
        found[name] = buffer.getvalue()
    return found


def lists() -> dict[str, bytes]:
    """Lists of keys, and of pairs."""
    return {
        "keys.txt": b"\xef\xbb\xbf2007_000032\r\na/b.png\n\n c_label \n",
        "pairs.txt": b"images/a.jpg labels/a.png\nimages/b.jpg labels/b.png\nc.png\n",
        "utf16.txt": "train/a.png\n".encode("utf-16"),
        "pairs.csv": b'id;image;mask\n1;"i/a ;b.jpg";l/a.png\n2;i/c.png;l/c.png\n',
        "quoted.txt": b'# mine\n"l/a b.png" "i/a b.jpg"\nl/b.png,i/b.jpg,\n',
    }


def annotation_files() -> dict[str, bytes]:
    """COCO's, labelme's, CVAT's and YOLO's."""
    pixels = np.zeros((7, 13), bool)
    pixels[2:5, 3:11] = True
    polygon = [[1, 1, 6.5, 1, 6.5, 5, 1, 5]]
    segmentations = [polygon, annotations.code_of(pixels), annotations.runs_of(pixels)]
    coco = annotations.coco(
        {"a.png": (7, 13), "b.png": (3, 4)},
        [("a.png", number, found) for number, found in enumerate(segmentations)],
        {0: "cat", 1: "dog", 2: "tree"},
    )
    shapes = [
        {"label": "cat", "shape_type": kind, "points": [[1, 1], [5, 3.5]]}
        for kind in ("rectangle", "circle", "line")
    ]
    labelme = {"shapes": shapes, "imageHeight": 7, "imageWidth": 13}
    box = {"left": "3", "top": "2", "width": "8", "height": "3"}
    cvat = annotations.cvat(
        {
            "a.png": (
                (7, 13),
                [
                    {"kind": "polygon", "label": "cat", "points": "1,1;6.5,1;6.5,5"},
                    {"kind": "mask", "label": "dog", "rle": "0, 5, 3, 16", **box},
                ],
            )
        },
        ["cat", "dog"],
    )
    yolo = "0 0.1 0.1 0.9 0.1 0.9 0.9\n1 0.5 0.5 0.6 0.5 0.6 0.8 0.5 0.8\n"
    return {
        "coco.json": annotations.dumped(coco).encode(),
        "labelme.json": annotations.dumped(labelme).encode(),
        "cvat.xml": cvat.encode(),
        "yolo.txt": yolo.encode(),
    }


def panoptic_jsons() -> dict[str, bytes]:
    """COCO's panoptic JSON."""
    pictures = {"a.png": [(1, 2, 3), (70000, 4, 5)], "b.png": [], "c.png": [(9, 1, 1)]}
    return {"panoptic.json": data.panoptic_json(pictures).encode()}
