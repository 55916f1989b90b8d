"""Every column once: its name, where it is, its dtype and shape.

Raw columns go into the transform graph and the serving model. Summary columns go into
the graph only while it is made. Model columns come out. Record columns are in the
TFRecords.
"""

import dataclasses
from typing import Literal

from maskbeam.transforms import normalization_names

# Raw columns: string[B], the encoded bytes as they come.
LABEL_BYTES = "label_bytes"
IMAGE_BYTES = "image_bytes"

# Summary columns, i64[B, ...]: counts and sums that add up over rows.
CLASS_PIXELS = "class_pixels"  # [K] pixels of the class
CLASS_IMAGES = "class_images"  # [K] 1 where the class occurs in the row
PRESENCE_PIXELS = "presence_pixels"  # [K] counted pixels of the rows where it occurs
IGNORED_PIXELS = "ignored_pixels"  # [1]
IMAGE_PIXELS = "image_pixels"  # [1] pixels behind the two sums below
IMAGE_SUM = "image_sum"  # [3] sum of the u8 levels, by channel
IMAGE_SQUARE_SUM = "image_square_sum"  # [3] sum of their squares

# Model columns: what the graph, `load` and serving return.
LABEL = "label"  # int[H W]: class index, -1 where ignored
MASK = "mask"  # f32[H W K]: one-hot, all zero where ignored
LEVELS = "levels"  # u8[H W 3], the image before it is scaled; for functions of users
INDEX = "index"  # `load(..., packed=True)` has it in place of label and mask
IMAGE = "image"  # f32[H W 3]
WEIGHT = "weight"  # f32[H W]: the class's weight, 0 where ignored
PRESENCE = "presence"  # f32[K]: 1 for each class that occurs in the row
BOUNDARY = "boundary"  # f32[H W]: 1 where another class is near
HEIGHT = "height"  # only where rows of several sizes are padded to one batch
WIDTH = "width"
PNG_BYTES = "png_bytes"  # string: label values as the source's label maps have them
COLOR_PNG_BYTES = "color_png_bytes"  # string: a picture in the classes' colours
STATS_PREFIX = "stats/"  # constants of the training split, the same in every row

# Features of tf.Examples made elsewhere, as DeepLab's builders name them
# (tensorflow/models, research/deeplab/datasets/build_data.py), and most since.
EXAMPLE_LABEL = "image/segmentation/class/encoded"
EXAMPLE_IMAGE = "image/encoded"
EXAMPLE_KEY = "image/filename"

# Record columns.
KEY = "key"
IMAGE_HEIGHT = "image/height"  # of the stored mask
IMAGE_WIDTH = "image/width"
SIDES = (IMAGE_HEIGHT, IMAGE_WIDTH)
IMAGE_ENCODED = "image/encoded"
IMAGE_FORMAT = "image/format"  # "png", "jpeg", or "raw": u8[H W 3] as it is
MASK_PREFIX = "mask/"  # + the mask encoding
VALUE_SUFFIX = "/value"  # if sizes vary, a mask column is stored as two
SHAPE_SUFFIX = "/shape"

Resize = Literal["stretch", "letterbox", "crop", "short_side", "tile"]
ImageStorage = Literal["original", "png", "raw"]
Exif = Literal["upright", "ignore"]
WeightMap = Literal["none", "median_frequency", "inverse_frequency"]


@dataclasses.dataclass(frozen=True)
class OwnColumn:
    """A column that the user's own function makes of a row.

    Attributes:
        name: of the column; `image` if the function replaces it.
        dtype: `string`, `int64` or `float32`.
        shape: of one row; None for the height and the width of rows of several sizes.
        inputs: what it hangs on, sorted: some of `image` f32[H W 3], `key` string[],
            `label` i64[H W], `levels` u8[H W 3] and `mask` f32[H W K].
        passes: how many passes over the training split its analyzers take, one after
            the other.
        stored: whether records have it.
    """

    name: str
    dtype: Literal["string", "int64", "float32"]
    shape: tuple[int | None, ...]
    inputs: tuple[str, ...]
    passes: int = 0
    stored: bool = False

    @property
    def is_picture(self) -> bool:
        """Whether it has the height and width of its row, which has its own."""
        return None in self.shape


@dataclasses.dataclass(frozen=True)
class Config:
    """What the graph, the records and their reader must agree on.

    Attributes:
        num_classes: K, the depth of the one-hot axis.
        mask_encoding: how records store masks: a name in `stored_masks.ENCODINGS`.
        size: (height, width) in pixels of every row, or None if rows keep their own
            sizes.
        resize: how rows are brought to that size (see `geometry`); `tile` if rows are
            tiles of pictures.
        overlap: pixels that neighbouring tiles share.
        with_images: whether rows have an image besides the label map.
        normalize: how `image` is scaled: `unit` 0..1, `symmetric` -1..1, `zscore`
            by the mean and deviation of the training split, or by others
            (`normalization_names`).
        image_storage: `original` keeps the source's bytes in the record, `png` the
            resized picture, `raw` its levels u8[H W 3] as they are.
        weight_map: the class weights that `weight` holds at each pixel; `none` leaves
            it out.
        presence: whether `presence` is made.
        boundary: how wide `boundary` is on each side, in pixels; 0 leaves it out.
        exif: whether JPEGs are turned `upright`, as their EXIF data says.
        max_pixels: the largest picture that graph and serving decode.
        own_columns: what the user's own function makes, sorted by name.
    """

    num_classes: int
    mask_encoding: str
    size: tuple[int, int] | None = None
    with_images: bool = False
    normalize: str = normalization_names.UNIT
    image_storage: ImageStorage = "original"
    resize: Resize = "stretch"
    overlap: int = 0
    weight_map: WeightMap = "none"
    presence: bool = False
    boundary: int = 0
    exif: Exif = "upright"
    max_pixels: int = 100_000_000
    own_columns: tuple[OwnColumn, ...] = ()

    @property
    def needs_key(self) -> bool:
        """Whether some column of the user's own hangs on the row's key."""
        return any(KEY in column.inputs for column in self.own_columns)
