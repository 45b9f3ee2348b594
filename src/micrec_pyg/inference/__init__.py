"""A saved artefact -> answers by raw id, for known and new people and items."""
