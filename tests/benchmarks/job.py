"""What a contestant is told: where the rows are, what they mean, where to write."""

import dataclasses

import numpy as np
import numpy.typing as npt

from maskbeam.transforms import class_files
from tests.benchmarks.source import Source


@dataclasses.dataclass(frozen=True)
class Job(Source):
    """One conversion.

    Attributes:
        label_maps: of 8 bits.
        classes: a preset of maskbeam's, or a YAML file.
        size: (height, width) of all rows.
        output: a directory that is there, and empty.
        workers: threads or processes.
        options: more flags, for maskbeam.
        function: a file with a `preprocessing_fn` whose columns are made too; "" for
            none.
    """

    classes: str
    size: tuple[int, int]
    output: str
    workers: int = 2
    options: tuple[str, ...] = ()
    function: str = ""

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
