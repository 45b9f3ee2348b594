"""Columns of an items table that are called as a text is, but hold numbers alone."""

from micrec_pyg.data.catalogue.domain_folder import DomainFolder
from micrec_pyg.data.catalogue.folder_names import TABLES
from micrec_pyg.data.files.columns import plain
from micrec_pyg.data.files.problems import Problem
from micrec_pyg.data.files.table_names import stem_of
from micrec_pyg.data.files.texts import HOLD_TEXTS, text_columns

_OF_TEXTS = {"title", "name", "text", "description", "summary"} | {
    f"{kind}{part}"
    for kind in ("item", "product", "article", "movie", "film", "book")
    for part in ("title", "name", "text", "description")
}
"""Names of columns of texts, as ``plain`` has them."""


def number_titles(content: DomainFolder) -> list[Problem]:
    """Return a warning of each column that is no text, whatever its name says.

    Films may be called 1984 and 300: who reads them as texts must ask for it.
    """
    table, texts = content.items, text_columns(content.items)
    named = [name for name in content.sources if stem_of(name) == TABLES[1]]
    return [
        Problem(
            content.path / named[0] if named else content.path,
            "its name is that of a text, but it holds numbers alone, so it is none",
            f"data.text_fields=[{name}] reads it as a text all the same",
            column=name,
            error=False,
        )
        for name, dtype in table.schema.items()
        if plain(name) in _OF_TEXTS
        and name not in texts
        and (dtype.is_numeric() or dtype in HOLD_TEXTS)
        and table[name].count()
    ]
