"""What the house measures: rooms, floors, circles, long functions.

    python -m tests.house [PACKAGE ...]

Imports that stand within functions count; those for types alone do not.
"""

import ast
import collections
import functools
import graphlib
import importlib.util
import pathlib
import sys
from collections.abc import Iterator

import grimp

PACKAGES = ("maskbeam.pipeline", "maskbeam.transforms")
LONG = 50  # lines of a function, without its docstring

Graph = dict[str, set[str]]


@functools.cache
def graph(*packages: str) -> grimp.ImportGraph:
    """The import graph of packages, and of what they import of others."""
    return grimp.build_graph(
        *packages,
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )


def arrows(*packages: str) -> Graph:
    """Which module imports which, within packages."""
    found = graph(*packages)
    ours = {m for m in found.modules if m.startswith(packages)}
    return {m: found.find_modules_directly_imported_by(m) & ours for m in sorted(ours)}


def circle(of: Graph) -> list[str]:
    """Modules that import one another, as a chain; none, where there is none."""
    try:
        graphlib.TopologicalSorter(of).prepare()
    except graphlib.CycleError as error:
        chain: list[str] = error.args[1]
        return chain
    return []


def longest_chain(of: Graph) -> list[str]:
    """The longest chain of imports, from the top to a module that imports none."""

    @functools.cache
    def below(module: str) -> tuple[str, ...]:
        chains: list[tuple[str, ...]] = [(), *(below(other) for other in of[module])]
        return (module, *max(chains, key=len))

    longest = max((below(module) for module in of), key=len)
    return list(longest)


def folder(package: str) -> pathlib.Path:
    """Where a package lies."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return pathlib.Path(spec.origin).parent


def long_functions(directory: pathlib.Path) -> Iterator[tuple[str, int]]:
    """Functions of more than `LONG` lines: (place, lines)."""
    for path in sorted(directory.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1 - _docstring_lines(node)
                if lines > LONG:
                    place = path.relative_to(directory.parent)
                    yield f"{place}:{node.lineno} {node.name}", lines


def _docstring_lines(function: ast.FunctionDef) -> int:
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return 0
    assert first.end_lineno is not None
    return first.end_lineno - first.lineno + 1


def _lines(directory: pathlib.Path) -> int:
    files = directory.rglob("*.py")
    return sum(path.read_text(encoding="utf-8").count("\n") for path in files)


def main(packages: tuple[str, ...]) -> None:
    """Prints all of it."""
    folders = [folder(package) for package in packages]
    rooms = collections.Counter(
        str(path.parent.relative_to(directory.parent))
        for directory in folders
        for path in directory.rglob("*.py")
    )
    for name, count in sorted(rooms.items()):
        print(f"{name:24} {count:3} files")
    found = arrows(*packages)
    if chain := circle(found):
        print("circle:", " -> ".join(chain))
    else:
        chain = longest_chain(found)
        print(f"no circle; {len(chain)} floors:", " -> ".join(chain))
    for directory in folders:
        for place, lines in long_functions(directory):
            print(f"{lines} lines: {place}")
    source = sum(map(_lines, folders))
    tests = _lines(pathlib.Path(__file__).parent)
    print(f"{source:,} lines of source, {tests:,} of tests: {tests / source:.2f}")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or PACKAGES)
