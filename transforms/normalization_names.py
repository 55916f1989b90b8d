"""What `--normalize` may be: a name, or means and deviations of your own."""

import re
from typing import NamedTuple

UNIT, SYMMETRIC, ZSCORE, IMAGENET = "unit", "symmetric", "zscore", "imagenet"
NAMES = (UNIT, SYMMETRIC, ZSCORE, IMAGENET)

_NUMBER = r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?"
_THREE = ",".join([f"({_NUMBER})"] * 3)
PATTERN = f"mean={_THREE}:std={_THREE}"

Channels = tuple[float, float, float]


class Moments(NamedTuple):
    """Means and standard deviations of red, green and blue, of levels from 0 to 1."""

    mean: Channels
    std: Channels


# Source: torchvision, `transforms/_presets.py` (ImageClassification). Every model that
# was trained on ImageNet there takes these, and so do most others.
_OF_IMAGENET = Moments((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def moments_of(normalize: str) -> Moments | None:
    """Returns the moments that a normalisation names; None if it needs no such.

    Args:
        normalize: one of `NAMES`, or as `text_of` writes it.

    Raises:
        ValueError: it is neither, or a number is not possible. The message continues
            the value.
    """
    if normalize == IMAGENET:
        return _OF_IMAGENET
    if normalize in NAMES:
        return None
    found = re.fullmatch(PATTERN, normalize)
    if not found:
        raise ValueError(
            f"must be one of {', '.join(NAMES)}, or mean=R,G,B:std=R,G,B, as "
            f"{text_of(_OF_IMAGENET)}"
        )
    red, green, blue, *std = map(float, found.groups())
    moments = Moments((red, green, blue), (std[0], std[1], std[2]))
    if max(*moments.mean, *moments.std) > 1:
        raise ValueError("has a number above 1: levels are 0 to 1 here; divide by 255")
    if min(moments.std) == 0:
        raise ValueError("has a deviation of 0, by which nothing can be divided")
    return moments


def text_of(moments: Moments) -> str:
    """Writes moments as `moments_of` reads them."""
    mean, std = (",".join(map(repr, numbers)) for numbers in moments)
    return f"mean={mean}:std={std}"
