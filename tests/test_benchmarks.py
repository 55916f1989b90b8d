"""The benchmark in its short form: every contestant does what it is compared by."""

import importlib
import json

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks import compare, epoch, epoch_tf, pages, scenes, startup
from tests.benchmarks.epoch_task import Task, one_hot, timed
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


@pytest.mark.engines
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


@pytest.mark.engines
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
    saved = json.loads((tmp_path / "result.json").read_text())
    assert saved["commit"]
    assert saved["machine"]["cores"]
    assert str(tmp_path) not in saved["command"]
    assert "--data=ade20k" in saved["command"].replace(" ", "=")
    (result,) = saved["results"]
    assert list(result["medians"]) == names
    assert result["classes"] == 150
    for name in names:
        figures = result["medians"][name]
        assert figures["rows"] >= 4
        assert {"rate", "cpu_ns", "startup", "rss", "ratio"} <= set(figures)
        assert ("read" in figures) == ("bytes" in figures) == (name != "decode_only")
    assert result["medians"]["maskbeam"]["ratio"] == 1.0
    assert "maskbeam is x" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--data=cityscape"], "camvid, cityscapes, ade20k"),
        (["--contestants=maskbeam,tfdata"], "tf_data_isal"),
        (["--data=camvid"], "--camvid DIR"),
        (["--data=ade20k", "--mask_encodng=bits"], "--mask_encodng"),
        (["--data=ade20k", "--mask_encoding=rle"], "rle"),
        (["--data=ade20k", "--shard_mb=many"], "'many' is not a whole number"),
        (["--data=ade20k", "--round=1"], "--round"),
        (["--data=ade20k", "--direct_num_workers=two"], "'two'"),
    ],
)
def test_a_wrong_flag_ends_it_before_anything_runs(
    flags, word, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("CAMVID", raising=False)
    monkeypatch.setattr(compare, "measure", lambda *_: pytest.fail("it ran"))
    monkeypatch.setattr("sys.argv", ["compare", f"--work={tmp_path}", *flags])
    with pytest.raises(SystemExit) as ended:
        compare.main()
    assert ended.value.code == 2
    assert word in capsys.readouterr().err


@pytest.mark.engines
def test_startup_in_its_short_form(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(startup, "_ROWS", 3)
    path = tmp_path / "startup.json"
    monkeypatch.setattr(
        "sys.argv",
        ["startup", f"--work={tmp_path}", "--rounds=1", f"--json={path}"],
    )
    startup.main()
    results = json.loads(path.read_text())["results"]
    for name, beside in startup.RATIOS:
        quotient = results[name]["seconds"] / results[beside]["seconds"]
        assert results[name]["ratio"] == pytest.approx(quotient)
    assert results["second convert() in a process"]["seconds"] > 0
    assert "ratio" in capsys.readouterr().out


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.parent.name)
def test_pages_show_the_saved_figures(page):
    """`python -m tests.benchmarks.pages` writes them anew."""
    text = page.read_text(encoding="utf-8")
    assert "<!-- figures: " in text
    assert pages.filled(text) == text


@pytest.mark.engines
@pytest.mark.parametrize("with_one_hot", [False, True], ids=["ids", "one-hot"])
@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("files", ""),
        ("tfrecords", ""),
        ("maskbeam", "bits png"),
        ("maskbeam", "png raw"),
    ],
)
def test_readers_give_what_they_are_compared_by(tmp_path, name, option, with_one_hot):
    rng = np.random.default_rng(0)
    labels = [scenes.draw(rng, _PACKED) for _ in range(3)]
    for folder in ("labels", "images", "own"):
        (tmp_path / folder).mkdir()
    for number, label in enumerate(labels):
        Image.fromarray(label).save(tmp_path / f"labels/{number}.png")
        picture = Image.fromarray(scenes.picture(rng, label))
        picture.save(tmp_path / f"images/{number}.png")
    labels_at, images_at, own = (
        str(tmp_path / folder) for folder in ("labels", "images", "own")
    )
    shape, kind = (40, 56), (own, 0.0, 2, option)
    task = Task(labels_at, images_at, 11, shape, shape, with_one_hot, *kind)
    prepare, read = epoch_tf.CONTESTANTS[name]
    prepare(task)
    epochs = read(task)
    ((images, targets),) = epochs()
    assert images.dtype == np.float32
    assert images.shape == (3, 40, 56, 3)
    assert 0.5 < images.numpy().max() <= 1.0
    ids = np.where(targets.numpy() > 11, 11, targets) if not with_one_hot else targets
    wanted = [one_hot(label, 11) if with_one_hot else label for label in labels]
    found = {np.asarray(one).astype(np.uint8).tobytes() for one in ids}
    assert found == {one.astype(np.uint8).tobytes() for one in wanted}
    figures = timed(task, epochs)
    assert figures["rate"] > 0
    assert 0 <= figures["late"] < 60


def test_reading_has_a_case_for_each_figure():
    names = [case.name for case in epoch.CASES]
    assert names[:5] == ["labels", "jpeg", "jpeg_unit", "png", "resized"]
    assert epoch.CASES[4].kinds == ["png original", "png png", "png raw"]
