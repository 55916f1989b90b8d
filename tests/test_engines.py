"""The same command on other engines gives the same dataset, byte for byte."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests import data_generation as data
from tests import reading, servers

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]
_ROOT = pathlib.Path(__file__).parent.parent
_PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Raw rows of two splits."""
    directory = tmp_path_factory.mktemp("engines")
    data.label_tree(directory, 30, [0, 1, 2, 255], images=True)
    data.write_tree(directory, {"labels/bad.png": b"text", "images/bad.png": b"text"})
    return directory


@pytest.fixture(scope="module")
def arguments(rows):
    return [
        *("--label_maps", f"{rows}/labels/*.png", "--images", f"{rows}/images/*"),
        *("--num_classes", "3", "--ignore_label", "255", "--normalize", "zscore"),
        *("--split_by", "train=0.7,val=0.3", "--max_rejected", "0.5"),
    ]


@pytest.fixture(scope="module")
def expected(arguments, rows, convert):
    return convert(rows / "expected", *arguments)


@pytest.fixture
def run(arguments, expected, run_maskbeam, tmp_path):
    """Converts on another engine, from another directory; compares."""

    def convert_there(*flags, **environment):
        out = tmp_path / "out"
        done = run_maskbeam(
            *("convert", *arguments, "--output", out, *flags),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(_ROOT), **environment},
        )
        assert done.returncode == 0, done.stderr
        assert reading.checksums(out) == reading.checksums(expected)
        assert reading.stats(out) == reading.stats(expected)
        assert reading.rejections(out) == reading.rejections(expected)

    return convert_there


@pytest.fixture(scope="module")
def job_service(tmp_path_factory):
    """Beam's own portable job service; gives the flags that name it."""
    port, log = servers.free_port(), tmp_path_factory.mktemp("service") / "log"
    module = "apache_beam.runners.portability.local_job_service_main"
    with servers.serving([sys.executable, "-m", module, f"--port={port}"], port, log):
        yield ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}"]


def test_the_job_service_with_workers_of_its_client(run, job_service):
    run(*job_service, "--environment_type=LOOPBACK")


@pytest.mark.parametrize("attempt", range(3))
def test_fresh_worker_processes(attempt, run, job_service, tmp_path):
    """Several bundles at once meet TF Transform's import cycle in each new process."""
    port = servers.free_port()
    module = "apache_beam.runners.worker.worker_pool_main"
    command = [sys.executable, "-m", module, f"--service_port={port}"]
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(_ROOT)}
    log = tmp_path / "log"
    with servers.serving(command, port, log, env=environment):
        run(
            *job_service,
            *("--environment_type=EXTERNAL", f"--environment_config=localhost:{port}"),
        )
    assert "partially initialized" not in log.read_text()


def test_prism(run, tmp_path):
    if shutil.which("go") is None:
        pytest.skip("go is not installed, and Prism is built by it")
    import apache_beam

    subprocess.run(
        ["go", "install", f"{_PRISM}@v{apache_beam.__version__}"],
        env={**os.environ, "GOBIN": str(tmp_path), "GOTOOLCHAIN": "auto"},
        check=True,
    )
    run("--runner=PrismRunner", f"--prism_location={tmp_path}/prism")


@pytest.mark.parametrize("engine", ["flink", "spark"])
def test_flink_and_spark(engine, arguments, expected, tmp_path):
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, and the job server needs it")
    port = servers.free_port()
    script = _ROOT / "launch_scripts/run_job_server.sh"
    log, out = tmp_path / "log", tmp_path / "out"
    with servers.serving(["bash", script, engine, port], port, log):
        done = subprocess.run(
            [
                *("bash", _ROOT / f"launch_scripts/run_{engine}.sh"),
                *(*arguments, "--output", out),
            ],
            env={**os.environ, "JOB_ENDPOINT": f"localhost:{port}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr + log.read_text()[-2000:]
    assert reading.checksums(out) == reading.checksums(expected)
    assert reading.stats(out) == reading.stats(expected)
