"""The quickstart's notebook: clean as it is kept, and right when it is run."""

import base64
import io
import json
import pathlib
import re
import sys

import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image

_DOCS = pathlib.Path(__file__).parent.parent / "docs"


@pytest.fixture
def notebook():
    """It, as it is kept."""
    found = nbformat.read(_DOCS / "quickstart.ipynb", as_version=4)
    nbformat.validate(found)
    return found


def test_nothing_of_a_run_is_kept(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) > 5
    for cell in cells:
        assert not cell.outputs
        assert cell.execution_count is None
        assert not cell.metadata
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}


def test_its_links_lead_to_pages(notebook):
    text = "".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#]+)", text)
    assert links
    assert not [link for link in links if not (_DOCS / link).is_file()]


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel of this Python, and no other; gives its name."""
    directory = tmp_path / "jupyter/kernels/this-python"
    directory.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "this Python", "language": "python"}
    (directory / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("DATA", "RUNTIME", "CONFIG"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / name))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return directory.name


@pytest.mark.engines  # it takes half a minute
def test_a_model_is_trained_and_served(notebook, kernel, tmp_path):
    directory = tmp_path / "here"
    directory.mkdir()
    client = nbclient.NotebookClient(
        notebook,
        timeout=240,
        kernel_name=kernel,
        resources={"metadata": {"path": str(directory)}},
    )
    client.execute()

    records = json.loads((directory / "dataset/manifest.json").read_text())["splits"]
    assert sum(split["records"] for split in records.values()) == 40
    stats = json.loads((directory / "dataset/stats.json").read_text())
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in _outputs(cell)
    )
    for finding in stats["warnings"]:
        assert finding["message"] in printed
    assert (directory / "dataset/report.html").is_file()

    # What the last cell shows: a photo, the model's mask, and the truth.
    (shown,) = _outputs(notebook.cells[-2])
    png = base64.b64decode(shown["data"]["image/png"])
    _, mask, truth = np.split(np.array(Image.open(io.BytesIO(png))), 3, axis=1)
    served = np.array(Image.open(directory / "mask.png"))
    np.testing.assert_array_equal(mask, np.repeat(served[..., None], 3, axis=-1))
    assert served.dtype == np.uint8  # which any viewer shows
    inside, outside = truth[..., 0] == 255, truth[..., 0] == 0
    assert set(np.unique(served)) == {0, 255}
    assert np.mean(served[inside] == 255) > 0.9
    assert np.mean(served[outside] == 0) > 0.9


def _outputs(cell):
    return cell.get("outputs", [])
