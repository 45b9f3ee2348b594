"""The service as an ASGI application."""

from fastapi import FastAPI

from micrec_pyg import __version__
from micrec_pyg.serve import health, routes
from micrec_pyg.serve.errors import answer_errors
from micrec_pyg.serve.limits import LIMITS, Limits
from micrec_pyg.serve.pages import add_page
from micrec_pyg.serve.shelf import Shelf

ABOUT = """
Answers of trained models by raw id. All paths but `/health` and `/metrics` take
`model`, a name of `GET /v1/models`; without it the first model answers. Every error
has one shape: `{"error": {"field": ..., "message": ..., "id": ...}}`.
"""


def make_app(shelf: Shelf, *, limits: Limits = LIMITS) -> FastAPI:
    """Return the service of some artefacts.

    Args:
        shelf: The artefacts.
        limits: What is taken on at once.
    """
    app = FastAPI(title="micrec", version=__version__, description=ABOUT)
    app.state.shelf, app.state.limits = shelf, limits
    app.include_router(routes.router)
    app.include_router(health.router)
    answer_errors(app)
    add_page(app)
    return app
