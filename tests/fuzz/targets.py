"""What each of our readers does with any input: its law, and the inputs to try."""

import contextlib
import dataclasses
import functools
import io
import itertools
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import yaml
from hypothesis import strategies as st
from PIL import Image

from maskbeam.pipeline import arguments
from maskbeam.pipeline.command_line import main
from maskbeam.pipeline.elements import (
    BadRow,
    DamagedError,
    Entry,
    Place,
    RawRow,
    RejectedError,
    Rejection,
    Row,
    Segment,
)
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import annotations as annotation_files
from maskbeam.pipeline.formats import (
    drawn,
    lists,
    panoptic_json,
    panoptic_png,
    picture_header,
    pictures,
    record_files,
    tfrecords,
    yolo_polygons,
)
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import tiff_rows
from maskbeam.pipeline.rows import images, label_maps, read
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import RecordKeys
from maskbeam.transforms import (
    class_files,
    classes,
    load,
    orientation,
    record_columns,
    served_records,
)
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.manifest import read_config, read_manifest, read_stats
from maskbeam.transforms.png_kinds import PALETTE
from tests import data_generation as data
from tests import peaks
from tests.fuzz import hostile, sound
from tests.fuzz.hostile import Hostile

_MAX_PIXELS = 1 << 20
_OPTIONS = Options(class_map=classes.numbered(2), max_pixels=_MAX_PIXELS)
_MAX_SECONDS = 5.0  # the first use of a library loads it
_MAX_GROWTH = 200 << 20  # in bytes, of the process's memory


class Target(NamedTuple):
    """One thing that reads.

    Attributes:
        law: takes an input; raises if what should hold does not.
        inputs: of the kind that it takes.
    """

    law: Callable[[Any], None]
    inputs: st.SearchStrategy[Any]


