"""A conversion of two rows in which one call fails, and what must come of it."""

import errno
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np

from tests import data_generation as data
from tests.faults.commands import Commands, Done

_SHIM = Path(__file__).with_name("shim.c")
_LARGE = 1 << 16  # bytes: less than a label map has
_SIDE = 300


class Trial:
    """Two rows, and what makes calls fail.

    Args:
        work: an empty directory.
        memory: whether NumPy's calls for memory fail, and not those on files.
    """

    def __init__(self, work: Path, *, memory: bool = False) -> None:
        self._work = work
        self._place = work / "place"  # where calls are counted
        self._state = work / "state"
        shim = work / "shim.so"
        compiler = os.environ.get("CC", "cc")
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", shim, _SHIM, "-ldl"]
        subprocess.run(list(map(str, command)), check=True)
        for name in ("a", "b"):
            labels = np.indices((_SIDE, _SIDE)).sum(0).astype(np.uint8) // 100
            data.write_tree(work / "labels", {f"{name}.png": data.png(labels)})
        (self._place / "tmp").mkdir(parents=True)
        self.codes: Counter[int] = Counter()  # of runs with a fault
        self._fail(0)
        counted = {"FAULT_UNDER": str(self._place)}
        if memory:
            counted = {"FAULT_BYTES": str(_LARGE)}
        shown = {"LD_PRELOAD": str(shim), "FAULT_STATE": str(self._state)}
        self._commands = Commands(work, shown | counted)

    def close(self) -> None:
        """Ends the process that runs conversions."""
        self._commands.close()

    def calls(self) -> int:
        """Counts the calls of a run that none fails in.

        Raises:
            RuntimeError: it failed.
        """
        done = self._convert()
        if done.returncode:
            raise RuntimeError(done.stderr)
        return int(np.fromfile(self._state, np.int64, 1)[0])

    def fault(self, number: int, name: str) -> str:
        """Makes a call fail; returns what is wrong after it, or "".

        Args:
            number: of the call, from 1.
            name: of the error, as `ENOSPC`.
        """
        shutil.rmtree(self._place)
        (self._place / "tmp").mkdir(parents=True)
        self._fail(number, getattr(errno, name))
        done = self._convert()
        self.codes[done.returncode] += 1
        manifest = self._place / "out" / "manifest.json"
        # Of progress there is a line every ten seconds.
        lines = [line for line in done.stderr.splitlines() if " elapsed" not in line]
        if done.returncode == 0:
            found, left = self._differs()
            if found or not left:
                return f"exit code 0, and {found}" if found else ""
            # Removing may be what failed; the next run removes it.
        elif done.returncode not in (1, 2, 3):
            return f"exit code {done.returncode}: {done.stderr[-500:]!r}"
        elif len(lines) != 1:
            return f"{len(lines)} lines: {done.stderr[-700:]!r}"
        elif manifest.exists():
            return f"exit code {done.returncode}, and a manifest: {lines[0]}"
        self._fail(0)
        again = self._convert("--overwrite")
        if again.returncode:
            return f"the next run fails: {again.stderr[-500:]!r}"
        return "; ".join(filter(None, self._differs()))

    def _convert(self, *options: str) -> Done:
        maps = [f"--label_maps={self._work}/labels/*", "--num_classes=6"]
        output = [f"--output={self._place}/out", "--direct_num_workers=1"]
        arguments = ["convert", *maps, *output, *options]
        return self._commands.run(arguments, self._place / "tmp")

    def _fail(self, number: int, error: int = 0) -> None:
        """Has the n-th call from now on fail, or none."""
        values = np.array([0, number, error], np.int64)
        if not self._state.exists():
            self._state.write_bytes(bytes(values.nbytes))
        np.memmap(self._state, np.int64, "r+")[:] = values

    def _differs(self) -> tuple[str, str]:
        """Returns how the dataset differs from its manifest, and what else is there."""
        from maskbeam.pipeline import verify_files
        from maskbeam.transforms.manifest import read_manifest

        directory = str(self._place / "out")
        if not (self._place / "out" / "manifest.json").exists():
            return "there is no manifest", ""
        found = verify_files.compare(directory, read_manifest(directory))
        hidden = [f"it leaves {one.name}" for one in Path(directory).glob(".*")]
        return "; ".join(found.faults), "; ".join([*found.notes, *hidden])
