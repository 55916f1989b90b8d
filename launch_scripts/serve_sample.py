"""Sends an image to a model server over HTTP, and writes the coloured mask.

    python launch_scripts/serve_sample.py street.png --output mask.png \
        --url http://localhost:8501/v1/models/street

It needs only Python: the server has the graph, so the client sends the file as it is.
The payload is TensorFlow Serving's (RESTful API, `:predict`, row format).
"""

import argparse
import base64
import json
import pathlib
import urllib.error
import urllib.request


def predict(url: str, image: bytes) -> dict[str, bytes]:
    """Asks a model server.

    Args:
        url: the model's URL.
        image: an encoded picture, JPEG or PNG.

    Returns:
        The outputs whose names end in `_bytes`.

    Raises:
        SystemExit: there is no server, or it refuses; the message says why.
    """
    instance = {"b64": base64.b64encode(image).decode()}
    request = urllib.request.Request(
        f"{url}:predict",
        json.dumps({"instances": [instance]}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as response:
            (outputs,) = json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"the server refused: {error.read().decode()}") from None
    except OSError as error:
        raise SystemExit(f"no model server answers at {url}: {error}") from None
    return {
        name: base64.b64decode(value["b64"])
        for name, value in outputs.items()
        if name.endswith("_bytes")
    }


def main() -> None:
    """Sends one image."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("image", type=pathlib.Path)
    parser.add_argument("--url", default="http://localhost:8501/v1/models/street")
    parser.add_argument("--output", type=pathlib.Path, default="mask.png")
    arguments = parser.parse_args()
    outputs = predict(arguments.url, arguments.image.read_bytes())
    arguments.output.write_bytes(outputs["color_png_bytes"])
    print(f"the coloured mask is {arguments.output}")


if __name__ == "__main__":
    main()
