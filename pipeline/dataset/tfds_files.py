"""The files by which TFDS loads a dataset: `features.json`, `dataset_info.json`."""

from collections.abc import Mapping, Sequence
from typing import Any

from maskbeam.pipeline.rows.write import WrittenRecords, mask_depth
from maskbeam.transforms import features, masks

_TFDS = "tensorflow_datasets.core.features"

_DICT = f"{_TFDS}.features_dict.FeaturesDict"

_VERSION = "1.0.0"  # of the dataset, as TFDS wants one


def make_dataset_info(
    name: str, splits: Mapping[str, Sequence[WrittenRecords]]
) -> dict[str, Any]:
    """The content of TFDS's `dataset_info.json`."""
    return {
        "name": name,
        "version": _VERSION,
        "description": "Semantic-segmentation masks, one-hot encoded by maskbeam.",
        "fileFormat": "tfrecord",
        "splits": [
            {
                "name": split,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "numBytes": str(sum(p.bytes for p in pieces)),
                "shardLengths": [str(p.records) for p in pieces],
            }
            for split, pieces in splits.items()
        ],
    }


def make_features(config: features.Config) -> dict[str, Any]:
    """The content of TFDS's `features.json`: the record columns, as TFDS has them."""
    columns = {
        features.KEY: _text(),
        features.IMAGE_HEIGHT: _tensor([], "int64"),
        features.IMAGE_WIDTH: _tensor([], "int64"),
        config.mask_column: _mask(config),
    }
    if config.with_images:
        resized = config.size if config.image_storage == "png" else None
        columns[features.IMAGE_ENCODED] = _image([*(resized or (-1, -1)), 3], "uint8")
        columns[features.IMAGE_FORMAT] = _text()
    return {
        "type": _DICT,
        "content": {"features": columns},
        "proto_cls": "tensorflow_datasets.FeaturesDict",
    }


def _mask(config: features.Config) -> dict[str, Any]:
    height, width = config.size or (-1, -1)
    if config.mask_encoding == "png":
        dtype = masks.index_dtype(config.num_classes).name
        return _image([height, width, 1], dtype, encoding="png")
    if config.mask_encoding == "float32" and config.size is None:
        # TFDS reads no plain tensor of two unknown sides: value and shape it is.
        parts = {"value": _tensor([-1], "float32"), "shape": _tensor([3], "int64")}
        return {"pythonClassName": _DICT, "featuresDict": {"features": parts}}
    dtype, encoding = {
        "bits": (masks.word_dtype(config.num_classes).name, "zlib"),
        "uint8": ("uint8", "zlib"),
        "float32": ("float32", "none"),
    }[config.mask_encoding]
    return _tensor([height, width, *mask_depth(config)], dtype, encoding)


def _text() -> dict[str, Any]:
    return {"pythonClassName": f"{_TFDS}.text_feature.Text", "text": {}}


def _tensor(shape: list[int], dtype: str, encoding: str = "none") -> dict[str, Any]:
    return {
        "pythonClassName": f"{_TFDS}.tensor_feature.Tensor",
        "tensor": {"shape": _shape(shape), "dtype": dtype, "encoding": encoding},
    }


def _image(shape: list[int], dtype: str, encoding: str = "") -> dict[str, Any]:
    image: dict[str, Any] = {"shape": _shape(shape), "dtype": dtype}
    if encoding:
        image["encodingFormat"] = encoding
    return {"pythonClassName": f"{_TFDS}.image_feature.Image", "image": image}


def _shape(shape: list[int]) -> dict[str, Any]:
    return {"dimensions": [str(n) for n in shape]} if shape else {}
