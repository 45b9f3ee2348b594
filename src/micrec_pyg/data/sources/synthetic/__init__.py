"""Catalogues made by rules that are known."""
