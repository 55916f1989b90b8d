"""What a Dataflow flex template runs: `maskbeam convert`.

Templates give each parameter as one `--name=value`. Where maskbeam takes several values
they are separated by spaces, and quoted as in a shell; a switch is `true` or `false`.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Iterable, Iterator

from maskbeam.pipeline import arguments
from maskbeam.pipeline.__main__ import main


def convert_arguments(parameters: Iterable[str]) -> Iterator[str]:
    """A template's parameters as arguments of `maskbeam convert`.

    Args:
        parameters: `--name=value` each; maskbeam's, and Beam's.
    """
    parser = argparse.ArgumentParser()
    arguments.add_input_arguments(parser)
    arguments.add_output_arguments(parser)
    flags = {
        flag: action for action in parser._actions for flag in action.option_strings
    }
    for parameter in parameters:
        name, given, value = parameter.partition("=")
        action = flags.get(name)
        if action is None or not given:
            yield parameter
        elif action.nargs == 0:
            if value.lower() == "true":
                yield name
        elif action.nargs == "+":
            yield from (name, *shlex.split(value))
        elif value:  # an empty one was left empty in the form
            yield parameter


if __name__ == "__main__":
    image = os.environ["MASKBEAM_IMAGE"]
    sys.exit(
        main(
            [
                "convert",
                f"--sdk_container_image={image}",
                *convert_arguments(sys.argv[1:]),
            ]
        )
    )
