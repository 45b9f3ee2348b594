"""Leaks and other faults of data and splits."""