@functools.cache
def _directory() -> pathlib.Path:
    """This process's own directory; it goes when the process does."""
    made = tempfile.TemporaryDirectory(prefix="maskbeam-fuzz-")
    _KEPT.append(made)
    return pathlib.Path(made.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _written(file: Hostile) -> str:
    path = _directory() / file.name
    path.write_bytes(file.data)
    return str(path)


@contextlib.contextmanager
def _within_bounds() -> Iterator[None]:
    """Demands that what is done takes neither long nor much memory."""
    start = time.process_time()
    with peaks.growth() as grown:
        yield
    assert time.process_time() - start < _MAX_SECONDS
    assert grown.bytes < _MAX_GROWTH, f"{grown.bytes} bytes more"


def _by_pillow(encoded: bytes) -> Image.Image | None:
    """A picture as Pillow decodes it; None if it does not."""
    try:
        picture = Image.open(io.BytesIO(encoded))
        if picture.width * picture.height > _MAX_PIXELS:
            return None
        picture.load()
    except Exception:  # Pillow raises of everything
        return None
    return picture


def _check_message(error: Exception, longest: int) -> None:
    assert len(str(error)) < longest


def _check_is_line(error: Exception) -> None:
    assert "\n" not in str(error)


def _check_damage(error: DamagedError, rows_before: int, file: Hostile) -> None:
    """A file that is no such file at all is damaged at row 0."""
    assert error.row in (0, rows_before)
    assert not file.is_sound


def _header(encoded: bytes) -> picture_header.Header | None:
    """The header of a picture that a run would decode."""
    try:
        found = picture_header.read_header(encoded)
    except ValueError as error:
        _check_message(error, 500)
        return None
    return found if found.pixels <= _MAX_PIXELS else None


def header(file: Hostile) -> None:
    """A header is read, or what is wrong with it is said in a few words."""
    found = _header(file.data)
    if file.is_sound:
        picture = _by_pillow(file.data)
        assert found is not None
        # Pillow reads no colours of 16 bits with alpha in grey.
        if picture is not None:
            assert (found.width, found.height) == picture.size


def image(file: Hostile) -> None:
    """An image is of the size that its header promises, or is rejected."""
    found = _header(file.data)
    if found is None:
        assert not file.is_sound
        return
    try:
        levels = images.read(file.data, found, 1, "png", "image").levels
    except RejectedError:
        assert not file.is_sound
        return
    assert levels.shape == (found.height, found.width, 3)
    assert levels.dtype == np.uint8


_COLORS = (
    "{name: m, encoding: color, others: ignore, classes: [{name: a, color: [0, 0, 0]}, "
    "{name: b, color: [128, 0, 0]}, {name: c, color: [0, 128, 0]}]}"
)


_MAPS: dict[str, ClassMap] = {
    "index": classes.numbered(300),
    "color": class_files.parse_class_map(_COLORS, "colours"),
    "nearest": class_files.parse_class_map(
        _COLORS.replace("others", "nearest: 200, others"), "colours"
    ),
    "threshold": class_files.parse_class_map(
        "{base: binary, threshold: 128}", "binary"
    ),
    "red": dataclasses.replace(classes.numbered(256), channel="red"),
    "alpha": dataclasses.replace(classes.numbered(256), channel="alpha"),
}


@functools.cache
def _label_maps(name: str) -> label_maps.LabelMaps:
    return label_maps.LabelMaps(_MAPS[name])


def label_map(file: Hostile) -> None:
    """A label map is of the size that its header promises, or is rejected.

    What Pillow reads too has the same indices.
    """
    found = _header(file.data)
    if found is None:
        return
    for encoding in _MAPS:
        try:
            reader = _label_maps(encoding)
            reader.check_kind(found)
            runs, counts, _ = reader.read(file.data, found)
        except RejectedError:
            continue
        indices = runs.repeat(runs.values)
        assert indices.size == counts.sum() == found.pixels
        assert found.kind is not None
        # Of grey pixels Pillow spreads those of less than 8 bits.
        if encoding == "index" and (
            found.kind.depth == 8 or found.kind.color_type == PALETTE
        ):
            picture = _by_pillow(file.data)
            if picture is not None and picture.mode in ("L", "P"):
                np.testing.assert_array_equal(indices, np.asarray(picture).ravel())


def panoptic_map(file: Hostile) -> None:
    """Segments become a grey PNG of the size that the header promises, or none."""
    found = _header(file.data)
    if found is None:
        return
    try:
        encoded = panoptic_png.category_map(file.data, (Segment(1, 2, 3),), _MAX_PIXELS)
    except ValueError as error:
        _check_message(error, 500)
        return
    made = picture_header.read_header(encoded)
    assert (made.height, made.width) == (found.height, found.width)


@functools.cache
def _orientation_in_graph() -> Callable[[tf.Tensor], tf.Tensor]:
    spec = tf.TensorSpec([], tf.string)
    made: Callable[[tf.Tensor], tf.Tensor] = tf.function(
        lambda encoded: orientation.orientation(encoded), [spec], autograph=False
    )
    return made


def turn(file: Hostile) -> None:
    """An orientation is 0 to 8, the same in a graph; a sound one is Pillow's."""
    encoded = tf.constant(file.data)
    found = int(orientation.orientation(encoded))
    assert 0 <= found <= 8
    assert int(_orientation_in_graph()(encoded)) == found
    if file.is_sound:
        exif = Image.open(io.BytesIO(file.data)).getexif()
        assert found == exif.get(0x0112, 1)


_KEYS = RecordKeys("label", "", "key")
_TAR_KEYS = RecordKeys("label", "", "")


def rows(file: Hostile) -> None:
    """A file of rows gives rows, then ends or is damaged; those before are intact."""
    path = _written(file)
    keys = _TAR_KEYS if ".tar" in file.name else _KEYS
    found = []
    with _within_bounds():
        with contextlib.suppress(ValueError):
            record_files.resolve(path, RecordKeys())
        assert record_files.spans(path)
        try:
            for row in record_files.rows(path, keys):
                assert isinstance(row, RawRow | BadRow)
                found.append(row)
        except DamagedError as error:
            _check_damage(error, len(found), file)
    if file.name == "x.tfrecord" and file.sound:
        ends = itertools.accumulate(map(len, sound.frames()))
        whole = sum(end <= file.untouched for end in ends)
        expected = _sound_rows()[:whole]
        assert [row[0] for row in found[:whole]] == [key for key, _ in expected]
        assert [getattr(row, "label_bytes", None) for row in found[:whole]] == [
            label for _, label in expected
        ]


@functools.cache
def _sound_rows() -> list[tuple[str, bytes]]:
    """The keys and label maps of the TFRecord files, by TensorFlow."""
    found = []
    for frame in sound.frames():
        record = frame[tfrecords.HEAD_BYTES : -tfrecords.TAIL_BYTES]
        example = tf.train.Example.FromString(record).features.feature
        (key,), (label,) = (example[n].bytes_list.value for n in ("key", "label"))
        found.append((key.decode(), label))
    return found


_PLACES = (Place(), Place("", 0), Place("", 2), Place("a"), Place("b", 1))


def array(file: Hostile) -> None:
    """An array becomes a row, or is rejected."""
    path = _written(file)
    for place in _PLACES:
        entry = Entry("label", "train", path, place)
        with _within_bounds():
            found = read.read_row(Row("key", 0, entry, None), "train", _OPTIONS)
        if isinstance(found, RawRow):
            assert found.label_bytes is not None
            picture_header.read_header(found.label_bytes)
        else:
            assert isinstance(found, Rejection)
            assert len(found.reason) < 1000


def other_picture(file: Hostile) -> None:
    """A picture of any format becomes a PNG, for either use, or its row is rejected."""
    path = _written(file)
    parts = tiff_rows.parts(path, _OPTIONS) if file.name.endswith("tif") else [None]
    for part in itertools.islice(parts, 4):
        place, window = (part.place, part.window) if part else (None, None)
        for role in ("label", "image"):
            entry = Entry(role, "train", path, place, window)
            row = Row("key", 0, *((entry, None) if role == "label" else (None, entry)))
            with _within_bounds():
                found = read.read_row(row, "train", _OPTIONS)
            if isinstance(found, Rejection):
                assert len(found.reason) < 1000
                assert "\n" not in found.reason
            elif pictures.is_other(file.data):
                encoded = found.label_bytes or found.image_bytes
                assert encoded is not None
                assert picture_header.read_header(encoded).pixels <= _MAX_PIXELS


def zip_archive(file: Hostile) -> None:
    """Members are listed and read, or the archive cannot be read."""
    path = _written(file)
    with _within_bounds(), contextlib.suppress(OSError):
        for found in files.matches(f"{path}/**"):
            entry = Entry("label", "train", found.path)
            row = read.read_row(Row("key", 0, entry, None), "train", _OPTIONS)
            assert isinstance(row, (RawRow, Rejection))


def name_list(file: Hostile) -> None:
    """A list gives keys or rows, or the command is wrong."""
    if b":" in file.data:  # it may name a store
        return
    path = _written(file)
    with _within_bounds():
        for found in (lists.keys(path, "_label"), lists.pairs(path)):
            with contextlib.suppress(UsageError):
                for _ in found:
                    pass


def annotations(file: Hostile) -> None:
    """A JSON gives pictures' segments, or is none of the format."""
    path = _written(file)
    with _within_bounds(), contextlib.suppress(ValueError):
        for name, segments in panoptic_json.annotations(path):
            assert isinstance(name, str)
            assert all(isinstance(n, int) for segment in segments for n in segment)


def annotation_file(file: Hostile) -> None:
    """A file of each format is drawn, as far as it can be, or refused in a line."""
    path = _written(file)
    for name, reader in annotation_files.FORMATS.items():
        rules = drawn.Rules(
            lambda label: int(label) if isinstance(label, int) else 1,
            0,
            reader.BY_AREA,
            _MAX_PIXELS,
        )
        with _within_bounds():
            try:
                for picture in reader.pictures(path):
                    if name == yolo_polygons.NAME:
                        picture = picture._replace(height=40, width=50)
                    with contextlib.suppress(ValueError):
                        ids, overlapping = drawn.draw(picture, rules)
                        assert ids.shape == (picture.height, picture.width)
                        assert 0 <= overlapping <= ids.size
            except ValueError as error:
                _check_is_line(error)


def class_map(text: str) -> None:
    """A class map is read, and again as it is written; or one line says what is wrong.

    The line may quote the text, which `errors.one_line` escapes.
    """
    try:
        found = class_files.parse_class_map(text, "map.yaml")
    except ValueError as error:
        _check_message(error, 1000)
        _check_is_line(error)
        return
    assert class_files.parse_class_map(class_files.to_yaml(found), "again") == found


def _tree(directory: pathlib.Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


@functools.cache
def _work() -> pathlib.Path:
    """A directory with a few label maps, and a dataset's place that is taken."""
    work = _directory() / "work"
    data.label_tree(work, 3, [0, 1], images=True)
    data.write_tree(work, {"out/mine.txt": b"mine"})
    return work


def command(argv: list[str]) -> None:
    """A command ends by an exit code; a wrong one leaves the output as it was."""
    work, before = _work(), pathlib.Path.cwd()
    files = _tree(work)
    # What a value names is below a directory of our own.
    os.chdir(work)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()) as said,
        ):
            code = _exit_code(argv)
    finally:
        os.chdir(before)
    assert code in (0, 1, 2, 3)
    if code:
        assert "maskbeam: " in said.getvalue()
        assert "Traceback" not in said.getvalue()
    assert _tree(work) == files  # no such command here writes


