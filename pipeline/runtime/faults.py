"""Tells faults of the machine, and of the user's own code, from all else.

A worker's error arrives as text, with its trace: from another thread, another process
or an engine. A full disk is no reason to read it.
"""

import errno
import os
import re
import shutil

# Of an `OSError`, as Python writes it.
_OF_PYTHON = re.compile(r"\[Errno (\d+)\] ([^:\n]+)(?:: '([^'\n]*)')?")
_NUMBERS = frozenset(
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO"),
        *("EMFILE", "ENFILE", "ENOMEM"),
    )
)
# Of TensorFlow's files: `PATH; No space left on device`.
_WORDS = "|".join(re.escape(os.strerror(number)) for number in sorted(_NUMBERS))
_OF_TENSORFLOW = re.compile(rf"(/[^;:\n]*)[;:] ?({_WORDS})")
# Of a worker, which has loaded the user's own code; a trace of ours explains nothing.
_OWN_CODE = re.compile(r"OwnCodeError: ([^\n]*?)(?: \[while running [^\n]*)?$", re.M)
_MEMORY = re.compile(r"MemoryError\b|\bstd::bad_alloc\b")


def fault_in(text: str) -> str:
    """Returns the machine's fault that an error tells of, in one line; "" for none.

    Args:
        text: the error, maybe with its trace.
    """
    if own := _OWN_CODE.search(text):
        return own[1]
    found_in_python = [
        (match[3] or "", match[2].strip())
        for match in _OF_PYTHON.finditer(text)
        if int(match[1]) in _NUMBERS
    ]
    # A cause, which comes before, may name no file.
    for path, what in sorted(found_in_python, key=lambda one: not one[0]):
        return _said(path, what)
    if found := _OF_TENSORFLOW.search(text):
        return _said(found[1], found[2])
    if _MEMORY.search(text):
        return (
            "there is too little memory; fewer --direct_num_workers, or a lower "
            "--max_pixels, need less"
        )
    return ""


def _said(path: str, what: str) -> str:
    place = f"{path}: " if path else ""
    return f"{place}{what}{_free_at(path)}"


def _free_at(path: str) -> str:
    """Says how much space is free where a path is, or will be."""
    if not path.startswith("/"):
        return ""
    while path != "/" and not os.path.isdir(path):
        path = os.path.dirname(path)
    try:
        free = shutil.disk_usage(path).free
    except OSError:
        return ""
    return f" ({free / 1e6:,.0f} MB are free at {path})"
