"""The user's own preprocessing_fn: everywhere the same, right, or refused."""

import collections
import json
import shutil
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from maskbeam.pipeline import UsageError
from maskbeam.pipeline import convert as convert_from_python
from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.rows.profile import Profile
from tests import data_generation as data
from tests import own_functions, reading

K = 4
IDS = list(range(K))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Rows of two splits, all of one size; some images are JPEGs."""
    directory = tmp_path_factory.mktemp("sources")
    data.label_tree(directory, 14, IDS, images=True)
    return directory


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """The same, of several sizes."""
    directory = tmp_path_factory.mktemp("sizes")
    size = lambda number: (20 + number % 3, 30 + number % 2)  # noqa: E731
    data.label_tree(directory, 14, IDS, images=True, size=size)
    return directory


def _flags(directory):
    return [
        *("--label_maps", f"{directory}/labels/*", "--images", f"{directory}/images/*"),
        *("--num_classes", str(K), "--split_by", "train=0.7,val=0.3"),
    ]


def _encoded(directory, keys):
    """The files of some keys: of label maps, and of images."""
    found = []
    for folder in ("labels", "images"):
        files = {p.stem: p.read_bytes() for p in (directory / folder).iterdir()}
        found.append({key: files[key] for key in keys})
    return found


def _check(out, directory, split="train"):
    keys = sorted(own_functions.rows_of(out, split))[:4]
    return own_functions.check_everywhere(out, split, *_encoded(directory, keys))


def _written(directory, code):
    path = directory / "own.py"
    path.write_text(code)
    return path


_IN_OTHER_PROGRAMS = """
import sys

import numpy as np
import tensorflow as tf

out, image = sys.argv[1:]
model = tf.saved_model.load(f"{out}/serving/1")
encoded = tf.constant([open(image, "rb").read()])
served = model.signatures["image"](image_bytes=encoded)
assert not [name for name in sys.modules if name.startswith("maskbeam")]

from maskbeam.transforms import load

key = image.rpartition("/")[2].partition(".")[0].encode()
(row,) = (row for row in load(out, "train") if row["key"].numpy() == key)
for name in ("image", "scaled", "of_scaled", "lighter"):
    np.testing.assert_array_equal(served[name][0], row[name], name)
assert row["last"].numpy() >= 0
assert not {"apache_beam", "tensorflow_transform"} & set(sys.modules)
"""


@pytest.mark.engines  # they take long
@pytest.mark.parametrize(
    ("of_sizes", "options"),
    [
        (False, ["--size", "24x32", "--normalize", "zscore", "--presence"]),
        (True, ["--mask_encoding", "bits", "--weight_map", "median_frequency"]),
    ],
    ids=["one_size", "sizes"],
)
def test_all_kinds_of_columns(
    of_sizes, options, sources, sizes, convert, run_python, tmp_path
):
    import tensorflow_datasets as tfds

    directory = sizes if of_sizes else sources
    code = _written(tmp_path, own_functions.EVERYTHING)
    of_image = {"both", "nothing"} if "zscore" in options else set()
    stored = [name for name in own_functions.STORED if name not in of_image]
    out = convert(
        tmp_path / "out",
        *_flags(directory),
        *options,
        *("--preprocessing_fn", code, "--store", *stored),
    )
    rows = _check(out, directory)
    raw = f"{directory}/labels/*.png"
    assert main(["verify", str(out), "--raw", f"train={raw}"]) == 0
    (image,) = directory.glob(f"images/{min(rows)}.*")
    run_python(_IN_OTHER_PROGRAMS, str(out), str(image))
    # What is stored, TFDS reads.
    builder = tfds.builder_from_directory(str(out))
    for row in tfds.as_numpy(builder.as_dataset(split="train")):
        for name in stored:
            value, wanted = row[name], rows[row["key"].decode()][name]
            if isinstance(value, dict):
                value = value["value"].reshape(value["shape"])
            if isinstance(value, bytes):
                value = np.array(value, dtype=object)
            np.testing.assert_array_equal(value, wanted)
    assert {row["bytes"].item()[-2:] for row in rows.values()} == {b"\0\0"}
    # The analyzers saw the training split, and nothing else.
    light = np.array([row["where"][1] for row in rows.values()])
    scaled = np.array([row["scaled"] for row in rows.values()])
    np.testing.assert_allclose(
        scaled, (light - light.mean()) / light.std(), rtol=1e-3, atol=1e-4
    )
    last = {row["of_scaled"].item() for row in rows.values()}
    assert (min(last), max(last)) == (0.0, 1.0)
    of_val = own_functions.rows_of(out, "val").values()
    assert not 0 <= min(r["of_scaled"] for r in of_val) <= 0  # it has other extremes


def test_the_function_sees_what_load_gives(sources, convert, tmp_path):
    code = """
