"""Describes features in TFDS's JSON.

Source: tensorflow_datasets/core/proto/feature.proto, of version 4.9.
"""

from collections.abc import Iterable, Mapping
from typing import Any

_FEATURES = "tensorflow_datasets.core.features"
FEATURES_DICT = f"{_FEATURES}.features_dict.FeaturesDict"

Feature = dict[str, Any]


def text() -> Feature:
    """Describes a string."""
    return {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}}


def tensor(shape: Iterable[int], dtype: str, encoding: str = "none") -> Feature:
    """Describes a tensor.

    Args:
        shape: the tensor's shape; -1 for a side that varies.
        dtype: the dtype's NumPy name.
        encoding: `none` for a list of numbers, `bytes` for their bytes, `zlib` for
            deflated bytes.
    """
    return {
        "pythonClassName": f"{_FEATURES}.tensor_feature.Tensor",
        "tensor": {"shape": _shape(shape), "dtype": dtype, "encoding": encoding},
    }


def image(shape: Iterable[int], dtype: str, encoding: str = "") -> Feature:
    """Describes an encoded picture.

    Args:
        shape: [H W C]; -1 for a side that varies.
        dtype: the NumPy name of the samples' dtype.
        encoding: `png` or `jpeg`; empty if it may be either.
    """
    described: dict[str, Any] = {"shape": _shape(shape), "dtype": dtype}
    if encoding:
        described["encodingFormat"] = encoding
    return {
        "pythonClassName": f"{_FEATURES}.image_feature.Image",
        "image": described,
    }


def features_dict(features: Mapping[str, Feature]) -> Feature:
    """Describes several features below one name: their columns are `name/feature`."""
    return {
        "pythonClassName": FEATURES_DICT,
        "featuresDict": {"features": dict(features)},
    }


def _shape(shape: Iterable[int]) -> dict[str, Any]:
    dimensions = [str(side) for side in shape]
    return {"dimensions": dimensions} if dimensions else {}
