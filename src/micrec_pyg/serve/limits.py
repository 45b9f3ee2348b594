"""What the service takes on at once."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits that do not belong to one field; those are in ``questions``."""

    body_bytes: int
    """Of a request."""
    bodies_bytes: int
    """Of all requests that are not answered yet."""
    body_seconds: float
    """In which a body must have arrived."""
    at_once: int
    """Requests that are worked on or wait; more are told to come again."""


LIMITS = Limits(
    body_bytes=4 * 2**20, bodies_bytes=64 * 2**20, body_seconds=10.0, at_once=64
)
"""Those of ``micrec serve``."""
