"""Image files of any origin, opened only where decoding them is harmless."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 2**26
"""Most pixels that are decoded, 200 MB; a photograph of a product has far fewer."""
MAX_ASPECT = 100
"""Most times that one side is longer: an encoder makes the short side some 256 pixels
long, so that a line of pixels would become an image of gigabytes."""
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError)
"""What opening and decoding raise: Pillow on damaged files by format, and ours."""


def open_image(path: str | Path) -> "Image":
    """Return an image file, opened but not decoded; close it after use.

    Raises:
        OSError: as all of ``UNREADABLE``, the file is no image that can be read.
        ValueError: its size is beyond ``MAX_PIXELS`` or ``MAX_ASPECT``.
    """
    # Pillow is not needed before the first image
    from PIL import Image

    if not Path(path).is_file():
        raise OSError("it is no regular file")
    try:
        with warnings.catch_warnings():
            # our own limit is lower
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has more than {MAX_PIXELS:,} pixels") from error
    width, height = image.size
    short, long = sorted((width, height))
    fault = ""
    if width * height > MAX_PIXELS:
        fault = f"{width * height:,} pixels, at most {MAX_PIXELS:,} are read"
    elif long > MAX_ASPECT * short:
        fault = f"one side more than {MAX_ASPECT} times as long as the other"
    if fault:
        image.close()
        raise ValueError(f"it is {width:,} x {height:,}: {fault}")
    return image
