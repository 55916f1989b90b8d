"""Peak memory of the largest inputs that are accepted, and of hostile ones.

    python -m tests.benchmarks.ceiling [--work DIR] [NAME ...]

Each command runs in a process of its own, with a thread for each core; the table has
the peak of its resident memory, and how it ended. None may need more than 3 GiB.
"""

import argparse
import io
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator

import google_crc32c
import numpy as np
import numpy.typing as npt
from PIL import Image

Image.MAX_IMAGE_PIXELS = None
CEILING_MIB = 3072
_SIDE = 10_000  # squared, the default of --max_pixels
_CODE = """
import sys
from maskbeam.pipeline.command_line import main
from tests import peaks
code = main(sys.argv[1:])
print("\\npeak", peaks.with_children(), code)
"""

Commands = Iterator[list[str]]


def _save(path: pathlib.Path, array: npt.NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, compress_level=1)


def _blocks(side: int, values: int, block: int = 50) -> npt.NDArray[np.uint8]:
    """A label map of squares: u8[side side]."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, values, (-(-side // block),) * 2).astype(np.uint8)
    return small.repeat(block, 0).repeat(block, 1)[:side, :side]


def _noise(side: int, values: int) -> npt.NDArray[np.uint8]:
    """A label map in which every pixel is a run of its own: u8[side side]."""
    rng = np.random.default_rng(0)
    return rng.integers(0, values, (side, side), np.uint8)


def _convert(work: pathlib.Path, *arguments: str) -> list[str]:
    maps = ["convert", "--label_maps", f"{work}/maps/*", "--output", f"{work}/out"]
    return [*maps, "--overwrite", *arguments]


def grey(work: pathlib.Path) -> Commands:
    """Two grey label maps of the most pixels, in blocks; converted and verified."""
    for number in range(2):
        _save(work / f"maps/{number}.png", _blocks(_SIDE, 19))
    yield _convert(work, "--num_classes", "19")
    yield ["verify", f"{work}/out"]


def noise(work: pathlib.Path) -> Commands:
    """Two of the most pixels, all of which differ from their neighbours."""
    for number in range(2):
        _save(work / f"maps/{number}.png", _noise(_SIDE, 16))
    yield _convert(work, "--num_classes", "16", "--mask_encoding", "bits")
    yield ["verify", f"{work}/out"]


def color(work: pathlib.Path) -> Commands:
    """Two RGB label maps of the most pixels."""
    table = np.random.default_rng(1).integers(0, 256, (8, 3)).astype(np.uint8)
    lines = [f"  - {{name: c{i}, color: {c.tolist()}}}" for i, c in enumerate(table)]
    text = "\n".join(["name: m", "encoding: color", "classes:", *lines])
    (work / "m.yaml").write_text(text, encoding="utf-8")
    for number in range(2):
        _save(work / f"maps/{number}.png", table[_blocks(_SIDE, 8)])
    yield _convert(work, "--classes", f"{work}/m.yaml")
    yield ["validate", "--label_maps", f"{work}/maps/*", "--classes", "auto"]


def images(work: pathlib.Path) -> Commands:
    """Two label maps of the most pixels, with their images, as PNG and as JPEG."""
    picture = _noise(_SIDE, 255)[..., np.newaxis].repeat(3, 2)
    _save(work / "images/0.png", picture)
    Image.fromarray(picture).save(work / "images/1.jpg", quality=70)
    for number in range(2):
        _save(work / f"maps/{number}.png", _blocks(_SIDE, 19))
    yield _convert(work, "--num_classes", "19", "--images", f"{work}/images/*")


def wide(work: pathlib.Path) -> Commands:
    """150 classes: a packed mask just below 2 GiB, and one beyond it."""
    _save(work / "maps/below.png", _noise(9400, 150))
    _save(work / "maps/beyond.png", _blocks(9500, 150))
    options = ("--num_classes", "150", "--mask_encoding", "bits")
    yield _convert(work, *options, "--max_rejected", "0.5")


def floats(work: pathlib.Path) -> Commands:
    """A float32 mask just below 2 GiB."""
    _save(work / "maps/0.png", _blocks(5000, 21))
    yield _convert(work, "--num_classes", "21", "--mask_encoding", "float32")
    yield ["verify", f"{work}/out"]


def many_classes(work: pathlib.Path) -> Commands:
    """65,535 classes and small tiles: what is counted of a row is larger than it."""
    _save(work / "maps/0.png", _blocks(4000, 200))
    options = ("--num_classes", "65535", "--tile", "64x64")
    yield _convert(work, *options)


def thousand(work: pathlib.Path) -> Commands:
    """1,000 classes at 1024 x 2048, whose mask takes 8 GB as the model gets it."""
    for number in range(4):
        _save(work / f"maps/{number}.png", _blocks(2048, 250)[:1024])
    yield _convert(work, "--num_classes", "1000")
    yield ["verify", f"{work}/out"]


def hostile(work: pathlib.Path) -> Commands:
    """Small files that promise much: each costs itself, or is a wrong command."""
    good = np.zeros((20, 30), np.uint8)
    for name, content in _hostile_files().items():
        folder = work / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_bytes(content)
        if name.endswith(("npy", "npz")):
            np.save(folder / "good.npy", good)
        maps = ["--label_maps", f"{folder}/*"]
        yield ["convert", *maps, *_ACCEPT_ALL, "--output", f"{work}/out-{folder.name}"]
    for name, text in _HOSTILE_MAPS.items():
        (work / name).write_text(text, encoding="utf-8")
        yield ["plan", "--label_maps", f"{work}/npy/*", "--classes", f"{work}/{name}"]


def _hostile_files() -> dict[str, bytes]:
    """By name; each promises far more than it has."""
    header, array, bomb = io.BytesIO(), io.BytesIO(), io.BytesIO()
    shape = {"shape": (10**12, 10**12), "fortran_order": False, "descr": "|u1"}
    np.lib.format.write_array_header_1_0(header, shape)
    np.save(array, np.zeros((20, 30), np.uint8))
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("bomb.npy", "w", force_zip64=True) as entry,
    ):
        entry.write(array.getvalue())
        for _ in range(1000):
            entry.write(bytes(1 << 20))
    member = tarfile.TarInfo("0.png")
    member.size = 10**20
    length = struct.pack("<Q", 2**40)
    checksum = google_crc32c.value(length)
    masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return {
        "npy.npy": header.getvalue(),
        "npz.npz": bomb.getvalue(),
        "tar.tar": member.tobuf(tarfile.GNU_FORMAT),
        "record.tfrecord": length + struct.pack("<I", masked) + bytes(99),
    }


_ACCEPT_ALL = ("--num_classes", "2", "--max_rejected", "1")
_DOUBLED = "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(30))
_HOSTILE_MAPS = {
    "aliases.yaml": f"a0: &a0 [x, x]\n{_DOUBLED}name: *a30\n",
    "deep.yaml": "[" * 100_000,
    "number.yaml": f"name: m\nignore: [{'9' * 5000}]\nclasses: []\n",
}


CASES: dict[str, Callable[[pathlib.Path], Commands]] = {
    case.__name__: case
    for case in (
        grey,
        noise,
        color,
        images,
        wide,
        floats,
        many_classes,
        thousand,
        hostile,
    )
}


def main() -> None:
    """Runs the cases, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--work", type=pathlib.Path, help="a directory with 10 GB free")
    arguments = parser.parse_args()
    print("| input | command | peak MiB | exit code | seconds |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name in arguments.names or CASES:
        with tempfile.TemporaryDirectory(dir=arguments.work) as work:
            for command in CASES[name](pathlib.Path(work)):
                _run(name, command)


def _run(name: str, command: list[str]) -> None:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _CODE, *command],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - start
    held, code = done.stdout.rpartition("peak")[2].split() or ("0", "killed")
    words = (word.rpartition("/")[2] for word in command)
    shown = " ".join(word for word in words if word not in ("", "out"))
    peak = int(held) / (1 << 20)
    mark = " (!)" if peak > CEILING_MIB else ""
    print(
        f"| {name} | {shown} | {peak:,.0f}{mark} | {code} | {seconds:.0f} |", flush=True
    )
    if code not in "012":
        print(done.stderr[-2000:], file=sys.stderr)


if __name__ == "__main__":
    main()
