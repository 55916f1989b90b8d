"""COCO's run lengths: how many pixels are off, on, off, ..., down the columns.

    [6, 2, 30]     uncompressed: a list
    "6240"         compressed: from the fourth on less the one two before, in digits of
                   five bits, lowest first, each a character from "0" on; a digit's bit
                   32 says that the number goes on, and the last one's bit 16 that it is
                   negative

Source: pycocotools 2.0.11, common/maskApi.c (rleToString, rleFrString), which reads on
behind the end of a code that is cut off; so codes are read here.
"""

import numpy as np
import numpy.typing as npt

Runs = npt.NDArray[np.int64]

_MOST_DIGITS = 7  # of a number: 35 bits, and no picture has more pixels


def of_code(code: bytes) -> Runs:
    """Reads compressed run lengths: i64[N].

    Raises:
        ValueError: it is no such code.
    """
    digits = np.frombuffer(code, np.uint8).astype(np.int64) - ord("0")
    (ends,) = np.nonzero(digits < 32)
    if not digits.size or digits.min() < 0 or digits.max() > 63:
        raise ValueError("its run-length code has a character that none has")
    if not ends.size or ends[-1] != digits.size - 1:
        raise ValueError("its run-length code is cut off")
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > _MOST_DIGITS:
        raise ValueError("its run-length code has a number beyond any picture")
    starts = ends - lengths + 1
    places = np.arange(digits.size) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((digits & 31) << 5 * places, starts)
    numbers -= np.where(digits[ends] & 16, 1 << 5 * lengths, 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def check(runs: Runs, height: int, width: int) -> None:
    """Checks that run lengths fill a picture.

    Raises:
        ValueError: one is negative, or they are of more pixels, or of fewer.
    """
    pixels = height * width
    if not runs.size or runs.min() < 0 or runs.max() > pixels or runs.sum() != pixels:
        total = int(runs.sum(dtype=np.float64)) if runs.size else 0
        raise ValueError(
            f"its run lengths are of {total} pixels, and the picture has {height} x "
            f"{width} = {pixels}"
        )


def area(runs: Runs) -> int:
    """How many pixels are on."""
    return int(runs[1::2].sum())


def pixels(runs: Runs, height: int) -> tuple[npt.NDArray[np.bool_], int]:
    """The pixels that are on, within the columns that have some.

    Args:
        runs: of a picture, after `check`.
        height: of the picture.

    Returns:
        bool[height N], and the number of the first of these columns.
    """
    ends = np.cumsum(runs)
    on = np.flatnonzero(runs[1::2]) * 2 + 1
    if not on.size:
        return np.zeros((height, 0), np.bool_), 0
    first, last = on[0], on[-1]
    left = int(ends[first - 1]) // height
    right = (int(ends[last]) - 1) // height + 1
    some = runs[first - 1 : last + 1].copy()
    some[0] = ends[first - 1] - left * height
    is_on = np.arange(some.size) % 2 == 1
    flat = np.zeros((right - left) * height, np.bool_)
    flat[: some.sum()] = np.repeat(is_on, some)
    return flat.reshape(-1, height).T, left
