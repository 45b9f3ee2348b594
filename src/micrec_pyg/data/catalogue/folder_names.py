"""Names in a catalogue's folders: which are read, and what others may mean."""

import difflib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from micrec_pyg.data.catalogue.facts import KG
from micrec_pyg.data.files.columns import plain
from micrec_pyg.data.files.problems import Problem, printable
from micrec_pyg.data.files.table_names import stem_of
from micrec_pyg.schema import IMAGE, TEXT, InputError

IMAGES = "images"
"""The folder of the modality ``image``; every other one is called as its modality."""
TABLES = ("interactions", "items")
TAKEN = (TEXT, IMAGE, KG, *TABLES)
"""Names that mean something else, so that no folder of files can have them."""
OURS = (
    *("manifest.json", "counts.json", "planted.parquet"),
    *("image_urls.tsv", "dead.csv"),
)
"""Files that conversions and downloads leave beside those that are read."""
Reason = tuple[str, str]
"""Why something is not read, and what to do about it."""
LINK_TO_NOTHING: Reason = ("it is a link to nothing", "mend or remove it")
NO_UTF8: Reason = ("it is not read: its name is not UTF-8", "rename it")
UNKNOWN: Reason = (
    "it is not read: nothing of this name is known here",
    "remove it if it is not needed",
)

_INTERACTIONS, _ITEMS = TABLES
_MEANT = {
    **dict.fromkeys(
        (
            *("interactions", "interaction", "inter", "ratings", "rating", "reviews"),
            *("review", "events", "event", "orders", "purchases", "transactions"),
            *("clicks", "feedback", "useritem"),
        ),
        _INTERACTIONS,
    ),
    **dict.fromkeys(
        (
            *("items", "item", "products", "product", "articles", "article", "catalog"),
            *("catalogue", "metadata", "meta", "iteminfo", "movies", "books"),
        ),
        _ITEMS,
    ),
    **dict.fromkeys(("kg", "facts", "triples", "knowledgegraph"), KG),
    **dict.fromkeys(
        ("images", "image", "imgs", "img", "pictures", "photos", "pics"), IMAGES
    ),
}
"""What people call a table or folder -> its name here."""
_SPLIT = ("train", "valid", "test")
_CUT_OFF = 0.8
_SHOWN = 3


def folder_of(modality: str) -> str:
    """Return the name of the folder that holds the files of a modality."""
    return IMAGES if modality == IMAGE else modality


def image_folder(folder: Path) -> Path:
    """Return where the images of a domain lie: ``images``, or so in capitals."""
    exact = folder / IMAGES
    if exact.exists():
        return exact
    return next((p for p in entries(folder) if p.name.lower() == IMAGES), exact)


def is_utf8(name: str | Path) -> bool:
    """Return whether a name is text: a system may hold any bytes as a name."""
    return not any("\ud800" <= letter <= "\udfff" for letter in str(name))


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder by name, without hidden ones.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        listed = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: it cannot be read: {error.strerror}") from error
    return [path for path in listed if path.name[0] != "."]


def meant(name: str) -> str | None:
    """Return the name that a near miss stands for, such as items for ``Item.csv``."""
    base = plain(name.partition(".")[0])
    close = difflib.get_close_matches(base, _MEANT, n=1, cutoff=_CUT_OFF)
    return _MEANT.get(base) or next((_MEANT[each] for each in close), None)


def why_unread(path: Path, read: Collection[str]) -> Reason:
    """Return why a file or folder of a domain is not read, and what to do.

    Args:
        path: what lies there.
        read: the names of the files and folders that are read.
    """
    if not is_utf8(path.name):
        return NO_UTF8
    if path.is_symlink() and not path.exists():
        return LINK_TO_NOTHING
    if not path.is_file() and not path.is_dir():
        return "it is not read: it is no regular file", "remove it"
    stem, right = stem_of(path.name), meant(path.name)
    there = {stem_of(name) or name for name in read}
    fault = "it is not read"
    if stem in there:
        return f"{fault}: another table of this name is", "keep one of them"
    if right is not None and right not in there and (right == IMAGES) == path.is_dir():
        return fault, _rename(path, right)
    if stem in _SPLIT:
        return f"{fault}: it may belong to a split", "split=files reads such files"
    return f"{fault}: nothing of this name is known", "remove it if it is not needed"


