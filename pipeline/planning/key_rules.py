"""From a file's name to its row's key: suffix, layer, and what is found in the rest."""

import dataclasses
import re
from typing import NamedTuple

from maskbeam.pipeline.keys import key_of, searched
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.values import Source
from maskbeam.transforms.texts import listed

_SEPARATORS = "_-#"  # before a layer's name at the end of a key


class Named(NamedTuple):
    """What a file's name says.

    Attributes:
        key: its row's; that of the file if it does not say it.
        layer: the name of the layer that the file is; empty if it is no layer.
        unmatched: why there is no key, in words; empty if there is one.
    """

    key: str
    layer: str = ""
    unmatched: str = ""


@dataclasses.dataclass(frozen=True)
class KeyRule:
    """How the files of a side are named.

    Attributes:
        suffix: stripped off the end of keys.
        flag: that gives `regex`.
        regex: finds the key in what is left; empty if all of it is the key.
        layers: the names of layers, if the side's label maps have some.
    """

    suffix: str
    flag: str
    regex: str
    layers: tuple[str, ...] = ()

    def named(self, path: str, source: Source, place: str = "") -> Named:
        """Reads a file's name.

        Args:
            path: the file's path.
            source: that it is of.
            place: the `elements.Place.suffix` of what is meant in the file.
        """
        whole = key = key_of(path, source, self.suffix, place)
        layer = ""
        if self.layers:
            found = self._layer_of(key, path)
            if found is None:
                names = listed(self.layers)
                return Named(whole, "", f"{key!r} names no layer: {names}")
            layer, key = found
        if self.regex:
            within = key
            key = searched(key, self.regex) or ""
            if not key:
                reason = f"{self.flag} {self.regex!r} finds nothing in {within!r}"
                return Named(whole, layer, reason)
        return Named(key, layer)

    def _layer_of(self, key: str, path: str) -> tuple[str, str] | None:
        """The layer that a file is, and the rest of its key; None if it names none.

        Its name ends with the layer's, the longest if several fit, or is that alone;
        or a folder of the key is called so, or else the one that the file lies in.
        """
        ends = [name for name in self.layers if _ends_with(key, name)]
        if ends:
            name = max(ends, key=len)
            return name, key[: -len(name) - 1]
        *folders, last = key.split("/")
        if folders and last in self.layers:
            return last, "/".join(folders)
        for at in reversed(range(len(folders))):
            if folders[at] in self.layers:
                return folders[at], "/".join([*folders[:at], *folders[at + 1 :], last])
        directory = re.sub(r".*/", "", path.rpartition("/")[0])
        return (directory, key) if directory in self.layers else None


def _ends_with(key: str, name: str) -> bool:
    """Whether something stands before a name that ends a key, and a separator."""
    before = key.removesuffix(name)
    return len(before) > 1 and before != key and before[-1] in _SEPARATORS


def label_rule(options: Options) -> KeyRule:
    """How label maps are named."""
    layers = tuple(layer.name for layer in options.class_map.layers)
    return KeyRule(options.strip_label_suffix, "--label_key", options.label_key, layers)


def image_rule(options: Options) -> KeyRule:
    """How images are named."""
    return KeyRule(options.strip_image_suffix, "--image_key", options.image_key)
