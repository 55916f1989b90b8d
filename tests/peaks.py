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
    with contextlib.suppress(OSError):
        status = (_PROC / "status").read_text(encoding="utf-8")
        if found := re.search(r"VmHWM:\s*(\d+) kB", status):
            return int(found[1]) << 10
    return _usage(resource.RUSAGE_SELF)


def with_children() -> int:
    """The largest peak among this process and those that it waited for."""
    return max(peak_bytes(), _usage(resource.RUSAGE_CHILDREN))


def _usage(who: int) -> int:
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(who).ru_maxrss * unit


@dataclasses.dataclass
class Growth:
    """How far a peak went beyond what was held before; `bytes` is set at the end."""

    bytes: int = 0


@contextlib.contextmanager
def growth() -> Iterator[Growth]:
    """Measures what is held more, at the most, than before."""
    with contextlib.suppress(OSError):  # else what stays below an old peak is not seen
        (_PROC / "clear_refs").write_text(_FORGET_PEAK, encoding="utf-8")
    before = peak_bytes()
    found = Growth()
    yield found
    found.bytes = peak_bytes() - before
