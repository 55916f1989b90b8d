"""Notebooks: Beam builds our pipelines there as it does elsewhere."""

import contextlib
from collections.abc import Iterator

from apache_beam import pipeline as beam_pipeline


@contextlib.contextmanager
def like_a_script() -> Iterator[None]:
    """Keeps Beam from doing otherwise in IPython, while a pipeline is built and run.

    It would name steps by their cell, and load its DataFrames for that, which fail with
    pandas 3; and leave its temporary directory to its interactive runner.
    """
    ours = {
        "alter_label_if_ipython": lambda transform, pvalueish: None,
        "is_in_ipython": lambda: False,
    }
    before = {name: getattr(beam_pipeline, name) for name in ours}
    try:
        vars(beam_pipeline).update(ours)
        yield
    finally:
        vars(beam_pipeline).update(before)
