"""Writes the tables of README.md and docs/benchmarks/README.md from the saved figures.

    python -m tests.benchmarks.pages

A table stands between two comments that name it; what is between them is replaced. The
figures are docs/benchmarks/*.json, which the benchmarks write by --json.
"""

import json
import pathlib
import re
from collections.abc import Callable, Iterable
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs" / "benchmarks"
PAGES = (ROOT / "README.md", FIGURES / "README.md")

_BLOCK = re.compile(
    r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL
)
_DATA = {
    "camvid": "CamVid, 360 x 480",
    "cityscapes": "1024 x 2048",
    "ade20k": "512 x 512",
}
_PEERS = {
    "tutorial": "tutorials' recipe (`tf.one_hot`, FloatList)",
    "tf_transform": "TF Transform as documented",
    "tfds": "TFDS builder",
    "webdataset": "NumPy, Pillow, WebDataset",
    "tf_data_stock": "skilled tf.data, stock operations",
    "tf_data_isal": "skilled tf.data with isal",
    "tf_data_arithmetic": "the same without a table, where ids are consecutive",
    "decode_only": "decoding alone",
}
_READERS = {
    "files": "tf.data over the files, Mpixel/s",
    "tfrecords": "TFRecords of the files' bytes",
    "hugging_face": "Hugging Face datasets",
    "grain": "Grain over ArrayRecord",
    "streaming": "MosaicML Streaming",
    "torch": "PyTorch's DataLoader with OpenCV",
    "maskbeam bits original": "**maskbeam**, `bits`",
    "maskbeam png original": "**maskbeam**, `png`",
    "maskbeam png png": "**maskbeam**, images as `png`",
    "maskbeam png raw": "**maskbeam**, images `raw`",
}
_READ = {
    "labels": "label maps",
    "jpeg": "with JPEG images",
    "png": "with PNG images",
    "resized": "JPEG at 256 x 256",
}
Rows = Iterable[Iterable[str]]


def main() -> None:
    """Rewrites the pages."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


def filled(text: str) -> str:
    """Puts each table in its place."""
    return _BLOCK.sub(lambda block: block[1] + TABLES[block[2]]() + block[3], text)


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIGURES / f"{name}.json").read_text("utf-8"))
    return found


def _table(titles: Iterable[str], rows: Rows) -> str:
    titles = list(titles)
    rule = ["---"] + ["---:"] * (len(titles) - 1)
    lines = (f"| {' | '.join(cells)} |" for cells in (titles, rule, *rows))
    return "".join(line + "\n" for line in lines)


def _number(value: float) -> str:
    """Three digits, or as many as there are before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _compared(name: str) -> Callable[[], str]:
    """Makes the table of runs of `compare`: maskbeam's rate over each peer's."""

    def make() -> str:
        paths = sorted(FIGURES.glob(f"{name}*.json"))
        runs = (_read(path.stem)["results"] for path in paths)
        # A later file has some data measured anew.
        results = {one["data"]: one for run in runs for one in run}.values()
        titles = (f"{_DATA[r['data']]}, {r['classes']} classes" for r in results)
        medians = [result["medians"] for result in results]

        def row(title: str, peer: str, key: str) -> list[str]:
            cells = (_number(m[peer][key]) if peer in m else "" for m in medians)
            return [title, *cells]

        peers = [peer for peer in _PEERS if any(peer in m for m in medians)]
        rows = [row(_PEERS[peer], peer, "ratio") for peer in peers]
        rows += [
            row("**maskbeam, Mpixel/s**", "maskbeam", "rate"),
            row("CPU, ns per pixel", "maskbeam", "cpu_ns"),
            row("peak MB", "maskbeam", "rss"),
            row("bytes over the source's", "maskbeam", "growth"),
            row("reading, Mpixel/s", "maskbeam", "read"),
        ]
        if "tutorial" in peers:
            rows.append(row("reading, over float32 records", "tutorial", "read_ratio"))
        return _table(["maskbeam is ... times as fast as", *titles], rows)

    return make


