"""The service: answers of saved artefacts over HTTP, and additions that last."""
