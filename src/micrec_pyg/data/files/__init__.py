"""Bytes -> checked columns: text, tables, vectors, and what is wrong in them."""
