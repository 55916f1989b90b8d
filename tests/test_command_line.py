"""The command line as users meet it: exit codes, messages, what is left on disk."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests import data_generation as data
from tests import reading
from tests.rarely import rarely

IDS = [0, 1, 2, 255]
CLASSES = ["--num_classes", "3", "--ignore_label", "255"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Six small label maps."""
    directory = tmp_path_factory.mktemp("tree")
    data.label_tree(directory, 6, IDS)
    return directory


@pytest.fixture
def arguments(tree):
    """Sources and classes."""
    return ["--label_maps", f"{tree}/labels/*.png", *CLASSES]


COMMANDS = [
    *("convert", "validate", "plan", "inspect", "verify"),
    *("show", "report", "export", "presets"),
]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_nothing_heavy(command, run_python):
    code = (
        "import sys\nfrom maskbeam.pipeline.command_line import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code\n"
        "heavy = {'tensorflow', 'apache_beam', 'pyarrow', 'PIL', 'jinja2'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    printed = run_python(code, *filter(None, [command]), "--help")
    assert (command or "COMMAND") in printed


def test_every_flag_of_the_help_does_something():
    """Declared flags and the options that are built from them are the same."""
    import argparse
    import dataclasses

    from maskbeam.pipeline import arguments, options

    parser = argparse.ArgumentParser()
    arguments.add_arguments(parser, writes=True)
    declared = {action.dest for action in parser._actions} - {"help"}
    fields = {field.name for field in dataclasses.fields(options.Options)}
    assert declared - fields == {
        *("classes", "num_classes", "ignore_label"),
        *("dataset", "data_dir"),
    }
    assert fields - declared == {"class_map", "official_rows", "notes", "flags"}


DIGITS = "9" * 5000
WRONG = {
    "a letter": (["--label_map", "x"], "did you mean --label_maps?"),
    "letters": (["--lable_maps=x"], "did you mean --label_maps?"),
    "a flag's beginning": (["--class", "x"], "did you mean --classes?"),
    "a flag of Beam's": (["--direct_num_worker=1"], "mean --direct_num_workers?"),
    "another engine": (["--runner=FlinkRunner", "--tiel=9x9"], "did you mean --tile?"),
    "no flag": (["--presence", DIGITS], "unknown argument '999"),
    "a long flag": ([f"--{DIGITS}"], "unknown argument '--999"),
    "no rows": (["--limit", "0"], "--limit 0 must be 1 or more"),
    "digits": (["--limit", DIGITS], "--limit '999"),
    "not a number": (["--max_rejected", "nan"], "'nan' is not a number"),
    "endless": (["--max_rejected", "inf"], "'inf' is not a number"),
    "shares of nothing": (["--split_by", "train=nan"], "'nan' is not a number"),
    "names of splits": (["--split_by", "a-b=1"], "the split 'a-b'"),
    "more pixels": (["--size", "99999999x99999999"], "--max_pixels 100000000 allows"),
    "a large tile": (["--tile", "10001x10000"], "--max_pixels 100000000 allows"),
    "a large side": (["--size", f"{DIGITS}x1"], "HEIGHTxWIDTH"),
    "a large shard": (["--shard_mb", "1" + 30 * "0"], "must be 1048576 or less"),
    "a large seed": (["--seed", str(2**63)], "must be 9223372036854775807 or less"),
    "a low seed": (["--seed", str(-(2**63) - 1)], "must be -9223372036854775808 or"),
    "a NUL": (["--strip_label_suffix", "a\0b"], "has a NUL"),
    "a byte": (["--strip_label_suffix", "a\udcffb"], "is not UTF-8"),
    "split's name": (["--images", "val-1=x/*.png"], "as val_1=GLOB"),
    "nothing": (["--exclude", ""], "'' names no file"),
    "a whole side": (["--exclude", "row_*"], "leaves out all files of split 'train'"),
    "unknown flag": (["--no_such_flag"], "--no_such_flag"),
    "unknown flag with value": (["--encodng=bits"], "--encodng"),
    "abbreviation": (["--mask_enc", "bits"], "--mask_enc"),
    "runner": (["--runner=NoSuchRunner"], "NoSuchRunner"),
    "size": (["--size", "20"], "HEIGHTxWIDTH"),
    "choice": (["--mask_encoding", "rle"], "rle"),
    "classes twice": (["--classes", "camvid11"], "--num_classes"),
    "share": (["--max_rejected", "2"], "--max_rejected"),
    "split shares": (["--split_by", "train=0.8,val=0.8"], "add up to 1"),
    "one side": (["--images", "val=/nowhere/*.png"], "split"),
    "no image": (["--images", "/nowhere/*.png"], "matches no file"),
    "group": (["--split_by", "train=0.5,val=0.5", "--group_by", "("], "regular"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_command_is_one_line_and_code_2(
    case, arguments, tmp_path, convert, capfd
):
    extra, word = WRONG[case]
    convert(tmp_path / "out", *arguments, *extra, code=2)
    message = capfd.readouterr().err
    assert word in message
    assert message.startswith("maskbeam: ")
    assert message.count("\n") == 1
    assert len(message) < 500
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--output", ""], "--output '' names no directory"),
        (["--output", "a\0b"], "has a NUL"),
        (["--output", "out", "--name", 101 * "a"], "must be 100 letters"),
        (["--ouput", "out"], "did you mean --output?"),
    ],
)
def test_outputs_that_cannot_be(flags, word, arguments, capfd):
    from maskbeam.pipeline.command_line import main

    assert main(["convert", *arguments, *flags]) == 2
    message = capfd.readouterr().err
    assert word in message
    assert message.count("\n") == 1


def test_without_a_command_it_helps(capfd):
    from maskbeam.pipeline.command_line import main

    assert main([]) == 0
    printed = capfd.readouterr()
    assert all(command in printed.out for command in COMMANDS)
    assert printed.err == ""


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (["inspect", "--splt", "val"], "did you mean --split?"),
        (["verify", "x", "--row", "y"], "did you mean --raw?"),
        (["presets", "--no_such"], "unknown argument '--no_such'"),
        (["convrt"], "'convert'"),
    ],
)
def test_mistyped_words_of_other_commands(command, word, capfd):
    from maskbeam.pipeline.command_line import main

    assert main(command) == 2
    assert word in capfd.readouterr().err