def _epoch(*, of_camvid: bool, whole: bool = True) -> Callable[[], str]:
    """Makes a table of `epoch`: each reader's rate over that of the files.

    Args:
        of_camvid: CamVid's cases, or those that are drawn.
        whole: all readers, or maskbeam alone.
    """

    def make() -> str:
        results = [r for r in _read("epoch")["results"] if _is_drawn(r) != of_camvid]
        medians = [result["medians"] for result in results]
        titles = ["times as fast as tf.data over the files", *map(_title, results)]
        if not whole:
            cells = (_number(_of_maskbeam(found)) for found in medians)
            return _table(
                ["", *titles[1:]], [["times as fast as tf.data over the files", *cells]]
            )
        rows = []
        for name in (n for n in _READERS if any(n in found for found in medians)):
            key = "rate" if name == "files" else "ratio"
            cells = (_number(m[name][key]) if name in m else "" for m in medians)
            rows.append([_READERS[name], *cells])
        return _table(titles, rows)

    return make


def _of_maskbeam(medians: dict[str, Any]) -> float:
    """The ratio with masks as PNG, and where images are resized, these raw."""
    raw = "maskbeam png raw"
    found: float = medians[raw if raw in medians else "maskbeam png original"]["ratio"]
    return found


def _is_drawn(result: dict[str, Any]) -> bool:
    return result["case"] not in _READ


def _title(result: dict[str, Any]) -> str:
    """What is read, in the head of a table."""
    what = "one-hot" if result["one_hot"] else "ids"
    if not _is_drawn(result):
        return f"{_READ[result['case']]}, {what}"
    shape = {"512": "512 x 512", "1024": "1024 x 2048"}
    side = result["case"].partition("_")[0]
    return f"{shape[side]}, {result['classes']:,} classes, {what}"


def _startup() -> str:
    """Makes the table of `startup`."""
    results = _read("startup")["results"]
    rows = []
    for name, figures in results.items():
        ratio = ""
        if "ratio" in figures:
            ratio = f"{figures['ratio']:.2f} ({figures['lowest']:.2f} to "
            ratio += f"{figures['highest']:.2f})"
        rows.append([f"`{name}`", f"{figures['seconds']:.2f}", ratio])
    return _table(["what", "seconds", "over what it must import"], rows)


def _classes() -> str:
    """Makes the table of `growth --only classes`."""
    results = _read("classes")["results"]
    counts = sorted({case["classes"] for case in results})
    rows = []
    for key, title in (("growth", "bytes"), ("read", "read")):
        for encoding in ("bits", "png"):
            found = {c["classes"]: c[key] for c in results if c["encoding"] == encoding}
            cells = (_number(found[count]) for count in counts)
            rows.append([f"`{encoding}`, {title}", *cells])
    return _table(["classes", *map(str, counts)], rows)


def _memory() -> str:
    """Makes the table of `growth --only rows`."""
    results = _read("rows")["results"]
    return _table(
        ["rows of 512 x 512", *(f"{case['rows']:,}" for case in results)],
        [["peak MB", *(f"{case['rss']:,.0f}" for case in results)]],
    )


def _origins() -> str:
    """Makes the table of what was measured when, and where."""
    rows = []
    for path in sorted(FIGURES.glob("*.json")):
        tree = json.loads(path.read_text("utf-8"))
        machine = tree["machine"]
        where = f"{machine['cores']} cores of {machine['processor']}, "
        where += f"{machine['memory_gib']} GiB, Python {machine['python']}"
        command = f"`{tree['command']}`"
        rows.append([path.name, tree["date"], tree["commit"], where, command])
    return _table(["figures", "on", "commit", "machine", "command"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "labels": _compared("labels"),
    "images": _compared("images"),
    "reading": _epoch(of_camvid=True, whole=False),
    "epoch": _epoch(of_camvid=True),
    "epoch_classes": _epoch(of_camvid=False),
    "startup": _startup,
    "classes": _classes,
    "memory": _memory,
    "origins": _origins,
}


if __name__ == "__main__":
    main()
