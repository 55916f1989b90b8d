"""Makes the files that TFDS needs to load a dataset, in its own format."""

from collections.abc import Mapping, Sequence
from typing import Any

from maskbeam.pipeline.elements import WrittenRecords
from maskbeam.transforms import features, own_records, stored_masks, tfds_json

_VERSION = "1.0.0"  # of the dataset: TFDS wants one


def make_dataset_info(
    name: str, splits: Mapping[str, Sequence[WrittenRecords]]
) -> dict[str, Any]:
    """Makes the content of TFDS's `dataset_info.json`."""
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


def _image_feature(config: features.Config) -> tfds_json.Feature:
    shape = [-1, -1, 3]
    if config.image_storage != "original" and config.size is not None:
        shape[:2] = config.size
    if config.image_storage == "raw":
        return tfds_json.tensor(shape, "uint8", "bytes")
    return tfds_json.image(shape, "uint8")


def make_features(config: features.Config) -> dict[str, Any]:
    """Makes the content of TFDS's `features.json`, which describes record columns."""
    stored = stored_masks.of(config)
    columns = {
        features.KEY: tfds_json.text(),
        features.IMAGE_HEIGHT: tfds_json.tensor([], "int64"),
        features.IMAGE_WIDTH: tfds_json.tensor([], "int64"),
        stored.column: stored.tfds_feature(),
    }
    if config.with_images:
        columns[features.IMAGE_ENCODED] = _image_feature(config)
        columns[features.IMAGE_FORMAT] = tfds_json.text()
    columns |= {
        column.name: own_records.tfds_feature(column)
        for column in own_records.stored(config)
    }
    return {
        "type": tfds_json.FEATURES_DICT,
        "content": {"features": columns},
        "proto_cls": "tensorflow_datasets.FeaturesDict",
    }