def preprocessing_fn(inputs):
    return {f"my_{name}": value for name, value in inputs.items() if name != "levels"}
"""
    out = convert(
        tmp_path / "out",
        *_flags(sources),
        *("--size", "10x12", "--normalize", "zscore"),
        *("--preprocessing_fn", _written(tmp_path, code)),
    )
    for row in own_functions.rows_of(out, "val").values():
        for name in ("label", "mask", "image", "key"):
            np.testing.assert_array_equal(row[f"my_{name}"], row[name])


@pytest.mark.engines  # they take long
@pytest.mark.parametrize(
    ("name", "of_sizes"),
    [
        ("imagenet", False),
        ("grey", True),
        ("distance", True),
        ("quarters", False),
        ("drive", True),
    ],
)
def test_examples_of_the_documentation(
    name, of_sizes, sources, sizes, convert, tmp_path
):
    directory = sizes if of_sizes else sources
    code = own_functions.documented(tmp_path)[name]
    out = convert(
        tmp_path / "out",
        *_flags(directory),
        *([] if of_sizes else ["--size", "24x32"]),
        *("--preprocessing_fn", code),
        *(["--store", "distance"] if name == "distance" else []),
    )
    rows = _check(out, directory)
    assert main(["verify", str(out)]) == 0
    _ORACLES[name](list(rows.values()))


@pytest.fixture(scope="module")
def streets(camvid, tmp_path_factory):
    """Rows of CamVid that have an image, of several drives."""
    directory = tmp_path_factory.mktemp("streets")
    images = sorted((camvid / "train").glob("*.png"))[::6]
    contents = {}
    for image in images:
        label = camvid / "trainannot" / image.name
        if label.exists():
            contents[f"images/{image.name}"] = image.read_bytes()
            contents[f"labels/{image.name}"] = label.read_bytes()
    assert len(contents) >= 20
    return data.write_tree(directory, contents)


@pytest.mark.engines  # they take long
@pytest.mark.parametrize("size", [(), ("--size", "120x160")], ids=["native", "resized"])
@pytest.mark.parametrize("name", ["imagenet", "grey", "distance", "quarters", "drive"])
def test_examples_of_the_documentation_on_camvid(
    name, size, streets, convert, tmp_path
):
    code = own_functions.documented(tmp_path)[name]
    out = convert(
        tmp_path / "out",
        *("--label_maps", f"{streets}/labels/*", "--images", f"{streets}/images/*"),
        *("--classes", "camvid11", *size, "--preprocessing_fn", code),
        *(["--store", "distance"] if name == "distance" else []),
    )
    rows = _check(out, streets)
    raw = f"train={streets}/labels/*.png"
    assert main(["verify", str(out), "--raw", raw]) == 0
    if name == "drive":
        drives = sorted({key.partition("_")[0] for key in rows})
        assert len(drives) > 1
        assert {r["drive"].item() for r in rows.values()} == set(range(len(drives)))
        numbers = {key.partition("_")[0]: r["drive"].item() for key, r in rows.items()}
        sizes = {d: sum(key.startswith(d) for key in rows) for d in drives}
        assert sorted(drives, key=numbers.__getitem__)[0] in (
            d for d in drives if sizes[d] == max(sizes.values())
        )
    elif name == "quarters":
        shares = np.array([row["share"] for row in rows.values()])
        quarters = np.array([row["quarter"] for row in rows.values()])
        for share, quarter in zip(shares.T, quarters.T, strict=True):
            assert (np.diff(quarter[np.argsort(share, kind="stable")]) >= 0).all()


def _imagenet(rows):
    mean, std = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    for row in rows:
        levels = row["image"] * std + mean
        assert -1e-6 <= levels.min() < levels.max() <= 1 + 1e-6
        np.testing.assert_allclose(levels * 255, np.rint(levels * 255), atol=1e-3)


def _grey(rows):
    assert {row["image"].shape for row in rows} == {
        (*r["label"].shape, 1) for r in rows
    }


def _distance(rows):
    for row in rows:
        label = row["label"]
        for (y, x), value in np.ndenumerate(label):
            others = np.argwhere(label != value)
            # To the nearest pixel of another value, in king's moves.
            moves = np.abs(others - [y, x]).max(1).min(initial=10)
            assert row["distance"][y, x] == moves


def _quarters(rows):
    shares = np.array([row["share"] for row in rows])
    quarters = np.array([row["quarter"] for row in rows])
    for index in range(K):
        share, quarter = shares[:, index], quarters[:, index]
        np.testing.assert_allclose(
            share, [np.mean(row["label"] == index) for row in rows], rtol=1e-6
        )
        # Whoever has more is in no lower quarter, and each quarter has a quarter.
        order = np.argsort(share, kind="stable")
        assert (np.diff(quarter[order]) >= 0).all()
        if np.unique(share).size == share.size:
            sizes = np.bincount(quarter, minlength=4)
            assert sizes.max() - sizes.min() <= 2


def _drive(rows):
    assert {row["drive"].item() for row in rows} == {0}  # all begin with `row`


_ORACLES = {
    "imagenet": _imagenet,
    "grey": _grey,
    "distance": _distance,
    "quarters": _quarters,
    "drive": _drive,
}

_ANALYSES = """
import tensorflow as tf
import tensorflow_transform as tft


