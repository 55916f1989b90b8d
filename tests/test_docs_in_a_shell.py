"""Blocks of README and docs that take a shell, a checkout or servers: they run."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from maskbeam.pipeline import convert
from maskbeam.transforms import attach
from tests import checkout, doc_pages, flink_cluster, reading
from tests import data_generation as data

pytestmark = [
    pytest.mark.engines,
    pytest.mark.timeout(1200),
    pytest.mark.usefixtures("alone"),  # the pages name ports
]
_SERVER = "bash launch_scripts/run_model_server.sh"
_CLIENT = "python launch_scripts/serve_sample.py"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A copy of the checkout whose `.venv` is set up: it is this one's."""
    root = checkout.copy(tmp_path_factory.mktemp("shell").resolve() / "maskbeam")
    venv = root / ".venv"
    venv.mkdir()
    for entry in pathlib.Path(sys.prefix).iterdir():
        (venv / entry.name).symlink_to(entry)
    (venv / "maskbeam.stamp").unlink()
    known = [root / "launch_scripts/requirements.lock", root / "setup.py"]
    told = b"".join([f"{root}\n".encode(), *(path.read_bytes() for path in known)])
    stamp = subprocess.run(["cksum"], input=told, capture_output=True, check=True)
    (venv / "maskbeam.stamp").write_bytes(stamp.stdout)
    return root


def _need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, and the page says that it takes it")


def _blocks(page, *begins):
    """The blocks of a page that begin so, in the page's order."""
    texts = [snippet.text for snippet in doc_pages.snippets(page)]
    found = [text for text in texts if text.startswith(begins)]
    assert len(found) == len(begins)
    return found


@contextlib.contextmanager
def _terminal(
    text: str, here: pathlib.Path
) -> "Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]":
    """Runs a block; gives its shell, and what it prints. Ends all that it started."""
    with tempfile.TemporaryFile() as shown:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=here,
            stdout=shown,  # and no pipe, which what is in the background holds open
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": f"{here}/.venv/bin:{os.environ['PATH']}"},
            start_new_session=True,
        )

        def printed() -> str:
            return os.pread(shown.fileno(), 1 << 20, 0).decode()

        try:
            yield process, printed
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _run(text, here):
    """Runs a block that ends; gives what it printed."""
    with _terminal(text, here) as (process, printed):
        assert process.wait() == 0, printed()
        return printed()


@contextlib.contextmanager
def _serving(text, here):
    """Runs a block that ends with a server, which has said its address."""
    with _terminal(text, here) as (process, printed):
        while "http://" not in printed():
            assert process.poll() is None, printed()
            time.sleep(0.5)
        yield


def test_the_sample_from_a_bare_checkout_to_a_served_mask(here):
    _need("java", "mvn")
    (both,) = _blocks("README.md", "bash launch_scripts/run_local.sh")
    first, second = both.splitlines()
    assert second.startswith("bash launch_scripts/run_tests.sh")  # this suite
    printed = _run(first, here)
    assert f"The data set is in {here}/sample/dataset" in printed
    activate, train, ask = _blocks(
        "docs/quickstart.md",
        "bash launch_scripts/setup_venv.sh",
        "python launch_scripts/train_sample.py",
        f"{_CLIENT} sample",
    )
    with _serving(f"{activate}{train}", here):
        assert "the coloured mask is mask.png" in _run(f"{activate}{ask}", here)
    scene = here / "sample/label_maps/val/images/scene_0000.png"
    assert Image.open(here / "mask.png").size == Image.open(scene).size


def test_a_photo_is_asked_of_a_server(here):
    _need("java", "mvn")
    photo = data.picture(np.random.default_rng(0), 48, 64)
    mask = data.regions(np.random.default_rng(0), 48, 64, [0, 255])
    contents = {"shots/00.jpg": data.jpeg(photo), "masks/00.png": data.png(mask)}
    data.write_tree(here, contents)
    dataset = str(here / "discs")
    convert(
        label_maps=f"{here}/masks/*.png",
        images=f"{here}/shots/*.jpg",
        classes="binary",
        output=dataset,
    )

    def model(image: tf.Tensor, *, training: bool) -> tf.Tensor:
        del training
        return image[..., :2]

    for name in ("discs", "street"):
        attach(model, dataset, str(here / "models" / name / "1"))
    serve, ask = _blocks(
        "docs/quickstart.md", f"{_SERVER} models/discs", f"{_CLIENT} shots"
    )
    with _serving(serve, here):
        _run(ask, here)
    assert Image.open(here / "served.png").size == (64, 48)
    (serve,) = _blocks("docs/serving.md", _SERVER)
    with _serving(serve, here):
        printed = _run(f"{_CLIENT} shots/00.jpg --output served.png", here)
    assert "the coloured mask is served.png" in printed


@pytest.fixture
def camvid(here):
    """The label maps that the page names, and how many they are."""
    shutil.rmtree(here / "dataset", ignore_errors=True)
    rng = np.random.default_rng(0)
    ids = list(range(12))
    maps = {
        f"CamVid/trainannot/{row}.png": data.png(data.regions(rng, 36, 48, ids))
        for row in range(5)
    }
    data.write_tree(here, maps)
    return len(maps)


def test_flink_on_this_machine(here, camvid):
    _need("java", "mvn")
    (block,) = _blocks("docs/launching.md", "bash launch_scripts/run_job_server.sh")
    _run(block, here)
    assert reading.manifest(here / "dataset")["splits"]["train"]["records"] == camvid


def test_a_flink_cluster(here, camvid, tmp_path, monkeypatch):
    _need("java", "mvn")
    (tmp_path / "conf").mkdir()
    monkeypatch.setenv("FLINK_HOME", str(tmp_path))
    (pool,) = (
        code
        for code in doc_pages.inline_code("docs/launching.md")
        if code.startswith("python -m apache_beam.runners.worker.worker_pool_main")
    )
    (block,) = _blocks("docs/launching.md", "FLINK_MASTER=")
    with (
        flink_cluster.Cluster(tmp_path / "conf", 8081) as cluster,
        _terminal(pool, here) as (_, printed),
    ):
        _run(block, here)
        assert "worker" in printed().lower(), cluster.log()
    assert reading.manifest(here / "dataset")["splits"]["train"]["records"] == camvid
