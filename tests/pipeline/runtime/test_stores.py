"""Object stores as `files` sees them: names, and no directories."""

import importlib.util
import threading
import time
from concurrent import futures

import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from maskbeam.pipeline.dataset import claim
from maskbeam.pipeline.elements import Entry, Row
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.rows import read
from maskbeam.pipeline.runtime import files, remote_files, runners, stores
from maskbeam.transforms import classes


@pytest.fixture
def bucket(monkeypatch):
    """A bucket of S3's, within this process; gives its client."""
    import boto3
    import moto

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        FileSystems.set_options(PipelineOptions([]))
        yield client


def _keys(client):
    found = client.list_objects_v2(Bucket="bucket").get("Contents", [])
    return sorted(item["Key"] for item in found)


def test_files_and_what_stands_for_directories(bucket):
    root = "s3://bucket/a"
    assert not files.exists(root)
    assert files.is_empty(root)
    files.make_directory(root)
    assert _keys(bucket) == []
    files.write(f"{root}/x.txt", b"0123")
    files.write(f"{root}/b/y.txt", b"4567")
    assert _keys(bucket) == ["a/b/y.txt", "a/x.txt"]  # and nothing temporary
    assert files.exists(root)
    assert files.exists(f"{root}/x.txt")
    assert not files.exists(f"{root}/z.txt")
    assert files.read_part(f"{root}/x.txt", 1, 2) == b"12"
    with pytest.raises(OSError, match="z.txt"):
        files.read(f"{root}/z.txt")
    bucket.put_object(Bucket="bucket", Key="a/b/", Body=b"")  # a console's directory
    found = [(file.path, file.size) for file in files.match(f"{root}/**")]
    assert found == [(f"{root}/b/y.txt", 4), (f"{root}/x.txt", 4)]
    assert [file.path for file in files.match(f"{root}/*.txt")] == [f"{root}/x.txt"]
    files.remove(f"{root}/b")
    assert _keys(bucket) == ["a/x.txt"]
    files.remove(f"{root}/none")


def test_directories_are_written(bucket):
    files.write_all("s3://bucket/to", {"one": b"1", "sub/two": b"22"})
    assert _keys(bucket) == ["to/one", "to/sub/two"]
    assert files.read("s3://bucket/to/sub/two") == b"22"


def test_an_empty_file_is_a_file(bucket):
    """Such as a shard whose rows were all rejected."""
    files.write("s3://bucket/x", b"")
    assert files.read("s3://bucket/x") == b""


def test_names_of_directories_are_no_patterns(bucket):
    files.write("s3://bucket/[ab]/x", b"")
    files.write("s3://bucket/a/x", b"")
    files.remove("s3://bucket/[ab]")
    assert _keys(bucket) == ["a/x"]
    assert files.is_empty("s3://bucket/?")


def test_a_block_that_fails_leaves_nothing(bucket):
    def write_half():
        with files.create("s3://bucket/x") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert _keys(bucket) == []


def test_one_client_for_all_files(bucket, monkeypatch):
    import boto3

    files.write("s3://bucket/x", b"0")
    made = []
    make = boto3.session.Session.client

    def make_and_count(self, *args, **kwargs):
        made.append(1)
        return make(self, *args, **kwargs)

    monkeypatch.setattr(boto3.session.Session, "client", make_and_count)
    for _ in range(5):
        assert files.read("s3://bucket/x") == b"0"
    assert made == []
    FileSystems.set_options(PipelineOptions(["--s3_region_name=eu-west-1"]))
    files.read("s3://bucket/x")
    assert made == [1]  # other options, another client


class _Wrapper:
    """As Beam's: a client, and the stream of one file."""

    def __init__(self, options):
        self.client = object()
        self.stream = None


def test_wrappers_share_a_client_and_no_stream():
    make = stores._copies_of_one(_Wrapper)
    options = object()
    one, other = make(options), make(options)
    one.stream = "of one file"
    assert one.client is other.client
    assert other.stream is make(options).stream is None
    assert make(object()).client is not one.client


def test_each_thread_has_a_client_of_its_own():
    make = stores._one_a_thread(_Wrapper)
    options = object()
    with futures.ThreadPoolExecutor(1) as thread:
        ours = [make(options) for _ in range(2)]
        theirs = [thread.submit(make, options).result() for _ in range(2)]
    assert ours[0] is ours[1]
    assert theirs[0] is theirs[1]
    assert ours[0] is not theirs[0]


def test_somebody_elses_directory_is_not_claimed(bucket):
    bucket.put_object(Bucket="bucket", Key="mine/notes.txt", Body=b"")
    with pytest.raises(UsageError, match="not empty"):
        claim.check_claim("s3://bucket/mine", overwrite=True)
    claim.check_claim("s3://bucket/free", overwrite=False)


def test_a_driver_that_is_missing(monkeypatch):
    remote_files._is_installed.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    try:
        with pytest.raises(ValueError, match=r"pip install 'maskbeam\[aws\]'"):
            files.exists("s3://bucket/x")
    finally:
        remote_files._is_installed.cache_clear()


def test_rows_of_a_store_are_fetched_ahead_and_come_in_order(monkeypatch):
    under_way, most, lock = [], [], threading.Lock()

    def read_row(row, split, _):
        with lock:
            under_way.append(row)
            most.append(len(under_way))
        time.sleep(0.01 * (row.rank % 3))
        with lock:
            under_way.remove(row)
        return row

    monkeypatch.setattr(read, "read_row", read_row)
    options = Options(class_map=classes.numbered(2))
    rows = [
        Row(str(n), n, Entry("label", "train", f"gs://b/{n}.png"), None)
        for n in range(40)
    ]
    found: list[object] = list(read.read_rows(rows, "train", options))
    assert found == rows
    assert 1 < max(most) <= 8


def test_a_dry_run_is_dataflows():
    with pytest.raises(UsageError, match="maskbeam plan"):
        runners.parse_options(["--dry_run=True"])