def preprocessing_fn(inputs):
    levels = tf.cast(inputs["levels"], tf.float32)
    key = inputs["key"]
    rows = tf.ones_like(inputs["label"][:, 0, 0])

    def everywhere(value):
        value = tf.cast(value, tf.float32)
        # A constant is no column: it has to hang on the row.
        nothing = tf.reduce_sum(levels, [1, 2, 3]) * 0.0
        return tf.map_fn(lambda zero: value + zero, nothing)

    mean = tft.mean(levels)
    pixelwise = tft.mean(levels, reduce_instance_dims=False)
    return {
        "mean": everywhere(mean),
        "pixelwise": everywhere(pixelwise),
        "variance": everywhere(tft.var(levels)),
        "most": everywhere(tft.max(levels)),
        "count": everywhere(tft.sum(rows)),
        "median": everywhere(tft.quantiles(levels, 2, epsilon=0.0001)[0]),
        "covariance": everywhere(tft.covariance(levels[:, 0, :3, 0], tf.float32)),
        "second": everywhere(tft.mean(tf.abs(levels - mean))),
        "third": everywhere(tft.mean((levels - pixelwise) ** 2 * (
            tft.mean(tf.abs(levels - mean)) / 100))),
        "number": tft.compute_and_apply_vocabulary(key, top_k=3),
    }
"""


@pytest.mark.engines  # it takes long
def test_constants_of_analyzers_equal_numpys(sources, convert, tmp_path, capsys):
    out = convert(
        tmp_path / "out",
        *_flags(sources),
        *("--size", "24x32", "--direct_num_workers", 2),
        *("--preprocessing_fn", _written(tmp_path, _ANALYSES)),
    )
    shown = capsys.readouterr().out
    assert "column third: float32[] of levels, after 3 passes" in shown
    assert "\npass 3 over the training split's records" in shown
    rows = own_functions.rows_of(out, "train")
    levels = np.array([row["image"] * 255.0 for row in rows.values()], np.float64)
    levels = np.rint(levels)
    (row, *_) = rows.values()
    mean, pixelwise = levels.mean(), levels.mean(0)
    second = np.abs(levels - mean).mean()
    wanted = {
        "mean": mean,
        "pixelwise": pixelwise,
        "variance": levels.var(),
        "most": levels.max(),
        "count": len(rows),
        "covariance": np.cov(levels[:, 0, :3, 0].T, bias=True),
        "second": second,
        "third": ((levels - pixelwise) ** 2 * second / 100).mean(),
    }
    for name, value in wanted.items():
        np.testing.assert_allclose(row[name], value, rtol=1e-4, err_msg=name)
    assert abs(row["median"].item() - np.median(levels)) <= 2
    numbers = sorted(row["number"].item() for row in rows.values())
    assert numbers == [-1] * (len(rows) - 3) + [0, 1, 2]


def test_a_row_that_it_fails_on_is_rejected_alone(sources, convert, tmp_path):
    code = """
