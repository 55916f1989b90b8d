"""The checkout, copied: what is made in it, and of it, is not made here."""

import pathlib
import shutil

_ROOT = pathlib.Path(__file__).parent.parent
_NOT_COPIED = ("*.pyc", "__pycache__", ".*", "sample", "build", "dist", "*.egg-info")


def copy(directory: pathlib.Path) -> pathlib.Path:
    """Copies what is under version control, without CI's folder; gives where to."""
    shutil.copytree(_ROOT, directory, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    shutil.copy(_ROOT / ".pre-commit-config.yaml", directory)
    return directory
