"""The class map of label maps that are drawn from annotation files.

Categories make it where nobody gave one; pixels under no annotation have their place in
it; and it holds ids, for those are what is drawn.
"""

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import annotations, meanings
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import annotated, listing
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import Source
from maskbeam.transforms.classes import MAX_ID, ClassMap, LabelClass
from maskbeam.transforms.texts import quoted

Categories = Mapping[int, str]


def prepared(options: Options, *, finds_classes: bool) -> Options:
    """Makes the class map fit annotation files, if label maps are drawn from them.

    Args:
        options: what is converted.
        finds_classes: whether its class map is yet to be found.

    Returns:
        The same options where there are no annotation files, or none is found.

    Raises:
        UsageError: a file is damaged or of no format that is read, or the class map
            does not fit.
    """
    paths = {source: path for source in options.label_maps for path in _first(source)}
    if not paths:
        if options.unlabelled != "background":
            raise UsageError(
                f"--unlabelled {options.unlabelled} is of annotation files, and "
                "--label_maps names none"
            )
        return options
    formats = {annotations.format_of(path) for path in paths.values()}
    if len(formats) > 1 or len(paths) < len(options.label_maps):
        raise UsageError(
            "label maps are drawn from annotation files of one format in one run, and "
            f"--label_maps has others beside {next(iter(paths.values()))}"
        )
    reader = annotations.FORMATS[formats.pop()]
    categories: Categories = {}
    if reader.NAME in annotations.MANY:
        categories = _categories(options, reader.NAME, are_classes=finds_classes)
    elif finds_classes and reader.LABELS == "names":
        categories = _labels(options, reader)
    if reader.LABELS == "indices":
        _check_indices(options, finds_classes=finds_classes)
    class_map = options.class_map
    if finds_classes:
        class_map = _of_categories(categories, options)
    class_map = _of_ids(class_map, reader)
    if reader.LABELS == "indices":
        class_map = _with_background(class_map, options)
    if options.unlabelled == "ignore" and not class_map.ignore:
        class_map = dataclasses.replace(class_map, ignore=(_free(class_map),))
    if reader.LABELS == "ids":
        _check_names(class_map, categories)
    if options.unlabelled == "background":
        _check_background(class_map, categories, reader)
    return dataclasses.replace(options, class_map=class_map)


def _first(source: Source) -> Iterator[str]:
    """The first annotation file of a source, if it is of such files."""
    extension = os.path.splitext(source.pattern.lower())[1]
    if extension not in (*annotations.EXTENSIONS, ".txt"):
        return
    with contextlib.suppress(OSError, ValueError):  # which the survey will say
        if extension == ".txt" and not annotations.has_polygons(source.pattern):
            return
        for file in files.matches(source.pattern):
            yield file.path
            return


def _categories(options: Options, name: str, *, are_classes: bool) -> Categories:
    """The categories of all files.

    Args:
        options: what is converted.
        name: the files' format.
        are_classes: whether they become the classes, and so must be the same.

    Raises:
        UsageError: a file is damaged, or two differ.
    """
    first: tuple[str, Categories] | None = None
    found: Categories = {}
    for source in options.label_maps:
        for file in sorted(listing.matched(source, "label_maps", options)):
            here = annotated.overview(file.path, name).classes
            first = first or (file.path, here)
            by_id = annotations.FORMATS[name].LABELS == "ids"
            # One id has one meaning, whatever the class map calls it.
            differ = by_id and any(found.get(i, here[i]) != here[i] for i in here)
            found = {**here, **found}
            if differ or (are_classes and not _are_same(first[1], here, name)):
                raise UsageError(
                    f"{first[0]} and {file.path} have different categories, "
                    f"{_difference(first[1], here)}: convert them one after the "
                    "other, or give their ids one meaning in both"
                )
    return found


def _labels(options: Options, reader: annotations.Reader) -> Categories:
    """The labels in all files, by their place in the alphabet, counted from 1."""
    found: set[str] = set()
    for source in options.label_maps:
        for file in listing.matched(source, "label_maps", options):
            with contextlib.suppress(OSError, ValueError):  # reading it will say why
                for picture in reader.pictures(file.path):
                    found |= {str(shape.label) for shape in picture.shapes}
    return dict(enumerate(sorted(found), 1))


def _are_same(one: Categories, other: Categories, name: str) -> bool:
    """Whether two files have the same classes; where labels are names, in any order."""
    if annotations.FORMATS[name].LABELS == "names":
        return set(one.values()) == set(other.values())
    return one == other


def _difference(one: Categories, other: Categories) -> str:
    number = min(n for n in {*one, *other} if one.get(n) != other.get(n))
    names = (quoted(found[number]) for found in (one, other) if number in found)
    return f"such as {number}, which is {' and '.join(names)}"