import tensorflow as tf

def preprocessing_fn(inputs):
    last = tf.strings.substr(inputs["key"], -1, 1)
    return {"number": tf.strings.to_number(last, tf.int64),
            "odd": tf.strings.to_number(
                tf.where(last == "3", "three", last), tf.int64)}
"""
    out = convert(
        tmp_path / "out",
        *_flags(sources),
        *("--max_rejected", "0.5", "--preprocessing_fn", _written(tmp_path, code)),
    )
    rejected = reading.rejections(out)
    assert {(r["key"], r["stage"]) for r in rejected} == {
        (key, "preprocessing_fn") for key in ("row_003", "row_013")
    }
    reason = "StringToNumberOp could not correctly convert string: three"
    assert {r["reason"] for r in rejected} == {reason}
    both = [own_functions.rows_of(out, split) for split in ("train", "val")]
    assert len(both[0] | both[1]) == 12


def test_tiles_of_a_picture_that_it_fails_on_are_rejected_together(
    sources, convert, tmp_path
):
    code = """
import tensorflow as tf

def preprocessing_fn(inputs):
    bad = tf.strings.regex_full_match(inputs["key"], "row_003@12.*")
    number = tf.strings.to_number(tf.where(bad, "bad", "1"), tf.int64)
    return {"number": number + inputs["label"][:, 0, 0]}
