"""What a contestant is told: where the rows are, what they mean, where to write."""

import dataclasses
import json
import pathlib

import numpy as np
import numpy.typing as npt

from maskbeam.transforms import class_files


@dataclasses.dataclass(frozen=True)
class Job:
    """One conversion.

    Attributes:
        label_maps: a directory of 8-bit grey PNGs, all of one size.
        images: a directory of PNGs or JPEGs with the same names; empty for none.
        classes: a preset of maskbeam's, or a YAML file.
        size: (height, width) of all rows.
        output: a directory that is there, and empty.
        workers: threads or processes.
        options: more flags, for maskbeam.
    """

    label_maps: str
    images: str
    classes: str
    size: tuple[int, int]
    output: str
    workers: int = 2
    options: tuple[str, ...] = ()

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

    @property
    def num_classes(self) -> int:
        """K."""
        return class_files.load_class_map(self.classes).num_classes

    @property
    def table(self) -> npt.NDArray[np.int32]:
        """From id to class index, i32[256]; -1 for what is ignored."""
        return np.maximum(class_files.load_class_map(self.classes).forward_table(8), -1)

    @property
    def megapixels(self) -> float:
        """Of all rows together."""
        return len(self.label_files) * self.size[0] * self.size[1] / 1e6

    def to_json(self) -> str:
        """For the command line of a process of its own."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> "Job":
        """Undoes `to_json`."""
        tree = json.loads(text)
        return Job(
            **tree | {"size": tuple(tree["size"]), "options": tuple(tree["options"])}
        )
