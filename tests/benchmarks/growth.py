"""How time and memory of a conversion grow: with rows, classes, sizes and workers.

    python -m tests.benchmarks.growth --work DIR [--rounds 3] [--only AXIS] [--json F]

Label maps alone, drawn at 512 x 512 unless the size is what grows. Seconds per Mpixel
are of many rows less few, as in `compare`, so start-up is not in them.
"""

import argparse
import dataclasses
import pathlib
import statistics
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.benchmarks import compare, record, scenes
from tests.benchmarks.job import Job

_PIXELS = 400e6
_DISTINCT = 16
_READ_VALUES = 500e6  # larger masks are not read: several at once fill the memory


@dataclasses.dataclass(frozen=True)
class Case:
    """One conversion.

    Attributes:
        axis: what grows.
        side: of the square label maps, in pixels.
        classes: K.
        encoding: of the masks.
        times: of `_PIXELS`.
        workers: threads.
    """

    axis: str
    side: int = 512
    classes: int = 19
    encoding: str = "auto"
    times: float = 1.0
    workers: int = 2

    @property
    def rows(self) -> int:
        """How many."""
        return max(4, round(self.times * _PIXELS / self.side**2))


def cases() -> Iterator[Case]:
    """All of them, by axis."""
    for times in (1.0, 4.0, 16.0, 64.0):
        yield Case("rows", times=times)
    for encoding in ("bits", "png"):
        for classes in (2, 8, 16, 19, 32, 64, 150, 1000):
            # A pixel of 1,000 classes is 128 bytes of `bits`.
            times = 0.25 if (encoding, classes) == ("bits", 1000) else 1.0
            yield Case("classes", classes=classes, encoding=encoding, times=times)
    for side in (256, 512, 1024, 2048, 4096):
        yield Case("sizes", side=side, times=4)
    for workers in (1, 2, 4):
        yield Case("workers", workers=workers)
    for encoding in ("bits", "png"):
        yield Case("ceiling", side=4096, classes=150, encoding=encoding)


def main() -> None:
    """Measures, prints a table, and saves it where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], allow_abbrev=False
    )
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices={case.axis for case in cases()})
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    chosen = [c for c in cases() if arguments.only in (None, c.axis)]
    rounds = [
        [measure(case, arguments.work.resolve()) for case in chosen]
        for _ in range(arguments.rounds)
    ]
    results = []
    titles = ("s/Mpixel", "peak MB", "bytes/source", "read Mpixel/s", "read ids")
    print(f"{'':42}" + "".join(f"{title:>14}" for title in titles))
    for case, *found in zip(chosen, *rounds, strict=True):
        figures = {k: statistics.median(f[k] for f in found) for k in found[0]}
        results.append(dataclasses.asdict(case) | {"rows": case.rows} | figures)
        name = (
            f"{case.axis:8} {case.rows:6} x {case.side}^2 K={case.classes:<4} "
            f"{case.encoding} {case.workers}"
        )
        print(
            f"{name:42}{figures['seconds']:14.5f}{figures['rss']:14.0f}"
            f"{figures['growth']:14.2f}{figures['read']:14.1f}"
            f"{figures['read_ids']:14.1f}"
        )
    if arguments.json:
        record.save(arguments.json, results)


def measure(case: Case, work: pathlib.Path) -> compare.Figures:
    """Seconds per Mpixel after start-up, of the larger run peak MB, and its output."""
    few = _job(case, max(1, case.rows // 16), work)
    first = compare.run("maskbeam", "write", few)
    many = _job(case, case.rows, work)
    second = compare.run("maskbeam", "write", many)
    seconds = second["seconds"] - first["seconds"]
    read = read_ids = float("nan")
    if case.axis != "rows" and case.classes * case.side**2 <= _READ_VALUES:
        read = compare.run("maskbeam", "read", many)["rate"]
        read_ids = compare.run("maskbeam", "read_ids", many)["rate"]
    return {
        "seconds": seconds / (many.megapixels - few.megapixels),
        "rss": second["rss"],
        "growth": compare.output_bytes(many) / compare.source_bytes(many),
        "read": read,
        "read_ids": read_ids,
    }


def _job(case: Case, rows: int, work: pathlib.Path) -> Job:
    drawn = work / f"growth_{case.side}_{case.classes}"
    if not drawn.exists():
        drawn.mkdir(parents=True)
        ids = (*range(case.classes), 65535 if case.classes > 255 else 255)
        kind = scenes.Scenes(
            "", (case.side, case.side), ids, min(14, case.classes), "png", 0
        )
        for number in range(_DISTINCT if case.side < 2048 else 4):
            label = scenes.draw(np.random.default_rng(number), kind)
            Image.fromarray(label).save(drawn / f"{number:03}.png")
        classes = "".join(
            f"- {{name: c{k}, ids: [{k}]}}\n" for k in range(case.classes)
        )
        text = f"name: growth\nignore: [{ids[-1]}]\nclasses:\n{classes}"
        drawn.with_suffix(".yaml").write_text(text)
    folder = work / f"{drawn.name}_{rows}"
    if not folder.exists():
        scenes.link(sorted(drawn.iterdir()), rows, folder)
    return Job(
        str(folder),
        "",
        str(drawn.with_suffix(".yaml")),
        (case.side, case.side),
        str(compare.empty(work / "output")),
        case.workers,
        (f"--mask_encoding={case.encoding}",),
    )


if __name__ == "__main__":
    main()
