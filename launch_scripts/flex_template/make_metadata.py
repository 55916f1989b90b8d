"""Writes metadata.json: the form of the flex template, from the options' declarations.

    python launch_scripts/flex_template/make_metadata.py

A template's launcher has no files of this machine, so paths must be in a store.
"""

import json
import pathlib
from typing import Any

from maskbeam.pipeline import arguments
from maskbeam.pipeline.options import Option

PATH = pathlib.Path(__file__).with_name("metadata.json")


def make_metadata() -> dict[str, Any]:
    """Makes the content of `metadata.json`.

    Source of its fields: Google Cloud, Dataflow, "Configure Flex Templates", metadata
    parameters.
    """
    return {
        "name": "maskbeam convert",
        "description": "Semantic-segmentation label maps, with or without images, to "
        "one-hot TFRecords and a transform graph.",
        "parameters": [
            _parameter(name, option) for name, option in arguments.declared().items()
        ],
    }


def _parameter(name: str, option: Option) -> dict[str, Any]:
    text = option.help + arguments.default_in_words(name, option)
    if option.value.is_switch:
        text += "; true or false"
    pattern = option.value.pattern
    if option.many:
        pattern = rf"({pattern})(\s+({pattern}))*"
    return {
        "name": name,
        "label": option.label,
        "helpText": text[0].upper() + text[1:],
        "isOptional": not option.required,
        "regexes": [f"^({pattern})$"],
    }


def main() -> None:
    """Writes the file."""
    PATH.write_text(json.dumps(make_metadata(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
