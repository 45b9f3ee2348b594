"""What a disk, a copy or a person can do to a file, a kind at a time."""

import random
import shutil

FEW, MANY = 6, 200
"""Bytes flipped per region of a file: in every test run, and in long trials."""


def damages(content, other, *, places, seed=0):
    """Return {name: new content}; None stands for a folder in the file's place.

    Args:
        content: Bytes of the file, not empty.
        other: Bytes of another valid file of its kind.
        places: Flipped bits per region: the first 64 bytes, all, the last 64 bytes.
        seed: Of the places.
    """
    chance = random.Random(seed)
    size = len(content)
    spots = set()
    for low, high in ((0, min(64, size)), (0, size), (max(0, size - 64), size)):
        spots |= {chance.randrange(low, high) for _ in range(places)}
    found = {}
    for spot in sorted(spots):
        bit = chance.randrange(8)
        flipped = bytearray(content)
        flipped[spot] ^= 1 << bit
        found[f"bit {bit} of byte {spot} of {size}"] = bytes(flipped)
    for length in {size - 1, size // 2, min(7, size - 1), chance.randrange(size)}:
        found[f"the first {length} bytes of {size}"] = content[:length]
    found["empty"] = b""
    found["zeros"] = bytes(size)
    found["longer"] = content + b"\n{}"
    found["another valid file"] = other
    found["a folder"] = None
    return found


def place(path, content):
    """Put damaged content in the place of a file."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
