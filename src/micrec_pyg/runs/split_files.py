"""The content of a split that comes with files of its own, for the id of a run."""

from pathlib import Path

from micrec_pyg.storage.digests import file_digest

IN_RUN, CARD = "artefact/split", "card.json"
"""Where a run folder keeps its split, and the file that has its digests."""


def split_files(path: str | None) -> dict[str, str]:
    """Return the sha256 of the files of a split that comes with files of its own.

    Args:
        path: Of its folder; None where the split has no files.
    """
    if path is None:
        return {}
    root = Path(path).expanduser()
    cards = [root / IN_RUN / CARD, root / CARD]
    # a saved split: its card has the digest of every table
    found = [card for card in cards if card.is_file()][:1]
    parts = ("train", "valid", "test")
    found = found or [f for f in sorted(root.glob("*/*")) if f.stem in parts]
    return {f"{file.parent.name}/{file.name}": file_digest(file) for file in found}
