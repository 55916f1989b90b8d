"""maskbeam and its peers over the same rows, in turn: the benchmark's one command.

    python -m tests.benchmarks.compare --work DIR [--camvid DIR] [--data camvid]
        [--images] [--rounds 3] [--contestants maskbeam,decode_only] [--json FILE]

Every measurement is a process of its own. A contestant converts few rows and then many;
its rate is the difference of the rows over the difference of the times, and what the
few rows took beyond that rate is its start-up. Slow contestants get fewer rows. The
time is until what was written is on the disk; flags that are not the benchmark's own
go to maskbeam. Reading is timed in a second pass over
what was written, from the page cache.
"""

import argparse
import dataclasses
import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from maskbeam.pipeline import arguments as flags
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.runtime import beam_flags
from maskbeam.transforms import class_files
from tests import peaks
from tests.benchmarks import record, scenes
from tests.benchmarks.job import Job

# What the many rows come to: one-hot values for those that write them, else pixels.
_VALUES = {
    "tutorial": 40e6,
    "tf_transform": 1200e6,
    "tfds": 1500e6,
    "webdataset": 1500e6,
}
_PIXELS = 2000e6
_PIXELS_DECODED = 4000e6  # where nothing is made of them
_PIXELS_WITH_IMAGES = 500e6
_FEW = 16  # of the many rows this part is the few
_READ_VALUES = 1500e6  # one-hot values that are read in a pass
_IDS_VALUES = 8  # that an id counts as: it is read faster than one-hot masks
_BATCH_VALUES = 100e6
CONTESTANTS = (
    *_VALUES,
    *("tf_data_stock", "tf_data_isal", "tf_data_arithmetic"),
    *("decode_only", "maskbeam"),
)
# With a function of the user's: CONTESTANT+FUNCTION.
_FUNCTIONS = pathlib.Path(__file__).parent / "functions"
WITH_FUNCTION = tuple(
    f"{name}+{path.stem}"
    for name in ("tf_transform", "maskbeam")
    for path in sorted(_FUNCTIONS.glob("*.py"))
)

Figures = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Bench:
    """What is measured.

    Attributes:
        data: of `scenes.KINDS`.
        images: whether rows have images.
        work: a directory for all that is made.
        camvid: CamVid's.
        scale: of the number of rows.
        workers: threads or processes.
        options: more flags, for maskbeam.
    """

    data: str
    images: bool
    work: pathlib.Path
    camvid: pathlib.Path
    scale: float = 1.0
    workers: int = 2
    options: tuple[str, ...] = ()

    def rows(self, contestant: str) -> int:
        """How many the many rows are."""
        height, width = self.scenes.size
        contestant = contestant.partition("+")[0]
        pixels = _PIXELS_DECODED if contestant == "decode_only" else _PIXELS
        if self.images:
            pixels = _PIXELS_WITH_IMAGES
        if contestant in _VALUES:
            pixels = min(pixels, _VALUES[contestant] / self.num_classes)
        return max(4, round(pixels * self.scale / (height * width)))

    @property
    def scenes(self) -> scenes.Scenes:
        """The data's kind."""
        return scenes.KINDS[self.data]

    @property
    def num_classes(self) -> int:
        """K."""
        return class_files.load_class_map(self.scenes.classes).num_classes

    def job(self, rows: int) -> Job:
        """A conversion of so many rows into an empty directory."""
        folder = self.work / f"{self.data}{'_images' * self.images}_{rows}"
        if not folder.exists():
            found = scenes.files(
                self.data, self.work / "drawn", self.camvid, images=self.images
            )
            for name, paths in zip(("labels", "images"), found, strict=True):
                if paths:
                    scenes.link(paths, rows, folder / name)
        return Job(
            str(folder / "labels"),
            str(folder / "images") if self.images else "",
            self.scenes.classes,
            self.scenes.size,
            str(empty(self.work / "output")),
            self.workers,
            self.options,
        )


