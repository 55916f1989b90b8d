"""The launch scripts: what they check, and what they hand on."""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from maskbeam.pipeline import arguments

_SCRIPTS = pathlib.Path(__file__).parent.parent / "launch_scripts"
_SOURCED = {"beam_flags.sh", "pythons.sh"}
_DATAFLOW = {
    "PROJECT": "my-project",
    "REGION": "europe-west4",
    "BUCKET": "gs://bucket/some",
}


def _run(script, *flags, **environment):
    return subprocess.run(
        ["bash", _SCRIPTS / script, *flags],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _scripts():
    return sorted(path.name for path in _SCRIPTS.glob("*.sh"))


def test_shellcheck_has_nothing_to_say():
    done = subprocess.run(
        ["shellcheck", "--external-sources", *sorted(_SCRIPTS.glob("*.sh"))],
        cwd=_SCRIPTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", _scripts())
def test_bash_reads_each_to_its_end(script):
    done = subprocess.run(["bash", "-n", _SCRIPTS / script], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("script", sorted(set(_scripts()) - _SOURCED))
def test_each_explains_itself(script):
    done = _run(script, "--help")
    assert done.returncode == 0
    assert f"launch_scripts/{script}" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PROJECT", ""),
        ("PROJECT", "My_Project"),
        ("REGION", "europe"),
        ("BUCKET", "bucket"),
        ("BUCKET", "gs://Bucket"),
        ("JOB_NAME", "Job 1"),
        ("MACHINE_TYPE", "large"),
        ("MAX_WORKERS", "0"),
        ("NUM_WORKERS", "17"),
        ("NUM_WORKERS", "two"),
        ("THREADS", "-1"),
        ("DISK_GB", "50GB"),
        ("IMAGE", "maskbeam"),
        ("SERVICE_ACCOUNT", "me"),
        ("NETWORK", "https://network"),
        ("SUBNETWORK", "default"),
        ("PUBLIC_IPS", "no"),
        ("WAIT", "1"),
        ("LABELS", "Team=vision"),
    ],
)
def test_dataflow_refuses_before_anything_starts(variable, value):
    environment = {**_DATAFLOW, variable: value}
    done = _run("run_dataflow.sh", "--output", "gs://bucket/out", **environment)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"{variable}={value}" in line
    assert done.stdout == ""


@pytest.mark.parametrize("script", ["run_flink.sh", "run_spark.sh"])
def test_engines_refuse_before_anything_starts(script):
    for environment, word in (
        ({"ENVIRONMENT": "CLOUD"}, "is none of"),
        ({"ENVIRONMENT": "EXTERNAL"}, "needs ENVIRONMENT_CONFIG"),
    ):
        done = _run(script, "--output", "out", **environment)
        assert done.returncode == 2
        assert word in done.stderr


@pytest.fixture
def bare(tmp_path):
    """A PATH with so little that scripts start; gives a way to add to it."""
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name))

    def add(name, script):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return str(tmp_path), add


def test_without_a_browser_nothing_is_checked(bare):
    done = _run("run_tests.sh", "--engines", PATH=bare[0], CHROMIUM="")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "install the package chromium" in line
    assert done.stdout == ""


def test_a_browser_that_is_there_is_left_alone(bare):
    path, add = bare
    add("chromium", "")
    add("apt-get", f"echo called >{path}/calls")
    for named in ("", "bash"):
        done = _run("setup_browser.sh", PATH=path, CHROMIUM=named)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = _run("setup_browser.sh", PATH=path, CHROMIUM="no-such-browser")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "CHROMIUM=no-such-browser" in line
    assert "calls" not in os.listdir(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="apt is for root")
def test_root_gets_a_browser(bare):
    path, add = bare
    add("apt-get", f'echo "$@" >>{path}/calls; echo much')
    done = _run("setup_browser.sh", PATH=path, CHROMIUM="")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    update, install = pathlib.Path(path, "calls").read_text().splitlines()
    assert update.endswith(" update")
    assert "--no-install-recommends chromium" in install
    add("apt-get", "echo 'E: no way'; exit 100")
    done = _run("setup_browser.sh", PATH=path, CHROMIUM="")
    assert done.returncode == 2
    assert re.search("the package chromium.*E: no way$", done.stderr)
    assert done.stdout == ""


