"""Similar nodes: search, lists and their cache."""
