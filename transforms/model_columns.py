"""Makes model columns of compact ones: for a row, or for a whole batch at once.

A batch is a copy of its rows, so rows are batched as small as they are: a byte a pixel
for the index, three for the image. What the model gets is made of the batch, and is
written once.
"""

from collections.abc import Collection, Mapping

import numpy as np
import tensorflow as tf

from maskbeam.transforms import features, look_up, masks, normalizing
from maskbeam.transforms.record_columns import Constants

_OF_INDEX = {features.LABEL, features.WEIGHT, features.MASK}


class ModelColumns:
    """The function from compact columns to the model columns that are wanted.

    Args:
        config: the encoding.
        constants: the training split's constants.
        names: the model columns that are wanted; `index` may be one.
        mask_dtype: the mask's dtype.
        class_axis: -1 for masks [... H W K], -3 for [... K H W].
    """

    def __init__(
        self,
        config: features.Config,
        constants: Constants,
        names: Collection[str],
        mask_dtype: tf.DType = tf.float32,
        class_axis: int = -1,
    ) -> None:
        self._config = config
        self._constants = constants
        self._names = set(names)
        self._mask_dtype = mask_dtype
        self._class_axis = class_axis
        if features.MASK in self._names:
            self._one_hot = look_up.one_hot(config.num_classes, mask_dtype)
        if features.WEIGHT in self._names:
            weights = np.append(np.asarray(constants.class_weights), np.float32(0))
            self._weight = look_up.rows_of(weights[:, np.newaxis])

    def __call__(self, row: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Makes them of `record_columns.compact_columns`, or of batches of these.

        Columns that it does not know stay as they are; `image` too, if it is scaled.

        Raises:
            tf.errors.InvalidArgumentError: an index, of which something else is made,
                is that of no class.
        """
        if features.INDEX in row and self._names & _OF_INDEX:
            self._check(row[features.INDEX])
        made = {name: row[name] for name in row if name != features.INDEX}
        if features.IMAGE in row:
            made[features.IMAGE] = self.scaled(row[features.IMAGE])
        if features.INDEX in self._names:
            made[features.INDEX] = row[features.INDEX]
        if features.LABEL in self._names:
            made[features.LABEL] = masks.label_from_index(row[features.INDEX])
        if features.WEIGHT in self._names:
            weight = self._weight(row[features.INDEX])
            made[features.WEIGHT] = tf.squeeze(weight, -1)
        if features.MASK in self._names:
            made[features.MASK] = self._mask(row)
        return made

    def _check(self, index: tf.Tensor) -> None:
        """Checks that all indices are of classes, or ignored."""
        # Of ignored pixels, which have the largest value, this is 0.
        highest = tf.cast(tf.reduce_max(index + tf.ones([], index.dtype)), tf.int32)
        classes = self._config.num_classes
        message = (
            f"a record has a pixel of a class beyond the {classes} of the dataset: its "
            "file was changed, or written by others; maskbeam verify names it"
        )
        tf.debugging.Assert(highest <= classes, [message])

    def scaled(self, image: tf.Tensor) -> tf.Tensor:
        """Scales an image u8[... H W 3], unless it is scaled."""
        if image.dtype != tf.uint8:
            return image
        return normalizing.normalize(
            image, self._constants.scale, self._constants.offset
        )

    def _mask(self, row: Mapping[str, tf.Tensor]) -> tf.Tensor:
        if features.MASK in row:
            mask = tf.cast(row[features.MASK], self._mask_dtype)
            if self._class_axis == -1:
                return mask
            rank = mask.shape.rank
            return tf.transpose(mask, [*range(rank - 3), rank - 1, rank - 3, rank - 2])
        index = row[features.INDEX]
        if self._class_axis == -1:
            return self._one_hot(index)
        if index.dtype == tf.uint16:  # which tf.one_hot does not take
            index = tf.cast(index, tf.int32)
        axis = index.shape.rank - 2
        return masks.of_label(index, self._config.num_classes, self._mask_dtype, axis)
