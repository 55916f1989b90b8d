"""One temporary directory for all that a command, TensorFlow and Beam keep in files.

Some of it is removed as the interpreter ends, and a command that is stopped does not
come there.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

from maskbeam.pipeline.runtime import stopping


@contextlib.contextmanager
def own_directory() -> Iterator[str]:
    """Makes a directory, in which all temporary files are until the block ends.

    Raises:
        OSError: none can be made.
    """
    path = tempfile.mkdtemp(prefix="maskbeam-")
    before = tempfile.tempdir, os.environ.get("TMPDIR")

    def remove() -> str:
        for _ in range(3):  # other threads may still write there
            shutil.rmtree(path, ignore_errors=True)
        return ""

    tempfile.tempdir = os.environ["TMPDIR"] = path
    try:
        with stopping.acting(remove):
            yield path
    finally:
        tempfile.tempdir = before[0]
        if before[1] is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before[1]
        remove()
