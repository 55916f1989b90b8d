"""What must never import what; docs/architecture.md says why."""

import io
import pathlib
import re
import tokenize

import pytest

from tests import house

_PIPELINE, _TRANSFORMS = house.PACKAGES
_ROOMS = ("planning", "formats", "own_function", "rows", "dataset", "runtime")
_CONTRACTS = (
    *("elements", "errors", "options", "values", "keys"),
    *("patterns", "terminal"),
)

# (who, whom): with all below them.
NEVER = [
    *((_TRANSFORMS, whom) for whom in (_PIPELINE, "apache_beam")),
    *(
        (f"{_PIPELINE}.{contract}", f"{_PIPELINE}.{room}")
        for contract in _CONTRACTS
        for room in _ROOMS
    ),
    *(
        (f"{_PIPELINE}.{who}", f"{_PIPELINE}.{whom}")
        for who, whoms in {
            "runtime": ("planning", "formats", "own_function", "rows", "dataset"),
            "formats": ("planning", "own_function", "rows", "dataset"),
            "planning": ("rows", "dataset"),
            "own_function": ("planning", "rows", "dataset"),
            "rows": ("dataset", "report"),
            "report": ("dataset",),
        }.items()
        for whom in whoms
    ),
]


@pytest.mark.parametrize(("who", "whom"), NEVER, ids=lambda name: name)
def test_what_must_never_import_what(who, whom):
    graph = house.graph(*house.PACKAGES)
    assert who in graph.modules
    assert graph.find_modules_that_directly_import("apache_beam")  # it is looked at
    importers = {who} | graph.find_descendants(who)
    imported = {whom} | (graph.find_descendants(whom) if "." in whom else set())
    faults = [
        f"{importer} imports {module}"
        for importer in sorted(importers)
        for module in graph.find_modules_directly_imported_by(importer) & imported
    ]
    assert not faults


def test_nothing_but_the_command_line_imports_commands():
    graph = house.graph(*house.PACKAGES)
    names = ("commands", "command_line", "__main__")
    commands, command_line, process = (f"{_PIPELINE}.{name}" for name in names)
    importers = graph.find_modules_that_directly_import
    assert importers(commands) == {command_line}
    assert importers(command_line) == {process}
    assert not importers(process)


def test_no_circles():
    assert house.circle({"a": {"b"}, "b": {"a"}})
    assert house.circle(house.arrows(*house.PACKAGES)) == []


def test_no_long_functions():
    folders = map(house.folder, house.PACKAGES)
    assert not [found for one in folders for found in house.long_functions(one)]


# What looks at names and headers runs before TensorFlow is loaded, and beside it.
LIGHT = [
    *(f"{_PIPELINE}.{name}" for name in (*_CONTRACTS, "arguments", "commands")),
    *(f"{_PIPELINE}.{name}" for name in ("conversion", "printing", "runtime.run")),
    f"{_PIPELINE}.planning",
    *(
        f"{_TRANSFORMS}.{name}"
        for name in (
            "classes",
            "class_files",
            "dataset_files",
            "features",
            "png",
            "png_kinds",
        )
    ),
    *(f"{_TRANSFORMS}.{name}" for name in ("lazy", "stored_masks", "tiles")),
]


# Until a command is known to be right, Beam is not loaded either.
LIGHTER = [
    *(f"{_PIPELINE}.{name}" for name in (*_CONTRACTS, "arguments", "commands")),
    *(f"{_PIPELINE}.{name}" for name in ("conversion", "printing", "formats")),
    *(f"{_PIPELINE}.planning.{name}" for name in ("survey", "published")),
    *(f"{_PIPELINE}.{name}" for name in ("planning.prepared_tfds", "dataset.claim")),
    *(f"{_PIPELINE}.runtime.{name}" for name in ("beam_flags", "files", "loading")),
]


@pytest.mark.parametrize(
    ("names", "package"), [(LIGHT, "tensorflow"), (LIGHTER, "apache_beam")]
)
def test_what_comes_before_a_package_does_not_load_it(names, package, run_python):
    graph = house.graph(*house.PACKAGES)
    modules = {m for name in names for m in (name, *graph.find_descendants(name))}
    run_python(
        "import importlib, sys\n"
        "for name in sys.argv[2:]:\n"
        "    importlib.import_module(name)\n"
        "    assert sys.argv[1] not in sys.modules, name\n",
        package,
        *sorted(modules),
    )


def test_one_place_takes_paths_for_patterns():
    """Beam's filesystems match, delete and look for what a pattern means."""
    graph = house.graph(*house.PACKAGES)
    root = pathlib.Path(__file__).parent.parent
    asks = re.compile(r"\b(FileSystems|gfile \. glob|matching_files)\b")
    found = [
        str(path.relative_to(root))
        for folder in ("pipeline", "transforms")
        for path in sorted((root / folder).rglob("*.py"))
        if asks.search(_names_and_signs(path.read_text(encoding="utf-8")))
    ]
    # The second only tells Beam of its flags; the third has named its directories.
    assert found == [
        "pipeline/runtime/remote_files.py",
        "pipeline/runtime/runners.py",
        "transforms/saved_models.py",
    ]
    remote = f"{_PIPELINE}.runtime.remote_files"
    assert graph.find_modules_that_directly_import(remote) == set()  # `files` loads it


def test_one_place_prints():
    """So that nothing that is quoted reaches a terminal unescaped."""
    root = pathlib.Path(__file__).parent.parent / "pipeline"
    found = [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*.py"))
        if re.search(r"\bprint \(", _names_and_signs(path.read_text(encoding="utf-8")))
    ]
    assert found == ["terminal.py"]


# What two of these read, the runner itself has carried from one step to the next. The
# other runs the file that the user names to be run.
_MAY_UNPICKLE = [
    "pipeline/own_function/code.py",
    "pipeline/planning/packing.py",
    "pipeline/runtime/coders.py",
]


def test_nothing_that_is_read_from_a_file_is_unpickled():
    """Whoever can write a file would run code here."""
    root = pathlib.Path(__file__).parent.parent
    runs_code = re.compile(
        r"\b(pickle|cloudpickle|dill|shelve|marshal|joblib|allow_pickle)\b|"
        r"\bnp \. load\b|\byaml \. (unsafe_|full_)?load\b|\b(eval|exec) \("
    )
    found = [
        str(path.relative_to(root))
        for folder in ("pipeline", "transforms", "launch_scripts")
        for path in sorted((root / folder).rglob("*.py"))
        if runs_code.search(_names_and_signs(path.read_text(encoding="utf-8")))
    ]
    assert found == _MAY_UNPICKLE


def _names_and_signs(source: str) -> str:
    """Python's code without comments and texts, a space between any two words."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    kinds = tokenize.NAME, tokenize.OP
    return " ".join(token.string for token in tokens if token.type in kinds)


def test_the_page_names_what_is_there():
    root = pathlib.Path(__file__).parent.parent
    text = (root / "docs/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./]+/[\w./]*|[\w/]+\.(?:py|md))`", text))
    assert len(named) > 20
    missing = {
        name
        for name in named
        if not any((root / folder / name).exists() for folder in ("", "pipeline"))
    }
    assert not missing
