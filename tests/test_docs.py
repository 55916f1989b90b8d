"""README and docs: what they show runs as it stands, and what they name is there."""

import argparse
import json
import pathlib
import re
import runpy

import numpy as np
import pytest
import setuptools
from PIL import Image

from launch_scripts import make_options_page
from maskbeam.pipeline import command_line
from maskbeam.pipeline.runtime import beam_flags
from maskbeam.transforms import class_files
from tests import data_generation as data
from tests import doc_pages, own_functions

_MOST_WORDS = 900  # of README.md
_MOST_BYTES = 150_000  # of a picture

# Blocks that do not run here: the page, how the block begins, and why. Of all of them
# the flags are compared with those that there are.
_IN_A_SHELL = "test_docs_in_a_shell.py runs it, in a checkout"
_NOT_RUN = {
    ("CONTRIBUTING.md", "bash launch_scripts/run_tests.sh"): "is the suite itself",
    ("README.md", "bash launch_scripts/run_local.sh"): _IN_A_SHELL,
    ("docs/quickstart.md", "bash launch_scripts/setup_venv.sh"): _IN_A_SHELL,
    ("docs/quickstart.md", "bash launch_scripts/run_model_server.sh"): _IN_A_SHELL,
    ("docs/quickstart.md", "python launch_scripts/serve_sample.py shots"): _IN_A_SHELL,
    ("docs/quickstart.md", "python launch_scripts/train_sample.py"): _IN_A_SHELL,
    ("docs/quickstart.md", "python launch_scripts/serve_sample.py sam"): _IN_A_SHELL,
    ("docs/serving.md", "bash launch_scripts/run_model_server.sh"): _IN_A_SHELL,
    ("docs/launching.md", "bash launch_scripts/run_job_server.sh"): _IN_A_SHELL,
    ("docs/launching.md", "FLINK_MASTER="): _IN_A_SHELL,
    ("docs/launching.md", "bash launch_scripts/build_image.sh"): (
        "needs Google Cloud; test_dataflow.py has stand-ins for its services"
    ),
    ("docs/your_function.md", "python -m tests.benchmarks.compare"): (
        "minutes; test_benchmarks.py runs the contestants in their short form"
    ),
}
# Python of these pages is run by a test of its own.
_ELSEWHERE = {
    "docs/your_function.md": "test_own_function.py",
    "docs/tfx.md": "tests/transforms/test_own_pipelines.py",
}
_SLOW = ("saved_model_cli",)  # a process that imports TensorFlow


# -------------------------------------------------------------- what pages say is there


