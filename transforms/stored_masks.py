"""How a mask lies in a record: the one room that knows the mask encodings.

    encode   class indices           -> encoded pixels   of many rows, in TensorFlow
    write    encoded pixels          -> record columns   of one row, in NumPy
    read     record columns          -> label, mask      in `load` and in serving

Example, K = 3, and the last of four pixels ignored:

    class index        0       1       2       255
    bits, u8           1       2       4       0
    png, u8            0       1       2       255
    uint8, float32     1 0 0   0 1 0   0 0 1   0 0 0

An encoding is a class here and its line in `ENCODINGS`. Everything else asks the object
that `of` makes, and never what the encoding is called.

The survey asks what a mask takes before TensorFlow is loaded, and reading a dataset
needs no isal: each is imported where it is used.
"""

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from maskbeam.transforms import features, mask_dtypes, tfds_json

if TYPE_CHECKING:
    import tensorflow as tf

AUTO = "auto"
# By README's table: of 16 classes `bits` takes 1.95 times its source's bytes and reads
# 154 Mpixel/s, `png` 1.42 times and 140. Of 19, whose wider words deflate worse, `bits`
# takes 2.35 times and reads 117; `png` 1.41 times and 130.
_BITS_CLASSES = 16
AUTO_IN_WORDS = f"bits to {_BITS_CLASSES} classes and png beyond"

Columns = dict[str, bytes | npt.NDArray[np.int64] | npt.NDArray[np.float32]]


@dataclass(frozen=True)
class StoredMask(abc.ABC):
    """The masks of one dataset, as they lie in its records.

    Attributes:
        encoding: its name in `ENCODINGS`.
        num_classes: K.
        size: (height, width) in pixels of every mask, or None where each has its own.
    """

    encoding: str
    num_classes: int
    size: tuple[int, int] | None

    @property
    def column(self) -> str:
        """The record column, or the beginning of the names of several."""
        return features.MASK_PREFIX + self.encoding

    @property
    @abc.abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The dtype of encoded pixels."""

    @property
    def depth(self) -> tuple[int, ...]:
        """The shape of one encoded pixel: () for a number, (n,) for a vector of n."""
        return ()

    @property
    def bytes_per_pixel(self) -> int:
        """What an encoded pixel takes in memory."""
        return self.dtype.itemsize * math.prod(self.depth)

    @abc.abstractmethod
    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """What a mask will take in its record, about.

        Args:
            png_bytes: what its label map takes as a PNG.
            pixels: of the mask.
        """

    def least_bytes(self, pixels: int) -> int:
        """What a mask takes in its record whatever it shows; 0 where it is deflated.

        Args:
            pixels: of the mask.
        """
        return 0

    @abc.abstractmethod
    def tfds_feature(self) -> tfds_json.Feature:
        """The column, or the columns, as TFDS's `features.json` describes them."""

    @abc.abstractmethod
    def encode(self, index: "tf.Tensor") -> "tf.Tensor":
        """Encodes pixels.

        Nothing in it can fail, whatever the indices are: all checks come before it.

        Args:
            index: `masks.index_dtype`[N]: class indices; K and above mean ignored.

        Returns:
            `dtype`[N *depth].
        """

    @abc.abstractmethod
    def write(self, pixels: npt.NDArray[Any], height: int, width: int) -> Columns:
        """Makes a row's record columns.

        Args:
            pixels: `dtype`[height * width *depth], as `encode` gives them.
            height: of the mask, in pixels.
            width: of the mask, in pixels.
        """

    @abc.abstractmethod
    def feature_spec(self) -> dict[str, Any]:
        """The columns, as `tf.io.parse_example` takes them."""

    @abc.abstractmethod
    def pixels(self, columns: Mapping[str, "tf.Tensor"]) -> "tf.Tensor":
        """The encoded pixels of a parsed record: `dtype`[H W *depth].

        Args:
            columns: as `feature_spec` parses them, and the mask's height and width.

        Raises:
            tf.errors.InvalidArgumentError: the column is damaged, or of another size.
        """

    @abc.abstractmethod
    def label(self, pixels: "tf.Tensor") -> "tf.Tensor":
        """Decodes pixels: `dtype`[H W *depth] to i32[H W], -1 where ignored."""

    def read(
        self, columns: Mapping[str, "tf.Tensor"]
    ) -> tuple["tf.Tensor", "tf.Tensor | None"]:
        """Decodes a parsed record.

        Args:
            columns: as `pixels` takes them.

        Returns:
            The label, i32[H W] with -1 where ignored; and the mask, `dtype`[H W K],
            where it is stored as such.

        Raises:
            tf.errors.InvalidArgumentError: as of `pixels`.
        """
        return self.label(self.pixels(columns)), None

    @property
    def _sides(self) -> tuple[int | None, int | None]:
        """Height and width, as far as they are known beforehand."""
        return self.size or (None, None)


