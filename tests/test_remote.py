"""Object stores, each on an emulator: the dataset is the one that a disk would have."""

import os
import pathlib
import sys

import pytest

from tests import data_generation as data
from tests import google_services, google_storage, reading, sample_rows, servers

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]


class _S3:
    """A bucket of moto's."""

    scheme = "s3"

    def __init__(self, port, directory):
        import boto3

        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self._client = boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        self._client.create_bucket(Bucket="bucket")

    @staticmethod
    def command(port):
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]

    def put(self, name, content):
        self._client.put_object(Bucket="bucket", Key=name, Body=content)

    def objects(self, prefix):
        found = self._client.list_objects_v2(Bucket="bucket", Prefix=prefix)
        for item in found.get("Contents", []):
            stored = self._client.get_object(Bucket="bucket", Key=item["Key"])
            yield item["Key"], stored["Body"].read()


class _Gcs:
    """A bucket of the emulator's."""

    scheme = "gs"

    def __init__(self, port, directory):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        services = google_services.Services()
        account = directory / "account.json"
        account.write_text(google_services.service_account(f"{services.url}/token"))
        self.port = port
        self.environment = {
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
            "GOOGLE_APPLICATION_CREDENTIALS": str(account),
        }
        self._client = storage.Client(
            "project",
            AnonymousCredentials(),
            client_options={"api_endpoint": f"http://127.0.0.1:{port}"},
        )

    @staticmethod
    def command(port):
        return [sys.executable, "-m", "tests.google_storage", port]

    def put(self, name, content):
        self._client.bucket("bucket").blob(name).upload_from_string(content)

    def objects(self, prefix):
        for blob in self._client.bucket("bucket").list_blobs(prefix=prefix):
            yield blob.name, blob.download_as_bytes()


@pytest.fixture(scope="module", params=[_S3, _Gcs], ids=["s3", "gs"])
def store(request, tmp_path_factory):
    port, directory = servers.free_port(), tmp_path_factory.mktemp("store")
    command = request.param.command(port)
    with servers.serving(command, port, directory / "log"):
        yield request.param(port, directory)


@pytest.fixture(scope="module")
def expected(tmp_path_factory, convert):
    """The rows, and the dataset that a disk has."""
    directory = tmp_path_factory.mktemp("disk")
    rows = sample_rows.draw(directory / "sample")
    return rows, convert(directory / "out", *sample_rows.arguments(rows))


@pytest.fixture(scope="module")
def filled(store, expected):
    """The store, with the rows in it."""
    rows, _ = expected
    for path in sorted(rows.rglob("*")):
        if path.is_file():
            store.put(f"in/{path.relative_to(rows)}", path.read_bytes())
    return store


@pytest.fixture
def run(run_maskbeam, tmp_path):
    """Runs a command line beside a store; gives it when it ended."""

    def run_there(store, *arguments, **environment):
        environment = {**os.environ, **store.environment, **environment}
        return run_maskbeam(*arguments, env=environment, cwd=tmp_path)

    return run_there


def _download(store, prefix, directory):
    """Brings all objects below a prefix to a directory."""
    found = {
        name[len(prefix) + 1 :]: content for name, content in store.objects(prefix)
    }
    return data.write_tree(directory, found)


def _names(directory):
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}


def _assert_is(out, expected):
    """Holds a dataset against the one of a disk; only its rows' paths differ."""
    assert reading.checksums(out) == reading.checksums(expected)
    assert reading.stats(out) == reading.stats(expected)
    assert _names(out) == _names(expected)
    for name in ("source", "reason"):
        found, wanted = (
            [row[name].rpartition("/")[2] for row in reading.rejections(directory)]
            for directory in (out, expected)
        )
        assert found == wanted


def test_from_a_store_to_a_store(filled, expected, run, tmp_path):
    root = f"{filled.scheme}://bucket"
    arguments = ["convert", *sample_rows.arguments(f"{root}/in"), "--output"]
    # As a pattern the name means its neighbour.
    filled.put("run1/manifest.json", b"mine")
    filled.put("run1/stats.json", b"mine")
    done = run(filled, *arguments, f"{root}/run[1]")
    assert done.returncode == 0, done.stderr
    out = _download(filled, "run[1]", tmp_path / "out")
    _assert_is(out, expected[1])
    reading.assert_same_graphs(out, expected[1], **sample_rows.raw(expected[0]))
    assert run(filled, "verify", out).returncode == 0

    again = run(filled, *arguments, f"{root}/run[1]")
    assert again.returncode == 2
    assert "--overwrite replaces it" in again.stderr
    # The first run's files go, and no others.
    filled.put("run[1]/other.txt", b"mine")
    anew = run(filled, *arguments, f"{root}/run[1]", "--overwrite", "--name", "anew")
    assert anew.returncode == 0, anew.stderr
    names = _names(_download(filled, "run[1]", tmp_path / "anew"))
    assert names == {
        name.replace("street_sample", "anew") for name in _names(expected[1])
    } | {"other.txt"}
    neighbour = dict(filled.objects("run1/"))
    assert neighbour == {f"run1/{n}.json": b"mine" for n in ("manifest", "stats")}

    taken = run(filled, *arguments, f"{root}/in")
    assert taken.returncode == 2
    assert "is never overwritten" in taken.stderr


def test_workers_in_processes_of_their_own(filled, expected, run, tmp_path):
    root = f"{filled.scheme}://bucket"
    done = run(
        filled,
        *("convert", *sample_rows.arguments(f"{root}/in")),
        *("--output", f"{root}/processes"),
        *("--direct_running_mode", "multi_processing", "--direct_num_workers", "2"),
    )
    assert done.returncode == 0, done.stderr
    _assert_is(_download(filled, "processes", tmp_path / "out"), expected[1])


