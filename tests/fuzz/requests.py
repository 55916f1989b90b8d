"""Hostile requests for the serving model, sent as a model server sends them."""

import functools
import pathlib
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.client import pywrap_tf_session

from tests import data_generation as data
from tests.fuzz import hostile, sound

INVALID = "INVALID_ARGUMENT"
ANSWER = "answer"
_LONGEST = 5000  # characters of a message
INPUTS = {
    "image": "image_bytes",
    "label_map": "label_bytes",
    "example": "examples",
    "decode_record": "records",
    "to_png": "scores",
}
Array = npt.NDArray[Any]


class Server:
    """A serving model in a session, where no Python looks at shapes and dtypes first.

    Args:
        path: the model's directory.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            found = tf.compat.v1.saved_model.load(self._session, ["serve"], str(path))
        self._signatures = found.signature_def

    def send(self, signature: str, value: Array) -> str:
        """Sends a request: `answer`, `INVALID_ARGUMENT`, or what else came."""
        definition = self._signatures[signature]

        def output(name: str) -> Any:
            return self._session.graph.get_tensor_by_name(name)._as_tf_output()

        (fed,) = definition.inputs.values()
        fetched = [output(tensor.name) for tensor in definition.outputs.values()]
        try:
            pywrap_tf_session.TF_SessionRun_wrapper(
                self._session._session,
                None,
                {output(fed.name): value},
                fetched,
                [],
                None,
            )
        except tf.errors.InvalidArgumentError as error:
            is_short = len(error.message) < _LONGEST
            return INVALID if is_short else f"a long message: {error.message[:200]}"
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:200]}"
        return ANSWER


def strings(values: Sequence[bytes]) -> Array:
    """Makes a request's tensor of bytes: string[B]."""
    return np.array([*values, None], object)[:-1]


Maker = Callable[[np.random.Generator], Array]


def makers(
    contents: Mapping[str, Sequence[bytes]], num_classes: int, *, large: bool
) -> dict[str, Maker]:
    """Makes what makes a hostile request, for each signature.

    Args:
        contents: sound rows, by signature.
        num_classes: K.
        large: whether some bombs are as large as they may be, and take seconds.
    """

    def pictures(_: bytes) -> list[bytes]:
        return _picture_bombs(large)

    @functools.cache
    def examples(one: bytes) -> list[bytes]:
        return _example_bombs(one, large)

    bombs = dict.fromkeys(INPUTS, pictures)
    bombs |= dict.fromkeys(("example", "decode_record"), examples)
    made: dict[str, Maker] = {
        name: functools.partial(_of_strings, [*rows], bombs[name])
        for name, rows in contents.items()
    }
    return made | {"to_png": functools.partial(_scores, num_classes)}


def _of_strings(
    rows: Sequence[bytes],
    bombs: Callable[[bytes], list[bytes]],
    rng: np.random.Generator,
) -> Array:
    """Rows that are damaged, bombs or sound; now and then of another shape."""
    count = int(rng.choice([0, 1, 1, 1, 2, 3, 17]))
    batch = []
    for _ in range(count):
        row = rows[int(rng.integers(len(rows)))]
        kind = rng.integers(40)
        if kind == 0:
            found = bombs(row)
            row = found[rng.integers(len(found))]
        elif kind < 4:
            row = rng.bytes(int(rng.integers(0, 99)))
        elif kind > 15:
            row = _edited(row, rng)
        batch.append(row)
    made = strings(batch)
    if count == 1 and rng.integers(20) == 0:
        return np.array(made[0], object) if rng.integers(2) else made[np.newaxis]
    if rng.integers(50) == 0:
        return np.zeros([count], np.float32)
    return made


def _edited(row: bytes, rng: np.random.Generator) -> bytes:
    for _ in range(rng.integers(1, 4)):
        edit = (
            str(rng.choice(hostile.KINDS)),
            int(rng.integers(hostile.PARTS)),
            int(rng.integers(1, 256)),
            hostile.NUMBERS[rng.integers(len(hostile.NUMBERS))]
            if rng.integers(2)
            else rng.bytes(int(rng.integers(1, 9))),
        )
        row = hostile.edited(row, edit)
    return hostile.with_png_checksums(row) if rng.integers(2) else row


