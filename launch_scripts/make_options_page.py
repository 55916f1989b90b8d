"""Writes the tables of docs/options.md, from the options' declarations.

python launch_scripts/make_options_page.py
"""

import itertools
import pathlib
import re

from maskbeam.pipeline import arguments
from maskbeam.pipeline.options import Option

PATH = pathlib.Path(__file__).parent.parent / "docs/options.md"

_BLOCK = re.compile(
    r"(<!-- options, by [\w/.]+ -->\n).*?(<!-- end of options -->)", re.DOTALL
)
_HEAD = "| option | what it does |\n| --- | --- |\n"


def filled(page: str) -> str:
    """Puts the tables in their place."""
    return _BLOCK.sub(lambda block: block[1] + _tables() + block[2], page)


def _tables() -> str:
    """A table for each group, in the order of `--help`."""
    declared = sorted(arguments.declared().items(), key=_group)  # which is stable
    return "\n".join(
        f"## {group[0].upper()}{group[1:]}\n\n{_HEAD}"
        + "".join(f"| {_usage(*one)} | {_help(*one)} |\n" for one in options)
        for (_, group), options in itertools.groupby(declared, key=_group)
    )


def _group(one: tuple[str, Option]) -> tuple[int, str]:
    groups = [option.group for option in arguments.declared().values()]
    return groups.index(one[1].group), one[1].group


def _usage(name: str, option: Option) -> str:
    words = [f"--{name}"]
    if not option.value.is_switch:
        choices = option.value.choices()
        # Without a metavar argparse takes the name.
        metavar = option.value.metavar or name.upper()
        words.append("|".join(choices) if choices else metavar)
    return _cell(f"`{' '.join([*words, *['...'] * option.many])}`")


def _help(name: str, option: Option) -> str:
    text = option.help + arguments.default_in_words(name, option)
    text = text.replace("*", r"\*")  # two would make all between them slant
    needed = "; it has to be given" if option.required else ""
    return _cell(f"{text[0].upper()}{text[1:]}{needed}")


def _cell(text: str) -> str:
    """In a table, a bar within code needs a backslash too; GitHub takes it out."""
    return text.replace("|", r"\|")


def main() -> None:
    """Rewrites the page."""
    PATH.write_text(filled(PATH.read_text(encoding="utf-8")), encoding="utf-8")
    print(PATH)


if __name__ == "__main__":
    main()