class Png(StoredMask):
    """Class indices as a grey PNG: of 8 bits, 255 ignored; above 255 classes of 16."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of class indices."""
        return mask_dtypes.index_dtype(self.num_classes)

    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """By street scenes: most writers pack closer than isal, and slower."""
        return 1.3 * png_bytes

    def tfds_feature(self) -> tfds_json.Feature:
        """TFDS's image of one channel."""
        height, width = self.size or (-1, -1)
        return tfds_json.image([height, width, 1], self.dtype.name, "png")

    def encode(self, index: "tf.Tensor") -> "tf.Tensor":
        """The indices as they are."""
        import tensorflow as tf

        return tf.identity(index)

    def write(self, pixels: npt.NDArray[Any], height: int, width: int) -> Columns:
        """One column, which has the size in its header."""
        from maskbeam.transforms.png import encode_png

        return {self.column: encode_png(pixels.reshape(height, width))}

    def feature_spec(self) -> dict[str, Any]:
        """One string."""
        import tensorflow as tf

        return {self.column: tf.io.FixedLenFeature([], tf.string)}

    def pixels(self, columns: Mapping[str, "tf.Tensor"]) -> "tf.Tensor":
        """The PNG's samples."""
        import tensorflow as tf

        from maskbeam.transforms import decode

        samples = decode.grey_ids(columns[self.column], tf.as_dtype(self.dtype))
        return tf.ensure_shape(samples, self._sides)

    def label(self, pixels: "tf.Tensor") -> "tf.Tensor":
        """The largest value is the ignored pixel."""
        from maskbeam.transforms import masks

        return masks.label_from_index(pixels)


class StoredTensor(StoredMask):
    """Encoded pixels in the way of TFDS's `Tensor`: their bytes, deflated.

    At a size of all rows it is one column; else two, `value` and `shape`. Source:
    tensorflow_datasets/core/features/tensor_feature.py, `Encoding.ZLIB`.
    """

    def tfds_feature(self) -> tfds_json.Feature:
        """TFDS's tensor, deflated."""
        height, width = self.size or (-1, -1)
        return tfds_json.tensor([height, width, *self.depth], self.dtype.name, "zlib")

    def write(self, pixels: npt.NDArray[Any], height: int, width: int) -> Columns:
        """One column, or value and shape."""
        value = self.value(pixels)
        if self.size is not None:
            return {self.column: value}
        shape = np.array([height, width, *self.depth], np.int64)
        return {
            self.column + features.VALUE_SUFFIX: value,
            self.column + features.SHAPE_SUFFIX: shape,
        }

    def feature_spec(self) -> dict[str, Any]:
        """One column, or value and shape."""
        import tensorflow as tf

        if self.size is not None:
            return {self.column: self.value_spec()}
        shape = tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True)
        return {
            self.column + features.VALUE_SUFFIX: self.value_spec(),
            self.column + features.SHAPE_SUFFIX: shape,
        }

    def pixels(self, columns: Mapping[str, "tf.Tensor"]) -> "tf.Tensor":
        """The values, in the mask's size."""
        import tensorflow as tf

        suffix = "" if self.size is not None else features.VALUE_SUFFIX
        flat = self.flat(columns[self.column + suffix])
        height, width = self.size or (
            columns[features.IMAGE_HEIGHT],
            columns[features.IMAGE_WIDTH],
        )
        shaped = tf.reshape(flat, [height, width, *self.depth])
        return tf.ensure_shape(shaped, [*self._sides, *self.depth])

    def value(self, pixels: npt.NDArray[Any]) -> bytes | npt.NDArray[np.float32]:
        """What the column holds of a mask's encoded pixels."""
        from maskbeam.transforms.png import deflate

        return deflate(pixels)

    def value_spec(self) -> Any:
        """How TensorFlow parses what the column holds."""
        import tensorflow as tf

        return tf.io.FixedLenFeature([], tf.string)

    def flat(self, value: "tf.Tensor") -> "tf.Tensor":
        """Undoes `value`: `dtype`[n], of as many pixels as there are."""
        import tensorflow as tf

        return tf.io.decode_raw(
            tf.io.decode_compressed(value, "ZLIB"), tf.as_dtype(self.dtype)
        )


