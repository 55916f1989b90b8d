"""A conversion of two rows, in which the n-th operation on files fails, for every n.

    python -m tests.faults [--memory] [--errors ENOSPC,EIO] [--only N,N,...]
        [--every STEP] [--first N]

What counts is each open, read, write, close, rename, sync, list and remove in the
output and in the temporary directory, whether our code makes it, Beam or TensorFlow.
With --memory it is each of NumPy's calls for 64 kB or more. After each fault there is
a dataset that agrees with its manifest and exit code 0; or exit code 1, 2 or 3, one
line, and no manifest. The next run is right. It needs a C compiler, on Linux.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults import trials


def main() -> int:
    """Tries the faults, prints what is wrong, and how many there were."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--errors", help="default: ENOSPC,EIO; ENOMEM of memory")
    parser.add_argument("--only", default="", help="numbers of calls, with commas")
    parser.add_argument("--every", type=int, default=1, help="of all calls")
    parser.add_argument("--first", type=int, default=1, help="of all calls")
    arguments = parser.parse_args()
    errors = arguments.errors or ("ENOMEM" if arguments.memory else "ENOSPC,EIO")
    with tempfile.TemporaryDirectory() as work:
        trial = trials.Trial(Path(work), memory=arguments.memory)
        total = trial.calls()
        only = map(int, filter(None, arguments.only.split(",")))
        numbers = list(only) or list(range(arguments.first, total + 1, arguments.every))
        wrong = 0
        for name in errors.split(","):
            for number in numbers:
                if found := trial.fault(number, name):
                    wrong += 1
                    print(f"{name} at call {number} of {total}: {found}", flush=True)
        trial.close()
        codes = dict(sorted(trial.codes.items()))
        print(
            f"{len(numbers)} of {total} calls, {errors}: {wrong} wrong, exits {codes}"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
