"""The most memory that a process has held, of its own.

`getrusage` says more: on Linux a process begins with the peak of the one that started
it, so a small process seems as large as the test session around it.
"""

import contextlib
import dataclasses
import pathlib
import re
import resource
import sys
from collections.abc import Iterator

_PROC = pathlib.Path("/proc/self")
_FORGET_PEAK = "5"  # proc(5), of clear_refs


def peak_bytes() -> int:
    """This process's peak."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = (_PROC / "status").read_text(encoding="utf-8")
    (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", status)
    return int(peak) << 10


def with_children() -> int:
    """The largest peak among this process and those that it waited for."""
    unit = 1 if sys.platform == "darwin" else 1 << 10
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return max(peak_bytes(), children)


@dataclasses.dataclass
class Growth:
    """How far a peak went beyond what was held before; `bytes` is set at the end."""

    bytes: int = 0


@contextlib.contextmanager
def growth() -> Iterator[Growth]:
    """Measures what is held more, at the most, than before."""
    if sys.platform != "darwin":
        (_PROC / "clear_refs").write_text(_FORGET_PEAK, encoding="utf-8")
    before = peak_bytes()
    found = Growth()
    yield found
    found.bytes = peak_bytes() - before
