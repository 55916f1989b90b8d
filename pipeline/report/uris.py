"""Puts pictures into a page: as `data:` URIs."""

import base64
import io
from typing import Any

from PIL import Image


def of_picture(picture: Image.Image, kind: str, **options: Any) -> str:
    """Encodes a picture as a `data:` URI.

    Args:
        picture: the picture.
        kind: `png` or `jpeg`.
        **options: Pillow's, for saving it.
    """
    encoded = io.BytesIO()
    picture.save(encoded, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(encoded.getvalue()).decode()}"