def test_flags_of_other_engines_may_be_like_beams(arguments, capfd):
    from maskbeam.pipeline.command_line import main

    own = ["--runner=FlinkRunner", "--max_parallelisms=3"]
    assert main(["plan", *arguments, *own]) == 0


def _write_record(path, name, content):
    """Writes a TFRecord file of one tf.Example that has one feature; gives its path."""
    import tensorflow as tf

    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
    features = tf.train.Features(feature={name: value})
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf.train.Example(features=features).SerializeToString())
    return path


def _wrong_commands(tree, tmp_path):
    """Wrong commands over local inputs, of every kind that is seen before a row is."""
    labels = ["--label_maps", f"{tree}/labels/*.png"]
    record = _write_record(tmp_path / "x.tfrecord", "label", b"png")
    taken = tmp_path / "taken"
    data.write_tree(taken, {"notes.txt": b"mine"})
    convert = ["convert", "--output", str(tmp_path / "out")]
    for extra, _ in WRONG.values():
        yield [*convert, *labels, *CLASSES, *extra]
        yield ["validate", *labels, *CLASSES, *extra]
        yield ["plan", *labels, *CLASSES, *extra]
    yield [*convert, *CLASSES]
    yield [*convert, *labels]
    yield [*convert, *labels, "--classes", "nosuch"]
    yield [*convert, *CLASSES, "--label_maps", "/nowhere/*.png"]
    yield [*convert, *CLASSES, "--label_maps", __file__]
    yield [*convert, *CLASSES, "--label_maps", str(record), f"{tree}/labels/*.png"] + [
        *("--images", f"{tree}/labels/*.png")
    ]
    yield [*convert, *CLASSES, *labels, "--images", f"{tree}/labels/*.png", "--tile"]
    yield [*convert, *CLASSES, "--label_maps", "tfds:none", "--data_dir", str(tmp_path)]
    yield [*convert, "--dataset", "camvid11", "--data_dir", str(tmp_path)]
    yield [*convert[:2], str(taken), *labels, *CLASSES]
    yield [*convert[:2], str(taken / "notes.txt"), *labels, *CLASSES]
    yield ["plan", *labels, "--classes", "auto"]
    yield ["inspect", str(taken)]
    yield ["verify", "/nowhere"]
    yield ["verify", str(taken), "--raw", "val="]
    yield ["export", str(taken), "--to", str(tmp_path / "model"), "--version", "1"]


