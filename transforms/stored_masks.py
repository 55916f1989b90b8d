"""How records store masks: the only module that knows the mask encodings.

    encode   class indices           -> encoded pixels   of many rows, in TensorFlow
    write    encoded pixels          -> record columns   of one row, in NumPy
    pixels   record columns          -> encoded pixels   of one row, in TensorFlow
    index    encoded pixels          -> class indices    in `load` and in serving

Example, K = 3, and the last of four pixels ignored:

    class index        0       1       2       255
    bits, u8           1       2       4       0
    png, u8            0       1       2       255
    uint8, float32     1 0 0   0 1 0   0 0 1   0 0 0

An encoding is a class here and a line in `ENCODINGS`. All other code asks the object
that `of` returns, and never looks at the encoding's name.

The survey asks how large masks will be before TensorFlow is loaded, and reading a
dataset needs no isal: so each is imported where it is used.
"""

import abc
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from maskbeam.transforms import features, mask_dtypes, tfds_json

if TYPE_CHECKING:
    import tensorflow as tf

AUTO = "auto"
# The smallest for any number of classes, the fastest to read, and as fast to write:
# docs/benchmarks has the measurements.
BEST = "png"

Parts = Iterable[npt.NDArray[Any]]


class Floats(NamedTuple):
    """Floats in parts, which may be made one after the other.

    Attributes:
        size: how many floats all parts have.
        parts: f32[...] each.
    """

    size: int
    parts: Parts


Columns = dict[str, bytes | npt.NDArray[np.int64] | Floats]


@dataclass(frozen=True)
class StoredMask(abc.ABC):
    """The masks of one dataset, as its records store them.

    Attributes:
        encoding: the encoding's name in `ENCODINGS`.
        num_classes: K.
        size: (height, width) in pixels of every mask, or None if each has its own.
    """

    encoding: str
    num_classes: int
    size: tuple[int, int] | None

    @property
    def column(self) -> str:
        """The name of the record column, or the beginning of the names of several."""
        return features.MASK_PREFIX + self.encoding

    @property
    @abc.abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The dtype of encoded pixels."""

    @property
    def depth(self) -> tuple[int, ...]:
        """The shape of one encoded pixel: () for a number, (n,) for a vector of n."""
        return ()

    @functools.cached_property
    def bytes_per_pixel(self) -> int:
        """The bytes that an encoded pixel takes in memory."""
        return self.dtype.itemsize * math.prod(self.depth)

    @abc.abstractmethod
    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """Estimates the bytes that a mask will take in its record.

        Args:
            png_bytes: the bytes that its label map takes as a PNG.
            pixels: how many pixels it has.
        """

    @abc.abstractmethod
    def tfds_feature(self) -> tfds_json.Feature:
        """Describes the column, or the columns, for TFDS's `features.json`."""

    @abc.abstractmethod
    def encode(self, index: "tf.Tensor") -> "tf.Tensor":
        """Encodes pixels.

        It cannot fail, whatever the indices are: all checks come before it.

        Args:
            index: `masks.index_dtype`[N]: class indices; K and above mean ignored.

        Returns:
            `dtype`[N *depth].
        """

    @abc.abstractmethod
    def write(self, parts: Parts, height: int, width: int) -> Columns:
        """Makes a row's record columns.

        Args:
            parts: `dtype`[n *depth] each, as `encode` returns them; height * width
                pixels in all. A large mask comes in several, so as never to be whole.
            height: the mask's height, in pixels.
            width: the mask's width, in pixels.
        """

    @abc.abstractmethod
    def feature_spec(self) -> dict[str, Any]:
        """Describes the columns for `tf.io.parse_example`."""

    @abc.abstractmethod
    def pixels(self, columns: Mapping[str, "tf.Tensor"]) -> "tf.Tensor":
        """Reads the encoded pixels of a parsed record: `dtype`[H W *depth].

        Args:
            columns: as `feature_spec` parses them, and the mask's height and width.

        Raises:
            tf.errors.InvalidArgumentError: the column is damaged, or of another size.
        """

    @abc.abstractmethod
    def index(self, pixels: "tf.Tensor") -> "tf.Tensor":
        """Decodes pixels to class indices.

        Args:
            pixels: `dtype`[... *depth].

        Returns:
            `masks.index_dtype`[...]: class indices, the largest value where ignored.
        """

    @abc.abstractmethod
    def may_have(
        self,
        columns: Mapping[str, "tf.Tensor"],
        height: "tf.Tensor",
        width: "tf.Tensor",
    ) -> "tf.Tensor":
        """Judges a parsed record before its pixels are read, which may be far too many.

        Args:
            columns: as `pixels` takes them.
            height: i64[], of the record's mask.
            width: i64[].

        Returns:
            bool[]: false if the mask cannot be of that size.
        """

    @property
    def is_one_hot(self) -> bool:
        """Whether encoded pixels are one-hot vectors, [K] numbers each."""
        return False

    @property
    def stores_floats(self) -> bool:
        """Whether records hold a list of floats, which is as large as the mask."""
        return False

    @property
    def _sides(self) -> tuple[int | None, int | None]:
        """Height and width, as far as they are known beforehand."""
        return self.size or (None, None)


