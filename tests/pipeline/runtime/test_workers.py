"""A fresh worker process opens many bundles at once, each in a thread of its own."""

import subprocess
import sys

import pytest

from maskbeam.pipeline.runtime import runners

_PROCESSES = 8

# What `sdk_worker_main` does before it takes work; and then what bundles do: unpickle
# things of TF Transform, whose modules import each other in a circle. Without the first
# step hardly a process gets through.
_WORKER = """
import pickle, sys, threading
from apache_beam.runners.worker import sdk_worker_main

sdk_worker_main._import_beam_plugins(sys.argv[1].split(","))
modules = [
    "tensorflow_transform",
    "tensorflow_transform.analyzer_nodes",
    "tensorflow_transform.analyzers",
    "tensorflow_transform.beam.analyzer_impls",
    "tensorflow_transform.beam.impl",
    "tensorflow_transform.beam.tft_beam_io.transform_fn_io",
    "tensorflow_transform.impl_helper",
    "tensorflow_transform.nodes",
    "tensorflow_transform.output_wrapper",
    "tensorflow_transform.saved.saved_transform_io",
    "tensorflow_transform.tf_metadata.dataset_metadata",
    "tensorflow_transform.tf_metadata.schema_utils",
]
errors, barrier = [], threading.Barrier(len(modules))

def open_bundle(number):
    barrier.wait()
    try:
        for module in modules[number:] + modules[:number]:
            pickle.loads(f"c{module}\\n__name__\\n.".encode())
        from maskbeam.pipeline import flow
    except Exception as error:
        errors.append(repr(error))

threads = [
    threading.Thread(target=open_bundle, args=[n]) for n in range(len(modules))
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit("; ".join(errors) or 0)
"""


@pytest.mark.engines
def test_many_bundles_in_many_fresh_processes():
    options = runners.parse_options(["--runner=PortableRunner"])
    plugins = ",".join(options.get_all_options()["beam_plugins"])
    for _ in range(_PROCESSES):
        done = subprocess.run(
            [sys.executable, "-c", _WORKER, plugins],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
