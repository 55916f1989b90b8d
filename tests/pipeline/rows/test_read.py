"""Rows whose files cannot be read: why, in words that are not too many."""

import struct

import numpy as np

from maskbeam.pipeline.elements import Entry, Place, Rejection, Row
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.rows import read
from maskbeam.transforms import classes

OPTIONS = Options(class_map=classes.numbered(2), max_pixels=1 << 20)


def test_a_long_name_in_a_damaged_archive_is_cut_short(tmp_path):
    path = tmp_path / "maps.npz"
    np.savez(path, a=np.arange(4000, dtype=np.int64).reshape(40, 100))
    damaged = bytearray(path.read_bytes())
    struct.pack_into("<H", damaged, 26, 9000)  # the name's length, where the array is
    path.write_bytes(damaged)
    entry = Entry("label", "train", str(path), Place("a"))
    found = read.read_row(Row("maps", 0, entry, None), "train", OPTIONS)
    assert isinstance(found, Rejection)
    assert "in the .npz file cannot be read: File name in directory" in found.reason
    assert len(found.reason) < 400
