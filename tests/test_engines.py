"""The same command on other engines gives the same dataset, byte for byte."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import (
    clean_worker,
    data_generation,
    flink_cluster,
    own_functions,
    reading,
    sample_rows,
    servers,
)

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]
_ROOT = pathlib.Path(__file__).parent.parent
_PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The sample."""
    return sample_rows.draw(tmp_path_factory.mktemp("engines") / "sample")


@pytest.fixture(scope="module")
def arguments(rows):
    return sample_rows.arguments(rows)


@pytest.fixture(scope="module")
def expected(arguments, rows, convert):
    return convert(rows / "expected", *arguments)


@pytest.fixture(scope="module")
def assert_is_expected(rows, expected):
    """Holds a dataset against the one of the in-process runner."""
    raw = sample_rows.raw(rows)

    def compare(out):
        assert reading.checksums(out) == reading.checksums(expected)
        assert reading.stats(out) == reading.stats(expected)
        assert reading.report(out) == reading.report(expected)
        assert reading.rejections(out) == reading.rejections(expected)
        reading.assert_same_graphs(out, expected, **raw)

    return compare


@pytest.fixture
def run(arguments, assert_is_expected, run_maskbeam, tmp_path):
    """Converts on another engine, from a directory of a user's; compares."""
    data_generation.write_user_files(tmp_path)

    def convert_there(*flags):
        out = tmp_path / "out"
        done = run_maskbeam(
            *("convert", *arguments, "--output", out, *flags),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": "."},
        )
        assert done.returncode == 0, done.stderr
        assert_is_expected(out)

    return convert_there


@pytest.fixture(scope="module")
def job_service(tmp_path_factory):
    """Beam's own portable job service; gives the flags that name it."""
    port, log = servers.free_port(), tmp_path_factory.mktemp("service") / "log"
    module = "apache_beam.runners.portability.local_job_service_main"
    with servers.serving([sys.executable, "-m", module, f"--port={port}"], port, log):
        yield ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}"]


@pytest.mark.parametrize(
    ("mode", "workers"),
    [("in_memory", 1), ("multi_threading", 5), ("multi_processing", 3)],
)
def test_the_default_runner(mode, workers, run):
    run(f"--direct_running_mode={mode}", f"--direct_num_workers={workers}")


def test_the_job_service_with_workers_of_its_client(run, job_service):
    run(*job_service, "--environment_type=LOOPBACK")


def test_a_job_that_is_stopped_is_cancelled(camvid, job_service, tmp_path):
    out = tmp_path / "out"
    maps = ["--label_maps", f"{camvid}/trainannot/*.png", "--classes=camvid11"]
    command = [sys.executable, "-m", "maskbeam.pipeline", "convert", *maps]
    command += ["--shard_mb=1", "--mask_encoding=uint8", "--output", str(out)]
    command += [*job_service, "--environment_type=LOOPBACK"]
    job = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(out.glob(".unfinished-*/fragments/*")):
        assert job.poll() is None, job.communicate()[1]
        time.sleep(0.02)
    job.terminate()
    errors = job.communicate(timeout=60)[1]
    assert job.returncode == 143, errors
    (line,) = errors.splitlines()
    assert line.startswith("maskbeam: stopped by SIGTERM; ")
    assert "; PortableRunner's job is cancelled; " in line
    time.sleep(5)  # in which a job that goes on would publish
    assert not (out / "manifest.json").exists()


@pytest.mark.parametrize("attempt", range(3))
def test_fresh_worker_processes(attempt, run, job_service, tmp_path):
    """Several bundles at once meet TF Transform's import cycle in each new process."""
    port = servers.free_port()
    module = "apache_beam.runners.worker.worker_pool_main"
    command = [sys.executable, "-m", module, f"--service_port={port}"]
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": "."}
    log = tmp_path / "log"
    with servers.serving(command, port, log, env=environment, cwd=tmp_path):
        run(
            *job_service,
            *("--environment_type=EXTERNAL", f"--environment_config=localhost:{port}"),
        )
    assert "partially initialized" not in log.read_text()


def test_a_package_that_clean_workers_install(run, job_service, tmp_path):
    """Through Beam's own boot program, as in its containers."""
    boot, log = clean_worker.make(tmp_path / "worker"), tmp_path / "log"
    with clean_worker.pool(boot, log) as pool:
        run(
            *(*job_service, "--environment_type=EXTERNAL"),
            *(f"--environment_config={pool}", f"--setup_file={_ROOT}/setup.py"),
        )
    assert "workflow.tar.gz" in log.read_text()


def test_workers_as_the_dockerfile_makes_them(run, job_service, tmp_path):
    """They have all that a job needs: nothing is shipped with it."""
    boot, log = clean_worker.make_by_dockerfile(tmp_path / "worker"), tmp_path / "log"
    with clean_worker.pool(boot, log) as pool:
        run(
            *(*job_service, "--environment_type=EXTERNAL"),
            f"--environment_config={pool}",
        )
    assert "workflow.tar.gz" not in log.read_text()