def _exit_code(argv: list[str]) -> int:
    try:
        return main(argv)
    except SystemExit as done:
        return _code_of_exit(done, argv)


def _code_of_exit(done: SystemExit, argv: list[str]) -> int:
    assert {"--help", "-h", "--version"} & set(argv)
    return int(done.code or 0)


@functools.cache
def _dataset() -> tuple[pathlib.Path, bytes, Any, dict[str, Any]]:
    """A shard, what it holds, what reads it, and the rows that are right."""
    root = _directory() / "load"
    data.label_tree(root, 6, [0, 1, 2], images=True)
    sources = [f"--{n}={root}/{n}/*" for n in ("images",)]
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(
            ["convert", f"--label_maps={root}/labels/*.png", *sources]
            + ["--num_classes=3", f"--output={root}/out"]
        )
    assert code == 0
    (shard,) = (root / "out").glob("*train*")
    # Starting to decode takes TensorFlow longer than all of these rows.
    rows = load(str(root / "out"), "train", raw=True)
    right = {row["key"]: row for row in rows.as_numpy_iterator()}
    return shard, shard.read_bytes(), rows, right


_IS_SAID = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.FailedPreconditionError,
    tf.errors.OutOfRangeError,
    tf.errors.NotFoundError,
    ValueError,
    FileNotFoundError,
)


