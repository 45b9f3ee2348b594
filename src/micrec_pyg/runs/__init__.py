"""One run: from its description to its folder, and what a finished folder says."""