class Png(StoredMask):
    """Class indices as a grey PNG: 8 bits, 255 ignored; above 255 classes, 16 bits."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of class indices."""
        return mask_dtypes.index_dtype(self.num_classes)

    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """Estimates by street scenes: most writers pack closer than isal."""
        return 1.3 * png_bytes

    def tfds_feature(self) -> tfds_json.Feature:
        """Describes an image of TFDS's, of one channel."""
        height, width = self.size or (-1, -1)
        return tfds_json.image([height, width, 1], self.dtype.name, "png")

    def encode(self, index: "tf.Tensor") -> "tf.Tensor":
        """Returns the indices as they are."""
        import tensorflow as tf

        return tf.identity(index)

    def write(self, parts: Parts, height: int, width: int) -> Columns:
        """Makes one column, which has the size in its header."""
        from maskbeam.transforms.png import encode_png

        pixels = np.concatenate(list(parts)).reshape(height, width)
        return {self.column: encode_png(pixels)}

    def feature_spec(self) -> dict[str, Any]:
        """Describes one string."""
        import tensorflow as tf

        return {self.column: tf.io.FixedLenFeature([], tf.string)}

    def pixels(self, columns: Mapping[str, "tf.Tensor"]) -> "tf.Tensor":
        """Decodes the PNG's samples."""
        import tensorflow as tf

        from maskbeam.transforms import decode

        samples = decode.grey_ids(columns[self.column], tf.as_dtype(self.dtype))
        return tf.ensure_shape(samples, self._sides)

    def may_have(
        self,
        columns: Mapping[str, "tf.Tensor"],
        height: "tf.Tensor",
        width: "tf.Tensor",
    ) -> "tf.Tensor":
        """Compares the size with that in the PNG's header."""
        import tensorflow as tf

        from maskbeam.transforms import decode

        encoded = columns[self.column]
        has_sides = tf.reduce_all(decode.png_sides(encoded) == [height, width])
        return decode.is_png(encoded) & has_sides

    def index(self, pixels: "tf.Tensor") -> "tf.Tensor":
        """Returns the samples as they are."""
        return pixels


