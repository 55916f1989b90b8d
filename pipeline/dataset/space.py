"""Holds what a run will write against the space that is free."""

import os
import shutil

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.runtime import files

_TIMES = 2  # what is written: fragments, and the shards that are made of them
_FAR_TOO_LITTLE = 0.5  # of it: estimates of label maps are no worse


def check_space(directory: str, size: int, *, overwrite: bool) -> str:
    """Checks the free space of an output on this machine's disks.

    Args:
        directory: the output, which need not be there.
        size: what the dataset will take, about, in bytes.
        overwrite: whether what is there will be removed, so that more is free then.

    Returns:
        What the user should know, or "".

    Raises:
        UsageError: there is far too little.
    """
    if not files.is_local(directory):
        return ""
    place = os.path.abspath(directory)
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    free, needed = shutil.disk_usage(place).free, _TIMES * size
    if free >= needed:
        return ""
    said = (
        f"about {needed / 1e6:,.0f} MB will be written, half of them for a time, and "
        f"{free / 1e6:,.0f} MB are free at {place}"
    )
    if free >= _FAR_TOO_LITTLE * needed or overwrite:
        return f"the space may not do: {said}"
    raise UsageError(f"--output {directory}: {said}; choose another place")
