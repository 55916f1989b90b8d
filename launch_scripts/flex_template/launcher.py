"""Runs `maskbeam convert` in a Dataflow flex template.

A template passes each parameter as one `--name=value`. If maskbeam takes several values
they are separated by spaces, and quoted as in a shell; a switch is `true` or `false`.
"""

import os
import shlex
import sys
from collections.abc import Iterable, Iterator

from maskbeam.pipeline import arguments
from maskbeam.pipeline.command_line import main


def convert_arguments(parameters: Iterable[str]) -> Iterator[str]:
    """Makes arguments of `maskbeam convert` from a template's parameters.

    Args:
        parameters: maskbeam's and Beam's, each as `--name=value`.
    """
    declared = arguments.declared()
    for parameter in parameters:
        flag, given, value = parameter.partition("=")
        option = declared.get(flag.removeprefix("--"))
        if option is None or not given:
            yield parameter
        elif option.value.is_switch:
            if value.lower() == "true":
                yield flag
        elif option.many:
            yield from (flag, *shlex.split(value))
        elif value:  # an empty value was left empty in the form
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
