"""In IPython, a conversion is as anywhere."""

import sys
import tempfile
import types

import pytest
from apache_beam import pipeline as beam_pipeline

from tests import data_generation as data
from tests import reading


@pytest.fixture
def in_ipython(monkeypatch):
    """What Beam asks whether it is in a notebook says yes."""
    shell = types.SimpleNamespace(execution_count=7, config={"IPKernelApp": {}})
    module = types.ModuleType("IPython")
    vars(module)["get_ipython"] = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert beam_pipeline.is_in_ipython()


def test_a_conversion_is_as_anywhere(in_ipython, convert, tmp_path, monkeypatch):
    data.label_tree(tmp_path, 3, [0, 1])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = beam_pipeline.alter_label_if_ipython, beam_pipeline.is_in_ipython
    given = ["--label_maps", f"{tmp_path}/labels/*.png", "--num_classes=2"]
    out = convert(tmp_path / "out", *given)
    assert len(reading.load_all(out)) == 3
    # What names steps by cells would have been loaded, and fails with pandas 3.
    assert "apache_beam.runners.interactive.interactive_environment" not in sys.modules
    assert not list(scratch.glob("beam-pipeline-temp*"))
    # Pipelines of the notebook's own are Beam's affair.
    after = beam_pipeline.alter_label_if_ipython, beam_pipeline.is_in_ipython
    assert after == before
    assert beam_pipeline.is_in_ipython()