def _rename(path: Path, right: str) -> str:
    """Return how to call a near miss, given what it stands for."""
    stem = stem_of(path.name)
    if path.is_dir():
        return f"did you mean '{right}'? Then rename it"
    if stem is not None:
        ending = path.name[len(stem) :].lower()
        return f"did you mean '{right}{ending}'? Then rename it"
    return f"did you mean '{right}.csv'? Then save it so (or as tsv, jsonl or parquet)"


def why_no_domain(folder: Path) -> Reason:
    """Return why a folder without interactions is no domain, and what to do."""
    fault = "no interactions.(tsv|csv|parquet|jsonl) there, so it is no domain"
    near = [
        path
        for path in entries(folder)
        if path.is_file() and meant(path.name) == _INTERACTIONS
    ]
    if not near:
        return fault, "add one with the columns user and item"
    return f"{fault}; {near[0].name} is not read", _rename(near[0], _INTERACTIONS)


def unread_in_catalogue(
    root: Path, domains: Collection[str], links: Collection[Path]
) -> list[Problem]:
    """Return what lies beside the domains of a catalogue and is not read.

    Args:
        root: the folder of the catalogue.
        domains: names of the folders that are domains, whether read or not.
        links: link tables that are read.
    """
    reasons = {}
    for path in entries(root):
        if path.name in domains or path in links:
            continue
        if not is_utf8(path.name):
            reasons[path.name] = NO_UTF8
        elif path.is_symlink() and not path.exists():
            reasons[path.name] = LINK_TO_NOTHING
        elif path.is_dir():
            reasons[path.name] = why_no_domain(path)
        elif meant(path.name) in TABLES:
            fault = "it is not read: a table belongs into the folder of a domain"
            reasons[path.name] = fault, "move it there"
        elif stem_of(path.name) is not None:
            fault = "it is not read"
            mend = f"if it links users, give data.links=[{path.name}]"
            reasons[path.name] = fault, mend
        else:
            fault = "it is not read: domains are folders, and this is none"
            reasons[path.name] = fault, "remove it if it is not needed"
    return name_unread(root, reasons)


def unread_files(
    folder: Path, used: Collection[Path], reasons: Mapping[str, Reason] | None = None
) -> list[str]:
    """Return a sentence on whatever lies in a folder and is not used.

    Args:
        folder: of the user.
        used: what is read there; folders too.
        reasons: by the name of a file or folder, where the reason is known.
    """
    why = {}
    for path in entries(folder):
        if not is_utf8(path.name):
            why[path.name] = NO_UTF8
        elif path.is_symlink() and not path.exists():
            why[path.name] = LINK_TO_NOTHING
        elif path not in used:
            why[path.name] = (reasons or {}).get(path.name, UNKNOWN)
    return [str(problem) for problem in name_unread(folder, why)]


def did_you_mean(name: str) -> Reason:
    """Return the reason of a file whose name is nearly right."""
    return "it is not read", f"did you mean '{name}'? Then rename it"


def name_unread(folder: Path, reasons: Mapping[str, Reason]) -> list[Problem]:
    """Return a warning per reason, with the first names that it holds for.

    ``OURS`` are not worth a word.

    Args:
        folder: where they lie.
        reasons: by the path inside the folder.
    """
    grouped: dict[Reason, list[str]] = defaultdict(list)
    for name, reason in reasons.items():
        if Path(name).name not in OURS:
            grouped[reason].append(name)
    problems = []
    for (fault, mend), names in grouped.items():
        if len(names) == 1:
            problems.append(Problem(folder / names[0], fault, mend, error=False))
            continue
        more = len(names) - _SHOWN
        shown = ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
        problems.append(Problem(folder, fault, mend, place=shown, error=False))
    return problems


def as_text(unread: Sequence[Problem], root: Path) -> dict[str, str]:
    """Return what is not read, by its path inside the catalogue, and why."""
    said = {}
    for each in unread:
        at = printable(each.file.relative_to(root).as_posix())
        name = f"{at}, {printable(each.place)}" if each.place else at
        mend = f"; {each.mend}" if each.mend else ""
        said[name.removeprefix("., ")] = f"{each.fault}{mend}"
    return said
