"""Pictures as files."""

import io

from PIL.Image import Image


def png(image: Image) -> bytes:
    """The picture as a PNG file."""
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()
