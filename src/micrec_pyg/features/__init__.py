"""Item content -> vectors: encoders, their cache, and masks of what is missing."""
