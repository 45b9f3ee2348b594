"""The service as an ASGI application."""

from collections.abc import Sequence

from fastapi import Depends, FastAPI

from micrec_pyg import __version__
from micrec_pyg.serve import answers, health, images, routes, routes_write
from micrec_pyg.serve import metrics as metrics_page
from micrec_pyg.serve.batches import Batches
from micrec_pyg.serve.errors import answer_errors
from micrec_pyg.serve.gate import Gate
from micrec_pyg.serve.keys import DOCUMENT, Keys, told
from micrec_pyg.serve.limits import LIMITS, Limits
from micrec_pyg.serve.lists import MOST, Asked, answer_together
from micrec_pyg.serve.metrics import Metrics
from micrec_pyg.serve.pages import add_page
from micrec_pyg.serve.shelf import Shelf
from micrec_pyg.serve.writer import Writer

ABOUT = """
Answers of trained models by raw id. All paths but `/health` and `/metrics` take
`model`, a name of `GET /v1/models`; without it the first model answers. Every error
has one shape: `{"error": {"field": ..., "message": ..., "id": ...}}`.
"""


def make_app(
    shelf: Shelf, *, limits: Limits = LIMITS, keys: Keys | None = None
) -> FastAPI:
    """Return the service of some artefacts.

    Args:
        shelf: The artefacts.
        limits: What is taken on at once.
        keys: Who may ask and write; None: everybody may ask and nobody write.
    """
    # The pages of FastAPI that show the document load scripts from elsewhere.
    app = FastAPI(
        title="micrec",
        version=__version__,
        description=ABOUT,
        openapi_url=DOCUMENT,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(told)],  # the gate checks the key
    )
    metrics = Metrics()

    def together(asked: Sequence[Asked]) -> list[answers.Lists | Exception]:
        metrics.together.observe(len(asked))
        return answer_together(asked)

    app.state.shelf, app.state.limits, app.state.keys = shelf, limits, keys or Keys()
    app.state.metrics = metrics
    app.state.lists = Batches[Asked, answers.Lists](
        together, most=MOST, size=lambda asked: asked.rows
    )
    app.state.writers = {served.name: Writer(served) for served in shelf}
    app.add_middleware(Gate, limits=limits, metrics=metrics)
    for part in (routes, routes_write, images, health, metrics_page):
        app.include_router(part.router)
    answer_errors(app)
    add_page(app)
    return app
