"""Local globs: what Python's `glob` finds, and what it does not say."""

import glob
import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.runtime import local_globs

FILES = [
    "a.png",
    "b.PNG",
    ".hidden.png",
    "x/a.png",
    "x/y/a.png",
    "x/y/z/b.png",
    "x/.h/a.png",
    "x [1]/a.png",
    "y/a.txt",
]
PARTS = ["*", "**", "?.png", "*.png", ".*", "x", "x*", "[xy]", "[[]", "a.png", "y", ""]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "link").symlink_to("x")
    (root / "nowhere.png").symlink_to("missing")
    return root


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4))
@example(["**"])
@example(["**", "*.png"])
@example(["x [[]1]", "*"])
@example(["missing", "*"])
@example(["a.png", "*"])
@settings(max_examples=200, deadline=None, derandomize=True)
def test_files_are_those_of_pythons_glob(tree, parts):
    pattern = "/".join([str(tree), *parts])
    found = [path for path in local_globs.matches(pattern) if not os.path.isdir(path)]
    expected = {
        os.path.normpath(path)
        for path in glob.glob(pattern, recursive=True)
        if not os.path.isdir(path)
    }
    assert {os.path.normpath(path) for path in found} == expected


def test_a_relative_pattern_is_of_the_working_directory(tree, monkeypatch):
    monkeypatch.chdir(tree)
    for pattern in ("*.png", "x/*.png", "*/a.png", "**/b.png"):
        found = {p for p in local_globs.matches(pattern) if not os.path.isdir(p)}
        assert found == set(glob.glob(pattern, recursive=True))


def test_a_link_to_an_ancestor_is_not_followed(tmp_path):
    """Python's `glob` would give each file some forty times."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/x.png").write_text("")
    (tmp_path / "a/b/loop").symlink_to(tmp_path / "a")
    found = list(local_globs.matches(f"{tmp_path}/**/*.png"))
    assert found == [f"{tmp_path}/a/b/x.png"]


def test_a_directory_that_may_not_be_listed_is_an_error(tmp_path, monkeypatch):
    """Root may list all, so it is the call that fails."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_text("")
    scandir = os.scandir

    def denied(path):
        if path.endswith("/b/"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    for pattern in ("*/*.png", "**/*.png", "b/*"):
        with pytest.raises(PermissionError, match="/b/"):
            list(local_globs.matches(f"{tmp_path}/{pattern}"))


def test_a_command_says_which_directory_may_not_be_listed(
    tmp_path, monkeypatch, capsys
):
    from maskbeam.pipeline.command_line import main

    (tmp_path / "a").mkdir()

    def denied(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", denied)
    arguments = ["--label_maps", f"{tmp_path}/**/*.png", "--num_classes", "2"]
    assert main(["plan", *arguments]) == 2
    printed = capsys.readouterr().err
    assert "cannot be listed: [Errno 13] Permission denied" in printed
    assert str(tmp_path) in printed
