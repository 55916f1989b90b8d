"""Workers that have the locked requirements, but not this project.

Beam's own boot program starts them, as in every SDK container: what a job ships with
--setup_file it installs first.
"""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping

import apache_beam
import pytest

from tests import data_generation, servers

_ROOT = pathlib.Path(__file__).parent.parent
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


def locked_venv(directory: pathlib.Path) -> pathlib.Path:
    """Makes a virtual environment of the locked requirements; gives its directory."""
    venv = directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    # The packages are seen from there, but no .pth files: nor, then, this project.
    version = f"python{sysconfig.get_python_version()}"
    packages = venv / "lib" / version / "site-packages"
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib"))
    found = subprocess.run(
        [venv / "bin/python", "-c", "import apache_beam, maskbeam.pipeline"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No module named 'maskbeam'" in found.stderr, found.stderr
    return venv


def make(directory: pathlib.Path) -> pathlib.Path:
    """Makes such a worker; gives the program that starts it."""
    directory.mkdir()
    venv = locked_venv(directory)
    data_generation.write_user_files(directory)
    return _boot(directory, venv)


def make_by_dockerfile(directory: pathlib.Path) -> pathlib.Path:
    """Makes a worker as the Dockerfile's stage `worker` does, without a container.

    Its COPY and RUN lines are done in a directory and a fresh virtual environment of
    this Python; its users, and the image it is based on, are not there.
    """
    image = directory / "image"
    image.mkdir(parents=True)
    venv = directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    text = (_ROOT / "launch_scripts/Dockerfile").read_text().replace("\\\n", " ")
    stage = re.search(r"AS worker\n(.*?)\nFROM ", text, re.DOTALL)
    assert stage is not None
    done = 0
    for line in stage[1].splitlines():
        word, _, rest = line.partition(" ")
        if word == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            for source in sources:
                path = _ROOT / source
                if path.is_dir():
                    shutil.copytree(path, image / target)
                else:
                    shutil.copy(path, image / target)
        elif word == "RUN" and "pip install" in rest:
            programs = f"{venv}/bin:{os.environ['PATH']}"
            environment = {**os.environ, "PATH": programs}
            subprocess.run(rest, shell=True, check=True, cwd=image, env=environment)
            done += 1
        elif word == "ENV":
            assert rest == "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1"  # as `_boot` has
    assert done == 3
    return _boot(directory, venv)


def _boot(directory: pathlib.Path, venv: pathlib.Path) -> pathlib.Path:
    """Builds Beam's boot program; gives a script that starts it as containers do."""
    go_install(_BOOT, directory)
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
