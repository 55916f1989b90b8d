"""What a contestant of `epoch` reads, and how its reading is timed.

Nothing is imported here that peers' environments lack.
"""

import dataclasses
import json
import pathlib
import resource
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

BATCH = 8
_BATCH_VALUES = 320e6  # of a batch's masks
_WARM_BATCHES = 3


@dataclasses.dataclass(frozen=True)
class Task:
    """Rows to read, again and again, in batches for training.

    Attributes:
        label_maps: a directory of grey PNGs, whose samples are class indices; those of
            `num_classes` and above are ignored.
        images: a directory of images with the same names; empty for none.
        num_classes: K.
        shape: (height, width) of all rows, in pixels.
        size: (height, width) that the model gets; the shape if nothing is resized.
        one_hot: whether the model gets one-hot masks f32, or the ids as they are.
        work: the contestant's own directory.
        seconds: how long it is timed.
        workers: threads or processes.
        option: what a contestant is that comes in several kinds.
    """

    label_maps: str
    images: str
    num_classes: int
    shape: tuple[int, int]
    size: tuple[int, int]
    one_hot: bool
    work: str
    seconds: float
    workers: int
    option: str = ""

    @property
    def label_files(self) -> list[str]:
        """The label maps, sorted."""
        return sorted(str(path) for path in pathlib.Path(self.label_maps).iterdir())

    @property
    def image_files(self) -> list[str]:
        """The images, in the order of the label maps; none where there are none."""
        if not self.images:
            return []
        return sorted(str(path) for path in pathlib.Path(self.images).iterdir())

    @property
    def batch(self) -> int:
        """How many rows make a batch."""
        if not self.one_hot:
            return BATCH
        values = self.size[0] * self.size[1] * self.num_classes
        return max(1, min(BATCH, int(_BATCH_VALUES / values)))

    @property
    def is_deep(self) -> bool:
        """Whether label maps have 16 bits."""
        return self.num_classes > 255

    def to_json(self) -> str:
        """For the command line of a process of its own."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> "Task":
        """Undoes `to_json`."""
        tree = json.loads(text)
        sides = {name: tuple(tree[name]) for name in ("shape", "size")}
        return Task(**tree | sides)


def timed(task: Task, epochs: Callable[[], Iterable[Any]]) -> dict[str, float]:
    """Reads for some seconds, epoch after epoch.

    Args:
        task: what is read.
        epochs: begins an epoch; gives batches, the last of each a mask or ids [B ...].

    Returns:
        `rate`: Mpixel/s of the label maps as they are in their files; `cpu_ns`: a
        pixel, without worker processes; `rss`: the peak in MB; `late`: the longest
        time that an epoch took to end after its last batch, in seconds.
    """
    pixels, batches, late = 0, 0, 0.0
    start = last = time.perf_counter()
    used = _cpu()
    while batches <= _WARM_BATCHES or time.perf_counter() - start < task.seconds:
        for *_, target in epochs():
            batches += 1
            last = time.perf_counter()
            if batches > _WARM_BATCHES:
                pixels += len(target) * task.shape[0] * task.shape[1]
            elif batches == _WARM_BATCHES:
                start, used = last, _cpu()
            if last - start > task.seconds and pixels:
                break
        else:
            late = max(late, time.perf_counter() - last)
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(one).ru_maxrss for one in who)
    return {
        "rate": pixels / (last - start) / 1e6,
        "cpu_ns": 1e9 * (_cpu() - used) / pixels,
        "rss": peak / 1e3,
        "late": late,
    }


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def one_hot(ids: "np.ndarray[Any, Any]", num_classes: int) -> "np.ndarray[Any, Any]":
    """One-hot encodes ids [...] in NumPy, as f32[... K]."""
    table = np.eye(num_classes + 1, num_classes, dtype=np.float32)
    return table[np.minimum(ids, num_classes)]
