"""Prepared datasets as TFDS itself writes and reads them."""

import re
import sys

import numpy as np
import pytest

from maskbeam.pipeline.elements import RawRow
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import tf_examples
from maskbeam.pipeline.planning import prepared_tfds
from maskbeam.pipeline.values import RecordKeys
from tests import data_generation as data

tfds = pytest.importorskip("tensorflow_datasets")

features = tfds.features
COLOUR = features.Image()
GREY = features.Image(shape=(None, None, 1))
LABELED = features.LabeledImage(labels=4, shape=(None, None, 1))
# As oxford_iiit_pet 4.0.0 lists them.
OXFORD_PETS = {
    "image": COLOUR,
    "label": features.ClassLabel(num_classes=37),
    "species": features.ClassLabel(names=["Cat", "Dog"]),
    "file_name": features.Text(),
    "segmentation_mask": features.Image(shape=(None, None, 1), use_colormap=True),
    "head_bbox": features.BBoxFeature(),
}
KEYS = RecordKeys()

_ROWS = {"train": 5, "validation": 4}


def _value(feature, number):
    rng = np.random.default_rng(number)
    if isinstance(feature, features.Image):
        shape = (6, 8, feature.shape[-1])
        return rng.integers(0, 4, shape).astype(feature.np_dtype)
    if isinstance(feature, features.Text):
        return f"row {number}"
    if isinstance(feature, features.FeaturesDict):
        return {name: _value(inner, number) for name, inner in feature.items()}
    return rng.integers(0, 3, feature.shape).astype(feature.np_dtype)


def _prepare(data_dir, columns, file_format="tfrecord", shards=1):
    """Prepares a dataset of these features; gives TFDS's builder."""

    class MaskbeamPets(
        tfds.core.GeneratorBasedBuilder,  # type: ignore[name-defined]
        skip_registration=True,  # type: ignore[call-arg]
    ):
        code_path = None  # it has none of the files that lie beside published code
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = [
            tfds.core.BuilderConfig(name="small"),
            tfds.core.BuilderConfig(name="large"),
        ]

        def _info(self):
            spec = features.FeaturesDict(columns)
            return self.dataset_info_from_configs(features=spec)

        def _split_generators(self, dl_manager):
            return {s: self._generate_examples(n) for s, n in _ROWS.items()}

        def _generate_examples(self, count):
            for number in range(count):
                yield number, _value(self.info.features, number)

    builder = MaskbeamPets(
        data_dir=str(data_dir), config="small", file_format=file_format
    )
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=shards)
    )
    return builder


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return _prepare(
        tmp_path_factory.mktemp("tfds"),
        {
            "image": COLOUR,
            "segmentation_mask": GREY,
            "depth": features.Image(shape=(None, None, 1), dtype=np.float32),
            "file_name": features.Text(),
            "label": features.ClassLabel(num_classes=3),
        },
    )


# --------------------------------------------------------------------------- prepared


@pytest.mark.parametrize(
    "name", ["maskbeam_pets/small:1.0.0", "maskbeam_pets/small", "directory"]
)
def test_rows_are_what_tfds_reads(pets, name):
    data_dir: str | None = str(pets.data_dir_root)
    if name == "directory":
        name, data_dir = str(pets.data_dir), None
    found = prepared_tfds.find(name, data_dir, KEYS)
    assert found.keys == RecordKeys("segmentation_mask", "image", "file_name")
    assert set(found.splits) == set(_ROWS)
    skip = {n: tfds.decode.SkipDecoding() for n in ("image", "segmentation_mask")}
    for split, paths in found.splits.items():
        read = [row for path in paths for row in tf_examples.rows(path, found.keys)]
        rows = [row for row in read if isinstance(row, RawRow)]
        assert len(rows) == len(read)
        expected = tfds.as_numpy(pets.as_dataset(split=split, decoders=skip))
        assert sorted(
            (row.key, row.label_bytes, row.image_bytes) for row in rows
        ) == sorted(
            (e["file_name"].decode(), e["segmentation_mask"], e["image"])
            for e in expected
        )


def test_shards_are_all_found(tmp_path):
    builder = _prepare(tmp_path, {"m": GREY}, shards=3)
    found = prepared_tfds.find(str(builder.data_dir), None, KEYS)
    assert found.keys == RecordKeys("m", "", "")
    on_disk = sorted(str(path) for path in builder.data_path.glob("*.tfrecord*"))
    assert len(on_disk) == 6
    assert sorted(p for paths in found.splits.values() for p in paths) == on_disk
    for path in on_disk:
        (tmp_path / path).unlink()
    with pytest.raises(UsageError, match="lacks its records"):
        prepared_tfds.find(str(builder.data_dir), None, KEYS)