class Bits(StoredTensor):
    """One-hot vectors packed in words, deflated: class k is bit k.

    u8 to 8 classes, u16 to 16, i32 to 32, i64 to 64; beyond, several i64.
    """

    @property
    def dtype(self) -> np.dtype[Any]:
        """The word's."""
        return mask_dtypes.word_dtype(self.num_classes)

    @property
    def depth(self) -> tuple[int, ...]:
        """Of several words a vector."""
        words = mask_dtypes.words_per_pixel(self.num_classes)
        return (words,) if words > 1 else ()

    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """By street scenes: by the word's bytes, or by the number of words."""
        by_word = {1: 1.4, 2: 1.8, 4: 2.4, 8: 3.5}
        if self.depth:
            return 2.0 * math.prod(self.depth) * png_bytes
        return by_word[self.dtype.itemsize] * png_bytes

    def encode(self, index: "tf.Tensor") -> "tf.Tensor":
        """Packs them."""
        from maskbeam.transforms import masks

        return masks.pack(index, self.num_classes)

    def label(self, pixels: "tf.Tensor") -> "tf.Tensor":
        """Unpacks them."""
        from maskbeam.transforms import masks

        return masks.unpack(pixels, self.num_classes)


class OneHot(StoredTensor):
    """One-hot vectors, a number for each class."""

    @property
    def depth(self) -> tuple[int, ...]:
        """A number for each class."""
        return (self.num_classes,)

    def encode(self, index: "tf.Tensor") -> "tf.Tensor":
        """One-hot vectors."""
        import tensorflow as tf

        from maskbeam.transforms import masks

        if index.dtype == tf.uint16:  # which tf.one_hot does not take
            index = tf.cast(index, tf.int32)
        return masks.of_label(index, self.num_classes, tf.as_dtype(self.dtype))

    def label(self, pixels: "tf.Tensor") -> "tf.Tensor":
        """The class that is not zero."""
        from maskbeam.transforms import masks

        return masks.label_from_mask(pixels)

    def read(
        self, columns: Mapping[str, "tf.Tensor"]
    ) -> tuple["tf.Tensor", "tf.Tensor | None"]:
        """The label and the mask."""
        mask = self.pixels(columns)
        return self.label(mask), mask


class Uint8(OneHot):
    """One-hot vectors of u8, deflated."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """u8."""
        return np.dtype(np.uint8)

    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """By street scenes: near to some 30 classes, at 300 an eighth of the truth."""
        return 4.0 * png_bytes


class Float32(OneHot):
    """One-hot vectors of f32 as a list of floats, which anything reads.

    At one size that is `tf.io.FixedLenFeature([H, W, K], tf.float32)`.
    """

    @property
    def dtype(self) -> np.dtype[Any]:
        """f32."""
        return np.dtype(np.float32)

    def estimated_bytes(self, png_bytes: float, pixels: int) -> float:
        """Exactly so much."""
        return self.least_bytes(pixels)

    def least_bytes(self, pixels: int) -> int:
        """All of it: a list of floats is not deflated."""
        return pixels * self.bytes_per_pixel

    def tfds_feature(self) -> tfds_json.Feature:
        """TFDS's tensor; or two, for it reads no plain one of two unknown sides."""
        if self.size is not None:
            return tfds_json.tensor([*self.size, *self.depth], self.dtype.name)
        return tfds_json.features_dict(
            {
                "value": tfds_json.tensor([-1], self.dtype.name),
                "shape": tfds_json.tensor([3], "int64"),
            }
        )

    def value(self, pixels: npt.NDArray[Any]) -> bytes | npt.NDArray[np.float32]:
        """The floats."""
        return pixels.ravel()

    def value_spec(self) -> Any:
        """The floats, shaped where all rows have one size."""
        import tensorflow as tf

        if self.size is not None:
            return tf.io.FixedLenFeature([*self.size, *self.depth], tf.float32)
        return tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True)

    def flat(self, value: "tf.Tensor") -> "tf.Tensor":
        """The floats."""
        return value


ENCODINGS: dict[str, type[StoredMask]] = {
    "bits": Bits,
    "png": Png,
    "uint8": Uint8,
    "float32": Float32,
}


def of(config: features.Config) -> StoredMask:
    """How the masks of a dataset lie in its records.

    Raises:
        ValueError: there is no such encoding.
    """
    name = config.mask_encoding
    return _known(name)(name, config.num_classes, config.size)


def choose(encoding: str, num_classes: int) -> str:
    """The encoding that was asked for, or of `auto` the one that suits the classes.

    Raises:
        ValueError: there is no such encoding.
    """
    if encoding == AUTO:
        return "bits" if num_classes <= _BITS_CLASSES else "png"
    _known(encoding)
    return encoding


def _known(encoding: str) -> type[StoredMask]:
    if encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        raise ValueError(f"there is no mask encoding {encoding!r}; there are {known}")
    return ENCODINGS[encoding]
