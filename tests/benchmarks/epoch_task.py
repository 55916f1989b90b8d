"""What a contestant of `epoch` reads, and how its reading is timed.

Nothing is imported here that peers' environments lack.
"""

import dataclasses
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tests import peaks
from tests.benchmarks.source import Source

BATCH = 8
_BATCH_VALUES = 80e6  # of a batch's masks: larger ones meet the end of memory
_WARM_BATCHES = 3
# Of ImageNet's training images in 0..1, as torchvision's models have them.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Task(Source):
    """Rows to read, again and again, in batches for training.

    Attributes:
        label_maps: their samples are class indices; those of `num_classes` and above
            are ignored.
        num_classes: K.
        shape: (height, width) of all rows, in pixels.
        size: (height, width) that the model gets; the shape if nothing is resized.
        one_hot: whether the model gets one-hot masks f32, or the ids as they are.
        work: the contestant's own directory.
        seconds: how long it is timed.
        workers: threads or processes.
        option: what a contestant is that comes in several kinds.
        centred: whether the model gets images with a mean of 0 and a deviation of 1, as
            those that were trained on ImageNet do, and not in 0..1.
    """

    num_classes: int
    shape: tuple[int, int]
    size: tuple[int, int]
    one_hot: bool
    work: str
    seconds: float
    workers: int
    option: str = ""
    centred: bool = False

    @property
    def batch(self) -> int:
        """How many rows make a batch."""
        if not self.one_hot:
            return BATCH
        values = self.size[0] * self.size[1] * self.num_classes
        return max(1, min(BATCH, int(_BATCH_VALUES / values)))

    @property
    def scale(self) -> tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]:
        """What levels of images are multiplied by, and what is then added: f32[3]."""
        if not self.centred:
            return np.full(3, 1 / 255, np.float32), np.zeros(3, np.float32)
        mean, deviation = np.array([_MEAN, _DEVIATION], np.float32)
        return 1 / (255 * deviation), -mean / deviation

    @property
    def is_deep(self) -> bool:
        """Whether label maps have 16 bits."""
        return self.num_classes > 255


Epochs = Callable[[], Iterable[Any]]
Contestants = dict[str, tuple[Callable[[Task], None], Callable[[Task], Epochs]]]


def run_step(contestants: Contestants) -> None:
    """Does what the command line says: CONTESTANT prepare|read TASK.

    Args:
        contestants: by name, what prepares its rows, and what reads them. The latter
            begins an epoch at each call; it gives batches, the last of each a mask or
            ids [B ...].
    """
    name, step, text = sys.argv[1:]
    task = Task.from_json(text)
    prepare, read = contestants[name]
    if step == "prepare":
        prepare(task)
        return
    print("\n" + json.dumps(timed(task, read(task))))


def timed(task: Task, epochs: Epochs) -> dict[str, float]:
    """Reads for some seconds, epoch after epoch.

    Args:
        task: what is read.
        epochs: as `run_step` says.

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
    return {
        "rate": pixels / (last - start) / 1e6,
        "cpu_ns": 1e9 * (_cpu() - used) / pixels,
        "rss": peaks.with_children() / 1e6,
        "late": late,
    }


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def one_hot(ids: "np.ndarray[Any, Any]", num_classes: int) -> "np.ndarray[Any, Any]":
    """One-hot encodes ids [...] in NumPy, as f32[... K]."""
    table = np.eye(num_classes + 1, num_classes, dtype=np.float32)
    return table[np.minimum(ids, num_classes)]