@pytest.mark.parametrize(
    ("columns", "named", "expected"),
    [
        ({"a": GREY, "b": LABELED, "c": COLOUR}, KEYS, ("b", "c", "")),
        (
            {"x": {"m": GREY, "i": COLOUR}, "id": features.Text()},
            KEYS,
            ("x/m", "x/i", "id"),
        ),
        ({"a": GREY, "b": GREY}, RecordKeys("b"), ("b", "", "")),
        ({"i": COLOUR, "annotation": COLOUR}, RecordKeys("annotation"), None),
        ({"m": GREY, "i": COLOUR, "j": COLOUR}, RecordKeys(image="j"), ("m", "j", "")),
        ({"m": GREY, "i": COLOUR}, RecordKeys(image="", key=""), ("m", "", "")),
        (
            {"m": GREY, "key": features.Text(), "id": features.Text()},
            RecordKeys(key="key"),
            ("m", "", "key"),
        ),
        ({"m": GREY, "i": COLOUR}, RecordKeys("i", "m"), ("i", "m", "")),
        (OXFORD_PETS, KEYS, ("segmentation_mask", "image", "file_name")),
    ],
)
def test_features_are_found(columns, named, expected):
    expected = expected or ("annotation", "i", "")
    spec = dict(prepared_tfds._flat(features.FeaturesDict(columns)))
    assert prepared_tfds._resolve(spec, named, "/d") == RecordKeys(*expected)


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("columns", "named", "words"),
    [
        ({"a": GREY, "b": GREY}, KEYS, "may be the label: a, b;"),
        ({"a": LABELED, "b": LABELED, "c": GREY}, KEYS, "may be the label: a, b;"),
        ({"a": GREY, "i": COLOUR, "j": COLOUR}, KEYS, "may be the image: i, j;"),
        ({"i": COLOUR}, KEYS, "i (Image(shape=(None, None, 3), dtype=uint8)): name"),
        (
            {"t": features.Tensor(shape=(4, 4), dtype=np.uint8)},
            RecordKeys("t"),
            "label=t: /d has no Image of whole numbers by that name",
        ),
        ({"m": GREY}, RecordKeys(image="x"), "image=x: /d has no Image"),
        ({"m": GREY}, RecordKeys(key="x"), "key=x: /d has no feature by that name"),
        (
            {"s": features.Sequence({"m": GREY, "t": features.Text()})},
            KEYS,
            "s (Sequence({ 'm': Image",
        ),
    ],
)
def test_features_that_leave_it_open(columns, named, words):
    spec = dict(prepared_tfds._flat(features.FeaturesDict(columns)))
    with pytest.raises(UsageError, match=re.escape(words)):
        prepared_tfds._resolve(spec, named, "/d")


def test_other_file_formats_are_refused(tmp_path):
    builder = _prepare(tmp_path, {"m": GREY}, file_format="array_record")
    with pytest.raises(UsageError, match="is prepared as array_record"):
        prepared_tfds.find(str(builder.data_dir), None, KEYS)


@pytest.mark.parametrize("name", ["maskbeam_pets:9.9.9", "oxford_iiit_pet:4.0.0"])
def test_datasets_that_are_not_prepared(tmp_path, name):
    words = f"{name} is not prepared in {tmp_path}"
    with pytest.raises(UsageError, match=re.escape(words)) as raised:
        prepared_tfds.find(name, str(tmp_path), KEYS)
    assert "download_and_prepare" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["/no/such/directory", "Not A Name", ""])
def test_names_that_are_none(tmp_path, name):
    with pytest.raises(UsageError, match="cannot open '.*'") as raised:
        prepared_tfds.find(name, str(tmp_path), KEYS)
    assert "\n" not in str(raised.value)


def test_damaged_metadata_is_a_usage_error(tmp_path):
    data.write_tree(tmp_path, {"features.json": b"{", "dataset_info.json": b"{"})
    with pytest.raises(UsageError, match="cannot open"):
        prepared_tfds.find(str(tmp_path), None, KEYS)


def test_tfds_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'maskbeam[tfds]'")):
        prepared_tfds.find("x", None, KEYS)