def _of_categories(categories: Categories, options: Options) -> ClassMap:
    """A class for each category, sorted by id, after the background.

    What is called `__ignore__` is none, but ignored, as with labelme.

    Raises:
        UsageError: there are none, or two have one name.
    """
    if not categories:
        raise UsageError(
            "--classes auto takes a class for each category, and "
            f"{options.label_maps[0].pattern} names none: give a class map by --classes"
        )
    ignore = tuple(i for i in categories if categories[i] == meanings.IGNORED_NAME)
    named = [
        LabelClass(categories[i], (i,)) for i in sorted(categories) if i not in ignore
    ]
    name = options.class_map.name
    try:
        found = ClassMap(name, tuple(named))
        index = meanings.background(found)
        if index is not None:
            named.insert(0, named.pop(index))
        elif options.unlabelled == "background":
            free = next(i for i in itertools.count() if i not in categories)
            named.insert(0, LabelClass(meanings.BACKGROUND, (free,)))
        return ClassMap(name, tuple(named), ignore)
    except ValueError as error:
        raise UsageError(f"--classes auto: {error}") from error


def _check_indices(options: Options, *, finds_classes: bool) -> None:
    """Refuses what YOLO's files need and do not say.

    Raises:
        UsageError: there are no names of classes, or no images.
    """
    if finds_classes:
        raise UsageError(
            "--classes auto: YOLO's files do not name their classes; name their "
            "data.yaml by --classes, or say how many they are by --num_classes"
        )
    if not options.images:
        raise UsageError(
            "YOLO's polygons are shares of a picture's sides, which the images say: "
            "name them by --images"
        )


def _with_background(class_map: ClassMap, options: Options) -> ClassMap:
    """Adds the background to a map of YOLO's classes, whose ids are their numbers."""
    is_there = meanings.background(class_map) is not None
    if is_there or options.unlabelled != "background":
        return class_map
    free = next(i for i in itertools.count() if i not in class_map.values)
    classes = (LabelClass(meanings.BACKGROUND, (free,)), *class_map.classes)
    try:
        return dataclasses.replace(class_map, classes=classes)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _of_ids(class_map: ClassMap, reader: annotations.Reader) -> ClassMap:
    """The map with ids as samples, whatever files of label maps would hold.

    Raises:
        UsageError: it has colours, which categories' ids are not.
    """
    if class_map.encoding != "color":
        return dataclasses.replace(class_map, encoding="index", divisor=0, threshold=0)
    if reader.LABELS == "ids":
        raise UsageError(
            f"class map {class_map.name} has colours, and {reader.NAME} has the ids of "
            "categories: give each class its `ids`, or take --classes auto"
        )
    numbered = tuple(
        dataclasses.replace(found, ids=(number,))
        for number, found in enumerate(class_map.classes)
    )
    ignore = tuple(range(len(numbered), len(numbered) + len(class_map.ignore)))
    return dataclasses.replace(
        class_map, classes=numbered, ignore=ignore, encoding="index", threshold=0
    )


def _free(class_map: ClassMap) -> int:
    """An id that no class has: 255, if it is one."""
    return next(i for i in (255, MAX_ID, *range(MAX_ID)) if i not in class_map.values)


def _check_names(class_map: ClassMap, categories: Categories) -> None:
    """Refuses a class map that has a category's name, and other ids for it.

    So has one of COCO-Stuff's PNGs, whose pixels are the ids less 1.

    Raises:
        UsageError: it is such a map.
    """
    ids = {found.name.casefold(): found.ids for found in class_map.classes}
    for number, name in categories.items():
        if number not in ids.get(name.casefold(), (number,)):
            raise UsageError(
                f"category {number} is {quoted(name)}, and that class has the ids "
                f"{list(ids[name.casefold()])} in class map {class_map.name}: ids are "
                "those of categories, as --classes auto has them"
            )


def _check_background(
    class_map: ClassMap, categories: Categories, reader: annotations.Reader
) -> None:
    """Checks that pixels under no annotation are something else than a category.

    Raises:
        UsageError: they are not.
    """
    if meanings.background(class_map) is not None:
        return
    way_out = (
        f"add a class {meanings.BACKGROUND} with an id of its own, or leave these "
        "pixels out of training by --unlabelled ignore"
    )
    ids = {value for found in class_map.classes for value in found.ids}
    if 0 in ids and (0 in categories or reader.LABELS != "ids"):
        name = next(found.name for found in class_map.classes if 0 in found.ids)
        raise UsageError(
            "pixels under no annotation are background, and class map "
            f"{class_map.name} has no class of that name: id 0 is {quoted(name)}; "
            f"{way_out}"
        )
    if 0 not in class_map.values and class_map.others == "error":
        raise UsageError(
            "pixels under no annotation are background, and class map "
            f"{class_map.name} has neither a class of that name nor the id 0: {way_out}"
        )
