"""Leaks and other faults of graphs."""
