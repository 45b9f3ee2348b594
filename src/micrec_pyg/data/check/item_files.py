"""Files of items that cannot be used; encoders leave such items out."""

import warnings
from pathlib import Path

from micrec_pyg.data.catalogue.domain_folder import DomainFolder
from micrec_pyg.data.catalogue.interactions import all_items
from micrec_pyg.data.catalogue.item_files import folder_of
from micrec_pyg.data.files.problems import Problem, Problems
from micrec_pyg.schema import IMAGE

_THUMBNAIL = (64, 64)


def check_item_files(content: DomainFolder, problems: Problems) -> None:
    """Warn of images that cannot be decoded, and of items without a file.

    Every image is decoded, JPEG files at an eighth of their size, which is faster and
    still finds those that are cut off. Files of other modalities are not opened.
    """
    known = all_items(content.rows, content.items["item"])
    for modality, files in content.files.items():
        if files.is_empty():
            continue
        folder = content.path / folder_of(modality)
        if modality == IMAGE:
            _check_images(folder, files["file"].to_list(), problems)
        missing = known.filter(~known.is_in(files["item"].implode())).sort()
        if len(missing):
            fault = (
                f"{len(missing):,} of {len(known):,} items have no {modality}, "
                f"such as '{missing[0]}'"
            )
            mend = "nothing needs to be done if they have none"
            problems.add(Problem(folder, fault, mend, error=False))


def _check_images(folder: Path, files: list[str], problems: Problems) -> None:
    """Warn of images that cannot be decoded."""
    faults = {Path(file).name: _fault(file) for file in files}
    bad = {name: fault for name, fault in faults.items() if fault}
    shown = [
        Problem(
            folder,
            f"cannot be shown ({fault}); the item will count as without an image",
            "replace or remove the file",
            place=name,
            error=False,
        )
        for name, fault in list(bad.items())[: problems.wanted]
    ]
    if shown:
        problems.add_rows(shown, len(bad))


def _fault(path: str) -> str:
    """Return why an image file cannot be decoded, empty if it can."""
    from PIL import Image

    # what Pillow raises on damaged files, by format
    failures = (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    )
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image.draft("RGB", _THUMBNAIL)
            image.load()
    except failures as error:
        return type(error).__name__ if not str(error) else str(error).splitlines()[0]
    return ""
