"""Weights & Biases: what a run folder says, as one run of a dashboard."""
