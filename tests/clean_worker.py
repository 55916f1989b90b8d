"""Workers that have the locked requirements, but not this project.

Beam's own boot program starts them, as in every SDK container: what a job ships with
--setup_file it installs first.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping

import apache_beam
import pytest

from tests import servers

_BOOT = "github.com/apache/beam/sdks/v2/python/container"


def go_install(package: str, directory: pathlib.Path) -> None:
    """Builds a program of Beam's, of this version."""
    if shutil.which("go") is None:
        pytest.skip(f"go is not installed, and builds {package}")
    subprocess.run(
        ["go", "install", f"{package}@v{apache_beam.__version__}"],
        env={**os.environ, "GOBIN": str(directory), "GOTOOLCHAIN": "auto"},
        check=True,
    )


def make(directory: pathlib.Path) -> pathlib.Path:
    """Makes such a worker; gives the program that starts it."""
    directory.mkdir()
    go_install(_BOOT, directory)
    venv = directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    # The packages are seen from there, but no .pth files: nor, then, this project.
    version = f"python{sysconfig.get_python_version()}"
    packages = venv / "lib" / version / "site-packages"
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib"))
    found = subprocess.run(
        [venv / "bin/python", "-c", "import apache_beam, pipeline"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No module named 'pipeline'" in found.stderr, found.stderr
    boot = directory / "boot.sh"
    boot.write_text(
        "#!/bin/sh\n"
        "unset PYTHONPATH VIRTUAL_ENV\n"
        "export RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1\n"
        f'export PATH="{venv}/bin:$PATH"\n'
        f'cd "{directory}"\n'
        f'exec ./container --semi_persist_dir="{directory}" "$@"\n'
    )
    boot.chmod(0o755)
    return boot


@contextlib.contextmanager
def pool(
    boot: pathlib.Path, log: pathlib.Path, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Serves such workers to whoever asks; gives HOST:PORT."""
    port = servers.free_port()
    module = "apache_beam.runners.worker.worker_pool_main"
    flags = [f"--service_port={port}", f"--container_executable={boot}"]
    command = [sys.executable, "-m", module, *flags]
    with servers.serving(command, port, log, env={**os.environ, **(environment or {})}):
        yield f"localhost:{port}"
