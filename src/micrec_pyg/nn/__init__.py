"""Layers and pure losses; they know graphs, and no model."""
