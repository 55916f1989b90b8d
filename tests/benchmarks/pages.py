"""Writes the figures of README.md and docs/benchmarks/README.md from the saved ones.

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
    "jpeg_unit": "JPEG images in 0..1",
    "png": "with PNG images",
    "resized": "JPEG images at 256 x 256",
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


def _compared_results(name: str) -> list[dict[str, Any]]:
    """Reads the runs of `compare`; a later file has some data measured anew."""
    paths = sorted(FIGURES.glob(f"{name}*.json"))
    runs = (_read(path.stem)["results"] for path in paths)
    return list({one["data"]: one for run in runs for one in run}.values())


def _compared(name: str) -> Callable[[], str]:
    """Makes the table of runs of `compare`: maskbeam's rate over each peer's."""

    def make() -> str:
        results = _compared_results(name)
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


def _epoch(name: str, *, one_hot: bool) -> Callable[[], str]:
    """Makes a table of `epoch`: each reader's rate over that of the files.

    Args:
        name: of the saved figures.
        one_hot: whether masks are read, or ids.
    """

    def make() -> str:
        results = [r for r in _read(name)["results"] if r["one_hot"] == one_hot]
        medians = [result["medians"] for result in results]
        rows = []
        for reader in (n for n in _READERS if any(n in found for found in medians)):
            kinds = {"ratio": ""}
            if reader == "files":
                kinds = {"rate": ""}
            elif reader.startswith("maskbeam"):
                kinds["cpu_ratio"] = ", by CPU time"
            for key, of in kinds.items():
                cells = (
                    _number(m[reader][key]) if reader in m else "" for m in medians
                )
                rows.append([_READERS[reader] + of, *cells])
        what = "one-hot" if one_hot else "ids"
        titles = (_title(result["case"], result["classes"]) for result in results)
        return _table(
            [f"{what}, times as fast as tf.data over the files", *titles], rows
        )

    return make


def _reading() -> str:
    """Makes the short table of `epoch`: maskbeam alone."""
    titles = ["times as fast as tf.data over the files", "ids", "one-hot masks"]
    return _table(titles, _read_cases())


def _read_cases() -> list[list[str]]:
    """What is read, and how many times as fast: ids, and one-hot masks."""
    found: dict[str, list[str]] = {}
    for result in _read("epoch")["results"]:
        title = _title(result["case"], result["classes"])
        found.setdefault(title, []).append(_number(_of_maskbeam(result["medians"])))
    return [[title, *cells] for title, cells in found.items()]


def _short() -> str:
    """Makes the three figures of README.md."""
    compared = [one["medians"] for one in _compared_results("labels")]

    def span(*peers: str) -> str:
        ratios = [m[peer]["ratio"] for m in compared for peer in peers]
        return f"{_number(min(ratios))} to {_number(max(ratios))}"

    memory = _read("rows")["results"]
    few, many = memory[0], memory[-1]
    read = {case[0]: case[1:] for case in _read_cases()}
    ids, one_hot = read[_READ["jpeg"]]
    documented = span("tf_transform")
    skilled = span("tf_data_isal", "tf_data_arithmetic")
    return (
        f"- Converting label maps: {documented} times as fast as TF Transform as "
        f"documented, {skilled} times as skilled tf.data that checks nothing.\n"
        f"- Reading them with JPEG images, each epoch: {ids} times as fast as tf.data "
        f"over the files, {one_hot} times with one-hot masks.\n"
        f"- Memory: {few['rss']:,.0f} MB for {few['rows']:,} rows of 512 x 512, "
        f"{many['rss']:,.0f} MB for {many['rows']:,}.\n"
    )


def _of_maskbeam(medians: dict[str, Any]) -> float:
    """The ratio with masks as PNG, and where images are resized, these raw.

    It is the lower of two: tf.data's autotuning may end an epoch seconds late, which
    counts for more in a measurement than in a day's training.
    """
    raw = "maskbeam png raw"
    figures = medians[raw if raw in medians else "maskbeam png original"]
    return min(figures["ratio"], figures["cpu_ratio"])


def _title(case: str, classes: int) -> str:
    """What is read, in the head of a table."""
    if case in _READ:
        return _READ[case]
    shape = {"512": "512 x 512", "1024": "1024 x 2048"}[case.partition("_")[0]]
    return f"{shape}, {classes:,} classes"


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
    for key, title in (
        ("seconds", "conversion"),
        ("growth", "bytes"),
        ("read", "reading one-hot"),
        ("read_ids", "reading ids"),
    ):
        for encoding in ("bits", "png"):
            found = {c["classes"]: c[key] for c in results if c["encoding"] == encoding}
            if key == "seconds":
                found = {count: 1 / found[count] for count in counts}
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
    "short": _short,
    "reading": _reading,
    "epoch_ids": _epoch("epoch", one_hot=False),
    "epoch_one_hot": _epoch("epoch", one_hot=True),
    "drawn_ids": _epoch("epoch_drawn", one_hot=False),
    "drawn_one_hot": _epoch("epoch_drawn", one_hot=True),
    "startup": _startup,
    "classes": _classes,
    "memory": _memory,
    "origins": _origins,
}


if __name__ == "__main__":
    main()