def loading(edits: list[Any]) -> None:
    """A damaged shard is an error; records that come all the same are right.

    A record that is right has the right pixels. What is done to a manifest is not
    tried here.
    """
    shard, content, rows, right = _dataset()
    damaged = functools.reduce(hostile.edited, edits, content)
    shard.write_bytes(damaged)
    keys = []
    try:
        for row in rows.as_numpy_iterator():
            keys.append(row["key"])
            for name, values in right[row["key"]].items():
                np.testing.assert_array_equal(row[name], values)
    except _IS_SAID as error:
        _check_message(error, 3000)
        is_sound = damaged == content
        assert not is_sound
        return
    finally:
        shard.write_bytes(content)
    assert keys == list(right)


@functools.cache
def _decode_record() -> tuple[list[bytes], Callable[[tf.Tensor], Any]]:
    """The records of a shard, and how serving decodes one."""
    shard = _dataset()[0]
    directory = str(shard.parent)
    manifest = read_manifest(directory)
    config = read_config(manifest)
    stats = read_stats(directory, manifest, config)
    constants = record_columns.constants_of(stats, config)
    row = served_records.row(config, constants)
    decode = tf.function(
        lambda one: (row.judge(one), row.decode(one)),
        [tf.TensorSpec([], tf.string)],
        autograph=False,
    )
    records = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    return list(records), decode


def record(edits: list[Any]) -> None:
    """A record of others has one size in all that it becomes, or is invalid.

    Serving's decoder, and not that of `load`, which trusts the records of a dataset.
    """
    records, decode = _decode_record()
    damaged = functools.reduce(hostile.edited, edits, records[len(edits)])
    try:
        sides, row = decode(tf.constant(damaged))
    except tf.errors.InvalidArgumentError as error:
        _check_message(error, 5000)
        return
    assert row["image"].shape[:2] == row["label"].shape == tuple(sides[:2])
    assert -1 <= tf.reduce_min(row["label"]) <= tf.reduce_max(row["label"]) < 3


_LISTS = {  # of classes, as other tools write them
    "labelmap.txt": b"# label:color_rgb:parts:actions\nbackground:0,0,0::\na:1,2,3::\n",
    "class_dict.csv": b"name,r,g,b\nbuilding,60,16,152\nland,132,41,246\n",
    "_classes.csv": b'Pixel Value, Class\n0, background\n1, "a, b"\n',
    "id2label.json": b'{"0": "a", "7": "\\ud83d\\ude97"}',
    "config.json": b'{"labels": [{"name": "a", "evaluate": false}, {"name": "b", '
    b'"readable": "B", "evaluate": true, "color": [1, 2, 3]}]}',
    "class_list.json": b'{"#ff0000": "Car 1", "#c80000": "Car 2"}',
}