@pytest.mark.usefixtures("beam_of_the_table")
def test_a_wrong_command_loads_neither_beam_nor_tensorflow(tree, tmp_path, run_python):
    code = (
        "import json, sys\n"
        "from maskbeam.pipeline.command_line import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    assert main(command) == 2, command\n"
        "    heavy = {'tensorflow', 'apache_beam'} & set(sys.modules)\n"
        "    assert not heavy, (command, heavy)\n"
    )
    run_python(code, json.dumps(list(_wrong_commands(tree, tmp_path))))


@pytest.mark.usefixtures("beam_of_the_table")
def test_a_plan_loads_neither_beam_nor_tensorflow(arguments, tmp_path, run_python):
    """Of files that name rows, and of files that hold them."""
    path = _write_record(
        tmp_path / "x.tfrecord",
        "image/segmentation/class/encoded",
        data.png(data.filled((4, 4), 1)),
    )
    run_python(
        "import json, sys\n"
        "from maskbeam.pipeline.command_line import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    assert main(['plan', *command]) == 0\n"
        "    assert not {'tensorflow', 'apache_beam'} & set(sys.modules), command\n",
        json.dumps([arguments, ["--label_maps", str(path), *CLASSES]]),
    )


@pytest.mark.parametrize(
    ("label_maps", "word"),
    [
        ("/nowhere/*.png", "matches no file"),
        ("val=", "names a split but no files"),
        ("nosuch://bucket/*.png", "cannot be listed"),
        (__file__, "is of no format"),
    ],
)
def test_label_maps_that_are_not_there(label_maps, word, tmp_path, convert, capfd):
    out = tmp_path / "out"
    convert(out, "--label_maps", label_maps, *CLASSES, code=2)
    assert word in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes: [", ["not YAML"]),
        ("name: x\nclasses: {}", ["list of classes"]),
        ("name: x\nclasses:\n- {name: a, ids: [0]}\n- {name: b, ids: [0]}", ["id 0"]),
        ("name: x\nclass: []", ["unknown field 'class'"]),
    ],
)
def test_bad_class_maps_name_the_file(arguments, text, words, tmp_path, convert, capfd):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    convert(tmp_path / "out", *arguments[:2], "--classes", path, code=2)
    message = capfd.readouterr().err
    assert str(path) in message
    assert all(word in message for word in words)
    assert message.count("\n") == 1


def test_a_dataset_is_replaced_only_by_overwrite(arguments, tmp_path, convert, capfd):
    out = convert(tmp_path / "out", *arguments, "--name", "first")
    (out / "notes.txt").write_text("mine")
    (out / "rejected").mkdir()
    (out / "rejected" / "mine.txt").write_text("mine")
    before = reading.checksums(out)
    convert(out, *arguments, code=2)
    assert "--overwrite" in capfd.readouterr().err
    assert reading.checksums(out) == before
    convert(out, *arguments, "--name", "second", "--overwrite")
    assert list(reading.checksums(out)) == ["second-train.tfrecord-00000-of-00001"]
    assert not list(out.glob("first-*"))
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "rejected" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["run[1]", "*"])
def test_an_output_that_is_called_as_a_pattern(
    name, arguments, tmp_path, convert, capfd
):
    """It means no neighbour, and all commands take it."""
    from maskbeam.pipeline.command_line import main

    mine = {f"run1/{name}": b"mine" for name in ("manifest.json", "stats.json")}
    data.write_tree(tmp_path, mine)
    out = convert(tmp_path / name, *arguments)
    assert main(["verify", str(out)]) == 0
    convert(out, *arguments, "--overwrite", "--name", "second")
    assert not list(out.glob("*.tmp")) + list(out.glob(".*"))
    assert main(["inspect", str(out)]) == 0
    to = str(tmp_path / "models [1]")
    assert main(["export", str(out), "--to", to, "--version", "7"]) == 0
    assert "Traceback" not in capfd.readouterr().err
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.glob("run1/*")} == set(mine)
    assert {p.name for p in tmp_path.iterdir()} == {"run1", name, "models [1]"}
    for key, row in reading.load_all(out).items():
        assert row["label"].shape == (24, 32), key