def _camvid(rows=8, height=360, width=480):
    """Draws a `CamVid` folder in the layout of SegNet's download."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for row in range(rows if split == "train" else 2):
            name = f"0001TP_{row:06}.png"
            label = data.regions(rng, height, width, list(range(12)))
            image = data.picture(rng, height, width)
            contents = {f"{split}annot/{name}": data.png(label)}
            contents[f"{split}/{name}"] = data.png(image)
            data.write_tree(pathlib.Path("CamVid"), contents)


def _dataset(directory="dataset"):
    """Converts the folder above."""
    sides = {
        "label_maps": [f"{s}=CamVid/{s}annot/*.png" for s in ("train", "val")],
        "images": [f"{s}=CamVid/{s}/*.png" for s in ("train", "val")],
    }
    flags = [word for side, globs in sides.items() for word in (f"--{side}", *globs)]
    flags += ["--classes", "camvid11", "--size", "360x480", "--output", directory]
    assert command_line.main(["convert", *flags]) == 0


def _model(classes, size=(None, None)):
    import keras

    model = keras.Sequential([keras.Input((*size, 3)), keras.layers.Conv2D(classes, 1)])
    model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
    return model


def _readme():
    """Masks of 0 and 255 beside photos."""
    rng = np.random.default_rng(0)
    for row in range(20):
        mask = data.regions(rng, 60, 90, [0, 255])
        photo = data.picture(rng, 60, 90)
        contents = {f"masks/{row:02}.png": data.png(mask)}
        contents[f"photos/{row:02}.jpg"] = data.jpeg(photo)
        data.write_tree(pathlib.Path(), contents)
    return {"model": _model(2, (96, 128))}


def _cityscapes():
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for row in range(2):
            name = f"{split}/aachen/aachen_{row:06}_000019_"
            label = data.regions(rng, 32, 64, [7, 8, 11, 26, 33])
            contents = {f"gtFine/{name}gtFine_labelIds.png": data.png(label)}
            image = data.png(data.picture(rng, 32, 64))
            contents[f"leftImg8bit/{name}leftImg8bit.png"] = image
            data.write_tree(pathlib.Path(), contents)


def _label_maps():
    _camvid(2, 36, 48)
    _cityscapes()
    rng = np.random.default_rng(0)
    photo = data.picture(rng, 40, 50)
    contents = {"instances.json": _coco()}
    for row in range(2):
        mask = data.regions(rng, 40, 50, [0, 255])
        label = data.png(data.regions(rng, 40, 50, [0, 1, 2]))
        contents |= {f"scans/{row}.jpg": data.jpeg(mask)}
        contents |= {
            f"prefixed/MSK_{row}.png": label,
            f"drives/a/Labels/{row}.png": label,
        }
        contents |= {f"drives/a/RGB/{row}.png": data.png(photo)}
        contents |= {f"parts/{row}_{n}.png": data.png(mask) for n in ("hair", "l_brow")}
        for name in ("prefixed/IMG_", "pictures/", "faces/"):
            contents[f"{name}{row}.jpg"] = data.jpeg(photo)
    data.write_tree(pathlib.Path(), contents)
    return {}


def _coco():
    """Annotations of COCO's for two pictures, a triangle in each."""
    images = [
        {"id": row, "file_name": f"{row}.jpg", "height": 40, "width": 50}
        for row in range(2)
    ]
    shape = {"category_id": 7, "iscrowd": 0, "area": 200, "bbox": [10, 10, 20, 20]}
    shape["segmentation"] = [[10, 10, 30, 10, 30, 30]]
    shapes = [{**shape, "id": row, "image_id": row} for row in range(2)]
    categories = [{"id": 7, "name": "cup"}]
    tree = {"images": images, "annotations": shapes, "categories": categories}
    return json.dumps(tree).encode()


def _of_dataset():
    _camvid()
    _dataset()
    return {"model": _model(11)}


def _serving():
    _camvid(2)
    _dataset()
    photo = data.picture(np.random.default_rng(0), 50, 70)
    pathlib.Path("street.jpg").write_bytes(data.jpeg(photo))
    return {"model": _model(11)}


def _your_function():
    _camvid(2, 36, 48)
    own_functions.documented(pathlib.Path())
    return {}


_ENGINES = {  # pages that take long
    "docs/dataset.md",
    "docs/label_maps.md",
    "docs/quickstart.md",
    "docs/serving.md",
    "docs/your_function.md",
}
_THERE = {
    "README.md": _readme,
    "docs/label_maps.md": _label_maps,
    "docs/dataset.md": _of_dataset,
    "docs/serving.md": _serving,
    "docs/your_function.md": _your_function,
}


def _reason(page, snippet):
    """Why a block does not run; "" if it does."""
    if snippet.language == "python" and page in _ELSEWHERE:
        return _ELSEWHERE[page]
    for (of, begins), reason in _NOT_RUN.items():
        if page == of and snippet.text.startswith(begins):
            return reason
    return ""


def _is_slow(snippet):
    return snippet.language == "sh" and snippet.text.startswith(_SLOW)


def _runs():
    """The pages that have a block to run."""
    for page in doc_pages.pages():
        blocks = [b for b in doc_pages.snippets(page) if b.language]
        if any(not _reason(page, block) for block in blocks):
            marks = [pytest.mark.engines] if page in _ENGINES else []
            yield pytest.param(page, marks=marks)