def main() -> None:
    """Measures, prints a table, and saves it where asked."""
    bench, arguments = _parse()
    results = []
    for data in arguments.data.split(","):
        of_data = dataclasses.replace(bench, data=data)
        names = arguments.contestants.split(",")
        rounds = [
            {name: measure(name, of_data) for name in names}
            for _ in range(arguments.rounds)
        ]
        results.append(summarise(of_data, rounds))
        print_table(results[-1])
        if arguments.json:
            record.save(arguments.json, results)


def _parse() -> tuple[Bench, argparse.Namespace]:
    """Reads the command line; what is wrong ends the process before anything runs."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], allow_abbrev=False
    )
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--camvid", type=pathlib.Path, default=os.environ.get("CAMVID"))
    parser.add_argument("--data", default=",".join(scenes.KINDS))
    parser.add_argument("--images", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the rows")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--contestants", default=",".join(CONTESTANTS))
    parser.add_argument("--json", type=pathlib.Path)
    arguments, options = parser.parse_known_args()
    known = (*CONTESTANTS, *WITH_FUNCTION)
    for flag, names in (("data", scenes.KINDS), ("contestants", known)):
        for name in getattr(arguments, flag).split(","):
            if name not in names:
                parser.error(f"--{flag} {name}: there are {', '.join(names)}")
    if "camvid" in arguments.data and not os.path.isdir(arguments.camvid or ""):
        parser.error("--camvid DIR: say where CamVid is, or leave it out of --data")
    try:
        _check(options)
    except UsageError as error:
        parser.error(str(error))
    bench = Bench(
        arguments.data,
        arguments.images,
        arguments.work.resolve(),
        pathlib.Path(arguments.camvid or "."),
        arguments.scale,
        arguments.workers,
        tuple(options),
    )
    return bench, arguments


def _check(options: list[str]) -> None:
    """Reads maskbeam's flags as it would.

    Raises:
        UsageError: one of them is wrong.
    """
    parser = flags.Parser(prog="maskbeam convert", allow_abbrev=False)
    flags.add_arguments(parser, writes=True)
    needed = ["--label_maps=any", "--classes=camvid11", "--output=any"]
    given, rest = parser.parse_known_args([*needed, *options])
    flags.from_arguments(given)
    beam_flags.read(rest)


def empty(directory: pathlib.Path) -> pathlib.Path:
    """Makes a directory anew."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def measure(contestant: str, bench: Bench) -> Figures:
    """One round of one contestant: Mpixel/s, CPU and start-up seconds, bytes, MB."""
    rows = bench.rows(contestant)
    few = bench.job(max(1, rows // _FEW))
    first = run(contestant, "write", few)
    many = bench.job(rows)
    second = run(contestant, "write", many)
    megapixels = many.megapixels - few.megapixels
    rate = megapixels / max(second["seconds"] - first["seconds"], 1e-9)
    figures = {
        "rate": rate,
        "cpu_ns": 1e3 * (second["cpu"] - first["cpu"]) / megapixels,
        "startup": first["seconds"] - few.megapixels / rate,
        "rss": second["rss"],
    }
    if contestant != "decode_only":
        figures["bytes"] = output_bytes(many)
        figures["growth"] = figures["bytes"] / source_bytes(many)
        figures["read"] = run(contestant, "read", many)["rate"]
    return figures


def output_bytes(job: Job) -> int:
    """What a contestant wrote."""
    files = (p for p in pathlib.Path(job.output).rglob("*") if p.is_file())
    return sum(path.stat().st_size for path in files)


def source_bytes(job: Job) -> int:
    """What it read."""
    return sum(os.path.getsize(path) for path in (*job.label_files, *job.image_files))


def run(contestant: str, what: str, job: Job) -> Figures:
    """Runs one step in a process of its own: what it reports, time, CPU, memory."""
    code = "from tests.benchmarks import compare; compare.step()"
    os.sync()  # what others left to be written is not this one's
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, contestant, what, job.to_json()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    out, err = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{contestant}, {what}: {err[-3000:]}")
    return {"seconds": seconds, **json.loads(out.splitlines()[-1])}


def step() -> None:
    """What the process of a step does; it prints its figures, last."""
    import resource

    name, what, text = sys.argv[1:]
    name, _, function = name.partition("+")
    contestant: Any = importlib.import_module(f"tests.benchmarks.peer_{name}")
    job = Job.from_json(text)
    if function:
        job = dataclasses.replace(job, function=str(_FUNCTIONS / f"{function}.py"))
    figures: Figures = {}
    if what == "write":
        contestant.write(job)
        os.sync()
    else:
        read: Callable[[Job, int], Any] = getattr(contestant, what)
        figures["rate"] = reading_rate(read, job, one_hot=what == "read")
    used = [
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    figures["cpu"] = sum(usage.ru_utime + usage.ru_stime for usage in used)
    figures["rss"] = peaks.with_children() / 1e6
    print("\n" + json.dumps(figures))


def reading_rate(
    read: Callable[[Job, int], Any], job: Job, *, one_hot: bool = True
) -> float:
    """Mpixel/s of a second pass, in batches as a training loop takes them.

    Args:
        read: a contestant's function from the job and the rows of a batch to batches.
        job: what was converted.
        one_hot: whether it gives one-hot masks, and not ids.
    """
    pixels = job.size[0] * job.size[1]
    values = pixels * (job.num_classes if one_hot else _IDS_VALUES)
    batch = max(1, min(8, int(_BATCH_VALUES / values)))
    batches = read(job, batch).repeat()
    count = max(2, int(_READ_VALUES / values / batch))
    reader = iter(batches.take(2 * count))
    start, seen = 0.0, 0
    for number, (*_, mask) in enumerate(reader):
        if number >= count:
            seen += mask.shape[0]
        elif number == count - 1:
            start = time.perf_counter()
    return seen * pixels / (time.perf_counter() - start) / 1e6


def summarise(bench: Bench, rounds: list[dict[str, Figures]]) -> dict[str, Any]:
    """Medians over rounds, and ratios within them."""
    table: dict[str, Figures] = {}
    for name in rounds[0]:
        row = {k: median(r[name][k] for r in rounds) for k in rounds[0][name]}
        if "maskbeam" in rounds[0]:
            row["ratio"] = median(
                r["maskbeam"]["rate"] / r[name]["rate"] for r in rounds
            )
            if "read" in row:
                row["read_ratio"] = median(
                    r["maskbeam"]["read"] / r[name]["read"] for r in rounds
                )
        row["rows"] = bench.rows(name)
        table[name] = row
    return {
        "data": bench.data,
        "images": bench.images,
        "classes": bench.num_classes,
        "rounds": rounds,
        "medians": table,
    }


_COLUMNS = (
    ("rows", "rows", "{:.0f}"),
    ("rate", "Mpixel/s", "{:.1f}"),
    ("ratio", "maskbeam is x", "{:.2f}"),
    ("cpu_ns", "CPU ns/pixel", "{:.1f}"),
    ("startup", "start-up s", "{:.1f}"),
    ("rss", "peak MB", "{:.0f}"),
    ("growth", "bytes/source", "{:.2f}"),
    ("read", "read Mpixel/s", "{:.1f}"),
    ("read_ratio", "maskbeam is x", "{:.2f}"),
)


def print_table(result: dict[str, Any]) -> None:
    """Prints one data set's medians."""
    images = " with images" if result["images"] else ""
    print(
        f"\n{result['data']}{images}, {result['classes']} classes, medians of "
        f"{len(result['rounds'])} rounds"
    )
    print(f"{'':16}" + "".join(f"{title:>15}" for _, title, _ in _COLUMNS))
    for name, row in result["medians"].items():
        cells = (f.format(row[key]) if key in row else "" for key, _, f in _COLUMNS)
        print(f"{name:16}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
