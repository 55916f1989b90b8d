"""Annotation files to entries: which pictures they speak of, by key."""

import collections
import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator

from maskbeam.pipeline.elements import Overview, Picture, printable
from maskbeam.pipeline.errors import UsageError, in_words
from maskbeam.pipeline.formats import annotations
from maskbeam.pipeline.keys import normal
from maskbeam.pipeline.planning.key_rules import KeyRule, Named
from maskbeam.pipeline.values import Source
from maskbeam.transforms.texts import quoted


class Annotated:
    """The annotation files of one source; the first of them says the format of all.

    Args:
        source: that they are of.
        suffix: stripped off the end of pictures' keys that end with it.
        image_keys: gives the keys of the images that the pictures are to meet; of none
            where there are no images.
        keeps_shapes: whether pictures come with their shapes.
    """

    def __init__(
        self,
        source: Source,
        suffix: str,
        image_keys: Callable[[], Iterable[str]],
        *,
        keeps_shapes: bool,
    ) -> None:
        self._source = source
        self._suffix = normal(suffix)
        self._image_keys = image_keys
        self._keeps_shapes = keeps_shapes
        self._format = ""
        self._strays = 0
        self._images: _Images | None = None

    @functools.cached_property
    def has_polygons(self) -> bool:
        """Whether text files are YOLO's, and no lists."""
        with contextlib.suppress(OSError, ValueError):  # reading them will say why
            return annotations.has_polygons(self._source.pattern)
        return False

    def format_of(self, path: str) -> str:
        """The format of a file.

        Raises:
            UsageError: the first file is of none that is read here.
        """
        if not self._format:
            self._format = annotations.format_of(path)
        return self._format

    def pictures(
        self, path: str, rule: KeyRule
    ) -> Iterator[tuple[Named, Picture | None]]:
        """The pictures of a file, by key; None for the one of a file's own name.

        Args:
            path: of the file.
            rule: finds the key in a file's own name.

        Raises:
            UsageError: a file of many is damaged, or of another format.
        """
        name = self.format_of(path)
        if name not in annotations.MANY:
            yield rule.named(path, self._source), None
            return
        found = overview(path, name)
        self._strays += found.strays
        if self._images is None:
            self._images = _Images(self._image_keys())
        keys = self._images.met([self._key(picture) for picture in found.pictures])
        pictures = iter(found.pictures)
        if self._keeps_shapes:
            pictures = annotations.MANY[name].pictures(path)
        with _errors_of(path):
            yield from zip(map(Named, keys), pictures, strict=True)

    @property
    def notes(self) -> Iterator[str]:
        """What the user should know of the files, a line each."""
        if self._strays:
            yield (
                f"{self._strays:,} annotations are of pictures that their file does "
                "not have, and are left out"
            )
        if self._images is not None and self._images.apart:
            (picture, image), *others = self._images.apart
            yield (
                f"{len(others) + 1:,} pictures have images of their base name in other "
                f"folders, which are taken for theirs: {quoted(picture)} has "
                f"{quoted(image)}"
            )

    def _key(self, picture: Picture) -> str:
        path = picture.name.replace("\\", "/").lstrip("/").removeprefix("./")
        return normal(printable(os.path.splitext(path)[0])).removesuffix(self._suffix)


def overview(path: str, name: str) -> Overview:
    """What a file of many pictures has, without what is drawn on them.

    Args:
        path: the file's.
        name: of its format.

    Raises:
        UsageError: it is damaged, or of another format.
    """
    with _errors_of(path):
        return annotations.overview(path, name)


@contextlib.contextmanager
def _errors_of(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        text = in_words(error)
        raise UsageError(text if path in text else f"{path}: {text}") from error


class _Images:
    """The keys of images, and how pictures meet them.

    Attributes:
        apart: pictures and images that meet by their base names, so far, and are in
            folders of other names.

    Args:
        keys: of the images.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self.apart: list[tuple[str, str]] = []
        self._keys = set(keys)
        self._by_name = collections.defaultdict(list)
        for key in self._keys:
            self._by_name[_name(key)].append(key)

    def met(self, keys: list[str]) -> list[str]:
        """The keys of pictures: of their images, where they meet one.

        A picture meets the image of its own key; else that of its base name, if no
        other picture and no other image is called so.
        """
        taken = {*keys}
        alone = collections.Counter(_name(key) for key in keys if key not in self._keys)

        def image_of(key: str) -> str:
            if key in self._keys or alone[_name(key)] > 1:
                return key
            others = self._by_name.get(_name(key), [])
            return others[0] if len(others) == 1 and others[0] not in taken else key

        found = [image_of(key) for key in keys]
        self.apart += [
            (key, image)
            for key, image in zip(keys, found, strict=True)
            if not f"/{key}".endswith(f"/{image}")
            and not f"/{image}".endswith(f"/{key}")
        ]
        return found


def _name(key: str) -> str:
    return key.rpartition("/")[2]