def _scores(num_classes: int, rng: np.random.Generator) -> Array:
    """Scores of any numbers, and of many a shape."""
    sides = [0, 1, 1, 2, 7, 33]
    shape = [int(rng.choice(sides)) for _ in range(3)] + [num_classes]
    kind = rng.integers(12)
    if kind == 0:
        shape[:3] = [1, 1, 1]
        shape[rng.integers(1, 3)] = 1_000_001
    elif kind == 1:
        shape[3] = int(rng.choice([0, 1, num_classes - 1, num_classes + 1, 300]))
    elif kind == 2:
        shape = shape[: rng.integers(0, 4)] + [num_classes] * int(rng.integers(0, 3))
    values = rng.standard_normal(shape).astype(np.float32)
    odd = np.array([np.nan, np.inf, -np.inf, 0, 3e38, -3e38, 1e-45], np.float32)
    if rng.integers(2):
        values = rng.choice(odd, size=shape).astype(np.float32)
    return values.astype(np.float64) if rng.integers(50) == 0 else values


# ------------------------------------------------------------------------------- bombs


@functools.cache
def _png_of(height: int, width: int, color_type: int) -> bytes:
    """A PNG of one value; its bytes are a thousandth of its samples'."""
    line = 1 + width * {0: 1, 2: 3}[color_type]
    stream, parts = zlib.compressobj(9), []
    for _ in range(0, height * line, 1 << 24):
        parts.append(stream.compress(bytes(1 << 24)))
    header = struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b"".join([*parts, stream.flush()]))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, [*chunks, (b"IEND", b"")]))


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    kind, content = chunk
    checksum = zlib.crc32(kind + content)
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    )


@functools.cache
def _picture_bombs(large: bool) -> list[bytes]:
    """Pictures of the most pixels and of more, and those that pad each other."""
    promised = [
        _png_of(1, 1, 0)[:8] + _chunk((b"IHDR", struct.pack(">II", *sides) + tail))
        for sides in ((2**31 - 1, 2**31 - 1), (2**32 - 1, 1), (0, 5), (70000, 70000))
        for tail in (b"\x08\0\0\0\0", b"\x10\x06\0\0\0")
    ]
    most = ((10_000, 10_000), (16_000, 16_000)) if large else ((900, 900),)
    full = [_png_of(*sides, 2) for sides in most]
    long = [_png_of(*sides, 0) for sides in ((1, 99_999), (99_999, 1), (1, 1_000_001))]
    jpeg = data.jpeg(np.zeros((8, 8, 3), np.uint8))
    at = jpeg.index(b"\xff\xc0") + 5  # marker, length, precision; height and width
    huge = jpeg[:at] + b"\xff\xff\xff\xff" + jpeg[at + 4 :]
    return [*promised, *full, *long, *long, huge]


@functools.cache
def _deflated_zeros(size: int) -> bytes:
    stream = zlib.compressobj(9)
    parts = [stream.compress(bytes(1 << 24)) for _ in range(0, size, 1 << 24)]
    return b"".join([*parts, stream.flush()])


def _example_bombs(serialized: bytes, large: bool) -> list[bytes]:
    """tf.Examples with lengths that lie, and bombs for each of their strings."""
    example = tf.train.Example.FromString(serialized)
    made = []
    for name, feature in example.features.feature.items():
        other = tf.train.Example.FromString(serialized)
        values = other.features.feature[name]
        if feature.HasField("bytes_list"):
            (value,) = feature.bytes_list.value
            lie = serialized.replace(
                _sized(value), b"\x0a\xac\x86\xff\xd8\x0f" + value, 1
            )
            made.append(lie)
            for bomb in [
                *_picture_bombs(large),
                _deflated_zeros(1 << (31 if large else 24)),
            ]:
                values.bytes_list.value[0] = bomb
                made.append(other.SerializeToString())
        elif feature.HasField("int64_list"):
            for number in (-1, 0, 1, 9999, 10_000, 2**31, 2**63 - 1, -(2**63)):
                values.int64_list.value[0] = number
                made.append(other.SerializeToString())
        values.Clear()
        made.append(other.SerializeToString())
    return made


def _sized(value: bytes) -> bytes:
    """A value as it stands in a list: tag, length, bytes."""
    return tf.train.BytesList(value=[value]).SerializeToString()


def sound_pictures() -> dict[str, list[bytes]]:
    """Images and label maps of all kinds."""
    pngs, jpegs = list(sound.pngs().values()), list(sound.jpegs().values())
    return {"image": [*pngs, *jpegs], "label_map": [*pngs, *jpegs[:2]]}