# ----------------------------------------------------------------------------- snippets


@pytest.mark.parametrize("page", list(_runs()))
@pytest.mark.timeout(900)
def test_the_snippets_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doc_pages.Runner(page, _THERE.get(page, dict)())
    for snippet in doc_pages.snippets(page):
        if not _reason(page, snippet) and not _is_slow(snippet):
            runner.run(snippet)
    if page == "docs/quickstart.md":
        _check_quickstart()
    for snippet in doc_pages.snippets(page):
        if snippet.text.startswith("dataset/\n"):
            _check_tree(snippet.text)


def _check_quickstart():
    """The page promises a finding, ids in the mask, and a model that has learnt."""
    stats = json.loads(pathlib.Path("dataset/stats.json").read_text())
    assert [one["name"] for one in stats["warnings"]] == ["few_images"]
    found = np.array(Image.open("mask.png"))
    expected = np.array(Image.open("shots/00_mask.png"))
    assert set(np.unique(found)) == {0, 255}
    both, either = found & expected, found | expected
    assert np.count_nonzero(both) > 0.5 * np.count_nonzero(either)


_NOT_ALWAYS = {"rejected/", "preprocessing/"}


def _check_tree(text):
    """All files are there that a page draws; the number of shards may be another."""
    top, *lines = text.splitlines()
    names = []
    for line in lines:
        drawn = line.strip().partition("   ")[0].split()  # then what they are
        names += [name for name in drawn if name not in _NOT_ALWAYS]
    assert len(names) >= 6
    for name in names:
        begins = name.partition("-of-")[0].rstrip("/")
        assert list(pathlib.Path(top).glob(f"{begins}*")), name


@pytest.mark.engines  # each starts a process that imports TensorFlow
def test_slow_snippets_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slow = [
        (page, snippet)
        for page in doc_pages.pages()
        for snippet in doc_pages.snippets(page)
        if _is_slow(snippet)
    ]
    assert slow
    _serving()
    for page, snippet in slow:
        doc_pages.Runner(page, {}).run(snippet)


def test_what_does_not_run_is_there():
    for page, begins in _NOT_RUN:
        texts = [snippet.text for snippet in doc_pages.snippets(page)]
        assert sum(text.startswith(begins) for text in texts) == 1, (page, begins)


_FLAG = re.compile(r"(?<![\w-])--[a-z]\w*(?:[-_]\w+)*")


