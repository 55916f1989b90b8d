"""A conversion of two rows in which one call fails, and what must come of it."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests import data_generation as data

_SHIM = Path(__file__).with_name("shim.c")
_SECONDS = 120


class Trial:
    """Two rows, and what makes calls fail.

    Args:
        work: an empty directory.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._place = work / "place"  # where calls are counted
        self._shim = work / "shim.so"
        compiler = os.environ.get("CC", "cc")
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", self._shim, _SHIM, "-ldl"]
        subprocess.run(list(map(str, command)), check=True)
        for name in ("a", "b"):
            labels = np.arange(64, dtype=np.uint8).reshape(8, 8) % 3
            data.write_tree(work / "labels", {f"{name}.png": data.png(labels)})

    def calls(self) -> int:
        """Counts the calls of a run that none fails in.

        Raises:
            RuntimeError: it failed.
        """
        done = self._convert(0, 0)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return self._counted()

    def fault(self, number: int, name: str) -> str:
        """Makes a call fail; returns what is wrong after it, or "".

        Args:
            number: of the call, from 1.
            name: of the error, as `ENOSPC`.
        """
        done = self._convert(number, getattr(errno, name))
        manifest = self._place / "out" / "manifest.json"
        lines = done.stderr.splitlines()
        if done.returncode == 0:
            if found := self._differs():
                return f"exit code 0, and {found}"
        elif done.returncode not in (1, 2, 3):
            return f"exit code {done.returncode}: {done.stderr[-500:]!r}"
        elif len(lines) != 1:
            return f"{len(lines)} lines: {done.stderr[-700:]!r}"
        elif manifest.exists():
            return f"exit code {done.returncode}, and a manifest: {lines[0]}"
        again = self._convert(0, 0, "--overwrite", fresh=False)
        if again.returncode:
            return f"the next run fails: {again.stderr[-500:]!r}"
        left = [one.name for one in (self._place / "out").glob(".*")]
        return self._differs() or (f"it leaves {left}" if left else "")

    def _convert(
        self, number: int, error: int, *options: str, fresh: bool = True
    ) -> subprocess.CompletedProcess[str]:
        if fresh:
            shutil.rmtree(self._place, ignore_errors=True)
            (self._place / "tmp").mkdir(parents=True)
        count = self._work / "count"
        count.write_bytes(bytes(8))
        environment = {
            "LD_PRELOAD": str(self._shim),
            "FAULT_UNDER": str(self._place),
            "FAULT_AT": str(number),
            "FAULT_ERRNO": str(error),
            "FAULT_COUNT": str(count),
            "TMPDIR": str(self._place / "tmp"),
        }
        maps = [f"--label_maps={self._work}/labels/*", "--num_classes=3"]
        return subprocess.run(
            [
                *(sys.executable, "-m", "maskbeam.pipeline", "convert", *maps),
                *(f"--output={self._place}/out", "--direct_num_workers=1", *options),
            ],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def _counted(self) -> int:
        return int.from_bytes((self._work / "count").read_bytes(), sys.byteorder)

    def _differs(self) -> str:
        """Returns how the dataset differs from its manifest, or ""."""
        from maskbeam.pipeline import verify_files
        from maskbeam.transforms.manifest import read_manifest

        directory = str(self._place / "out")
        if not (self._place / "out" / "manifest.json").exists():
            return "there is no manifest"
        found = verify_files.compare(directory, read_manifest(directory))
        return "; ".join([*found.faults, *found.notes])