"""
    flags = [*_flags(sources), "--tile", "12x16", "--max_rejected", "0.5"]
    own = ["--preprocessing_fn", _written(tmp_path, code)]
    out = convert(tmp_path / "out", *flags, *own)
    assert [r["key"] for r in reading.rejections(out)] == ["row_003"]
    keys = {k for s in ("train", "val") for k in own_functions.rows_of(out, s)}
    assert len(keys) == 13 * 4
    assert not [key for key in keys if key.startswith("row_003")]


_AFTER = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    light = tf.reduce_mean(inputs["image"], [1, 2, 3])
    log = tf.debugging.check_numerics(tf.math.log(light - tft.mean(light)), "no log")
    return {"fine": light, "bad": LAST}
"""


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("log", "of split train: column bad cannot be computed: no log"),
        ("tft.scale_to_0_1(log)", "of split train, before pass 2: no log"),
    ],
)
def test_a_failure_after_analyzers_is_a_verdict(last, said, sources, tmp_path, capsys):
    own = _written(tmp_path, _AFTER.replace("LAST", last))
    out = tmp_path / "out"
    flags = [*_flags(sources), "--size", "24x32", "--preprocessing_fn", str(own)]
    assert main(["convert", *flags, "--output", str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    (error,) = (line for line in lines if line.startswith("maskbeam:"))
    assert "row 'row_0" in error
    assert said in error
    assert not (out / "manifest.json").exists()
    assert not (out / "preprocessing").exists()


@pytest.mark.engines
def test_from_python_and_again_without_it(sources, tmp_path):
    def double(inputs):
        import tensorflow_transform as tft

        light = tf.reduce_mean(inputs["image"], [1, 2, 3])
        return {"double": inputs["image"] * 2.0, "centred": light - tft.mean(light)}

    options: dict[str, Any] = {
        "label_maps": f"{sources}/labels/*",
        "images": f"{sources}/images/*",
        "num_classes": K,
        "output": str(tmp_path / "out"),
        "size": (24, 32),
    }
    convert_from_python(**options, preprocessing_fn=double, store=["double"])
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["options"]["preprocessing_fn"].endswith("<locals>.double")
    rows = own_functions.rows_of(tmp_path / "out", "train").values()
    for row in rows:
        np.testing.assert_array_equal(row["double"], row["image"] * 2)
    centred = [row["centred"] for row in rows]
    assert abs(np.mean(centred)) < 1e-6 < np.std(centred)
    assert (tmp_path / "out/preprocessing").is_dir()
    raw = f"{sources}/labels/*.png"
    assert main(["verify", str(tmp_path / "out"), "--raw", f"train={raw}"]) == 0

    def other(inputs):
        return {"image": inputs["image"] * 2.0, "mask": inputs["mask"] * 0}

    with pytest.raises(UsageError, match="replaces 'mask'"):
        convert_from_python(**options, overwrite=True, preprocessing_fn=other)
    convert_from_python(**options, overwrite=True)
    assert not (tmp_path / "out/preprocessing").exists()
    assert main(["verify", str(tmp_path / "out")]) == 0


def test_plan_and_validate_know_it(sources, tmp_path, capsys):
    own = own_functions.documented(tmp_path)["quarters"]
    flags = [*_flags(sources), "--size", "24x32", "--preprocessing_fn", str(own)]
    assert main(["plan", *flags]) == 0
    shown = capsys.readouterr().out
    assert "column quarter: int64[4] of mask, after 1 pass\n" in shown
    assert "pass 1 over the training split's records" in shown
    code = """
import tensorflow as tf

def preprocessing_fn(inputs):
    tf.debugging.assert_none_equal(inputs["key"], "row_005")
    return {"double": inputs["image"] * 2.0}
"""
    flags[-1] = str(_written(tmp_path, code))
    assert main(["validate", *flags]) == 1
    shown = capsys.readouterr().out
    assert '"key": "row_005"' in shown
    assert '"stage": "preprocessing_fn"' in shown
    assert "13 rows accepted, 1 rejected" in shown


def test_load_computes_what_is_asked_for(sources, convert, tmp_path):
    from maskbeam.transforms import load

    code = """
def preprocessing_fn(inputs):
    return {"image": inputs["image"] * 2.0, "of_label": inputs["label"] * 3}
"""
    out = convert(
        tmp_path / "out",
        *_flags(sources),
        *("--size", "24x32", "--preprocessing_fn", _written(tmp_path, code)),
    )
    rows = own_functions.rows_of(out, "train")
    for columns in (["image"], ["of_label"], ["of_label", "key"]):
        (first, *_) = load(str(out), "train", columns=[*columns, "key"])
        wanted = rows[first["key"].numpy().decode()]
        assert set(first) == {*columns, "key"}
        for name in columns:
            np.testing.assert_array_equal(first[name], wanted[name])
    (image, mask), *_ = load(str(out), "train", as_supervised=True, batch_size=2)
    assert image.shape == (2, 24, 32, 3)
    packed = next(iter(load(str(out), "train", packed=True)))
    assert set(packed) == {"key", "image", "index", "of_label"}
    # Who wants none of them needs no model.
    shutil.rmtree(out / "preprocessing")
    next(iter(load(str(out), "train", columns=["mask"])))
    with pytest.raises((OSError, ValueError, tf.errors.OpError)):
        load(str(out), "train")


def test_verify_computes_stored_columns_again(sources, convert, tmp_path):
    from maskbeam.pipeline import verify_records
    from maskbeam.transforms import manifest, record_columns, summaries

    code = """
def preprocessing_fn(inputs):
    return {"twice": inputs["label"] * 2}
"""
    out = convert(
        tmp_path / "out",
        *_flags(sources),
        *("--size", "24x32", "--store", "twice"),
        *("--preprocessing_fn", _written(tmp_path, code)),
    )
    found = manifest.read_manifest(str(out))
    config = manifest.read_config(found)
    (shard,) = (s["file"] for s in found["splits"]["val"]["shards"])
    records = list(tf.data.TFRecordDataset(str(out / shard)).as_numpy_iterator())
    example = tf.train.Example.FromString(records[1])
    example.features.feature["twice"].int64_list.value[5] += 1
    records[1] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(out / shard)) as writer:
        for record in records:
            writer.write(record)
    stats = manifest.read_stats(str(out), found, config)
    constants = record_columns.constants_of(stats, config)
    faults = verify_records.check_records(
        str(out / shard),
        len(records),
        config,
        summaries.zero(K, True),
        Profile(K, 0),
        collections.Counter(),
        verify_records.own_check(str(out), config, constants),
    )
    (fault,) = faults
    assert fault == ("record 1: its twice is not what the user's function computes")


@pytest.mark.engines  # it starts worker processes
def test_a_worker_that_lacks_an_import_says_so(sources, run_maskbeam, tmp_path):
    code = """
import sys

if "sdk_worker" in sys.argv[0]:
    import only_on_the_client

def preprocessing_fn(inputs):
    return {"double": inputs["image"] * 2.0}
"""
    done = run_maskbeam(
        "convert",
        *_flags(sources),
        *("--preprocessing_fn", _written(tmp_path, code), "--output", tmp_path / "out"),
        "--direct_running_mode=multi_processing",
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "No module named 'only_on_the_client'" in last
    assert last.endswith("it may import what is installed there")