def test_a_list_that_names_what_is_not_there(filled, expected, run, tmp_path):
    root = f"{filled.scheme}://bucket"
    names = sorted(path.name for path in expected[0].glob("train/labels/scene*"))
    lines = [f"in/train/labels/{name}" for name in (*names, "none.png")]
    filled.put("list.txt", "\n".join(lines).encode())
    done = run(
        filled,
        *("convert", "--label_maps", f"{root}/list.txt", "--output", f"{root}/list"),
        *("--classes", f"{root}/in/classes.yaml", "--max_rejected=0.5"),
    )
    assert done.returncode == 0, done.stderr
    out = _download(filled, "list", tmp_path / "list")
    (rejected,) = reading.rejections(out)
    assert rejected["source"] == f"{root}/in/train/labels/none.png"
    assert "cannot be read" in rejected["reason"]
    assert reading.manifest(out)["splits"]["train"]["records"] == len(names)


def test_flags_of_the_store_reach_all_workers(expected, run, tmp_path):
    """Where the environment says nothing."""
    port, log = servers.free_port(), tmp_path / "log"
    with servers.serving(_S3.command(port), port, log):
        store = _S3(port, tmp_path)
        for path in expected[0].glob("train/labels/*"):
            store.put(f"in/{path.name}", path.read_bytes())
        store.environment = {}
        done = run(
            store,
            *("convert", "--label_maps", "s3://bucket/in/*"),
            *("--output", "s3://bucket/out"),
            *("--classes", expected[0] / "classes.yaml"),
            *("--max_rejected=0.5", f"--s3_endpoint_url=http://127.0.0.1:{port}"),
            *("--s3_access_key_id=key", "--s3_secret_access_key=secret"),
            *("--s3_region_name=us-east-1", "--direct_running_mode=multi_processing"),
        )
        assert done.returncode == 0, done.stderr
        assert "out/manifest.json" in dict(store.objects("out/"))


def test_places_that_cannot_be(filled, expected, run):
    root = f"{filled.scheme}://nowhere"
    local = ["--label_maps", f"{expected[0]}/val/labels/*.png", "--num_classes=3"]
    for command, words in (
        (["convert", *local, "--output", f"{root}/out"], "--output"),
        (["plan", "--label_maps", f"{root}/*.png", "--num_classes=3"], "--label_maps"),
        (["inspect", "s3://bucket/out"], "copy the dataset to a disk"),
        (["convert", *local, "--output", "ftp://out"], "ftp"),
    ):
        done = run(filled, *command)
        assert done.returncode == 2, done.stderr
        # Of Google's client a thread may still be talking of an account's regions.
        lines = done.stderr.splitlines()
        (line,) = (line for line in lines if line.startswith("maskbeam: "))
        assert words in line
        assert "Traceback" not in done.stderr


# Beam's pool of workers in threads tells them no options, which s3:// needs.
@pytest.mark.parametrize("store", [_Gcs], ids=["gs"], indirect=True)
def test_workers_elsewhere(filled, expected, run, tmp_path):
    """They share no disk with the client, and TensorFlow does not reach the store."""
    port, pool = servers.free_port(), servers.free_port()
    beam = "apache_beam.runners"
    service = f"{beam}.portability.local_job_service_main"
    workers = f"{beam}.worker.worker_pool_main"
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    there = {**os.environ, **filled.environment, "PATH": path}
    there["PYTHONPATH"] = str(pathlib.Path(__file__).parent.parent)
    with (
        servers.serving(
            [sys.executable, "-m", service, f"--port={port}"], port, tmp_path / "jobs"
        ),
        servers.serving(
            [sys.executable, "-m", workers, f"--service_port={pool}"],
            *(pool, tmp_path / "pool"),
            env=there,
        ),
    ):
        root = f"{filled.scheme}://bucket"
        done = run(
            filled,
            *("convert", *sample_rows.arguments(f"{root}/in")),
            *("--output", f"{root}/elsewhere", "--runner=PortableRunner"),
            *(f"--job_endpoint=localhost:{port}", "--environment_type=EXTERNAL"),
            f"--environment_config=localhost:{pool}",
        )
    assert done.returncode == 0, done.stderr
    out = _download(filled, "elsewhere", tmp_path / "out")
    _assert_is(out, expected[1])
    reading.assert_same_graphs(out, expected[1], **sample_rows.raw(expected[0]))


@pytest.mark.parametrize("store", [_Gcs], ids=["gs"], indirect=True)
def test_a_dataset_is_read_where_it_is(filled, expected, run, tmp_path):
    """By TensorFlow's own client of gs://."""
    for path in sorted(expected[1].rglob("*")):
        if path.is_file():
            filled.put(f"there/{path.relative_to(expected[1])}", path.read_bytes())
    certificate = google_storage.make_certificate(tmp_path)
    proxy = google_storage.TlsProxy(certificate, filled.port)
    environment = {
        **{name: proxy.url for name in ("HTTPS_PROXY", "https_proxy")},
        **{name: "127.0.0.1,localhost" for name in ("NO_PROXY", "no_proxy")},
        "CURL_CA_BUNDLE": str(certificate),
        "GOOGLE_AUTH_TOKEN_FOR_TESTING": "any",
    }
    for command in ("inspect", "verify"):
        found = run(filled, command, "gs://bucket/there", **environment)
        wanted = run(filled, command, expected[1])
        assert found.returncode == wanted.returncode == 0, found.stderr
        assert found.stdout == wanted.stdout.replace(
            str(expected[1]), "gs://bucket/there"
        )
