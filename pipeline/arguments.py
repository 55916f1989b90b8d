"""Makes options of what the user gave, as flags or as keyword arguments.

Most options are fields of `Options`. Those in `INPUTS` are shorter ways to say what is
read and what it means, and are resolved here.
"""

import argparse
import dataclasses
import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from maskbeam.pipeline import options, repeating, spelling, values
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import READ, WRITE, Option, Options
from maskbeam.pipeline.values import DEFAULT_SPLIT, RecordKeys, Source, Value
from maskbeam.transforms import class_files, classes
from maskbeam.transforms.classes import ClassMap

AUTO = "auto"  # for --classes: the map is made from what a first pass finds
_TO_BE_FOUND = dataclasses.replace(classes.numbered(1), name=AUTO)

_TFDS = "tfds:"
_ONE_OF_MANY = (".png", ".jpg", ".jpeg", ".npy", ".npz")  # files that shells list
_ANY = r"[^\s]+"


def _as_it_is(given: Any) -> Any:
    return given


def _ids(given: Any) -> tuple[int, ...]:
    return tuple(map(values.whole(at_least=0).read, values.several(given)))


INPUTS = {
    "dataset": Option(
        READ,
        "Published dataset",
        "instead: a dataset in its published layout below --data_dir: a preset "
        "(maskbeam presets), a YAML file with a `dataset` section, labelme, or "
        "mapillary_v2",
        values.text("NAME|FILE", _ANY),
    ),
    "data_dir": Option(
        READ,
        "Its directory",
        "directory of --dataset, or the one where TFDS has prepared tfds:NAME",
        dataclasses.replace(values.DIRECTORY, metavar="ROOT"),
    ),
    "classes": Option(
        READ,
        "Class map",
        "class map: a preset, a YAML file, another tool's list of classes "
        "(labelmap.txt, class_dict.csv, id2label.json, ...), or auto: one class for "
        "each value that a first pass over all label maps finds",
        Value(_as_it_is, _ANY, "NAME|FILE|auto"),
    ),
    "num_classes": Option(
        READ,
        "Number of classes",
        "instead: N classes, ids 0..N-1",
        values.whole(at_least=1, at_most=classes.MAX_CLASSES),
    ),
    "ignore_label": Option(
        READ,
        "Ignored ids",
        "with --num_classes: ids that are left out of training",
        Value(_ids, "[0-9]+", "ID"),
        many=True,
    ),
}


