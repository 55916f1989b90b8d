"""What is built and installed: one name, which a user's own files do not meet."""

import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests import checkout, clean_worker, reading
from tests import data_generation as data

_ROOT = pathlib.Path(__file__).parent.parent
_LOAD = """
import sys
from maskbeam.transforms import load
rows = load(sys.argv[1], "train").as_numpy_iterator()
print(sorted(row["key"].decode() for row in rows))
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The checkout's copy: a `build/` would leak into a wheel."""
    return checkout.copy(tmp_path_factory.mktemp("checkout") / "maskbeam")


@pytest.fixture(scope="module")
def built(copied, tmp_path_factory):
    """The sdist, and the wheel that is made of it."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", directory]
    subprocess.run(list(map(str, [*command, copied])), check=True, capture_output=True)
    (sdist,), (wheel,) = directory.glob("*.tar.gz"), directory.glob("*.whl")
    return sdist, wheel


def test_the_wheel_has_one_name(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"maskbeam"}
    for folder in ("pipeline", "transforms"):
        expected = {
            f"maskbeam/{path.relative_to(_ROOT)}"
            for pattern in ("*.py", "*.yaml", "*.json", "*.j2", "py.typed")
            for path in (_ROOT / folder).rglob(pattern)
        }
        assert {n for n in names if n.startswith(f"maskbeam/{folder}/")} == expected


def test_the_sdist_has_all_of_the_checkout(built, copied):
    with tarfile.open(built[0]) as sdist:
        files = [member.name for member in sdist.getmembers() if member.isfile()]
    found = {name.partition("/")[2] for name in files}
    expected = {str(p.relative_to(copied)) for p in copied.rglob("*.*")}
    expected = {n for n in expected if (copied / n).is_file() and ".egg" not in n}
    expected = {name for name in expected if "__pycache__" not in name}
    assert expected <= found


def _environment(directory: pathlib.Path, what: pathlib.Path, *flags: str):
    """A fresh virtual environment with it, beside files of a user's."""
    venv = clean_worker.locked_venv(directory)
    pip = [sys.executable, "-m", "pip", "--python", venv / "bin/python", "install"]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(list(map(str, [*pip, *options, *flags, what])), check=True)
    data.write_user_files(directory)
    return venv / "bin"


@pytest.mark.engines
@pytest.mark.parametrize("way", ["wheel", "editable"])
def test_it_converts_beside_a_users_files(way, built, copied, tmp_path, convert):
    bin_path = (
        _environment(tmp_path, built[1])
        if way == "wheel"
        else _environment(tmp_path, copied, "--editable")
    )
    made = data.label_tree(tmp_path, 6, [0, 1, 2])
    given = ["--label_maps", f"{tmp_path}/labels/*.png", "--num_classes=3"]
    expected = convert(tmp_path / "expected", *given)
    several = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    for number, command in enumerate(
        (
            [bin_path / "maskbeam", "convert", *given],
            [bin_path / "maskbeam", "convert", *given, *several],
            [bin_path / "python", "-m", "maskbeam.pipeline", "convert", *given],
        )
    ):
        out = tmp_path / f"out{number}"
        _run(*command, "--output", out, cwd=tmp_path)
        assert reading.checksums(out) == reading.checksums(expected)
        printed = _run(bin_path / "python", "-c", _LOAD, out, cwd=tmp_path)
        assert printed.strip() == str(sorted(made))


def _run(*command: object, cwd: pathlib.Path) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
