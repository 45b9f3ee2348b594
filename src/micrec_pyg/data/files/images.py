"""Image files of any origin, opened only where decoding them is harmless."""

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from micrec_pyg.schema import StorageError
from micrec_pyg.storage.failures import sentence

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 2**26
"""Most pixels that are decoded, 200 MB; a photograph of a product has far fewer."""
MAX_ASPECT = 100
"""Most times that one side is longer: an encoder makes the short side some 256 pixels
long, so that a line of pixels would become an image of gigabytes."""
_OF_CONTENT = (None, errno.EINVAL, errno.EOVERFLOW)
OF_PATH = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
    *(errno.EACCES, errno.EPERM),
)
"""Numbers of errors of a path: the item is without an image until somebody mends it.
Damaged content causes those above it, such as by an impossible place in the file; all
others are the system's, perhaps for now alone."""
_BYTE, _TWO_BYTES = 255, 65_535


class ImageError(OSError):
    """A file is no image that can be read; the message says why."""


def open_image(path: str | Path) -> "Image":
    """Return an image file, opened but not decoded; close it after use.

    Raises:
        ImageError: The file is no image that can be read, or its size is beyond
            ``MAX_PIXELS`` or ``MAX_ASPECT``.
        StorageError: The system refuses to read it, perhaps only now.
    """
    # Pillow is not needed before the first image
    from PIL import Image

    with _explained(path), warnings.catch_warnings():
        if not Path(path).is_file():
            raise ImageError("it is no regular file")
        # our own limit is lower
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(path)
        except Image.DecompressionBombError as error:
            raise ImageError(f"it has more than {MAX_PIXELS:,} pixels") from error
    width, height = image.size
    short, long = sorted((width, height))
    fault = ""
    if width * height > MAX_PIXELS:
        fault = f"{width * height:,} pixels, at most {MAX_PIXELS:,} are read"
    elif long > MAX_ASPECT * short:
        fault = f"one side more than {MAX_ASPECT} times as long as the other"
    if fault:
        image.close()
        raise ImageError(f"it is {width:,} x {height:,}: {fault}")
    return image


def upright(opened: "Image") -> "Image":
    """Return an opened image decoded: upright, RGB, on white ground.

    Raises:
        ImageError: Its content is damaged.
        StorageError: As of ``open_image``.
    """
    from PIL import Image, ImageOps

    with _explained(getattr(opened, "filename", "")):
        image = _eight_bits(ImageOps.exif_transpose(opened))
        if not image.has_transparency_data:
            return image.convert("RGB")
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image).convert("RGB")


@contextmanager
def _explained(path: str | Path) -> Iterator[None]:
    """Turn whatever Pillow raises over a damaged file into an ``ImageError``.

    It has no class of its own: a decoder or a field of EXIF may raise anything. What
    the system refuses says nothing of the file, and is a ``StorageError``.
    """
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        if getattr(error, "errno", None) not in (*_OF_CONTENT, *OF_PATH):
            raise StorageError(sentence(error, Path(path))) from error
        reason = str(error).splitlines() or [type(error).__name__]
        raise ImageError(reason[0]) from error


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