def _texts() -> st.SearchStrategy[str]:
    """Class maps that were sound, and trees of their fields."""
    names = ("camvid11", "cityscapes", "binary")
    presets = {name: class_files.preset_yaml(name).encode() for name in names}
    derived = b"{name: d, base: camvid11, merge: {a: [road, sky]}, drop: [car]}"
    layers = b"{name: l, classes: [{name: a, ids: [1]}, {name: b, ids: [2, 3]}], "
    layers += b"layers: [{x: a}, b, {y: 3}, {z: 0}], ignore: [0]}"
    presets["layers"] = layers
    texts = {**presets, "derived": derived, "colors": _COLORS.encode(), **_LISTS}
    fields = ["name", "encoding", "divisor", "ignore", "others", "classes", "dataset"]
    fields += ["base", "merge", "drop", "order", "ids", "color", "layers", "threshold"]
    fields += ["labels", "id2label", "readable", "evaluate", "0", "7", "#ff0000"]
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-2, 70000)
        | st.floats()
        | st.text(max_size=9)
        | st.sampled_from(["index", "color", "ignore", "camvid11", "road", 2**70])
    )
    trees = st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(fields), inner, max_size=5)
        ),
        max_leaves=12,
    )
    label_class = st.fixed_dictionaries(
        {}, optional={"name": leaves, "ids": trees, "color": trees, "more": leaves}
    )
    maps = st.fixed_dictionaries(
        {"name": leaves, "classes": st.lists(label_class | leaves, max_size=4)},
        optional={"encoding": leaves, "ignore": trees, "others": leaves},
    )
    changed = hostile.files(texts).map(lambda file: file.data.decode(errors="replace"))
    return changed | (trees | maps).map(yaml.safe_dump) | st.text(max_size=40)


_VALUES = ["", " ", "0", "-1", "1e999", "nan", "\0", "a" * 9999, "=", "train=", "=x"]
_VALUES += ["train=a=b", "[", "{a,b", "**", "\udc80", "9" * 30, "512x512", "0x0", "2"]
_VALUES += ["9" * 5000, "a\nb", "\x1b[2J", "labels/*.png", "labels", ".", "..", "~x"]
_VALUES += [
    "train=labels/*.png",
    "images/*",
    "auto",
    "camvid11",
    "tile",
    "label,x",
    "-",
]


def _argvs() -> st.SearchStrategy[list[str]]:
    """Commands that write nothing: their output is taken, or their input is nowhere."""
    flags = sorted(arguments.declared())
    values = st.sampled_from(_VALUES) | st.text(max_size=9).filter(
        lambda t: "/" not in t
    )

    def mistyped(name: str, at: int) -> str:
        at %= len(name)
        return name[:at] + name[at + 1 :]

    names = st.sampled_from(flags) | st.builds(
        mistyped, st.sampled_from(flags), st.integers(0, 20)
    )
    flag = st.builds(lambda n, v: [f"--{n}", *v], names, st.lists(values, max_size=2))
    joined = st.builds(lambda n, v: [f"--{n}={v}"], names, values)
    more = st.lists(flag | joined, max_size=4).map(lambda parts: sum(parts, []))
    sources = st.sampled_from(
        [[], ["--label_maps", "labels/*.png"], ["--label_maps", "nowhere/*.png"]]
    )
    meanings = st.sampled_from([[], ["--num_classes", "2"], ["--classes", "camvid11"]])
    plans = st.builds(lambda *parts: ["plan", *sum(parts, [])], sources, meanings, more)
    converts = st.builds(
        # At the end, so that they win.
        lambda found, more: ["convert", *found, *more, "--output", "out"],
        meanings,
        more,
    ).map(lambda argv: [a for a in argv if not a.startswith("--over")])
    others = st.lists(
        st.sampled_from(["inspect", "verify", "export", "presets", "--help", "-h"])
        | st.sampled_from(["--version", "convert", "out", "--to", "nowhere", "x"])
        | values,
        max_size=5,
    )
    return plans | plans | converts | others


_PNGS, _JPEGS = sound.pngs(), sound.jpegs()
_PNG_FILES = hostile.files(_PNGS, hostile.with_png_checksums)
_PICTURES = _PNG_FILES | hostile.files(_JPEGS)

TARGETS: dict[str, Target] = {
    "header": Target(header, _PICTURES),
    "image": Target(image, _PICTURES),
    "label_map": Target(label_map, _PICTURES),
    "panoptic_map": Target(panoptic_map, _PICTURES),
    "turn": Target(turn, hostile.files(_JPEGS)),
    "rows": Target(
        rows, hostile.files(sound.record_files(), hostile.with_tar_checksums)
    ),
    "array": Target(array, hostile.files(sound.arrays())),
    "other_picture": Target(other_picture, hostile.files(sound.other_pictures())),
    "zip_archive": Target(zip_archive, hostile.files(sound.zips())),
    "name_list": Target(name_list, hostile.files(sound.lists())),
    "annotation_file": Target(annotation_file, hostile.files(sound.annotation_files())),
    "annotations": Target(annotations, hostile.files(sound.panoptic_jsons())),
    "class_map": Target(class_map, _texts()),
    "command": Target(command, _argvs()),
    "record": Target(record, hostile.EDITS),
    "loading": Target(loading, hostile.EDITS),
}
