"""The benchmark in its short form: every contestant does what it is compared by."""

import importlib
import json

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks import compare, scenes
from tests.benchmarks.job import Job

_DRAWN = scenes.Scenes("ade20k", (40, 56), (*range(1, 151), 0), 9, "jpg", 3)
_PACKED = scenes.Scenes("camvid11", (40, 56), tuple(range(12)), 6, "png", 3)
_WRITERS = [name for name in compare.CONTESTANTS if name != "decode_only"]


@pytest.fixture(
    scope="module",
    params=[(_DRAWN, True), (_PACKED, False)],
    ids=["ade20k with images", "camvid11"],
)
def rows(request, tmp_path_factory):
    """Three rows, drawn: their directory, kind, whether with images, label maps."""
    kind, images = request.param
    directory = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(0)
    labels = []
    for folder in ("labels", "images"):
        (directory / folder).mkdir()
    for number in range(3):
        labels.append(scenes.draw(rng, kind))
        Image.fromarray(labels[-1]).save(directory / f"labels/{number}.png")
        Image.fromarray(scenes.picture(rng, labels[-1])).save(
            directory / f"images/{number}.{kind.image_format}"
        )
    return directory, kind, images, labels


@pytest.mark.parametrize("name", _WRITERS)
def test_contestants_write_what_they_read(name, rows, tmp_path):
    directory, kind, images, labels = rows
    job = Job(
        str(directory / "labels"),
        str(directory / "images") if images else "",
        kind.classes,
        kind.size,
        str(tmp_path),
    )
    contestant = importlib.import_module(f"tests.benchmarks.peer_{name}")
    contestant.write(job)
    (batch,) = contestant.read(job, 4)
    read = list(zip(*(tensor.numpy() for tensor in batch), strict=True))
    wanted = {_one_hot(label, kind).tobytes() for label in labels}
    assert len(read) == 3
    assert {mask.tobytes() for *_, mask in read} == wanted
    for image, *_ in read if images else []:
        assert image.shape == (*kind.size, 3)
        assert 0.5 < image.max() <= 1.0


def _one_hot(label, kind):
    """By the kind's own list of ids, which has the ignored one last."""
    return np.stack([label == value for value in kind.ids[:-1]], -1).astype(np.float32)


def test_the_command_prints_and_saves_every_figure(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(scenes.KINDS, "ade20k", _DRAWN)
    names = ["decode_only", "maskbeam"]
    monkeypatch.setattr(
        "sys.argv",
        ["compare", f"--work={tmp_path}", "--data=ade20k", "--rounds=1"]
        + [f"--contestants={','.join(names)}", f"--json={tmp_path}/result.json"]
        + ["--scale=0.0001"],
    )
    compare.main()
    (result,) = json.loads((tmp_path / "result.json").read_text())
    assert list(result["medians"]) == names
    assert result["classes"] == 150
    for name in names:
        figures = result["medians"][name]
        assert figures["rows"] >= 4
        assert {"rate", "cpu_ns", "startup", "rss", "ratio"} <= set(figures)
        assert ("read" in figures) == ("bytes" in figures) == (name != "decode_only")
    assert result["medians"]["maskbeam"]["ratio"] == 1.0
    assert "maskbeam is x" in capsys.readouterr().out
