"""Where a contestant's rows are.

Nothing is imported here that peers' environments lack.
"""

import dataclasses
import json
import pathlib
from typing import Any, TypeVar

_Source = TypeVar("_Source", bound="Source")


@dataclasses.dataclass(frozen=True)
class Source:
    """What a process is told, on its command line.

    Attributes:
        label_maps: a directory of grey PNGs, all of one size.
        images: a directory of PNGs or JPEGs with the same names; empty for none.
    """

    label_maps: str
    images: str

    @property
    def label_files(self) -> list[str]:
        """The label maps, sorted."""
        return sorted(str(path) for path in pathlib.Path(self.label_maps).iterdir())

    @property
    def image_files(self) -> list[str]:
        """The images, in the order of the label maps; none where there are none."""
        if not self.images:
            return []
        return sorted(str(path) for path in pathlib.Path(self.images).iterdir())

    def to_json(self) -> str:
        """For the command line of a process of its own."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls: type[_Source], text: str) -> _Source:
        """Undoes `to_json`."""
        tree: dict[str, Any] = json.loads(text)
        lists = {k: tuple(v) for k, v in tree.items() if isinstance(v, list)}
        return cls(**tree | lists)