def test_a_folder_of_somebody_else_is_never_touched(
    arguments, tmp_path, convert, capfd
):
    (tmp_path / "thesis.tex").write_text("mine")
    for overwrite in ([], ["--overwrite"]):
        convert(tmp_path, *arguments, *overwrite, code=2)
        assert "no dataset of maskbeam's" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_output_that_cannot_be(arguments, tmp_path, convert, capfd):
    (tmp_path / "file").write_text("mine")
    for output, word in (("file", "is a file"), ("file/below", "cannot be written")):
        convert(tmp_path / output, *arguments, code=2)
        assert word in capfd.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_killed_run_is_no_dataset_and_the_next_says_so(tmp_path, run_maskbeam):
    data.label_tree(tmp_path, 300, IDS, size=lambda i: (300, 400))
    out = tmp_path / "out"
    arguments = ["convert", "--label_maps", f"{tmp_path}/labels/*.png", *CLASSES]
    arguments += ["--output", str(out)]
    running = subprocess.Popen([sys.executable, "-m", "maskbeam.pipeline", *arguments])
    deadline = time.monotonic() + 120
    while not list(out.glob(".unfinished-*/fragments/*")):
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert (out / "unfinished.json").exists()
    assert not (out / "manifest.json").exists()
    done = run_maskbeam("inspect", out)
    assert (done.returncode, "unfinished run" in done.stderr) == (2, True)
    done = run_maskbeam(*arguments)
    assert done.returncode == 2
    assert "unfinished run" in done.stderr
    assert "--overwrite" in done.stderr
    done = run_maskbeam(*arguments, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert reading.manifest(out)["splits"]["train"]["records"] == 300
    assert not list(out.glob(".*"))
    assert not (out / "unfinished.json").exists()


@pytest.mark.parametrize(
    "runner",
    [
        *rarely(["--runner=DirectRunner"]),
        ["--direct_running_mode=in_memory", "--direct_num_workers=1"],
        *rarely(["--direct_running_mode=multi_processing", "--direct_num_workers=2"]),
    ],
    ids=["DirectRunner", "in_memory", "multi_processing"],
)
def test_runners_give_the_same_shards(
    arguments, tmp_path, convert, run_maskbeam, runner
):
    expected = convert(tmp_path / "expected", *arguments)
    out = tmp_path / "out"
    # From another directory, as users are.
    done = run_maskbeam(
        *("convert", *arguments, "--output", out, *runner),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert reading.checksums(out) == reading.checksums(expected)
    assert reading.stats(out) == reading.stats(expected)


def test_plan_and_estimate_are_near_the_truth(tmp_path, convert, capfd):
    from maskbeam.pipeline.command_line import main

    data.label_tree(tmp_path, 40, IDS, size=lambda i: (200, 300))
    arguments = ["--label_maps", f"{tmp_path}/labels/*.png", *CLASSES]
    assert main(["plan", *arguments]) == 0
    text = capfd.readouterr().out
    assert "40 rows, 3 classes, native sizes, png masks" in text
    assert "--runner=FnApiRunner" in text
    assert "float32 one-hot: 28.8 MB" in text
    from maskbeam.pipeline import options, values
    from maskbeam.pipeline.planning.survey import survey
    from maskbeam.transforms import classes

    opened = options.Options(
        label_maps=(values.Source("train", f"{tmp_path}/labels/*.png"),),
        class_map=classes.numbered(3, [255]),
    )
    estimate = survey(opened).stored_bytes
    out = convert(tmp_path / "out", *arguments)
    written = sum(p.stat().st_size for p in out.glob("*.tfrecord-*"))
    assert written / 2 < estimate < written * 2


def test_validate_tells_and_writes_nothing(tmp_path, run_maskbeam):
    data.label_tree(tmp_path, 5, IDS)
    arguments = ["validate", "--label_maps", f"{tmp_path}/labels/*.png", *CLASSES]
    done = run_maskbeam(*arguments, cwd=tmp_path, env=_with_path())
    assert done.returncode == 0, done.stderr
    assert "5 rows accepted, 0 rejected" in done.stdout
    data.write_tree(tmp_path, {"labels/bad.png": b"", "labels/worse.png": b"text"})
    before = sorted(tmp_path.rglob("*"))
    done = run_maskbeam(*arguments, cwd=tmp_path, env=_with_path())
    assert done.returncode == 1
    assert "5 rows accepted, 2 rejected" in done.stdout
    assert "neither PNG nor JPEG" in done.stdout
    assert "convert would make no dataset: 2 of 7 rows were rejected" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before
    done = run_maskbeam(
        *arguments, "--max_rejected=0.3", cwd=tmp_path, env=_with_path()
    )
    assert done.returncode == 0, done.stderr
    assert "convert would leave these out: --max_rejected is 0.3" in done.stdout


def _with_path():
    return {**os.environ, "PYTHONPATH": os.getcwd()}


def test_inspect_shows_tensors_classes_and_rows(arguments, tmp_path, convert, capfd):
    from maskbeam.pipeline.command_line import main

    out = convert(tmp_path / "out", *arguments)
    capfd.readouterr()
    assert main(["inspect", str(out), "--split", "train", "--limit", "2"]) == 0
    text = capfd.readouterr().out
    assert "train: 6 records in 1 shard" in text
    assert "mask: float32[None, None, 3]" in text
    assert text.count("24 x 32") == 2
    assert "class_2" in text
    assert main(["inspect", str(out), "--split", "nope"]) == 2
    assert "no split 'nope'" in capfd.readouterr().err
    assert main(["inspect", str(tmp_path)]) == 2
    assert "no dataset" in capfd.readouterr().err


def test_verify_says_which_split_it_takes(tree, arguments, tmp_path, convert, capfd):
    from maskbeam.pipeline.command_line import main

    out = convert(tmp_path / "out", *arguments)
    dealt = convert(tmp_path / "dealt", *arguments, "--split_by", "a=0.5,b=0.5")
    tiled = convert(tmp_path / "tiled", *arguments, "--tile", "16x16")
    capfd.readouterr()
    labels = f"{tree}/labels/*.png"
    for directory, raw, is_said in (
        (out, labels, True),
        (out, f"train={labels}", False),
        (dealt, labels, False),
        (tiled, labels, True),
    ):
        assert main(["verify", str(directory), "--raw", raw]) == 0
        printed = capfd.readouterr().out
        assert ("is taken for split 'train'" in printed) == is_said
        assert "6 raw rows compared" in printed


def test_rows_of_record_files_are_said_to_be_an_estimate(tmp_path, capfd):
    from maskbeam.pipeline.command_line import main

    label = data.png(data.filled((4, 4), 1))
    name = "image/segmentation/class/encoded"
    path = _write_record(tmp_path / "x.tfrecord", name, label)
    keys = ["--record_keys", "image=,key="]
    assert main(["plan", "--label_maps", str(path), *keys, *CLASSES]) == 0
    assert capfd.readouterr().out.startswith("~1 rows, 3 classes")


def test_presets_are_listed_and_printed(capfd):
    from maskbeam.pipeline.command_line import main
    from maskbeam.transforms import class_files

    assert main(["presets"]) == 0
    assert "camvid11" in capfd.readouterr().out
    assert main(["presets", "camvid11"]) == 0
    printed = class_files.parse_class_map(capfd.readouterr().out, "printed")
    assert printed == class_files.preset("camvid11")
    assert main(["presets", "nope"]) == 2


def test_a_failing_runner_is_code_3(arguments, tmp_path, convert, monkeypatch, capfd):
    from maskbeam.pipeline.rows import write

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(write, "make_record", full)
    convert(tmp_path / "out", *arguments, code=3)
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert "the runner failed" in last
    assert "No space left on device" in last
    assert not (tmp_path / "out" / "manifest.json").exists()