class StoredTensor(StoredMask):
    """Encoded pixels as TFDS's `Tensor` stores them: their bytes, deflated.

    If all rows have one size it is one column; else two, `value` and `shape`. Source:
    tensorflow_datasets/core/features/tensor_feature.py, `Encoding.ZLIB`.
    """

    def tfds_feature(self) -> tfds_json.Feature:
        """Describes a tensor of TFDS's, deflated."""
        height, width = self.size or (-1, -1)
        return tfds_json.tensor([height, width, *self.depth], self.dtype.name, "zlib")

    def write(self, parts: Parts, height: int, width: int) -> Columns:
        """Makes one column, or value and shape."""
        value = self.value(parts, height * width)
        if self.size is not None:
            return {self.column: value}
        shape = np.array([height, width, *self.depth], np.int64)
        return {
            self.column + features.VALUE_SUFFIX: value,
            self.column + features.SHAPE_SUFFIX: shape,
        }

    def feature_spec(self) -> dict[str, Any]:
        """Describes one column, or value and shape."""
        import tensorflow as tf

        if self.size is not None:
            return {self.column: self.value_spec()}
        shape = tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True)
        return {
            self.column + features.VALUE_SUFFIX: self.value_spec(),
            self.column + features.SHAPE_SUFFIX: shape,
        }

    def _value_column(self) -> str:
        suffix = "" if self.size is not None else features.VALUE_SUFFIX
        return self.column + suffix

    def pixels(self, columns: Mapping[str, "tf.Tensor"]) -> "tf.Tensor":
        """Reads the values, in the mask's size."""
        import tensorflow as tf

        flat = self.flat(columns[self._value_column()])
        height, width = self.size or (
            columns[features.IMAGE_HEIGHT],
            columns[features.IMAGE_WIDTH],
        )
        shaped = tf.reshape(flat, [height, width, *self.depth])
        return tf.ensure_shape(shaped, [*self._sides, *self.depth])

    def may_have(
        self,
        columns: Mapping[str, "tf.Tensor"],
        height: "tf.Tensor",
        width: "tf.Tensor",
    ) -> "tf.Tensor":
        """Compares lengths: deflated bytes are no more, but for some headers."""
        import tensorflow as tf

        length = tf.strings.length(columns[self._value_column()])
        size = height * width * self.bytes_per_pixel
        return tf.cast(length, tf.int64) <= size + size // 8 + 1024

    def value(self, parts: Parts, pixels: int) -> bytes | Floats:
        """Makes what the column holds, of so many encoded pixels."""
        from maskbeam.transforms.png import deflate

        return deflate(parts)

    def value_spec(self) -> Any:
        """Describes what the column holds, for TensorFlow to parse."""
        import tensorflow as tf

        return tf.io.FixedLenFeature([], tf.string)

    def flat(self, value: "tf.Tensor") -> "tf.Tensor":
        """Undoes `value`: `dtype`[n], for however many pixels there are."""
        import tensorflow as tf

        return tf.io.decode_raw(
            tf.io.decode_compressed(value, "ZLIB"), tf.as_dtype(self.dtype)
        )


class Bits(StoredTensor):
    """One-hot vectors packed into words, deflated: class k is bit k.

    u8 to 8 classes, u16 to 16, i32 to 32, i64 to 64; beyond, several i64.
    """

    @property
    def dtype(self) -> np.dtype[Any]:
        """The word's dtype."""
        return mask_dtypes.word_dtype(self.num_classes)

    @property
    def depth(self) -> tuple[int, ...]:
        """(n,) for n words, () for one."""
        words = mask_dtypes.words_per_pixel(self.num_classes)
        return (words,) if words > 1 else ()

    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """Estimates by street scenes, from the word's bytes or the number of words."""
        by_word = {1: 1.4, 2: 1.8, 4: 2.4, 8: 3.5}
        if self.depth:
            return 2.0 * math.prod(self.depth) * png_bytes
        return by_word[self.dtype.itemsize] * png_bytes

    def encode(self, index: "tf.Tensor") -> "tf.Tensor":
        """Packs the indices into words."""
        from maskbeam.transforms import masks

        return masks.pack(index, self.num_classes)

    def index(self, pixels: "tf.Tensor") -> "tf.Tensor":
        """Unpacks the words."""
        from maskbeam.transforms import masks

        return masks.index_from_words(pixels, self.num_classes)


