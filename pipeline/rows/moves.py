"""Counts what a label map holds that its class map names only by the nearest value."""

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

SQUARES = 3 * 255**2 + 1  # of distances, from none to that of black and white


@dataclasses.dataclass(frozen=True)
class Moved:
    """How many pixels were moved to values that the class map names; it adds up.

    Attributes:
        pixels: that were moved.
        of: how many the label maps have.
        label_maps: that have such pixels.
        farthest: the largest distance, in levels, of which fractions count as a whole.
        levels: the sum of all distances.
    """

    pixels: int = 0
    of: int = 0
    label_maps: int = 0
    farthest: int = 0
    levels: int = 0

    def __add__(self, other: "Moved") -> "Moved":
        """Adds both up."""
        return Moved(
            self.pixels + other.pixels,
            self.of + other.of,
            self.label_maps + other.label_maps,
            max(self.farthest, other.farthest),
            self.levels + other.levels,
        )


def of_counts(counts: npt.NDArray[np.int64], distances: npt.NDArray[np.int64]) -> Moved:
    """Counts the moved pixels of a label map.

    Args:
        counts: i64[n], how many pixels have each value.
        distances: i64[n], how far each value is moved, in levels.
    """
    is_moved = (distances > 0) & (counts > 0)
    counts_of, far = counts[is_moved], distances[is_moved]
    return Moved(
        int(counts_of.sum()),
        int(counts.sum()),
        int(is_moved.any()),
        int(far.max(initial=0)),
        int((counts_of * far).sum()),
    )


def of_squares(counts: npt.NDArray[np.int64]) -> Moved:
    """Counts the moved pixels of a label map: i64[`SQUARES`], pixels by `squares`."""
    return of_counts(counts, _distances())


@functools.cache
def _distances() -> npt.NDArray[np.int64]:
    # Roots of squares are exact, and those of one more are more.
    return np.ceil(np.sqrt(np.arange(SQUARES))).astype(np.int64)


def squares(
    levels: npt.NDArray[np.uint8],
    ids: npt.NDArray[np.integer],
    colors: npt.NDArray[np.int32],
) -> npt.NDArray[np.int64]:
    """Counts pixels by the squares of how far their colours were moved: i64[`SQUARES`].

    Args:
        levels: u8[... 3], red, green and blue.
        ids: of any integer type [...], which of `colors` each became; those from n on
            became none.
        colors: i32[n 3], those that the class map names.
    """
    found = np.zeros(ids.shape, np.int32)
    place = np.minimum(ids, len(colors) - 1)
    for channel in range(3):
        apart = colors[:, channel][place]
        apart -= levels[..., channel]
        apart *= apart
        found += apart
    found[ids >= len(colors)] = 0
    return np.bincount(found.ravel(), minlength=SQUARES)
