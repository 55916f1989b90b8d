"""Dataflow, without Google: a stand-in takes the job, and clean workers do it.

The submission is a real one, with all of its checks; what was staged for the workers is
all that they get.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests import clean_worker, google_services, reading, sample_rows, servers

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]
_ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """Google's storage, on an emulator: the environment that leads to it."""
    port, log = servers.free_port(), tmp_path_factory.mktemp("bucket") / "log"
    command = [sys.executable, "-m", "tests.google_storage", port]
    with servers.serving(command, port, log):
        yield {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}


class _Dataflow:
    """A stand-in that runs jobs on clean workers."""

    def __init__(self, directory, bucket):
        self._directory = directory
        self.services = google_services.Services(self._run)
        account = directory / "account.json"
        url = f"{self.services.url}/token"
        account.write_text(google_services.service_account(url))
        self._storage = {**bucket, "GOOGLE_APPLICATION_CREDENTIALS": str(account)}
        # Beam validates all of a job only where the service has a name in the world.
        proxy = {"HTTP_PROXY": self.services.url, "NO_PROXY": "127.0.0.1,localhost"}
        proxy |= {name.lower(): value for name, value in proxy.items()}
        self.environment = {**os.environ, **self._storage, **proxy}
        self.flags = ["--dataflow_endpoint=http://dataflow.sandbox.test"]
        self.boot = clean_worker.make(directory / "worker")
        self.log = directory / "log"

    @property
    def job(self):
        """The last job's JSON."""
        return list(self.services.jobs.values())[-1]

    def _run(self, job):
        options = job["environment"]["sdkPipelineOptions"]["options"]
        path = self._directory / "options.json"
        path.write_text(json.dumps(options))
        with clean_worker.pool(self.boot, self.log, self._storage) as pool:
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "tests.run_staged"),
                    *(options["pipelineUrl"], path, pool),
                ],
                cwd=_ROOT,
                env={**os.environ, **self._storage},
                capture_output=True,
                text=True,
                check=False,
            )
        ran = done.stdout.strip() == "DONE"
        return google_services.DONE if ran else google_services.FAILED


@pytest.fixture(scope="module")
def dataflow(bucket, tmp_path_factory):
    return _Dataflow(tmp_path_factory.mktemp("dataflow"), bucket)


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    return sample_rows.arguments(
        sample_rows.draw(tmp_path_factory.mktemp("rows") / "sample")
    )


def _launch(dataflow, *arguments, **environment):
    return subprocess.run(
        [
            *("bash", _ROOT / "launch_scripts/run_dataflow.sh"),
            *(*arguments, *dataflow.flags),
        ],
        env={
            **dataflow.environment,
            "PROJECT": "my-project",
            "REGION": "europe-west4",
            "BUCKET": "gs://bucket/some",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_job_on_workers_that_have_only_what_was_staged(
    dataflow, arguments, convert, tmp_path
):
    out = tmp_path / "out"
    done = _launch(
        dataflow,
        *(*arguments, "--output", out),
        NUM_WORKERS="2",
        MAX_WORKERS="40",
        MACHINE_TYPE="c3-standard-8",
        THREADS="3",
        DISK_GB="80",
        SERVICE_ACCOUNT="worker@my-project.iam.gserviceaccount.com",
        SUBNETWORK="regions/europe-west4/subnetworks/some",
        PUBLIC_IPS="false",
        LABELS="team=vision,cost=7",
    )
    assert done.returncode == 0, done.stderr + dataflow.log.read_text()[-3000:]
    assert "Downloaded" in dataflow.log.read_text()  # by boot
    expected = convert(tmp_path / "expected", *arguments)
    assert reading.checksums(out) == reading.checksums(expected)
    assert reading.stats(out) == reading.stats(expected)
    assert reading.rejections(out) == reading.rejections(expected)

    job = dataflow.job
    assert job["labels"] == {"team": "vision", "cost": "7"}
    environment = job["environment"]
    assert environment["serviceAccountEmail"].startswith("worker@")
    (pool,) = environment["workerPools"]
    assert pool["numWorkers"] == 2
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 40
    assert pool["machineType"] == "c3-standard-8"
    assert pool["numThreadsPerWorker"] == 3
    assert pool["diskSizeGb"] == 80
    assert pool["subnetwork"] == "regions/europe-west4/subnetworks/some"
    assert pool["ipConfiguration"] == 2  # WORKER_IP_PRIVATE
    assert "workflow.tar.gz" in [package["name"] for package in pool["packages"]]


def test_an_image_in_place_of_a_package(dataflow, arguments, tmp_path):
    """There is no container to run it in: so far as it is submitted."""
    image = "europe-west4-docker.pkg.dev/my-project/some/maskbeam:1"
    out = tmp_path / "out"
    done = _launch(
        dataflow,
        *(*arguments, "--output", out),
        IMAGE=image,
        WAIT="false",
        JOB_NAME="with-image",
    )
    assert done.returncode == 0, done.stderr
    assert f"the job is handed over; at its end {out} has manifest.json" in done.stdout
    (pool,) = dataflow.job["environment"]["workerPools"]
    (container,) = pool["sdkHarnessContainerImages"]
    assert container["containerImage"] == image
    names = [package["name"] for package in pool["packages"]]
    assert "workflow.tar.gz" not in names
    assert dataflow.job["name"] == "with-image"


def test_a_dry_run_leaves_everything_as_it_is(dataflow, arguments, tmp_path):
    jobs = len(dataflow.services.jobs)
    out = tmp_path / "out"
    done = _launch(dataflow, *arguments, "--output", out, "--dry_run=True")
    assert done.returncode == 0, done.stderr
    assert "nothing was started" in done.stdout
    assert not out.exists()
    assert len(dataflow.services.jobs) == jobs


def test_a_template_writes_a_job_that_nobody_runs_yet(dataflow, arguments, tmp_path):
    """What the launcher of a flex template does."""
    launcher = _ROOT / "launch_scripts/flex_template/launcher.py"
    _, train, val, _, images, _, classes, *flags = arguments
    done = subprocess.run(
        [
            *(sys.executable, launcher),
            *(f"--label_maps={train} {val}", f"--images={images}"),
            *(f"--classes={classes}", *flags),
            *(f"--output={tmp_path}/out", "--overwrite=true", "--presence=false"),
            *("--runner=DataflowRunner", "--project=my-project"),
            *("--region=europe-west4", "--job_name=some", *dataflow.flags),
            *("--temp_location=gs://bucket/temp", "--staging_location=gs://bucket/s"),
            "--template_location=gs://bucket/job.json",
        ],
        env={**dataflow.environment, "MASKBEAM_IMAGE": "registry.test/maskbeam:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the job is handed over" in done.stdout
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    host = dataflow.environment["STORAGE_EMULATOR_HOST"]
    options = {"api_endpoint": host}
    client = storage.Client("p", AnonymousCredentials(), client_options=options)
    job = json.loads(client.bucket("bucket").blob("job.json").download_as_bytes())
    (pool,) = job["environment"]["workerPools"]
    (container,) = pool["sdkHarnessContainerImages"]
    assert container["containerImage"] == "registry.test/maskbeam:1"
