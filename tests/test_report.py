"""The report of a run: its numbers, its findings, its page, and the page made again."""

import collections
import json
import math

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import jsonschema
import numpy as np
import pytest

from launch_scripts import make_stats_schema
from maskbeam.pipeline import UsageError, arguments, repeating
from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.rows import looks
from maskbeam.pipeline.rows.run_lengths import Runs, runs_of
from maskbeam.pipeline.runtime import beam_flags
from tests import data_generation as data
from tests import html_pages, reading
from tests.rarely import rarely

K = 4
CELLS = 16
NAMES = ["<script>alert(1)</script>", "b", "c", "d"]
SIZES = [(24, 32), (40, 40), (150, 310)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Rows of two splits and several sizes, with images; some pixels are ignored."""
    directory = tmp_path_factory.mktemp("rows")
    labels = {
        split: data.label_tree(
            directory / split,
            count,
            [0, 1, 2, 255],
            size=lambda i: SIZES[i % 3],
            images=True,
            seed=count,
        )
        for split, count in (("train", 7), ("val", 4))
    }
    classes = [{"name": name, "ids": [n]} for n, name in enumerate(NAMES)]
    tree = {"name": "four", "classes": classes, "ignore": [255]}
    (directory / "classes.yaml").write_text(json.dumps(tree))
    return directory, labels


def _flags(directory, *more):
    splits = "train", "val"
    return [
        *("--label_maps", *(f"{s}={directory}/{s}/labels/*" for s in splits)),
        *("--images", *(f"{s}={directory}/{s}/images/*" for s in splits)),
        *("--classes", f"{directory}/classes.yaml"),
        *more,
    ]


@pytest.fixture(scope="module")
def dataset(rows, convert, tmp_path_factory):
    return convert(tmp_path_factory.mktemp("made") / "out", *_flags(rows[0]))


def _page(directory):
    return html_pages.read((directory / "report.html").read_text(encoding="utf-8"))


# ----------------------------------------------------------------------------- numbers


def test_the_counts_are_numpys(rows, dataset):
    stats = reading.stats(dataset)
    for split, labels in rows[1].items():
        found = stats["splits"][split]
        present = {k: np.setdiff1d(label, [255]) for k, label in labels.items()}
        occur = collections.Counter(map(len, present.values()))
        assert found["classes_in_rows"] == [occur[n] for n in range(K + 1)]
        assert found["masks_of_one_class"] == occur[1]
        assert found["images_of_one_color"] == found["turned_images"] == 0
        assert found["source_rows"] == len(labels)
        shares = [np.mean(label == 255) for label in labels.values()]
        bins = [0 if s == 0 else 11 if s == 1 else 1 + int(10 * s) for s in shares]
        assert found["ignored_shares"] == [bins.count(n) for n in range(12)]
        for number, most in enumerate(found["most"]):
            pixels = {k: np.count_nonzero(v == number) for k, v in labels.items()}
            if most is None:
                assert not any(pixels.values())
            else:
                assert most["pixels"] == max(pixels.values()) == pixels[most["key"]]
    together = np.zeros((K, K), int)
    for label in (label for labels in rows[1].values() for label in labels.values()):
        here = [n in label for n in range(K)]
        together += np.outer(here, here)
    assert stats["co_occurrence"] == together.tolist()


def test_heat_maps_are_numpys(rows, dataset):
    found = reading.stats(dataset)["heat_maps"]
    assert (found["rows"], found["columns"]) == (CELLS, CELLS)
    counts = np.zeros((K + 1, CELLS, CELLS), int)
    for label in (label for labels in rows[1].values() for label in labels.values()):
        height, width = label.shape
        down, right = (min(8, max(1, side // CELLS)) for side in label.shape)
        for y in range(0, height, down):
            for x in range(0, width, right):
                cell = y * CELLS // height, x * CELLS // width
                counts[min(label[y, x], K)][cell] += 1
    assert found["classes"] == counts[:K].reshape(K, -1).tolist()
    assert found["sampled"] == counts[:K].sum(0).ravel().tolist()


def test_the_page_has_the_numbers_of_the_sources(rows, dataset):
    table = _page(dataset).by_id("classes")
    cells = {}
    for row in table.all("tr"):
        for cell in row.all("td"):
            if "data-of" in cell.attributes:
                found = cell.attributes
                place = row.attributes["data-class"], found["data-of"]
                cells[place, found["data-split"]] = int(found["data-value"])
    for split, labels in rows[1].items():
        for number, name in enumerate(NAMES):
            pixels = [np.count_nonzero(label == number) for label in labels.values()]
            assert cells[(name, "class_pixels"), split] == sum(pixels)
            assert cells[(name, "class_images"), split] == np.count_nonzero(pixels)


@hypothesis.given(
    hypothesis.extra.numpy.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.integers(0, 2),
    )
)
@hypothesis.example(np.zeros((1, 1), np.uint8))
@hypothesis.example(np.eye(7, dtype=np.uint8))
def test_stray_pixels_are_those_of_small_pieces(index):
    assert looks.stray_pixels(index) == sum(n for n in _pieces(index) if n < 4)
    stray = looks.stray_pixels(index) > 0.01 * index.size
    assert looks.is_stray(runs_of(index), index.shape) == stray


def test_what_is_not_looked_at_is_not_counted():
    noise = Runs(np.zeros((1 << 25) + 1, np.uint8), None)
    assert looks.is_stray(noise, ((1 << 25) + 1, 1)) is None


@pytest.mark.parametrize("top", [0, 500])
def test_of_large_label_maps_the_middle_is_looked_at(top):
    index = np.zeros((1200, 700), np.uint8)
    lines = slice(top, top + 100)
    index[lines, 100:600:2] = np.random.default_rng(0).integers(0, 9, (100, 250))
    assert looks.is_stray(runs_of(index), index.shape) == (top == 500)


def _pieces(index):
    """The sizes of connected pieces that do not touch the left or the right side."""
    left = {(y, x) for y in range(index.shape[0]) for x in range(index.shape[1])}
    while left:
        waiting, piece = [left.pop()], set()
        while waiting:
            y, x = place = waiting.pop()
            piece.add(place)
            around = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
            for other in around & left:
                if index[other] == index[place]:
                    left.remove(other)
                    waiting.append(other)
        if not {x for _, x in piece} & {0, index.shape[1] - 1}:
            yield len(piece)


@pytest.mark.parametrize(
    "flags", [["--tile", "64x64"], *rarely([], ["--size", "20x20"])]
)
def test_verify_computes_it_again(flags, rows, convert, tmp_path, capsys):
    out = convert(tmp_path / "out", *_flags(rows[0], *flags))
    assert main(["verify", str(out)]) == 0
    stats = reading.stats(out)
    stats["heat_maps"]["classes"][1][40] = stats["co_occurrence"][0][1] = 10**6
    stats["splits"]["val"]["ignored_shares"][3] = 10**6
    stats["splits"]["train"]["masks_of_one_class"] = 10**6
    (out / "stats.json").write_text(json.dumps(stats))
    reading.reseal(out)
    capsys.readouterr()
    assert main(["verify", str(out)]) == 1
    faults = capsys.readouterr().err.splitlines()
    for name in ("heat_maps of all splits", "co_occurrence of all splits"):
        assert any(f"{name} is not what the records' pixels give" in f for f in faults)
    for name in ("ignored_shares of val", "masks_of_one_class of train"):
        assert any(f"{name} is not what the records' pixels give" in f for f in faults)
    assert len(faults) == 4


def test_the_schema_is_what_readers_ask(dataset):
    schema = json.loads(make_stats_schema.PATH.read_text(encoding="utf-8"))
    assert schema == make_stats_schema.make_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    stats = reading.stats(dataset)
    jsonschema.validate(stats, schema)
    described = schema["$defs"]
    assert stats.keys() == described["Stats"]["properties"].keys()
    of_splits = described["SplitStats"]["properties"].keys()
    for split in stats["splits"].values():
        # Of some class maps, and of label maps that are drawn.
        assert split.keys() == of_splits - {"moved_pixels", "overlapping"}
    stats["splits"]["val"]["most"][0] = {"key": "k", "pixels": -1}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(stats, schema)


# --------------------------------------------------------------------------- the page


def test_what_is_shown(rows, dataset):
    """Each class is, where it occurs; and rows are those that stats.json names."""
    pictures = reading.stats(dataset)["pictures"]
    labels = rows[1]
    shown = [labels[one["split"]][one["key"]] for one in pictures]
    assert {n for label in shown for n in np.unique(label)} == {0, 1, 2, 255}
    ranked = [one for one in pictures if one["why"] == "by chance"]
    assert len(ranked) == 11  # all there are
    page = _page(dataset)
    assert page.by_id("pictures") is not None
    drawn = [e for e in page.all("img") if "jpeg" in e.attributes["src"]]
    assert len(drawn) == 2 * len(pictures)  # the image and the overlay
    (head,) = page.all("h1")
    assert head.text == "four"
    assert "alert(1)" in page.text
    assert not list(page.all("script"))


def test_no_pictures_and_no_report(rows, convert, tmp_path):
    flags = _flags(rows[0], "--size", "20x20")
    out = convert(tmp_path / "none", *flags, "--report_pictures", "0")
    assert reading.stats(out)["pictures"] == []
    assert "jpeg" not in (out / "report.html").read_text()
    assert _page(out).by_id("places") is not None
    out = convert(tmp_path / "without", *flags, "--no_report")
    assert not (out / "report.html").exists()
    assert "report.html" not in reading.manifest(out)["files"]
    assert main(["verify", str(out)]) == 0


def test_few_pictures_show_each_class(rows, convert, tmp_path):
    out = convert(tmp_path / "out", *_flags(rows[0], "--report_pictures", "1"))
    pictures = reading.stats(out)["pictures"]
    assert [one["why"] for one in pictures].count("by chance") == 1
    shown = [rows[1][one["split"]][one["key"]] for one in pictures]
    assert {n for label in shown for n in np.unique(label)} == {0, 1, 2, 255}


def test_it_is_made_again(dataset, tmp_path, capsys):
    """The same, but for nothing; elsewhere or in its place."""
    page = (dataset / "report.html").read_bytes()
    other = tmp_path / "other.html"
    assert main(["report", str(dataset), "--output", str(other)]) == 0
    assert other.read_bytes() == page
    assert capsys.readouterr().out == f"the report is at {other}\n"
    (dataset / "report.html").write_text("mine now")
    assert main(["verify", str(dataset)]) == 0
    assert "maskbeam report makes it again" in capsys.readouterr().out
    assert main(["report", str(dataset)]) == 0
    assert (dataset / "report.html").read_bytes() == page
    (dataset / "report.html").unlink()
    assert main(["verify", str(dataset)]) == 0
    assert "report.html: the file is missing" in capsys.readouterr().out
    assert main(["report", str(dataset)]) == 0
    assert main(["verify", str(dataset)]) == 0
    assert "note" not in capsys.readouterr().out


def test_a_dataset_of_an_earlier_version(rows, convert, tmp_path, capsys):
    out = convert(tmp_path / "out", *_flags(rows[0], "--no_report"))
    stats = reading.stats(out)
    for name in ("heat_maps", "co_occurrence", "pictures"):
        del stats[name]
    for split in stats["splits"].values():
        for name in ("classes_in_rows", "ignored_shares", "most", "stray_pixels"):
            del split[name]
    (out / "stats.json").write_text(json.dumps(stats))
    manifest = reading.manifest(out)
    for name in ("made", "command"):
        del manifest[name]
    (out / "manifest.json").write_text(json.dumps(manifest))
    reading.reseal(out)
    assert main(["verify", str(out)]) == 0
    # Whatever is there under its name is somebody else's.
    (out / "report.html").write_text("mine")
    assert main(["report", str(out)]) == 2
    assert "is not maskbeam's: say --output FILE" in capsys.readouterr().err
    (out / "report.html").unlink()
    assert main(["report", str(out)]) == 0
    page = _page(out)
    assert page.by_id("pictures") is not None
    assert page.by_id("places") is None
    assert main(["verify", str(out)]) == 0
    (out / "report.html").write_text("mine")
    flags = [*_flags(rows[0]), "--no_report", "--overwrite", "--output", str(out)]
    assert main(["convert", *flags]) == 0
    assert not (out / "report.html").exists()  # it was ours


def test_overwriting_leaves_a_page_that_is_not_ours(rows, convert, tmp_path, capsys):
    out = convert(tmp_path / "out", *_flags(rows[0], "--no_report"))
    (out / "report.html").write_text("mine")
    convert(out, *_flags(rows[0]), "--overwrite", code=2)
    assert "report.html is not maskbeam's" in capsys.readouterr().err
    assert (out / "manifest.json").exists()
    convert(out, *_flags(rows[0]), "--no_report", "--overwrite")
    assert (out / "report.html").read_text() == "mine"


def test_no_file_of_the_dataset_becomes_a_report(dataset, capsys):
    for name in ("stats.json", "serving/report.html", "new.html"):
        assert main(["report", str(dataset), "--output", str(dataset / name)]) == 2
        assert "is in the dataset" in capsys.readouterr().err
    own = str(dataset / "report.html")
    assert main(["report", str(dataset), "--output", own]) == 0
    assert main(["verify", str(dataset)]) == 0
    assert "note" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def bad_rows(tmp_path_factory):
    """Of eight label maps one is damaged, and two have a value that is unknown."""
    directory = tmp_path_factory.mktemp("bad")
    labels = data.label_tree(directory, 8, [0, 1])
    for key in ("row_002", "row_004"):
        label = labels[key].copy()
        label[3:9] = 77
        (directory / f"labels/{key}.png").write_bytes(data.png(label))
    (directory / "labels/row_006.png").write_bytes(b"no picture")
    return directory


def test_rejected_rows_are_shown(bad_rows, convert, tmp_path, capsys):
    flags = ["--label_maps", f"{bad_rows}/labels/*", "--num_classes", "2"]
    out = convert(tmp_path / "out", *flags, "--max_rejected", "0.5")
    section = _page(out).by_id("rejected")
    (reasons,) = (t for t in section.all("table") if t.attributes["id"] == "reasons")
    values = (cell.attributes.get("data-value") for cell in reasons.all("td"))
    assert [int(value) for value in values if value] == [2, 1]
    assert "77" in section.text
    assert len(list(section.all("img"))) == 1  # of the value that is unknown
    refused = tmp_path / "refused"
    assert main(["convert", *flags, "--output", str(refused)]) == 1
    page = _page(refused)
    assert "No dataset was made" in page.text or "no dataset" in page.text.lower()
    assert "--max_rejected is 0" in page.text
    assert len(list(page.by_id("rejected").all("img"))) == 1
    # Later nobody opens what rejections name.
    capsys.readouterr()
    assert main(["report", str(refused)]) == 0
    page = _page(refused)
    assert not list(page.all("img"))
    assert "77" in page.by_id("rejected").text
    assert main(["convert", *flags, "--output", str(refused)]) == 2
    mended = [*flags, "--max_rejected=0.5", "--overwrite", "--no_report"]
    assert main(["convert", *mended, "--output", str(refused)]) == 0
    assert not (refused / "report.html").exists()


def test_what_is_no_dataset(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "manifest.json is missing" in capsys.readouterr().err


def test_a_damaged_dataset_is_one_line(dataset, rows, convert, tmp_path, capsys):
    out = convert(tmp_path / "out", *_flags(rows[0]))
    stats = reading.stats(out)
    stats["heat_maps"]["classes"][0].pop()
    (out / "stats.json").write_text(json.dumps(stats))
    capsys.readouterr()
    assert main(["report", str(out)]) == 1
    assert "has heat maps of different sizes" in capsys.readouterr().err
    stats = reading.stats(dataset)
    (out / "stats.json").write_text(json.dumps(stats))
    for shard in out.glob("*.tfrecord*"):
        shard.write_bytes(shard.read_bytes()[:-9])
    assert main(["report", str(out)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_report_that_cannot_be_drawn_costs_itself(
    rows, convert, tmp_path, monkeypatch, capsys
):
    from maskbeam.pipeline.report import page

    def fail(_):
        raise ValueError("the ink is dry")

    monkeypatch.setattr(page, "render", fail)
    out = convert(tmp_path / "out", *_flags(rows[0]))
    assert "no report could be made" in capsys.readouterr().err
    (finding,) = (w for w in reading.stats(out)["warnings"] if w["name"] == "no_report")
    assert "the ink is dry" in finding["message"]
    monkeypatch.undo()
    assert main(["report", str(out)]) == 0
    assert main(["verify", str(out)]) == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("verdict.json", "5"),
        ("verdict.json", "[" * 100_000),
        ("verdict.json", '{"reason": 5, "rejected": "x", "records": {}}'),
        ("rejected-train.jsonl", "{"),
        ("rejected-train.jsonl", '{"key": 1}'),
    ],
)
def test_what_a_stranger_left_is_one_line(name, content, tmp_path, capsys):
    whole = {"reason": "all bad", "rejected": 1, "records": 0}
    (tmp_path / "rejected").mkdir()
    (tmp_path / "rejected/verdict.json").write_text(json.dumps(whole))
    assert main(["report", str(tmp_path)]) == 0
    (tmp_path / "report.html").unlink()
    (tmp_path / "rejected" / name).write_text(content)
    capsys.readouterr()
    assert main(["report", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in line
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("gs://bucket/train/*.png", "gs://bucket/train/*.png"),
        ("gs://bucket/frame_????.png", "gs://bucket/frame_????.png"),
        ("s3://key:sec/r@t@host/x", "s3://...@host/x"),
        ("https://token@host/x", "https://...@host/x"),
        ("train=hdfs://u:pa/ss@h/x", "train=hdfs://...@h/x"),
        ("https://h/x?X-Sig=a b=c", "https://h/x?..."),
        ("https://h/x#token=t", "https://h/x#..."),
        ("https://h/x;jsessionid=t", "https://h/x;..."),
        ("abfs://container@account/x", "abfs://container@account/x"),
        ("/data/a?b=1/*.png", "/data/a?b=1/*.png"),
    ],
)
def test_secrets_of_urls_are_struck_out(given, shown):
    assert repeating.without_secrets(given) == shown


def test_what_can_be_read_once_is_read_once(rows, tmp_path):
    label_maps = (f"{s}={rows[0]}/{s}/labels/*" for s in ("train", "val"))
    found = arguments.from_given(
        {
            "label_maps": label_maps,
            "exclude": (name for name in ["*_000*"]),
            "size": (side for side in (20, 24)),
            "num_classes": 3,
            "output": tmp_path,
        }
    )
    assert found.exclude == ("*_000*",)
    assert found.size == (20, 24)
    assert {source.split for source in found.label_maps} == {"train", "val"}
    assert found.flags[:1] == ("--label_maps",)
    assert found.flags[3:] == (
        *("--exclude", "*_000*", "--size", "20x24"),
        *("--num_classes", "3", "--output", str(tmp_path)),
    )
    with pytest.raises(UsageError, match="must be HEIGHTxWIDTH"):
        arguments.from_given({"label_maps": "a.png", "num_classes": 3, "size": 512})


def test_the_command_has_beams_flags_as_beam_has_them():
    flags = ["--no_pipeline_type_check", "--runner=FlinkRunner", "--flink_master=me:1"]
    command = repeating.command((), beam_flags.read(flags))
    assert command.split()[2:] == [
        *("--flink_master=...", "--no_pipeline_type_check", "--runner=FlinkRunner"),
    ]
    beam_flags.read(command.split()[2:])


def test_the_command_says_no_secret(rows, convert, tmp_path):
    given = ["--label_maps", f"{rows[0]}/train/labels/*", "--num_classes", "256"]
    beam = ["--direct_num_workers=1", "--s3_secret_access_key=geheim"]
    out = convert(tmp_path / "it's out", *given, *beam)
    command = reading.manifest(out)["command"]
    assert command.startswith("maskbeam convert --label_maps ")
    assert "--num_classes 256" in command
    assert "--direct_num_workers=1" in command
    assert "--s3_secret_access_key=..." in command
    assert "geheim" not in (out / "report.html").read_text()
    (shown,) = _page(out).all("pre")
    assert command in shown.text


def test_most_are_in_few(rows, convert, tmp_path):
    """Beyond 256 classes nobody counts what only a table could show."""
    flags = ["--label_maps", f"{rows[0]}/train/labels/*", "--num_classes", "300"]
    out = convert(tmp_path / "out", *flags)
    stats = reading.stats(out)
    assert "heat_maps" not in stats
    assert "co_occurrence" not in stats
    assert stats["splits"]["train"]["most"] is None
    assert math.isclose(sum(stats["splits"]["train"]["classes_in_rows"]), 7)
    assert _page(out).by_id("places") is None
