"""The skew check by itself; `test_serving` has it find what differs."""

import pathlib
import sys

import pytest

from maskbeam.pipeline.dataset import serving_model
from maskbeam.pipeline.elements import RawRow, SkewSample
from maskbeam.pipeline.rows import write
from maskbeam.transforms import features

_LARGER_THAN_MEMORY = """
import resource, tempfile
import numpy as np
import tensorflow as tf
from maskbeam.pipeline.dataset import skew
from maskbeam.pipeline.formats import tf_examples
from maskbeam.transforms import classes, features, serving, signatures, stored_masks
from maskbeam.transforms.record_columns import Constants
from tests import data_generation as data

K, SIDE = 5_000, 2_400  # of float32 that is a mask of 115 GB
resource.setrlimit(resource.RLIMIT_AS, (64 << 30, 64 << 30))
config = features.Config(K, "png")
with tempfile.TemporaryDirectory() as model:
    keys = signatures.ExampleKeys()
    signatures.save(model, config, classes.numbered(K), Constants(), keys)
    transform = serving.Transform(model)

ids = np.zeros((SIDE, SIDE), np.uint16)
ids[1:, 5] = K - 1
label_map = data.png(ids)
columns = stored_masks.of(config).write([ids.ravel()], SIDE, SIDE)
columns |= {"key": "k", "image/height": SIDE, "image/width": SIDE}
record = data.serialized(columns)

check = skew.SkewCheck(transform, config, Constants())
assert list(check.differences(label_map, None, record)) == []
ids[0, 0] = 1
changed = list(check.differences(data.png(ids), None, record))
assert len(changed) == 2, changed
assert "column label differs in 1 of" in changed[0], changed
assert "mask/png does not hold serving's label" in changed[1], changed

try:
    transform(label_bytes=tf.constant([label_map]))
except tf.errors.InvalidArgumentError as error:
    assert "at most 2147483647 bytes are returned" in error.message
    print("the mask by itself is refused")
"""


@pytest.mark.parametrize("label", [None, b"", b"label map"])
@pytest.mark.parametrize("image", [None, b"", b"an image"])
def test_raw_bytes_come_back_as_they_were(label, image, tmp_path):
    write_fragment = write.WriteFragment(
        str(tmp_path), features.Config(2, "bits"), 0, 0
    )
    path, lengths = write_fragment._write_raw(RawRow("k", "", "", label, image))
    sample = SkewSample(0, "train", "k", path, lengths, "", 0, 0, 1)
    assert serving_model._raw_bytes(sample) == (label, image)
    assert pathlib.Path(path).read_bytes() == (label or b"") + (image or b"")


@pytest.mark.skipif(sys.platform != "linux", reason="no other limits address space")
def test_a_mask_larger_than_memory_is_never_made(run_python):
    assert "is refused" in run_python(_LARGER_THAN_MEMORY)
