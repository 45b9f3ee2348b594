"""Data sets in other formats -> the project's own format."""
