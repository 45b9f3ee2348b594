"""Whether the service lives, and whether it is ready."""

from fastapi import APIRouter, Request

from micrec_pyg.serve import answers

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> answers.Health:
    """Answer as long as the process does."""
    return answers.Health(status="live", models={})


@router.get("/ready")
@router.get("", include_in_schema=False)
async def ready(request: Request) -> answers.Health:
    """Answer with the digest of every model that is loaded."""
    shelf = request.app.state.shelf
    return answers.Health(status="ready", models={s.name: s.digest for s in shelf})
