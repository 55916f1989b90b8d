"""How rows move: the Beam pipeline from label maps to TFRecords.

Import from here: `convert`, `Options`, `UsageError`, `__version__`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if __name__ != "maskbeam.pipeline":
    raise ImportError(
        "pipeline is called maskbeam.pipeline now, and is what `pip install` makes of "
        "this folder; see CHANGELOG.md"
    )

if TYPE_CHECKING:
    from maskbeam.pipeline.conversion import convert
    from maskbeam.pipeline.errors import UsageError
    from maskbeam.pipeline.options import Options

    __version__: str

_PLACES = {"convert": "conversion", "Options": "options", "UsageError": "errors"}

__all__ = ["Options", "UsageError", "__version__", "convert"]


def __getattr__(name: str) -> Any:
    """Finds a public name when it is asked for."""
    if name == "__version__":
        from importlib import metadata  # it takes long to load

        return metadata.version("maskbeam")
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
