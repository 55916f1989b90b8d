"""One temporary directory for all that a command, TensorFlow and Beam keep in files.

Some of it is removed as the interpreter ends, and a command that is stopped does not
come there.
"""

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator

from maskbeam.pipeline.runtime import stopping


def own_directory() -> contextlib.AbstractContextManager[None]:
    """Makes a directory, in which all temporary files are within the context.

    Raises:
        OSError: none can be made.
    """
    return _using(tempfile.mkdtemp(prefix="maskbeam-"))


@contextlib.contextmanager
def _using(path: str) -> Iterator[None]:
    """Has temporary files made in a directory, and removes it."""
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    remove = functools.partial(_remove, path)
    tempfile.tempdir = os.environ["TMPDIR"] = path
    try:
        with stopping.ending(remove):
            yield
    finally:
        tempfile.tempdir = before[0]
        if before[1] is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before[1]
        remove()


def _remove(path: str) -> None:
    """Removes a directory in which other threads may still write.

    TensorFlow makes a directory again that is missing. A link to nothing in its place
    stops that, and whoever removes a file of theirs there finds none.
    """
    moved = f"{path}-removed"
    with contextlib.suppress(OSError):
        os.rename(path, moved)
        os.symlink(os.path.join(moved, "none"), path)
    # It raises what closing a directory raises, even so.
    with contextlib.suppress(OSError):
        shutil.rmtree(moved, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.unlink(path)
