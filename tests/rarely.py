"""Cases that run with `--engines` alone: for every day one of their kind is enough."""

from typing import Any

import pytest


def rarely(*cases: Any) -> list[Any]:
    """Marks cases of `pytest.mark.parametrize`; a tuple has a value for each name."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.engines
        )
        for case in cases
    ]
