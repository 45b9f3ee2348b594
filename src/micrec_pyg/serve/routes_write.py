"""The paths of the API that change something; all need a key."""

from fastapi import APIRouter, Depends, Request

from micrec_pyg.schema import InputError
from micrec_pyg.serve import answers, questions
from micrec_pyg.serve.errors import RefusedError, responses
from micrec_pyg.serve.keys import may_write
from micrec_pyg.serve.metrics import Metrics
from micrec_pyg.serve.routes import served_of
from micrec_pyg.serve.shelf import Served
from micrec_pyg.serve.writer import Writer

router = APIRouter(
    prefix="/v1",
    tags=["write"],
    dependencies=[Depends(may_write)],
    responses=responses(400, 401, 403, 408, 413, 415, 422, 500, 503),
)


@router.post("/items")
async def add_items(request: Request, change: questions.AddItems) -> answers.Done:
    """Add items, which are recommended by their content from now on."""
    return await _do(request, change, "items")


@router.post("/interactions")
async def add_interactions(
    request: Request, change: questions.AddInteractions
) -> answers.Done:
    """Add what known or new users did; pairs that are known change nothing."""
    return await _do(request, change, "interactions")


@router.post("/remove")
async def remove(request: Request, change: questions.Remove) -> answers.Done:
    """Forget users and items: interactions, texts, vectors and ids."""
    return await _do(request, change, "removed")


@router.post("/reload")
async def reload(request: Request, which: questions.Body) -> answers.Reloaded:
    """Load artefacts again from where they lie; without ``model`` all of them."""
    some = list(request.app.state.shelf)
    if which.model is not None:
        some = [served_of(request, which.model)]
    for served in some:
        await reload_one(served, request.app.state.writers, request.app.state.metrics)
    return answers.Reloaded(digests={served.name: served.digest for served in some})


async def reload_one(
    served: Served, writers: dict[str, Writer], metrics: Metrics
) -> None:
    """Return when the artefact that lies at a place now answers.

    Raises:
        InputError: It cannot; the one that answered goes on.
    """
    try:
        await writers[served.name].reload()
    except (InputError, OSError):
        metrics.reloads.labels(served.name, "refused").inc()
        raise
    metrics.reloads.labels(served.name, "done").inc()


async def _do(
    request: Request,
    change: questions.AddItems | questions.AddInteractions | questions.Remove,
    kind: str,
) -> answers.Done:
    served = served_of(request, change.model)
    if not served.writable:
        raise RefusedError(
            403, "this process only reads; send additions to the one that writes"
        )
    writer: Writer = request.app.state.writers[served.name]
    done = await writer.do(change)
    request.app.state.metrics.rows.labels(served.name, kind).inc(done.rows)
    return done
