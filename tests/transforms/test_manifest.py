"""Manifest and statistics whose values are of other types than ours."""

import copy
import json
from typing import Any

import pytest

from maskbeam.pipeline.command_line import main
from maskbeam.transforms import record_columns, stored_masks
from maskbeam.transforms.manifest import (
    DamagedDatasetError,
    read_config,
    read_manifest,
    read_stats,
    shards_of,
)
from tests import data_generation as data

_VALUES: list[Any] = [None, "x", [], {}, -1, 0.5, True, [["a"]], "left out"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, convert):
    """Two rows with images, of 3 classes."""
    directory = tmp_path_factory.mktemp("manifest")
    data.label_tree(directory, 2, [0, 1, 2], images=True)
    return convert(
        directory / "out",
        *("--label_maps", f"{directory}/labels/*", "--images", f"{directory}/images/*"),
        *("--num_classes", "3", "--normalize", "zscore"),
    )


def _places(tree, place=()):
    """Finds where there are values, in objects and at the start of lists."""
    inner = []
    if isinstance(tree, dict):
        inner = list(tree.items())
    elif isinstance(tree, list):
        inner = list(enumerate(tree[:2]))
    for name, value in inner:
        yield (*place, name)
        yield from _places(value, (*place, name))


def _read(directory):
    """Reads all that `load` reads of them."""
    manifest = read_manifest(directory)
    config = read_config(manifest)
    shards_of(manifest, "train")
    record_columns.constants_of(read_stats(directory, manifest, config), config)
    stored_masks.of(config)


def _with(tree, place, value):
    changed = copy.deepcopy(tree)
    *way, last = place
    parent = changed
    for name in way:
        parent = parent[name]
    if value == "left out":
        del parent[last]
    else:
        parent[last] = value
    return changed


# What `load` and `inspect` read; the rest is for people, or `verify` reads it.
_READ = {
    "manifest.json": ("format", "options", "splits"),
    "stats.json": ("classes", "splits", "class_weights", "image_mean", "image_std"),
}


@pytest.mark.parametrize("name", _READ)
def test_a_value_of_another_type_is_refused_or_does_no_harm(name, dataset, capfd):
    path = dataset / name
    text = path.read_text()
    tree = json.loads(text)
    refused = 0
    try:
        for place in _places({key: tree[key] for key in _READ[name]}):
            for value in _VALUES:
                path.write_text(json.dumps(_with(tree, place, value)))
                try:
                    _read(str(dataset))
                except (DamagedDatasetError, ValueError):
                    refused += 1
        assert refused > 100
    finally:
        path.write_text(text)


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("manifest.json", ("splits",), {}, "manifest.json is damaged: "),
        ("manifest.json", ("splits", "train", "records"), "2", "got `str`"),
        ("manifest.json", ("options", "boundary"), -1, "a number is too small"),
        ("manifest.json", ("options", "normalize"), "none", "must be one of unit"),
        ("stats.json", ("splits",), {}, "has not the splits of the manifest"),
        ("stats.json", ("class_weights", "median_frequency"), [], "not of 3 classes"),
        ("stats.json", ("image_std",), "left out", "has no moments of images"),
        ("stats.json", ("image_mean",), [0.5, "x", 1], "Expected `float`, got `str`"),
    ],
)
def test_commands_name_the_file(name, place, value, said, dataset, capfd):
    path = dataset / name
    text = path.read_text()
    try:
        path.write_text(json.dumps(_with(json.loads(text), place, value)))
        capfd.readouterr()
        assert main(["inspect", str(dataset)]) == 1
        (line,) = capfd.readouterr().err.splitlines()
    finally:
        path.write_text(text)
    assert line.startswith("maskbeam: ")
    assert name in line
    assert said in line
