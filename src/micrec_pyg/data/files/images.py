"""Image files of any origin, opened only where decoding them is harmless."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 2**26
"""Most pixels that are decoded, 200 MB; a photograph of a product has far fewer."""
MAX_ASPECT = 100
"""Most times that one side is longer: an encoder makes the short side some 256 pixels
long, so that a line of pixels would become an image of gigabytes."""
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError)
"""What opening and decoding raise: Pillow on damaged files by format, and ours."""
_BYTE, _TWO_BYTES = 255, 65_535


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


def upright(opened: "Image") -> "Image":
    """Return an opened image decoded: upright, RGB, on white ground.

    Raises:
        OSError: as all of ``UNREADABLE``, its content is damaged.
    """
    from PIL import Image, ImageOps

    image = _eight_bits(ImageOps.exif_transpose(opened))
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")


def _eight_bits(image: "Image") -> "Image":
    """Return a grey image of wider numbers in 8 bits, others as they are.

    Pillow would cut every value above 255 to white.
    """
    from PIL import Image

    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    most = float(values.max())
    if image.mode.startswith("I;16") or most > _BYTE:
        white = max(_TWO_BYTES, most)
    else:
        white = _BYTE if image.mode == "I" or most > 1 else 1
    grey = (values.clip(0, white) * (_BYTE / white)).round().astype(np.uint8)
    return Image.fromarray(grey)
