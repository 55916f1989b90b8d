"""A fresh worker process opens many bundles at once, each in a thread of its own."""

import subprocess
import sys

import pytest

from maskbeam.pipeline.runtime import runners

_PROCESSES = 8

# What `sdk_worker_main` does before it takes work; and then what bundles do: unpickle
# things of modules that load TensorFlow, all at once.
_WORKER = """
import pickle, sys, threading
from apache_beam.runners.worker import sdk_worker_main

sdk_worker_main._import_beam_plugins(sys.argv[1].split(","))
modules = [
    "tensorflow",
    *(f"maskbeam.pipeline.rows.{name}" for name in ("read", "check", "write")),
    "maskbeam.pipeline.rows.encode",
    "maskbeam.pipeline.dataset.shards",
    "maskbeam.pipeline.dataset.publish",
    "maskbeam.pipeline.planning.units",
    "maskbeam.pipeline.flow",
    "tensorflow_transform",
]
errors, barrier = [], threading.Barrier(len(modules))

def open_bundle(number):
    barrier.wait()
    try:
        for module in modules[number:] + modules[:number]:
            pickle.loads(f"c{module}\\n__name__\\n.".encode())
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
