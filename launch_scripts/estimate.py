"""What a conversion takes on a cluster: core-hours, workers, hours, bytes, money.

    python launch_scripts/estimate.py
    python launch_scripts/estimate.py --rows 5e6 --side 1024x2048 --classes 19 \
        --label_bytes 50e3 --image_bytes 2.3e6 --core_ns 25

Without flags it prints the table of docs/launching.md, which says where each
number comes from and how to measure it again.
"""

import argparse
import dataclasses
import math
from collections.abc import Iterable

# Measured: python -m tests.benchmarks.compare --contestants maskbeam, "CPU ns/pixel";
# by the kind of rows, and by whether they have images.
CORE_NS = {
    ("1024 x 2048, PNG", False): 3.7,
    ("1024 x 2048, PNG", True): 22.0,
    ("512 x 512, JPEG", False): 5.8,
    ("512 x 512, JPEG", True): 14.9,
}
STORED_SHARE = 1.8  # of the label maps' bytes; the same table, at most

# Measured: python -m tests.many_names, and the code that packs.
NAME_BYTES = 84  # for a row, through three shuffles
UNIT_BYTES = 16 << 20  # of decoded images and encoded masks in a unit of work

# Dataflow's list prices in us-central1, in dollars; look yours up.
CORE_HOUR = 0.056
GB_HOUR = 0.003557
SHUFFLED_GB = 0.011
READS, WRITES = 0.4e-6, 5e-6  # for an object

CORES, MEMORY_GB = 4, 16  # n2-standard-4
STEP_HOURS = 1.0  # that the row stage may take
FIXED_HOURS = 0.15  # workers start; shards are assembled, the graph is made


@dataclasses.dataclass(frozen=True)
class Rows:
    """A dataset.

    Attributes:
        name: its name in the table.
        rows: how many rows it has.
        height: the rows' height in pixels, on average.
        width: the rows' width in pixels, on average.
        classes: K.
        label_bytes: the bytes of a label map's file.
        image_bytes: the bytes of an image's file; 0 for label maps only.
        core_ns: nanoseconds of one core that a pixel takes.
    """

    name: str
    rows: float
    height: int
    width: int
    classes: int
    label_bytes: float
    image_bytes: float
    core_ns: float

    @property
    def pixels(self) -> float:
        """The pixels of all rows."""
        return self.rows * self.height * self.width

    @property
    def core_hours(self) -> float:
        """The core-hours of the row stage, which is nearly all of the work."""
        return self.pixels * self.core_ns / 3.6e12

    @property
    def workers(self) -> int:
        """As many workers as let the row stage take an hour at most."""
        return max(1, math.ceil(self.core_hours / CORES / STEP_HOURS))

    @property
    def hours(self) -> float:
        """The hours from the first worker's start to the manifest."""
        return self.core_hours / CORES / self.workers + FIXED_HOURS

    @property
    def units(self) -> float:
        """The units of work; each leaves a fragment."""
        row = self.height * self.width * (4 if self.image_bytes else 1)
        return self.rows / max(1, UNIT_BYTES // row)

    @property
    def shuffled_bytes(self) -> float:
        """The bytes of names, and of a summary for each unit."""
        return self.rows * NAME_BYTES + self.units * (700 + 24 * self.classes)

    @property
    def stored_bytes(self) -> float:
        """The bytes of the dataset."""
        return self.rows * (self.image_bytes + STORED_SHARE * self.label_bytes)

    @property
    def dollars(self) -> float:
        """The price of workers, shuffle, and requests to the object store."""
        files = self.rows * (2 if self.image_bytes else 1)
        # For a file: its metadata and its bytes. For a fragment: it is written, listed,
        # read the same way, and its bytes are written once more, in a shard.
        requests = (2 * files + 3 * self.units) * READS + 2 * self.units * WRITES
        machine = CORES * CORE_HOUR + MEMORY_GB * GB_HOUR
        machines = self.workers * self.hours * machine
        return machines + self.shuffled_bytes / 1e9 * SHUFFLED_GB + requests


def datasets() -> list[Rows]:
    """Returns the table's datasets: published sizes, and round means of file sizes."""
    found = []
    for name, rows, height, width, classes, label, image, kind in (
        ("Cityscapes fine", 3475, 1024, 2048, 19, 50e3, 2.3e6, "1024 x 2048, PNG"),
        ("ADE20K", 22210, 512, 683, 150, 6e3, 45e3, "512 x 512, JPEG"),
        ("COCO-Stuff", 123287, 480, 640, 171, 6e3, 160e3, "512 x 512, JPEG"),
        ("100 M of 1024 x 1024", 1e8, 1024, 1024, 19, 20e3, 300e3, "512 x 512, JPEG"),
    ):
        for with_images in (False, True):
            found.append(
                Rows(
                    f"{name}{', with images' if with_images else ''}",
                    rows,
                    height,
                    width,
                    classes,
                    label,
                    image if with_images else 0,
                    CORE_NS[kind, with_images],
                )
            )
    return found


def table(many: Iterable[Rows]) -> str:
    """Makes a Markdown table, a line for each dataset."""
    lines = [
        "| dataset | Gpixel | core-hours | workers | hours | shuffled | stored | $ |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for rows in many:
        cells = (
            rows.name,
            _number(rows.pixels / 1e9),
            _number(rows.core_hours),
            f"{rows.workers:,}",
            f"{rows.hours:.2f}",
            _bytes(rows.shuffled_bytes),
            _bytes(rows.stored_bytes),
            _number(rows.dollars),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    """Writes a number, with two digits after the point if it is below ten."""
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def _bytes(count: float) -> str:
    for unit in ("MB", "GB"):
        count /= 1e6 if unit == "MB" else 1e3
        if count < 1000:
            return f"{_number(count)} {unit}"
    return f"{_number(count / 1e3)} TB"


def main() -> None:
    """Prints the table, or one line for your own dataset."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=float)
    parser.add_argument("--side", default="512x512", metavar="HxW")
    parser.add_argument("--classes", type=int, default=19)
    parser.add_argument("--label_bytes", type=float, default=20e3)
    parser.add_argument("--image_bytes", type=float, default=0)
    parser.add_argument("--core_ns", type=float, help="of a pixel, by compare")
    given = parser.parse_args()
    if given.rows is None:
        print(table(datasets()))
        return
    height, width = map(int, given.side.split("x"))
    core_ns = given.core_ns or CORE_NS["512 x 512, JPEG", given.image_bytes > 0]
    yours = Rows(
        "yours",
        given.rows,
        height,
        width,
        given.classes,
        given.label_bytes,
        given.image_bytes,
        core_ns,
    )
    print(table([yours]))


if __name__ == "__main__":
    main()
