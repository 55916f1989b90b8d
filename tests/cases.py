"""Public cases: a folder as it is found in the wild, a command, and what must come.

The right pixels are in the folder's `expected.npz`, or as Pillow and NumPy read them.
"""

import contextlib
import dataclasses
import io
import os
import pathlib
import re
import shlex
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskbeam.pipeline.command_line import main
from tests import direct, reading

_CLASS_MAPS = pathlib.Path(__file__).parent / "class_maps"
_MAPS = "maps:"  # before the name of one of these, in a command

TRACEBACK = 70  # no exit code of maskbeam's

Pixels = Mapping[str, npt.NDArray[np.integer]]  # by key; -1 where ignored


@dataclasses.dataclass(frozen=True)
class Equal:
    """The dataset holds these pixels, and the command is done.

    Attributes:
        key: the record's key, with `{}` for the key in `expected.npz`.
        only: the keys in `expected.npz` that are meant; empty for all.
        without: text that is no part of `{}`.
        offset: what is added to each class index there.
        files: instead of `expected.npz`: a glob of pictures or arrays; `{}` is then the
            path's last part, or what of it follows `below`, without extension.
        below: the glob's fixed directory.
        given: instead of both: the pixels themselves, by key.
        index_of: with `files`: the class index of each value; empty: the value's own.
        says: a regular expression, found in what is printed to standard error.
    """

    key: str = "{}"
    only: tuple[str, ...] = ()
    without: str = ""
    offset: int = 0
    files: str = ""
    below: str = ""
    index_of: Mapping[int, int] = dataclasses.field(default_factory=dict)
    given: Pixels = dataclasses.field(default_factory=dict)
    says: str = ""

    def pixels(self, folder: pathlib.Path) -> Pixels:
        """The right pixels."""
        if self.given:
            return self.given
        if not self.files:
            with np.load(folder / "expected.npz") as archive:
                return {
                    self._key(name.replace("|", "/")): found + self.offset
                    for name, found in archive.items()
                    if not self.only or name in self.only
                }
        found = {}
        for path in sorted(folder.glob(self.files)):
            name = path.relative_to(folder / self.below if self.below else path.parent)
            ids = _read(path)
            if self.index_of:
                ids = np.vectorize(self.index_of.__getitem__, otypes=[np.int64])(ids)
            found[self._key(str(name.with_suffix("")))] = ids
        assert found, f"{folder}/{self.files} matches nothing"
        return found

    def _key(self, name: str) -> str:
        return self.key.format(name.replace(self.without, ""))


@dataclasses.dataclass(frozen=True)
class Refused:
    """There is no dataset.

    Attributes:
        code: the exit code.
        says: a regular expression, found in the message.
    """

    code: int
    says: str


@dataclasses.dataclass(frozen=True)
class Case:
    """A command over a folder.

    Attributes:
        name: unique; the folder, then what of it is read.
        arguments: of `maskbeam convert`, without `--output`; paths are relative to the
            folder, and `maps:NAME` is one of `tests/class_maps`.
        expected: what must come of it.
        whole: whether a dataset is written; else it is as `direct` does it.
    """

    name: str
    arguments: str
    expected: Equal | Refused
    whole: bool = False

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return self.name.split("/")[0]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a command.

    Attributes:
        code: the exit code, or TRACEBACK.
        message: what was printed to standard error.
        pixels: of all records.
    """

    code: int
    message: str
    pixels: Pixels


def run(case: Case, cases: pathlib.Path, output: pathlib.Path) -> Outcome:
    """Runs a case's command in this process, as a user does in its folder.

    Args:
        case: what to run.
        cases: the directory of all folders.
        output: where the dataset goes.
    """
    printed = io.StringIO()
    given = case.arguments.replace(_MAPS, f"{_CLASS_MAPS}/")
    argv = ["convert", *shlex.split(given), "--output", str(output)]
    how = contextlib.nullcontext() if case.whole else direct.instead_of_beam()
    with (
        _inside(cases / case.folder),
        how,
        contextlib.redirect_stderr(printed),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            code = main(argv)
        except direct.DoneError as done:
            return Outcome(0, printed.getvalue(), done.labels)
        except Exception as error:
            return Outcome(TRACEBACK, f"Traceback: {error!r}", {})
    pixels = {} if code else _labels(output)
    return Outcome(code, printed.getvalue(), pixels)


def fault(case: Case, cases: pathlib.Path, outcome: Outcome) -> str:
    """How an outcome differs from what is right; empty if it does not."""
    expected = case.expected
    message = " ".join(outcome.message.split())
    if isinstance(expected, Refused):
        if outcome.code != expected.code:
            return f"exit {outcome.code}, not {expected.code}: {message}"
    elif outcome.code:
        return f"exit {outcome.code}: {message}"
    else:
        found, wanted = outcome.pixels, expected.pixels(cases / case.folder)
        if found.keys() != wanted.keys():
            return f"keys {sorted(found)}, not {sorted(wanted)}"
        for key, right in wanted.items():
            if not np.array_equal(found[key], right):
                return f"other pixels in {key}"
    if re.search(expected.says, message):
        return ""
    return f"{expected.says!r} is not in the message: {message}"


def _read(path: pathlib.Path) -> npt.NDArray[np.integer]:
    if path.suffix == ".npy":
        array: npt.NDArray[np.integer] = np.load(path)
        return array
    with Image.open(path) as image:
        return np.asarray(image)


def _labels(directory: pathlib.Path) -> Pixels:
    return {
        key: row["label"]
        for split in reading.manifest(directory)["splits"]
        for key, row in reading.load_all(directory, split).items()
    }


@contextlib.contextmanager
def _inside(folder: pathlib.Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
