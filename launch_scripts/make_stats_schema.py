"""Writes docs/stats.schema.json: what `stats.json` holds, from what its readers ask.

python launch_scripts/make_stats_schema.py
"""

import json
import pathlib
from typing import Any

import msgspec

from maskbeam.transforms import json_shapes

PATH = pathlib.Path(__file__).parent.parent / "docs/stats.schema.json"


def make_schema() -> dict[str, Any]:
    """Makes the content of the file, which is JSON Schema 2020-12."""
    found = msgspec.json.schema(json_shapes.Stats)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


if __name__ == "__main__":
    PATH.write_text(json.dumps(make_schema(), indent=2) + "\n", encoding="utf-8")
    print(PATH)
