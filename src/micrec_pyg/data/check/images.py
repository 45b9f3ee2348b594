"""Image files that no encoder will be able to open; encoders mask such items."""

from pathlib import Path

from micrec_pyg.data.catalogue.domain_folder import DomainFolder
from micrec_pyg.data.catalogue.folder_names import image_folder
from micrec_pyg.data.catalogue.interactions import list_items
from micrec_pyg.data.files.images import ImageError, open_image, upright
from micrec_pyg.data.files.problems import Problem, Problems
from micrec_pyg.schema import IMAGE

_THUMBNAIL = (64, 64)


def check_images(content: DomainFolder, problems: Problems) -> None:
    """Warn of images that cannot be decoded, and of items without an image.

    Every file is decoded, JPEG files at an eighth of their size, which is faster and
    still finds those that are cut off.
    """
    images = content.files[IMAGE]
    if images.is_empty():
        return
    folder = image_folder(content.path)
    faults = {
        Path(file).relative_to(folder).as_posix(): image_fault(file)
        for file in images["file"]
    }
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
    known = list_items(content.rows, content.items["item"])
    missing = known.filter(~known.is_in(images["item"].implode())).sort()
    if len(missing):
        problems.add(
            Problem(
                folder,
                f"{len(missing):,} of {len(known):,} items have no image, "
                f"such as '{missing[0]}'",
                "nothing needs to be done if they have none",
                error=False,
            )
        )


def image_fault(path: str) -> str:
    """Return why an image file cannot be decoded, empty if it can."""
    try:
        with open_image(path) as image:
            image.draft("RGB", _THUMBNAIL)
            upright(image)
    except ImageError as error:
        return str(error)
    return ""