def test_prism(run, tmp_path):
    clean_worker.go_install(_PRISM, tmp_path)
    run("--runner=PrismRunner", f"--prism_location={tmp_path}/prism")


def _needs_java():
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, and the job server needs it")


@contextlib.contextmanager
def _job_server(engine, log, **environment):
    """Gives the environment in which the launch scripts find it."""
    port = servers.free_port()
    script = _ROOT / "launch_scripts/run_job_server.sh"
    command = ["bash", script, engine, port]
    with servers.serving(command, port, log, env={**os.environ, **environment}):
        yield {**os.environ, "JOB_ENDPOINT": f"localhost:{port}"}


@pytest.mark.parametrize("engine", ["flink", "spark"])
def test_flink_and_spark(engine, arguments, assert_is_expected, tmp_path):
    _needs_java()
    log, out = tmp_path / "log", tmp_path / "out"
    data_generation.write_user_files(tmp_path)
    with _job_server(engine, log) as environment:
        done = subprocess.run(
            [
                *("bash", _ROOT / f"launch_scripts/run_{engine}.sh"),
                *(*arguments, "--output", out),
            ],
            env={**environment, "PYTHONPATH": "."},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr + log.read_text()[-2000:]
    assert_is_expected(out)


def test_a_users_function_on_flink(convert, tmp_path):
    """Two passes of analyzers, and workers that have nothing of the user's."""
    _needs_java()
    data_generation.label_tree(tmp_path, 14, [0, 1, 2, 3], images=True)
    (tmp_path / "own.py").write_text(own_functions.EVERYTHING)
    arguments = [
        *("--label_maps", f"{tmp_path}/labels/*", "--images", f"{tmp_path}/images/*"),
        *("--num_classes", "4", "--split_by", "train=0.7,val=0.3", "--size", "24x32"),
        *("--store", *own_functions.STORED),
        "--preprocessing_fn",
    ]
    expected = convert(tmp_path / "here", *arguments, tmp_path / "own.py")
    log, out = tmp_path / "log", tmp_path / "out"
    with _job_server("flink", log) as environment:
        done = subprocess.run(
            [
                *("bash", _ROOT / "launch_scripts/run_flink.sh"),
                *(*arguments, "own.py", "--output", out),
            ],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr + log.read_text()[-2000:]
    assert reading.checksums(out) == reading.checksums(expected)
    for split in ("train", "val"):
        rows, wanted = (own_functions.rows_of(d, split) for d in (out, expected))
        assert rows.keys() == wanted.keys()
        for key, row in rows.items():
            for name, value in row.items():
                if value.dtype.kind == "f":  # workers add sums up in another order
                    np.testing.assert_allclose(value, wanted[key][name], rtol=1e-5)
                else:
                    np.testing.assert_array_equal(value, wanted[key][name])


@pytest.mark.parametrize("killed", ["python", "taskmanager"])
def test_a_worker_that_dies_in_mid_run(killed, camvid, convert, tmp_path):
    """On a standalone cluster: its work is done again, and nothing is twice."""
    _needs_java()
    given = ["--label_maps", f"{camvid}/trainannot/*.png", "--classes=camvid11"]
    given += ["--shard_mb=1", "--mask_encoding=uint8"]  # many shards, many units
    expected = convert(tmp_path / "expected", *given)
    port, out = servers.free_port(), tmp_path / "out"
    module = "apache_beam.runners.worker.worker_pool_main"
    workers = [sys.executable, "-m", module, f"--service_port={port}"]
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    (tmp_path / "conf").mkdir()
    with (
        flink_cluster.Cluster(tmp_path / "conf") as cluster,
        servers.serving(workers, port, tmp_path / "pool", env=environment) as pool,
        _job_server(
            "flink",
            tmp_path / "log",
            FLINK_MASTER=cluster.address,
            FLINK_CONF_DIR=str(cluster.directory),
        ) as client,
    ):
        job = subprocess.Popen(
            [
                *("bash", _ROOT / "launch_scripts/run_flink.sh"),
                *(*given, "--output", out),
            ],
            env={
                **client,
                "ENVIRONMENT": "EXTERNAL",
                "ENVIRONMENT_CONFIG": f"localhost:{port}",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        while not list(out.glob(".unfinished-*/fragments/*")):
            assert job.poll() is None, job.communicate()[1] + cluster.log()
            time.sleep(0.02)
        if killed == "python":
            subprocess.run(["pkill", "-KILL", "-P", str(pool.pid)], check=True)
        else:
            cluster.worker.kill()
        assert not list(out.glob("*.tfrecord-*"))  # it was in the middle
        if killed == "taskmanager":
            cluster.worker.wait()
            cluster.start_worker()
        errors = job.communicate()[1]
    assert job.returncode == 0, errors + cluster.log()
    assert "restart" in (cluster.directory / "jobmanager.log").read_text().lower()
    assert reading.checksums(out) == reading.checksums(expected)
    assert reading.stats(out) == reading.stats(expected)
