"""A standalone Flink cluster of one machine: a JobManager, and TaskManagers.

It has Flink's own jars alone, as clusters do: what else a job needs it ships.
"""

import contextlib
import json
import pathlib
import subprocess
import time
import urllib.request
from collections.abc import Iterator

from tests import servers

_POM = pathlib.Path(__file__).parent.parent / "launch_scripts/flink-job-server/pom.xml"
_MAIN = "org.apache.flink.runtime"
_OPENED = ("lang", "lang.invoke", "util", "util.concurrent", "net", "nio", "io")
_MEMORY = {
    "framework.heap.size": "128m",
    "framework.off-heap.size": "128m",
    "task.heap.size": "712m",
    "task.off-heap.size": "0",
    "managed.size": "256m",
    "network.min": "256m",
    "network.max": "256m",
    "jvm-metaspace.size": "256m",
    "jvm-overhead.min": "128m",
    "jvm-overhead.max": "128m",
    "process.size": "1864m",
}


class Cluster:
    """A JobManager that runs; use as a context.

    Args:
        directory: of its configuration and logs.
        port: where it takes jobs; any by default.
    """

    def __init__(self, directory: pathlib.Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or servers.free_port()
        self.address = f"localhost:{self.port}"
        jars = directory / "jars"
        subprocess.run(
            [
                *("mvn", "--batch-mode", "--quiet", "--file", _POM),
                *("dependency:build-classpath", "-Dmdep.includeScope=runtime"),
                *("-DexcludeGroupIds=org.apache.beam", f"-Dmdep.outputFile={jars}"),
            ],
            check=True,
        )
        opens = [f"--add-opens=java.base/java.{p}=ALL-UNNAMED" for p in _OPENED]
        self._java = ["java", *opens, "-cp", jars.read_text()]
        settings = {
            "jobmanager.rpc.address": "localhost",
            "jobmanager.bind-host": "localhost",
            "jobmanager.rpc.port": servers.free_port(),
            "jobmanager.memory.process.size": "1024m",
            "rest.address": "localhost",
            "rest.port": self.port,
            "taskmanager.host": "localhost",
            "taskmanager.numberOfTaskSlots": 2,
            "taskmanager.cpu.cores": 2,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 5,
            "restart-strategy.fixed-delay.delay": "1 s",
            "heartbeat.interval": 2000,
            "heartbeat.timeout": 8000,
            **{f"taskmanager.memory.{name}": size for name, size in _MEMORY.items()},
        }
        text = "".join(f"{name}: {value}\n" for name, value in settings.items())
        (directory / "flink-conf.yaml").write_text(text)

    def __enter__(self) -> "Cluster":
        """Starts the JobManager, and one TaskManager."""
        self._open = contextlib.ExitStack()
        command = [
            *(*self._java, f"{_MAIN}.entrypoint.StandaloneSessionClusterEntrypoint"),
            *("--configDir", self.directory, "--executionMode", "cluster"),
        ]
        log = self.directory / "jobmanager.log"
        self._open.enter_context(servers.serving(command, self.port, log))
        self.start_worker()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops all of it."""
        self._open.close()

    def start_worker(self) -> None:
        """Starts a TaskManager, and waits until it has slots to give."""
        self._open.enter_context(self._worker())
        end = time.monotonic() + 60
        while self._free_slots() < 2:
            assert time.monotonic() < end, self.log()
            time.sleep(0.5)

    @contextlib.contextmanager
    def _worker(self) -> Iterator[None]:
        command = [
            *(*self._java, f"{_MAIN}.taskexecutor.TaskManagerRunner"),
            *("--configDir", str(self.directory)),
        ]
        with (self.directory / "taskmanager.log").open("ab") as log:
            self.worker = subprocess.Popen(command, stdout=log, stderr=log)
        worker = self.worker
        try:
            yield
        finally:
            worker.kill()
            worker.wait()

    def _free_slots(self) -> int:
        url = f"http://{self.address}/overview"
        with urllib.request.urlopen(url) as response:
            slots: int = json.load(response)["slots-available"]
            return slots

    def log(self) -> str:
        """The ends of both logs."""
        paths = sorted(self.directory.glob("*.log"))
        return "\n".join(path.read_text()[-2000:] for path in paths)
