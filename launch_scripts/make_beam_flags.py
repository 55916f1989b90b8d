"""Writes pipeline/runtime/beam_flags.json, from the installed Beam's declarations.

python launch_scripts/make_beam_flags.py
"""

import json

from maskbeam.pipeline.runtime import beam_flags


def main() -> None:
    """Writes the file; a flag is a line."""
    table = beam_flags.of_installed_beam()
    flags = ",\n".join(f"  {json.dumps(flag)}" for flag in table.pop("flags"))
    head = json.dumps(table, indent=1).removesuffix("\n}")
    text = f'{head},\n "flags": [\n{flags}\n ]\n}}\n'
    beam_flags.PATH.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
