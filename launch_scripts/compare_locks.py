"""Says what differs between two locks: packages, by the Pythons that they are for.

    python launch_scripts/compare_locks.py OLD.lock NEW.lock

It needs only Python. Locks are pip's requirements with hashes, as uv writes them.
"""

import argparse
import pathlib
import re
from collections.abc import Iterator, Mapping

_ENTRY = re.compile(r"^([^\s#=]+)==(\S+)(?: ; (.+?))? *((?:--hash=\S+ *)+)$")

# By marker ("" is everywhere): the version, and the hashes of its files.
Versions = dict[str, tuple[str, frozenset[str]]]


def read_lock(text: str) -> dict[str, Versions]:
    """Reads the entries of a lock, by package.

    Raises:
        ValueError: a line is no entry; the message has it.
    """
    found: dict[str, Versions] = {}
    for line in re.sub(r" *\\\n *", " ", text).splitlines():
        if not line or line.startswith("#"):
            continue
        if (entry := _ENTRY.match(line)) is None:
            raise ValueError(f"no locked requirement: {line}")
        name, version, marker, hashes = entry.groups("")
        found.setdefault(name, {})[marker] = version, frozenset(hashes.split())
    return found


def changes(old: Mapping[str, Versions], new: Mapping[str, Versions]) -> Iterator[str]:
    """Gives a line for each difference, by package."""
    for name in sorted(old.keys() | new.keys()):
        yield from _changes_of(name, old.get(name, {}), new.get(name, {}))


def _changes_of(name: str, old: Versions, new: Versions) -> Iterator[str]:
    for marker in (marker for marker in new if marker in old):
        (before, its_hashes), (after, hashes) = old[marker], new[marker]
        if before != after:
            yield f"{name}: {before} -> {_shown(after, marker)}"
        elif hashes != its_hashes:
            yield f"{name}: {_shown(after, marker)} has other hashes"
    gone = [_shown(old[marker][0], marker) for marker in old if marker not in new]
    come = [_shown(new[marker][0], marker) for marker in new if marker not in old]
    if gone and come:
        yield f"{name}: {', '.join(gone)} -> {', '.join(come)}"
    elif gone:
        yield f"{name}: {', '.join(gone)} removed"
    elif come:
        yield f"{name}: {', '.join(come)} added"


def _shown(version: str, marker: str) -> str:
    return f"{version} ({marker})" if marker else version


def main() -> None:
    """Prints the differences of two files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    given = parser.parse_args()
    old, new = (read_lock(path.read_text("utf-8")) for path in (given.old, given.new))
    for line in list(changes(old, new)) or ["nothing changed"]:
        print(f"  {line}")


if __name__ == "__main__":
    main()
