"""What holds for the reader of every format of many rows."""

import gzip
import io
import itertools
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maskbeam.pipeline.elements import WHOLE, RawRow
from maskbeam.pipeline.formats import record_files, tfrecords
from maskbeam.pipeline.values import RecordKeys
from tests import data_generation as data

LABELS = [f"label map {number}".encode() * 20 for number in range(9)]


def _tfrecord() -> bytes:
    records = [data.serialized({"label": label}) for label in LABELS]
    return b"".join(map(tfrecords.frame, records))


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"label": LABELS}), buffer)
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, label in enumerate(LABELS):
            member = tarfile.TarInfo(f"{number}.label")
            member.size = len(label)
            archive.addfile(member, io.BytesIO(label))
    return buffer.getvalue()


FILES = {
    # name: content, whether it can be cut
    "x.tfrecord": (_tfrecord(), True),
    "x.tfrecord.gz": (gzip.compress(_tfrecord()), False),
    "x.parquet": (_parquet(), False),
    "x.tar": (_tar(), False),
    "x.tar.gz": (gzip.compress(_tar()), False),
}


def test_every_format_is_tried():
    tried = {record_files.format_of(name) for name in FILES}
    assert tried == set(record_files.FORMATS)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_the_same_by_spans_as_whole(name, tmp_path):
    content, can_be_cut = FILES[name]
    path = str(tmp_path / name)
    (tmp_path / name).write_bytes(content)
    reader = record_files.reader_of(path)
    keys = reader.resolve(path, RecordKeys("label", "", ""))
    whole = list(reader.rows(path, keys))
    assert [row.label_bytes for row in whole if isinstance(row, RawRow)] == LABELS
    assert reader.can_cut(path) is can_be_cut
    spans = list(reader.spans(path, 300))
    assert (len(spans) > 2) if can_be_cut else (spans == [WHOLE])
    parts = [reader.rows(path, keys, span) for span in spans]
    assert list(itertools.chain.from_iterable(parts)) == whole
    assert list(reader.spans(path, len(content))) == [WHOLE]