class Parser(argparse.ArgumentParser):
    """An argument parser that raises its errors, and knows mistyped flags.

    Args:
        with_beam: whether flags that are not declared go to Beam; None if the parser
            only finds the command, which has a parser of its own.
    """

    def __init__(self, *, with_beam: bool | None = None, **more: Any) -> None:
        super().__init__(**more)
        self._with_beam = with_beam

    def parse_known_args(  # type: ignore[override]  # it has overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Reads arguments; what a mistyped flag lacks is not what is wrong."""
        if self._with_beam is not None:
            spelling.check(
                args or (), self._option_string_actions, with_beam=self._with_beam
            )
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raises UsageError, instead of printing the usage and exiting."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def declared() -> dict[str, Option]:
    """Returns all options of `convert`, by name, in the order of `--help`."""
    found: dict[str, Option] = {}
    for name, option in options.declared(Options).items():
        if name == "split_list":  # after the files
            found |= INPUTS
        found[name] = option
    return found


def default_in_words(name: str, option: Option) -> str:
    """Returns an option's default in words; "" if it has none worth saying."""
    field = Options.__dataclass_fields__.get(name)
    default = option.default_in_words
    if not default and field is not None and type(field.default) in (int, float, str):
        default = str(field.default)
    return f" (default: {default})" if default else ""


def add_arguments(parser: argparse.ArgumentParser, *, writes: bool) -> None:
    """Declares the flags of `convert`, `validate` and `plan`.

    A flag that is not given leaves no attribute behind.

    Args:
        parser: the command's parser.
        writes: whether the command writes a dataset.
    """
    groups: dict[str, Any] = {}
    for name, option in declared().items():
        if option.group == WRITE and not writes:
            continue
        group = option.group
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        groups[group].add_argument(f"--{name}", **_of_argparse(name, option))


def _of_argparse(name: str, option: Option) -> dict[str, Any]:
    """Returns what argparse has to know about an option."""
    found: dict[str, Any] = {
        "help": option.help + default_in_words(name, option),
        "default": argparse.SUPPRESS,
        "required": option.required,
    }
    if option.value.is_switch:
        return found | {"action": "store_true"}
    if option.many:
        found |= {"nargs": "+", "action": "extend"}
    if choices := option.value.choices():
        return found | {"choices": choices}
    return found | {"metavar": option.value.metavar}


def from_arguments(arguments: argparse.Namespace) -> Options:
    """Builds the options from parsed flags.

    Raises:
        UsageError: a flag's value cannot be read, or options contradict each other.
    """
    known = declared()
    return from_given({n: v for n, v in vars(arguments).items() if n in known})


def from_given(given: Mapping[str, Any]) -> Options:
    """Builds the options from what the user gave, by name.

    Args:
        given: the options' values, as text or as Python has them; None is not given.

    Raises:
        UsageError: there is no such option, a value cannot be read, or options
            contradict each other.
    """
    known = declared()
    # What can be read once only is told again, as the command.
    given = {n: [*v] if isinstance(v, Iterator) else v for n, v in given.items()}
    for name in given:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no option {name!r}{hint}")
    wanted = {name: value for name, value in given.items() if value is not None}
    inputs = {
        name: options.read(name, INPUTS[name], wanted.pop(name))
        for name in INPUTS
        if name in wanted
    }
    try:
        if "dataset" in inputs:
            wanted = _published(wanted, inputs)
        else:
            wanted = _with_sources(wanted, inputs.get("data_dir"))
            wanted["class_map"] = _class_map(inputs, None)
    except OSError as error:
        flag = "dataset" if "dataset" in inputs else "classes"
        raise UsageError(
            f"--{flag} {values.shown(inputs.get(flag))} cannot be read: "
            f"{error.strerror or error}"
        ) from error
    found = _with_annotations(Options(**wanted))
    return dataclasses.replace(found, flags=repeating.flags_of(given))


def _with_annotations(wanted: Options) -> Options:
    """Makes the class map fit annotation files, if there are any."""
    from maskbeam.pipeline.planning import drawn_classes

    return drawn_classes.prepared(wanted, finds_classes=finds_classes(wanted))


def _with_sources(wanted: dict[str, Any], data_dir: str | None) -> dict[str, Any]:
    """Lists the label maps one by one, and notes what is not said of them."""
    try:
        label_maps = values.several(wanted.get("label_maps", ()))
        if not label_maps and not values.several(wanted.get("images_only", ())):
            raise UsageError("say what to read, by --label_maps or by --dataset")
        wanted = _with_tfds({**wanted, "label_maps": label_maps}, data_dir)
        if not wanted.get("split_by"):
            wanted["notes"] = _notes(wanted["label_maps"])
    except ValueError as error:
        raise UsageError(f"--label_maps {error}") from error
    return wanted


def _notes(label_maps: Sequence[Any]) -> tuple[str, ...]:
    """Says that label maps of several places are one split, where none is named."""
    unnamed = [
        text
        for text in label_maps
        if isinstance(text, str) and not values.split_and_pattern(text)[0]
    ]
    # Of files that a shell has listed, the directories are what was meant.
    listed = {
        os.path.dirname(text)
        for text in unnamed
        if text.lower().endswith(_ONE_OF_MANY) and not values.is_glob(text)
    }
    places = listed | {text for text in unnamed if os.path.dirname(text) not in listed}
    if len(places) < 2:
        return ()
    many = "both" if len(places) == 2 else f"all {len(places):,}"
    return (
        f"--label_maps names no split, so {many} places are split {DEFAULT_SPLIT!r}: "
        f"if they are not, write {DEFAULT_SPLIT}=GLOB val=GLOB, in quotes",
    )


def finds_classes(wanted: Options) -> bool:
    """Checks whether a pass over all label maps has yet to find the class map."""
    return wanted.class_map == _TO_BE_FOUND


def sources(texts: list[str]) -> tuple[Source, ...]:
    """Reads globs with or without a split, as the user gave them.

    Raises:
        UsageError: one of them names a split but no files.
    """
    try:
        values.check_text(texts)
        found: tuple[Source, ...] = values.SOURCES.read(texts)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return found


def names_no_split(texts: Sequence[str]) -> bool:
    """Checks whether some glob names no split, after `sources` has read it."""
    return not all(values.split_and_pattern(text)[0] for text in texts)


def _published(wanted: dict[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Adds to options what `--dataset` finds; the user's suffixes override its own."""
    for name in ("label_maps", "images", "split_list"):
        if wanted.get(name):
            raise UsageError(f"--dataset finds the files by itself: leave --{name} out")
    if "data_dir" not in inputs:
        raise UsageError(f"--dataset {inputs['dataset']} needs --data_dir ROOT")
    from maskbeam.pipeline.planning import published

    found = published.find(inputs["dataset"], inputs["data_dir"])
    return {
        "strip_label_suffix": found.strip_label_suffix,
        "strip_image_suffix": found.strip_image_suffix,
        "label_key": found.label_key,
        "image_key": found.image_key,
        **wanted,
        "class_map": _class_map(inputs, found.class_map),
        "label_maps": [
            Source(s.split, one) for s in found.splits for one in s.label_maps
        ],
        "images": [Source(s.split, one) for s in found.splits for one in s.images],
        "split_list": [
            Source(s.split, s.split_list) for s in found.splits if s.split_list
        ],
        "official_rows": tuple((s.split, s.rows) for s in found.splits if s.rows),
        "notes": found.notes,
    }


def _with_tfds(wanted: dict[str, Any], data_dir: str | None) -> dict[str, Any]:
    """Replaces each `tfds:NAME` by the record files that TFDS has prepared."""
    keys = wanted.get("record_keys", RecordKeys())
    label_maps: list[Any] = []
    for given in wanted["label_maps"]:
        if not isinstance(given, str) or _TFDS not in given:
            label_maps.append(given)
            continue
        split, pattern = values.split_and_pattern(given)
        if not pattern.startswith(_TFDS):
            label_maps.append(given)
            continue
        from maskbeam.pipeline.planning import prepared_tfds

        read = options.read("record_keys", declared()["record_keys"], keys)
        found = prepared_tfds.find(pattern.removeprefix(_TFDS), data_dir, read)
        keys = found.keys
        for name in [split] if split else sorted(found.splits):
            if name not in found.splits:
                raise UsageError(
                    f"{given}: TFDS has no split {name!r} of it; it has "
                    f"{', '.join(sorted(found.splits))}"
                )
            label_maps += (Source(name, path) for path in found.splits[name])
    return {**wanted, "label_maps": label_maps, "record_keys": keys}


def _class_map(inputs: Mapping[str, Any], of_dataset: ClassMap | None) -> ClassMap:
    given, number = inputs.get("classes"), inputs.get("num_classes")
    ignore = inputs.get("ignore_label", ())
    if given is not None and number is not None:
        raise UsageError("--classes and --num_classes both say it: use one of them")
    if number is None and ignore:
        raise UsageError(
            "--ignore_label goes with --num_classes; class maps have their own"
        )
    try:
        if number is not None:
            return classes.numbered(number, ignore)
        if given is None and of_dataset is not None:
            return of_dataset
        if isinstance(given, ClassMap):
            return given
        if given == AUTO:
            return _TO_BE_FOUND
        if given is not None:
            is_remote = "://" in str(given)
            load = _remote_class_map if is_remote else class_files.load_class_map
            return load(str(given))
    except ValueError as error:
        raise UsageError(str(error)) from error
    raise UsageError(
        "say what the label values mean, by --classes NAME|FILE|auto or by "
        f"--num_classes N; presets: {', '.join(class_files.preset_names())}"
    )


def _remote_class_map(path: str) -> ClassMap:
    """Reads a class map from a file on any of Beam's filesystems."""
    from maskbeam.pipeline.formats import texts

    return class_files.parse_class_map(texts.read(path, class_files.MAX_BYTES), path)