@pytest.fixture
def recorded(tmp_path):
    """Programs that are not here, and write down what they are called with."""
    calls = tmp_path / "calls"
    for name in ("docker", "gcloud"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\n')
        program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return lambda script, *flags, **environment: (
        _run(script, *flags, PATH=path, **environment),
        calls.read_text() if calls.exists() else "",
    )


def test_an_image_of_this_python_and_beam(recorded):
    import apache_beam

    done, calls = recorded("build_image.sh", "registry.test/maskbeam:1")
    assert done.returncode == 0, done.stderr
    build, push = calls.splitlines()
    version = ".".join(map(str, sys.version_info[:2]))
    assert "--target worker" in build
    assert f"PYTHON_VERSION={version}" in build
    assert f"BEAM_VERSION={apache_beam.__version__}" in build
    assert push == "docker push registry.test/maskbeam:1"


def test_a_flex_template(recorded):
    template, image = "gs://bucket/maskbeam.json", "registry.test/maskbeam:1"
    done, calls = recorded("build_flex_template.sh", template, image)
    assert done.returncode == 0, done.stderr
    build, push, make = calls.splitlines()
    assert "--target template" in build
    assert f"IMAGE={image}" in build
    assert push == f"docker push {image}"
    assert make.startswith(f"gcloud dataflow flex-template build {template} --image")
    metadata = re.search(r"--metadata-file (\S+)", make)
    assert metadata is not None
    assert json.loads(pathlib.Path(metadata[1]).read_text())["parameters"]

    done, calls = recorded("build_flex_template.sh", "template.json", image)
    assert done.returncode == 2


def test_the_template_has_every_option_of_convert():
    """The file is what the declarations make; `make_metadata.py` writes it anew."""
    text = (_SCRIPTS / "flex_template/metadata.json").read_text()
    metadata = _module("flex_template/make_metadata").make_metadata()
    assert json.loads(text) == metadata
    parameters = {found["name"]: found for found in metadata["parameters"]}
    parser = argparse.ArgumentParser(add_help=False)
    arguments.add_arguments(parser, writes=True)
    flags = {action.dest: action for action in parser._actions}
    assert parameters.keys() == flags.keys()
    for name, found in parameters.items():
        assert found["label"]
        assert found["isOptional"] is not flags[name].required
        (regex,) = found["regexes"]
        for choice in flags[name].choices or ():
            assert re.fullmatch(regex, choice)
        assert found["helpText"][1:].startswith((flags[name].help or "?")[1:])


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("label_maps", "train=gs://b/a/*.png val=gs://b/v/*.png", " "),
        ("images_only", "test=gs://b/*.jpg", "gs://b/*.jpg"),
        ("num_classes", "19", "0"),
        ("ignore_label", "255 0", "void"),
        ("record_keys", "label=a/b,image=,key=k", "mask=a"),
        ("split_by", "train=0.8,val=0.2", "train"),
        ("size", "512x1024", "512"),
        ("max_rejected", "0.01", "1 %"),
        ("overwrite", "true", "yes"),
        ("output", "gs://b/out", "/out"),
        ("name", "camvid_11", "11"),
    ],
)
def test_the_template_checks_values(name, good, bad):
    metadata = json.loads((_SCRIPTS / "flex_template/metadata.json").read_text())
    parameters = {found["name"]: found for found in metadata["parameters"]}
    (regex,) = parameters[name]["regexes"]
    assert re.fullmatch(regex, good)
    assert not re.fullmatch(regex, bad)


def test_the_template_hands_values_on():
    launcher = _module("flex_template/launcher")
    given = [
        "--label_maps=train=gs://b/*.png 'val=gs://b/with space/*.png'",
        "--overwrite=true",
        "--presence=false",
        "--size=",
        "--ignore_label=0 255",
        "--name=some",
        "--project=my-project",
        "--streaming",
    ]
    assert list(launcher.convert_arguments(given)) == [
        *("--label_maps", "train=gs://b/*.png", "val=gs://b/with space/*.png"),
        "--overwrite",
        *("--ignore_label", "0", "255"),
        "--name=some",
        "--project=my-project",
        "--streaming",
    ]


def _module(name):
    spec = importlib.util.spec_from_file_location(name, _SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where its dataclasses look for it.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_table_that_is_reckoned():
    estimate = _module("estimate")
    page = _SCRIPTS.parent / "docs/launching.md"
    assert estimate.table(estimate.datasets()) in page.read_text(encoding="utf-8")


def test_an_estimate_by_hand():
    estimate = _module("estimate")
    # 36e12 pixels of 10 ns are 100 core-hours: 25 workers of 4 cores for an hour.
    rows = estimate.Rows("x", 36e6, 1000, 1000, 19, 2e4, 3e5, 10.0)
    assert rows.core_hours == pytest.approx(100)
    assert rows.workers == 25
    assert rows.hours == pytest.approx(1.15)
    # 4 bytes a pixel: 4 rows in 16 MiB.
    assert rows.units == pytest.approx(9e6)
    assert rows.shuffled_bytes == pytest.approx(36e6 * 84 + 9e6 * (700 + 24 * 19))
    machines = 25 * 1.15 * (4 * 0.056 + 16 * 0.003557)
    requests = (4 * 36e6 + 3 * 9e6) * 0.4e-6 + 2 * 9e6 * 5e-6
    shuffle = rows.shuffled_bytes / 1e9 * 0.011
    assert rows.dollars == pytest.approx(machines + requests + shuffle)


def _entries(lock):
    """Each requirement of a lock, with its hashes."""
    text = (_SCRIPTS / lock).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.partition(" --hash")[0].rstrip(): line for line in lines}


@pytest.mark.parametrize("lock", ["requirements.lock", "image.lock"])
def test_a_lock_has_a_hash_of_each_file(lock):
    entries = _entries(lock)
    assert len(entries) > 100
    for requirement, line in entries.items():
        assert re.fullmatch(r"[\w.\[\],-]+==[\w.+]+( ; .+)?", requirement), requirement
        assert re.search(r" --hash=sha256:[0-9a-f]{64}( |$)", line), requirement


def test_the_image_has_what_the_tests_ran_with():
    versions = [
        {entry.partition(" ;")[0] for entry in _entries(lock)}
        for lock in ("image.lock", "requirements.lock")
    ]
    assert versions[0] < versions[1]


def test_the_locks_have_all_that_is_required():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    required = list(map(Requirement, importlib.metadata.requires("maskbeam") or []))
    for lock, extras in (
        ("requirements.lock", ["test"]),
        ("image.lock", ["aws", "gcp"]),
    ):
        locked = {re.split(r"[\[=]", entry)[0] for entry in _entries(lock)}
        wanted = {
            canonicalize_name(one.name)
            for one in required
            if one.marker is None
            or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        }
        assert wanted <= locked