class OneHot(StoredTensor):
    """One-hot vectors, a number for each class."""

    @property
    def depth(self) -> tuple[int, ...]:
        """(K,)."""
        return (self.num_classes,)

    def encode(self, index: "tf.Tensor") -> "tf.Tensor":
        """One-hot encodes the indices."""
        import tensorflow as tf

        from maskbeam.transforms import masks

        if index.dtype == tf.uint16:  # which tf.one_hot does not take
            index = tf.cast(index, tf.int32)
        return masks.of_label(index, self.num_classes, tf.as_dtype(self.dtype))

    def index(self, pixels: "tf.Tensor") -> "tf.Tensor":
        """Finds the class that is not zero."""
        from maskbeam.transforms import masks

        label = masks.label_from_mask(pixels)
        return masks.index_from_label(label, self.num_classes)

    @property
    def is_one_hot(self) -> bool:
        """Yes."""
        return True


class Uint8(OneHot):
    """One-hot vectors of u8, deflated."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """u8."""
        return np.dtype(np.uint8)

    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """Estimates by street scenes; good to some 30 classes, far too low at 300."""
        return 4.0 * png_bytes


class Float32(OneHot):
    """One-hot vectors of f32 as a list of floats, which anything reads.

    If all rows have one size that is `tf.io.FixedLenFeature([H, W, K], tf.float32)`.
    """

    @property
    def stores_floats(self) -> bool:
        """Yes."""
        return True

    @property
    def dtype(self) -> np.dtype[Any]:
        """f32."""
        return np.dtype(np.float32)

    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """Returns the exact number: a list of floats is not deflated."""
        return float(pixels * self.bytes_per_pixel)

    def tfds_feature(self) -> tfds_json.Feature:
        """Describes a tensor; or two, for TFDS reads no plain one of unknown sides."""
        if self.size is not None:
            return tfds_json.tensor([*self.size, *self.depth], self.dtype.name)
        return tfds_json.features_dict(
            {
                "value": tfds_json.tensor([-1], self.dtype.name),
                "shape": tfds_json.tensor([3], "int64"),
            }
        )

    def value(self, parts: Parts, pixels: int) -> bytes | Floats:
        """Returns the floats."""
        return Floats(pixels * math.prod(self.depth), parts)

    def value_spec(self) -> Any:
        """Describes the floats, with their shape if all rows have one size."""
        import tensorflow as tf

        if self.size is not None:
            return tf.io.FixedLenFeature([*self.size, *self.depth], tf.float32)
        return tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True)

    def flat(self, value: "tf.Tensor") -> "tf.Tensor":
        """Returns the floats."""
        return value

    def may_have(
        self,
        columns: Mapping[str, "tf.Tensor"],
        height: "tf.Tensor",
        width: "tf.Tensor",
    ) -> "tf.Tensor":
        """Compares numbers: floats are stored as they are."""
        import tensorflow as tf

        floats = tf.size(columns[self._value_column()], tf.int64)
        return floats == height * width * self.num_classes


ENCODINGS: dict[str, type[StoredMask]] = {
    "bits": Bits,
    "png": Png,
    "uint8": Uint8,
    "float32": Float32,
}


def of(config: features.Config) -> StoredMask:
    """Returns how a dataset's records store masks.

    Raises:
        ValueError: there is no such encoding.
    """
    name = config.mask_encoding
    return _known(name)(name, config.num_classes, config.size)


def choose(encoding: str) -> str:
    """Returns the encoding asked for; for `auto`, the best one.

    Raises:
        ValueError: there is no such encoding.
    """
    if encoding == AUTO:
        return BEST
    _known(encoding)
    return encoding


def _known(encoding: str) -> type[StoredMask]:
    if encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        raise ValueError(f"there is no mask encoding {encoding!r}; there are {known}")
    return ENCODINGS[encoding]
