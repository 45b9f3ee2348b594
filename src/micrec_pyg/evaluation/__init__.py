"""Ranking and its metrics; nothing here changes a parameter."""