def _commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by its name."""
    parser = command_line._parser()
    (choices,) = [
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    return dict(choices)


def _flags_that_are():
    """All flags: of each command, of Beam, and what scripts say of theirs."""
    known = set(beam_flags.names()) | {"--help", "--version"}
    for one in _commands().values():
        known |= set(one._option_string_actions)
    for folder in ("launch_scripts", "tests/benchmarks", "tests/fuzz"):
        for path in (doc_pages.ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".sh"):
                known |= set(_FLAG.findall(path.read_text(encoding="utf-8")))
    return known


# Of other programs: TFDS, saved_model_cli, Beam's pool, mypy.
_OF_OTHERS = {"--file_format", "--dir", "--all", "--service_port", "--worker_pool"}
_OF_OTHERS |= {"--strict"}


_OF_NOW = [page for page in doc_pages.pages() if page != "CHANGELOG.md"]


@pytest.mark.parametrize("page", _OF_NOW)
def test_flags_that_a_page_names_are_there(page):
    texts = [snippet.text for snippet in doc_pages.snippets(page)]
    named = {
        flag
        for text in [*texts, *doc_pages.inline_code(page)]
        for flag in _FLAG.findall(text)
    }
    assert not named - _flags_that_are() - _OF_OTHERS


# ------------------------------------------------------------------------ what is there


@pytest.mark.parametrize("page", doc_pages.pages())
def test_links_lead_somewhere(page):
    assert doc_pages.broken(page) == []


def test_the_checker_of_links_finds_broken_ones(tmp_path, monkeypatch):
    page = (
        "[a](there.md#a-heading-of-2) [b](there.md#none) [c](gone.md) [d](#me)\n# Me\n"
    )
    (tmp_path / "page.md").write_text(page)
    (tmp_path / "there.md").write_text("# A `heading`, of 2\n")
    monkeypatch.setattr(doc_pages, "ROOT", tmp_path)
    doc_pages.text_of.cache_clear()
    assert doc_pages.broken("page.md") == ["there.md#none", "gone.md"]
    doc_pages.text_of.cache_clear()


def test_readme_is_short():
    assert len(doc_pages.text_of("README.md").split()) <= _MOST_WORDS


def test_readme_leads_to_all_pages():
    docs = pathlib.Path("docs")
    led = {link.partition("#")[0] for link in doc_pages.links("README.md")}
    found = {
        page for page in doc_pages.pages() if pathlib.Path(page).is_relative_to(docs)
    }
    assert found <= led


def _long_description(monkeypatch):
    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **more: given.update(more))
    runpy.run_path(str(doc_pages.ROOT / "setup.py"))
    return given["long_description"]


def test_links_of_a_package_page_are_absolute_where_there_is_a_url(monkeypatch):
    readme = doc_pages.text_of("README.md")
    monkeypatch.delenv("MASKBEAM_URL", raising=False)
    assert _long_description(monkeypatch) == readme
    url = "https://example.org/maskbeam/blob/v1"
    monkeypatch.setenv("MASKBEAM_URL", f"{url}/")
    found = doc_pages.links_of(_long_description(monkeypatch))
    wanted = [f"{url}/{link}" for link in doc_pages.links("README.md")]
    assert [link.removesuffix("?raw=true") for link in found] == wanted
    assert all((".png" in link) == ("?raw=true" in link) for link in found)


def test_pictures_are_small():
    for path in (doc_pages.ROOT / "docs").glob("*.png"):
        assert path.stat().st_size < _MOST_BYTES


def test_the_options_are_those_declared():
    page = make_options_page.PATH.read_text(encoding="utf-8")
    assert make_options_page.filled(page) == page
    assert "--label_maps" in page


def test_all_presets_are_named():
    named = set(doc_pages.inline_code("docs/label_maps.md"))
    assert set(class_files.preset_names()) <= named


def test_all_commands_are_named():
    text = doc_pages.text_of("docs/options.md")
    assert set(_commands()) == set(re.findall(r"`maskbeam (\w+)", text))


# ----------------------------------------------------------------------------- messages

_ENTRY = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
_TROUBLES = "docs/troubleshooting.md"


def _entries():
    return _ENTRY.findall(doc_pages.text_of(_TROUBLES))


def test_messages_of_the_page_are_the_sources():
    said = doc_pages.messages(("pipeline", "transforms"))
    entries = _entries()
    assert len(entries) > 100
    stale = [e for e in entries if not any(doc_pages.matches(e, one) for one in said)]
    assert not stale


_RAISED = ("UsageError", "BadDataError", "RunnerError", "RejectedError", "OwnCodeError")


def test_the_page_has_all_messages_that_are_raised():
    entries = _entries()
    raised = doc_pages.raised(("pipeline", "transforms"), _RAISED)
    assert len(raised) > 100
    missing = [m for m in raised if not any(doc_pages.matches(e, m) for e in entries)]
    assert not missing


def test_no_message_of_the_page_is_there_twice():
    entries = _entries()
    assert len(set(entries)) == len(entries)


def test_words_match_in_their_order():
    assert doc_pages.matches("a ... c", "x a b c")
    assert not doc_pages.matches("c ... a", "x a b c")
    assert not doc_pages.matches("a d", "x a b c")
