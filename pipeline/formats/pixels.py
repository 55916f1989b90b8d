"""How many pixels are decoded at most, as `--max_pixels` has it."""


def too_many_pixels(height: int, width: int, max_pixels: int) -> str:
    """A header promises more pixels than are decoded."""
    return (
        f"its header promises {height} x {width} = {height * width} pixels, and "
        f"--max_pixels is {max_pixels}"
    )


def check_pixels(height: int, width: int, max_pixels: int) -> None:
    """Refuses what a header promises before it is allocated.

    Raises:
        ValueError: it is more than `max_pixels`.
    """
    if height * width > max_pixels:
        raise ValueError(too_many_pixels(height, width, max_pixels))
